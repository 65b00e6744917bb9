"""Questions in SQL: one read-only statement over the views, kept within the log, a memory limit and a time limit.

What holds a statement back: it must be one SELECT (or an EXPLAIN of one), and its syntax tree may hold nodes that read only
(a CTE of DuckDB can be a COPY); DuckDB may open files below the directories of segments and packs only (no keys, no other file, no network) and
load no extension; its settings are locked; it has no temporary directory. The database is in memory, and lives in a child
process that cannot write files, has a memory limit and is killed when its time is over.
"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import duckdb
import msgspec
from msgspec import Struct

from ledger.errors import LedgerError, UsageError
from ledger.query import views
from ledger.query.confined import run_confined
from ledger.query.opened import OpenLedger
from ledger.query.parameters import check_parameters
from ledger.query.parquet import ParquetPipe
from ledger.storage import layout

__all__ = ["Limits", "ParquetResult", "Result", "ViewHelp", "describe_views", "run_sql", "run_sql_to_parquet"]

T = TypeVar("T")

_READING_NODES: Final = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
"""Every other node of a query (`COPY_QUERY_NODE`, `INSERT_QUERY_NODE`, ...) does more than read."""

_FORBIDDEN_FUNCTIONS: Final = {"query", "json_execute_serialized_sql"}
"""They run SQL from a string, whose syntax tree is not seen here."""

_EXPLAIN = re.compile(r"\s*(explain(?:\s+analyze)?)\s(.*)", re.IGNORECASE | re.DOTALL)

_HELP: Final = """
SELECT table_name AS view, view_comment, column_name AS column, data_type AS type, columns.comment AS meaning
FROM duckdb_columns() AS columns
JOIN (SELECT view_name, comment AS view_comment FROM duckdb_views() WHERE NOT internal) ON view_name = table_name
WHERE NOT starts_with(table_name, '_')
ORDER BY table_name, column_index
"""


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


class _Statement(Struct, frozen=True):
    text: str
    parameters: frozenset[str]
    is_plan: bool


class ViewHelp(Struct, frozen=True, kw_only=True):
    """A column of a view, and what it means."""

    view: str
    view_comment: str
    column: str
    type: str
    meaning: str


def run_sql(
    ledger: OpenLedger, sql: str, limits: Limits | None = None, parameters: Mapping[str, str] | None = None
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
    return _confined(ledger, lambda: _answer(ledger, sql, allowed, parameters or {}), allowed)


def run_sql_to_parquet(
    ledger: OpenLedger, sql: str, limits: Limits | None = None, parameters: Mapping[str, str] | None = None
) -> ParquetResult:
    """The same as a Parquet file; raises besides `sql_no_rows`, of a statement whose answer is a plan."""
    allowed = limits or Limits()
    return _confined(ledger, lambda: _parquet(ledger, sql, allowed, parameters or {}), allowed)


def _confined(ledger: OpenLedger, work: Callable[[], T], limits: Limits) -> T:
    _ = ledger.shards, ledger.people  # found once, in this process

    def answer() -> T:
        return run_confined(work, seconds=limits.seconds, memory_bytes=limits.memory_mb * 1_000_000)

    return ledger.again_if_compacted(answer)


def _answer(ledger: OpenLedger, sql: str, limits: Limits, parameters: Mapping[str, str]) -> Result:
    statement = _checked(sql, limits, parameters)
    connection = ledger.connect_named()
    _confine(connection, ledger, limits)
    with _sql_errors(limits), _deadline(connection, limits.seconds):
        cursor = connection.execute(statement.text, dict(parameters))
        described = cursor.description or []
        rows = cursor.fetchmany(limits.rows + 1)
    _check_count(len(rows), limits)
    return Result(
        columns=[column[0] for column in described], types=[str(column[1]) for column in described], rows=rows
    )


def _parquet(ledger: OpenLedger, sql: str, limits: Limits, parameters: Mapping[str, str]) -> ParquetResult:
    statement = _checked(sql, limits, parameters)
    if statement.is_plan:
        raise UsageError("sql_no_rows", "a plan is no table that Parquet could hold", "write it as JSON or CSV")
    connection = ledger.connect_named()
    pipe = ParquetPipe()
    _confine(connection, ledger, limits, writable=pipe.path)
    with _sql_errors(limits), _deadline(connection, limits.seconds):
        count, data = pipe.write(connection, statement.text, parameters, limits.rows + 1)
    _check_count(count, limits)
    return ParquetResult(rows=count, data=data)


def _checked(sql: str, limits: Limits, parameters: Mapping[str, str]) -> _Statement:
    with _sql_errors(limits), duckdb.connect() as parser:
        statement = _read_only(parser, sql)
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
    connection.execute("SET VARIABLE readable = ?", [[f"{ledger.root}/{layout.LOG}", f"{ledger.root}/{layout.PACKS}"]])
    connection.execute("SET allowed_directories = getvariable('readable')")
    if writable is not None:
        connection.execute(f"SET allowed_paths = ['{writable}']")
    connection.execute(f"SET memory_limit = '{int(limits.memory_mb)}MB'")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _read_only(connection: duckdb.DuckDBPyConnection, sql: str) -> _Statement:
    """The statement, where it is one that only reads.

    The grammar decides, not words. EXPLAIN ANALYZE runs what it explains, so that is taken apart and put together again.
    """
    explain = _EXPLAIN.fullmatch(sql)
    body = explain[2] if explain else sql
    statements = connection.extract_statements(body)
    if len(statements) != 1:
        what = f"{len(statements) or 'no'} statements"
        raise UsageError("sql_not_read_only", f"the SQL holds {what}; exactly one is answered", "give one SELECT")
    kind = statements[0].type
    if kind != duckdb.StatementType.SELECT:
        raise UsageError(
            "sql_not_read_only",
            f"{kind.name} statements are not answered: the ledger is only read",
            "give a SELECT (WITH, FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES and EXPLAIN work too)",
        )
    select = statements[0].query
    _check_tree(connection, select)
    return _Statement(
        f"{explain[1]} {select}" if explain else select, frozenset(statements[0].named_parameters), explain is not None
    )


def _check_tree(connection: duckdb.DuckDBPyConnection, select: str) -> None:
    """Refuse a SELECT that holds more than reading somewhere in it."""
    row = connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [select]).fetchone()
    try:
        tree = msgspec.json.decode(row[0]) if row else {"error": True}
    except RecursionError as error:
        raise UsageError("bad_sql", "the statement is nested too deeply", "split the long expression") from error
    if tree["error"]:
        raise UsageError("sql_not_read_only", f"not a question: {tree.get('error_message')}", "give one SELECT")
    pending: list[Any] = [tree["statements"]]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            pending.extend(node.values())
            kind, function = str(node.get("type")), str(node.get("function_name")).lower()
            if kind.endswith("_NODE") and kind not in _READING_NODES:
                what = kind.removesuffix("_NODE").removesuffix("_QUERY")
                raise UsageError(
                    "sql_not_read_only",
                    f"{what} in a query is not answered: the ledger is only read",
                    "give one SELECT",
                )
            if function in _FORBIDDEN_FUNCTIONS:
                raise UsageError("sql_refused", f"refused: the function {function}", "write the query itself")


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
