"""Questions in SQL: one read-only statement over the views, kept within the log, a memory limit and a time limit.

What holds a statement back: it must be one SELECT (or an EXPLAIN of one), and its syntax tree may hold nodes that read only
(a CTE of DuckDB can be a COPY); DuckDB may open files below the directories of segments and packs only (no keys, no other file, no network) and
load no extension; its settings are locked; it has no temporary directory. The database is in memory, and lives in a child
process that cannot write files, has a memory limit and is killed when its time is over.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import duckdb
from msgspec import Struct

from ledger.errors import LedgerError, UsageError
from ledger.query import views
from ledger.query.confined import run_confined
from ledger.query.helper import is_alone, run_beside
from ledger.query.opened import OpenLedger, Seen, reopen
from ledger.query.parameters import check_parameters
from ledger.query.parquet import ParquetPipe
from ledger.query.rowdigest import digest_rows
from ledger.query.statements import Statement, read_only
from ledger.query.steady import check_steady
from ledger.storage import layout

__all__ = [
    "Limits",
    "ParquetResult",
    "Result",
    "ViewHelp",
    "describe_views",
    "run_sql",
    "run_sql_steadily",
    "run_sql_to_parquet",
]

T = TypeVar("T")

_HELP: Final = """
SELECT table_name AS view, view_comment, column_name AS column, data_type AS type, columns.comment AS meaning
FROM duckdb_columns() AS columns
JOIN (SELECT view_name, comment AS view_comment FROM duckdb_views() WHERE NOT internal) ON view_name = table_name
WHERE NOT starts_with(table_name, '_')
ORDER BY table_name, column_index
"""


_NAMES: Final = """
SELECT
    (SELECT list(DISTINCT function_name) FROM duckdb_functions() WHERE stability = 'VOLATILE'),
    (SELECT list(view_name) FROM duckdb_views() WHERE NOT internal AND NOT starts_with(view_name, '_'))
"""
"""Functions that give another value each time they are asked, and the documented views."""


class Limits(Struct, frozen=True, kw_only=True):
    """What one statement may use."""

    seconds: float = 60.0
    memory_mb: int = 1000
    rows: int = 100_000


class Result(Struct, frozen=True, kw_only=True):
    """The rows of a statement: Python values, times as aware datetimes in UTC."""

    columns: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]


class ParquetResult(Struct, frozen=True, kw_only=True):
    """The rows of a statement as a Parquet file, with the types of DuckDB."""

    rows: int
    data: bytes


class ViewHelp(Struct, frozen=True, kw_only=True):
    """A column of a view, and what it means."""

    view: str
    view_comment: str
    column: str
    type: str
    meaning: str


def run_sql(
    ledger: OpenLedger, sql: str, limits: Limits | None = None, parameters: Mapping[str, object] | None = None
) -> Result:
    """Answer one statement.

    Args:
        ledger: what is asked.
        sql: one statement; `$name` in it stands for a parameter.
        limits: what it may use.
        parameters: the values of all its parameters, as text; the statement casts them.

    Raises:
        UsageError: `bad_sql` (the message shows the place), `sql_not_read_only`, `sql_refused`, `sql_timeout`, `sql_memory`,
            `sql_too_many_rows`, `parameter_missing`, `parameter_unknown`.
        IntegrityError: `segment_unreadable`.
    """
    allowed = limits or Limits()
    return _confined(ledger, partial(_answer, sql=sql, limits=allowed, parameters=dict(parameters or {})), allowed)


def run_sql_to_parquet(
    ledger: OpenLedger, sql: str, limits: Limits | None = None, parameters: Mapping[str, object] | None = None
) -> ParquetResult:
    """The same as a Parquet file; raises besides `sql_no_rows`, of a statement whose answer is a plan."""
    allowed = limits or Limits()
    return _confined(ledger, partial(_parquet, sql=sql, limits=allowed, parameters=dict(parameters or {})), allowed)


def run_sql_steadily(
    ledger: OpenLedger,
    sql: str,
    limits: Limits | None = None,
    parameters: Mapping[str, object] | None = None,
    *,
    twice: bool = True,
) -> Result:
    """The answer of a statement that has one: the same later and elsewhere, from the same entries. People are pseudonyms.

    Args:
        ledger: what is asked.
        sql: as for `run_sql`, which raises too.
        limits: likewise, for all of it.
        parameters: likewise.
        twice: whether it is asked again with the log read in another order, and both answers compared.

    Raises:
        UsageError: `answer_unsteady`; `sql_no_rows`, of a statement whose answer is a plan.
    """
    allowed = limits or Limits()
    work = partial(_steady_answer, sql=sql, limits=allowed, parameters=dict(parameters or {}), twice=twice)
    return _confined(ledger, work, allowed)


def _confined(ledger: OpenLedger, ask: Callable[[OpenLedger], T], limits: Limits) -> T:
    """The answer, from a child of this process where it may fork, else from a helper's."""

    def answer() -> T:
        _ = ledger.shards, ledger.people  # found once, in this process
        seconds, memory_bytes = limits.seconds, limits.memory_mb * 1_000_000
        if is_alone():
            return run_confined(lambda: ask(ledger), seconds=seconds, memory_bytes=memory_bytes)
        work = partial(_ask_elsewhere, ask, ledger.seen())
        return run_beside(work, seconds=seconds, memory_bytes=memory_bytes)

    return ledger.again_if_compacted(answer)


