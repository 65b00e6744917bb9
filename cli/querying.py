"""`ledger sql`: questions in SQL."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.opening import opened
from cli.options import Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples
from cli.output import emit_rows

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger sql 'SELECT interface, count(*) FROM deployments GROUP BY ALL'",
        "ledger sql \"SELECT script, name FROM changes WHERE aspect = 'routes' AND op = 'removed'\"",
        "ledger sql \"FROM scripts_at('2022-11-28 09:00Z') SELECT script, author\"",
        "ledger sql --views",
    )
    app.command(epilog=shown)(sql)


def sql(
    ledger: Ledger,
    statement: Annotated[
        str | None, typer.Argument(metavar="[STATEMENT]", help="One SELECT; - reads it from standard input.")
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="Read the statement from a file.")] = None,
    views: Annotated[bool, typer.Option("--views", help="List the views, their columns and what they mean.")] = False,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=86_400, metavar="SECONDS", help="Stop it after so long.")
    ] = 60.0,
    memory: Annotated[
        int, typer.Option("--memory", min=50, max=1_000_000, metavar="MB", help="Stop it where it needs more.")
    ] = 1000,
    max_rows: Annotated[
        int, typer.Option("--max-rows", min=1, max=1_000_000_000, metavar="N", help="Refuse a longer answer.")
    ] = 100_000,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Ask in SQL over the views of the log.

    DuckDB's SQL. It only reads, and nothing but the log.

    Views: entries, versions, deployments, changes, bindings, vars, secrets, modules, routes, domains, crons, queues,
    activations, scripts, rejected; scripts_at(TIME) is scripts as of a time.
    """
    from ledger.query.sql import Limits, describe_views, run_sql

    chosen = chosen_format(output, as_json)
    with opened(ledger, keys, known_at) as found:
        if views:
            helped = describe_views(found)
            names = ("view", "column", "type", "meaning")
            emit_rows(names, [[getattr(row, name) for name in names] for row in helped], chosen)
            return
        limits = Limits(seconds=timeout, memory_mb=memory, rows=max_rows)
        result = run_sql(found, _statement(statement, file), limits)
    is_json = [kind == "JSON" for kind in result.types]
    rows = (
        [_parsed(value) if json_ else value for value, json_ in zip(row, is_json, strict=True)] for row in result.rows
    )
    emit_rows(_distinct(result.columns), rows, chosen)


def _statement(statement: str | None, file: Path | None) -> str:
    from ledger.errors import UsageError

    if (statement is None) == (file is None):
        raise UsageError(
            "no_statement",
            "give one statement: as an argument, or with --file",
            "ledger sql 'SELECT count(*) FROM entries'",
        )
    source = file or ("standard input" if statement == "-" else "the statement")
    try:
        text = file.read_text("utf-8") if file else sys.stdin.read() if statement == "-" else str(statement)
        text.encode()  # what was typed or piped may hold bytes that are no text
    except OSError as error:
        raise UsageError("file_unreadable", f"{source} cannot be read: {error.strerror or error}") from error
    except UnicodeError as error:
        raise UsageError("file_unreadable", f"{source} is not UTF-8", "save it as UTF-8") from error
    return text


def _parsed(value: Any) -> Any:
    return None if value is None else json.loads(value)


def _distinct(names: list[str]) -> list[str]:
    """Column names as JSON members: of several that are alike the later ones get a number."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return distinct
