"""`ledger sql`: questions in SQL."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import io
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.files import check_absent, write_file
from cli.messages import say
from cli.opening import opened
from cli.options import Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples
from cli.output import emit_rows
from cli.tables import printable
from ledger.errors import UsageError

if TYPE_CHECKING:
    from ledger.query.opened import OpenLedger
    from ledger.query.resting import Rest
    from ledger.query.sql import Limits, Result

__all__ = ["register"]

_ENDINGS: Final = {".parquet": None, ".csv": Format.csv, ".json": Format.json, ".jsonl": Format.jsonl}
_MANY_SHARDS: Final = 8


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger sql 'SELECT interface, count(*) FROM deployments GROUP BY ALL'",
        "ledger sql \"SELECT script, name FROM changes WHERE aspect = 'routes' AND op = 'removed'\"",
        "ledger sql \"FROM scripts_at('2022-11-28 09:00Z') SELECT script, author\"",
        "ledger sql 'FROM changes WHERE script = $script AND effective_at >= $since::TIMESTAMPTZ' -p script=checkout -p since=2022-11-28",
        "ledger sql 'FROM deployments' --output deployments.parquet",
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
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--param",
            "-p",
            metavar="NAME=VALUE",
            help="The value of $NAME in the statement, as text ($NAME::INT makes a number of it); may be given again.",
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write it there, in the format that the ending says: .parquet (types are kept), .csv, .json or .jsonl.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace FILE where it exists.")] = False,
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

    On stderr it names the checkpoints that the answer rests on: `ledger checkpoint --shard N --at SIZE` prints one, signed.
    """
    from ledger.query.parameters import parse_parameters
    from ledger.query.resting import rests_on
    from ledger.query.sql import Limits, describe_views, run_sql

    chosen = chosen_format(output, as_json)
    _check_output(into, force=force, views=views)
    values = parse_parameters(parameters or ())
    with opened(ledger, keys, known_at) as found:
        if views:
            helped = describe_views(found)
            names = ("view", "column", "type", "meaning")
            emit_rows(names, [[getattr(row, name) for name in names] for row in helped], chosen)
            return
        limits, text = Limits(seconds=timeout, memory_mb=memory, rows=max_rows), _statement(statement, file)
        if into is None:
            _emit(run_sql(found, text, limits, values), chosen)
        else:
            _write(found, text, limits, values, into, replace=force)
        _say_rests(rests_on(found))


def _check_output(into: Path | None, *, force: bool, views: bool) -> None:
    """Whether what is asked of `--output` can be done, before the question is."""
    if into is None:
        if force:
            raise UsageError("bad_output", "--force belongs to --output")
        return
    if views:
        raise UsageError("bad_output", "--views is printed, not written", "ledger sql --views --format csv > FILE")
    if into.suffix.lower() not in _ENDINGS:
        raise UsageError(
            "bad_output",
            f"cannot tell the format from {into.name!r}",
            f"name a file that ends in {', '.join(_ENDINGS)}",
        )
    if not force:
        check_absent(into)


def _emit(result: "Result", chosen: Format) -> None:
    is_json = [kind == "JSON" for kind in result.types]
    rows = (
        [_parsed(value) if json_ else value for value, json_ in zip(row, is_json, strict=True)] for row in result.rows
    )
    emit_rows(_distinct(result.columns), rows, chosen)


def _write(
    found: "OpenLedger", text: str, limits: "Limits", values: Mapping[str, str], into: Path, *, replace: bool
) -> None:
    """The question's own process may write no file: its answer comes back here and is written whole."""
    from ledger.query.sql import run_sql, run_sql_to_parquet

    chosen = _ENDINGS[into.suffix.lower()]
    if chosen is None:
        written = run_sql_to_parquet(found, text, limits, values)
        count, data = written.rows, written.data
    else:
        result = run_sql(found, text, limits, values)
        with redirect_stdout(io.StringIO(newline="")) as answer:
            _emit(result, chosen)
        count, data = len(result.rows), answer.getvalue().encode()
    write_file(into, data, replace=replace)
    say(f"wrote {_count(count, 'row', 'rows')} to {printable(str(into))}")


def _say_rests(rests: "Sequence[Rest]") -> None:
    if len(rests) > _MANY_SHARDS:
        sizes = " ".join(f"{rest.shard}:{rest.size}" for rest in rests)
        say(f"rests on {len(rests)} checkpoints (shard:size, see `ledger checkpoint`): {sizes}")
        return
    for rest in rests:
        part = "" if rest.entries == rest.size else f"the first {rest.entries} of "
        entries = _count(rest.size, "entry", "entries")
        say(f"rests on the checkpoint of shard {rest.shard}: {part}{entries}, root {rest.root}")


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _statement(statement: str | None, file: Path | None) -> str:
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