def _ask_elsewhere(ask: Callable[[OpenLedger], T], seen: Seen) -> T:
    with reopen(seen) as ledger:
        return ask(ledger)


def _answer(ledger: OpenLedger, sql: str, limits: Limits, parameters: Mapping[str, object]) -> Result:
    statement = _checked(sql, limits, parameters)
    with _sql_errors(limits):  # its files are looked at here, and may have been compacted
        connection = ledger.connect_named()
    return _rows_of(ledger, connection, statement, limits, parameters)


def _steady_answer(
    ledger: OpenLedger, sql: str, limits: Limits, parameters: Mapping[str, object], *, twice: bool
) -> Result:
    statement = _checked(sql, limits, parameters)
    with _sql_errors(limits):
        connection = ledger.connect_unnamed()
    (volatile, views_named) = connection.execute(_NAMES).fetchone() or ([], [])
    check_steady(statement, views_named, volatile)
    result = _rows_of(ledger, connection, statement, limits, parameters)
    if twice:
        again = _rows_of(ledger, ledger.connect_unnamed(backwards=True), statement, limits, parameters)
        if digest_rows(result.rows) != digest_rows(again.rows):
            raise UsageError(
                "answer_unsteady",
                "the answer depends on the order in which the log is read: asked twice, it had other rows",
                "give LIMIT, lists, first() and row numbers an ORDER BY that leaves no two rows alike, and round() sums of fractions",
            )
    return result


def _rows_of(
    ledger: OpenLedger,
    connection: duckdb.DuckDBPyConnection,
    statement: Statement,
    limits: Limits,
    parameters: Mapping[str, object],
) -> Result:
    _confine(connection, ledger, limits)
    with _sql_errors(limits), _deadline(connection, limits.seconds):
        cursor = connection.execute(statement.text, dict(parameters))
        described = cursor.description or []
        rows = cursor.fetchmany(limits.rows + 1)
    _check_count(len(rows), limits)
    return Result(
        columns=[column[0] for column in described], types=[str(column[1]) for column in described], rows=rows
    )


def _parquet(ledger: OpenLedger, sql: str, limits: Limits, parameters: Mapping[str, object]) -> ParquetResult:
    statement = _checked(sql, limits, parameters)
    if statement.is_plan:
        raise UsageError("sql_no_rows", "a plan is no table that Parquet could hold", "write it as JSON or CSV")
    with _sql_errors(limits):
        connection = ledger.connect_named()
    pipe = ParquetPipe()
    _confine(connection, ledger, limits, writable=pipe.path)
    with _sql_errors(limits), _deadline(connection, limits.seconds):
        count, data = pipe.write(connection, statement.text, parameters, limits.rows + 1)
    _check_count(count, limits)
    return ParquetResult(rows=count, data=data)


def _checked(sql: str, limits: Limits, parameters: Mapping[str, object]) -> Statement:
    with _sql_errors(limits), duckdb.connect() as parser:
        statement = read_only(parser, sql)
    check_parameters(statement.parameters, parameters)
    return statement


def _check_count(count: int, limits: Limits) -> None:
    if count > limits.rows:
        raise UsageError(
            "sql_too_many_rows",
            f"the answer has more than {limits.rows} rows",
            "add a LIMIT, or allow more with --max-rows",
        )


def describe_views(ledger: OpenLedger) -> list[ViewHelp]:
    """Every column of every view with its type and meaning."""
    connection = ledger.connect_named()
    views.describe(connection)
    cursor = connection.execute(_HELP)
    return [
        ViewHelp(view=row[0], view_comment=row[1], column=row[2], type=row[3], meaning=row[4])
        for row in cursor.fetchall()
    ]


def _confine(
    connection: duckdb.DuckDBPyConnection, ledger: OpenLedger, limits: Limits, *, writable: str | None = None
) -> None:
    """`writable` is a pipe of this process that an answer goes to; no statement of others can write to it, or to anything."""
    connection.execute(
        "SET VARIABLE readable = ?",
        [[f"{ledger.root}/{prefix}" for prefix in (layout.LOG, layout.PACKS, layout.INDEX)]],
    )
    connection.execute("SET allowed_directories = getvariable('readable')")
    if writable is not None:
        connection.execute(f"SET allowed_paths = ['{writable}']")
    connection.execute(f"SET memory_limit = '{int(limits.memory_mb)}MB'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


@contextmanager
def _deadline(connection: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    timer = threading.Timer(seconds, connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _sql_errors(limits: Limits) -> Iterator[None]:
    try:
        yield
    except LedgerError:
        raise
    except duckdb.InterruptException as error:
        raise UsageError(
            "sql_timeout",
            f"stopped after {limits.seconds:g} s",
            "narrow the question down, or allow more with --timeout",
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise UsageError(
            "sql_memory",
            f"the statement needs more than {limits.memory_mb} MB of memory",
            "narrow the question down, or allow more with --memory",
        ) from error
    except duckdb.PermissionException as error:
        raise UsageError(
            "sql_refused",
            f"refused: {_place(error)}",
            "a question can read the views and the files of the log, nothing else",
        ) from error
    except duckdb.IOException as error:
        raise views.unreadable(error) from error
    except duckdb.Error as error:
        raise UsageError("bad_sql", _place(error), "`ledger sql --views` lists the views and their columns") from error


def _place(error: Exception) -> str:
    """DuckDB's message, with the line and the caret that show the place."""
    return "\n".join(line for line in str(error).splitlines() if line.strip())
