"""`ledger sql`: questions in SQL."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import io
import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.files import check_absent, write_file
from cli.messages import say
from cli.opening import opened
from cli.options import (
    Format,
    Json,
    Keys,
    KnownAt,
    Ledger,
    MaxRows,
    Memory,
    Output,
    Timeout,
    chosen_format,
    examples,
)
from cli.output import emit_rows
from cli.progress import counting
from cli.tables import printable
from ledger.errors import UsageError
from ledger.query.columnnames import distinct_names

if TYPE_CHECKING:
    from ledger.query.opened import OpenLedger
    from ledger.query.sql import Limits, Result

__all__ = ["emit_result", "register"]

_ENDINGS: Final = {".parquet": None, ".csv": Format.csv, ".json": Format.json, ".jsonl": Format.jsonl}
_HELPED: Final = ("view", "column", "type", "meaning")
_MANY_SHARDS: Final = 8


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger sql 'SELECT interface, count(*) FROM deployments GROUP BY ALL'",
        "ledger sql \"SELECT script, name FROM changes WHERE aspect = 'routes' AND op = 'removed'\"",
        "ledger sql \"FROM scripts_at('2022-11-28 09:00Z') SELECT script, author\"",
        "ledger sql 'FROM changes WHERE script = $script AND effective_at >= $since::TIMESTAMPTZ' -p script=checkout -p since=2022-11-28",
        "ledger sql 'FROM deployments' --output deployments.parquet",
        "ledger sql 'FROM activations WHERE script = $script' -p script=checkout --bind report.answer",
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
    binding: Annotated[
        Path | None,
        typer.Option(
            "--bind",
            metavar="FILE",
            help="Write query, digest of the rows and checkpoints there, signed: `ledger check` asks it again.",
        ),
    ] = None,
    timeout: Timeout = 60.0,
    memory: Memory = 1000,
    max_rows: MaxRows = 100_000,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Ask in SQL over the views of the log.

    DuckDB's SQL. It only reads, and nothing but the log.

    Views: entries, versions, deployments, changes, bindings, vars, secrets, modules, routes, domains, crons, queues,
    activations, scripts, rejected; scripts_at(TIME) is scripts as of a time.

    On stderr it names the checkpoints that the answer rests on: `ledger checkpoint --shard N --at SIZE` prints one, signed. With
    --bind the ledger's key signs the answer with them, where its keys are; the statement must have one answer (no clock, no chance).
    """
    from ledger.query.parameters import parse_parameters
    from ledger.query.sql import Limits, describe_views, run_sql

    chosen = chosen_format(output, as_json)
    _check_output(into, binding, force=force, views=views)
    values = parse_parameters(parameters or ())
    with opened(ledger, keys, known_at) as found:
        if views:
            emit_rows(_HELPED, [[getattr(row, name) for name in _HELPED] for row in describe_views(found)], chosen)
            return
        limits, text = Limits(seconds=timeout, memory_mb=memory, rows=max_rows), _statement(statement, file)
        if binding is not None:
            _bind(found, text, limits, values, (into, chosen, binding), replace=force)
        elif into is None:
            emit_result(run_sql(found, text, limits, values), chosen)
        else:
            _write(found, text, limits, values, into, replace=force)
        _say_rests(found)


def _check_output(into: Path | None, binding: Path | None, *, force: bool, views: bool) -> None:
    """Whether what is asked of `--output` and `--bind` can be done, before the question is."""
    if binding is not None:
        if views:
            raise UsageError("bad_output", "--views is no answer that could be bound", "bind a SELECT")
        if into is not None and into.suffix.lower() == ".parquet":
            raise UsageError("bad_output", "a bound answer is written as text", "name a .csv, .json or .jsonl file")
        if not force:
            check_absent(binding)
    if into is None and binding is None:
        if force:
            raise UsageError("bad_output", "--force belongs to --output and --bind")
        return
    if views:
        raise UsageError("bad_output", "--views is printed, not written", "ledger sql --views --format csv > FILE")
    if into is None:
        return
    if into.suffix.lower() not in _ENDINGS:
        raise UsageError(
            "bad_output",
            f"cannot tell the format from {into.name!r}",
            f"name a file that ends in {', '.join(_ENDINGS)}",
        )
    if not force:
        check_absent(into)


def emit_result(result: "Result", chosen: Format) -> None:
    """Print the rows of a statement."""
    is_json = [kind == "JSON" for kind in result.types]
    rows = (
        [_parsed(value) if json_ else value for value, json_ in zip(row, is_json, strict=True)] for row in result.rows
    )
    emit_rows(distinct_names(result.columns), rows, chosen)


def _write(
    found: "OpenLedger", text: str, limits: "Limits", values: Mapping[str, str], into: Path, *, replace: bool
) -> None:
    """The question's own process may write no file: its answer comes back here and is written whole."""
    from ledger.query.sql import run_sql, run_sql_to_parquet

    if _ENDINGS[into.suffix.lower()] is None:
        written = run_sql_to_parquet(found, text, limits, values)
        _save(into, written.data, written.rows, replace=replace)
    else:
        _write_result(run_sql(found, text, limits, values), into, replace=replace)


def _bind(
    found: "OpenLedger",
    text: str,
    limits: "Limits",
    values: Mapping[str, str],
    where: tuple[Path | None, Format, Path],
    *,
    replace: bool,
) -> None:
    """The statement is written first: rows that nobody can check later are not what was asked for."""
    from ledger.query.binding import bind

    into, chosen, binding = where
    with counting("reading the log") as progress:
        bound = bind(found, text, limits, values, progress)
    write_file(binding, bound.data, replace=replace)
    if into is None:
        emit_result(bound.result, chosen)
    else:
        _write_result(bound.result, into, replace=replace)
    rows = _count(len(bound.result.rows), "row", "rows")
    say(f"bound {rows} in {printable(str(binding))}; people are pseudonyms in it, and the order of rows is not bound")


def _write_result(result: "Result", into: Path, *, replace: bool) -> None:
    with redirect_stdout(io.StringIO(newline="")) as answer:
        emit_result(result, _ENDINGS[into.suffix.lower()] or Format.csv)
    _save(into, answer.getvalue().encode(), len(result.rows), replace=replace)


def _save(into: Path, data: bytes, rows: int, *, replace: bool) -> None:
    write_file(into, data, replace=replace)
    say(f"wrote {_count(rows, 'row', 'rows')} to {printable(str(into))}")


def _say_rests(found: "OpenLedger") -> None:
    from ledger.query.resting import rests_on

    rests = rests_on(found)
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
