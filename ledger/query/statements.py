"""What a statement of SQL is, by DuckDB's own grammar: whether it only reads, what it needs, where it ends."""

import re
from collections.abc import Iterator
from typing import Any, Final

import duckdb
import msgspec
from msgspec import Struct

from ledger.errors import UsageError

__all__ = [
    "Statement",
    "is_blank",
    "nodes_of",
    "parameters_of",
    "read_only",
    "split_statements",
    "without_end",
]

_READING_NODES: Final = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
"""Every other node of a query (`COPY_QUERY_NODE`, `INSERT_QUERY_NODE`, ...) does more than read."""

_FORBIDDEN_FUNCTIONS: Final = {"query", "json_execute_serialized_sql"}
"""They run SQL from a string, whose syntax tree is not seen here."""

_EXPLAIN = re.compile(r"\s*(explain(?:\s+analyze)?)\s(.*)", re.IGNORECASE | re.DOTALL)


class Statement(Struct, frozen=True):
    """One statement that only reads."""

    text: str
    parameters: frozenset[str]
    """Names of what it needs values for."""
    is_plan: bool
    tree: Any
    """Its syntax tree, as DuckDB writes it as JSON."""


def read_only(connection: duckdb.DuckDBPyConnection, sql: str) -> Statement:
    """The statement, where it is one that only reads.

    The grammar decides, not words. EXPLAIN ANALYZE runs what it explains, so that is taken apart and put together again.

    Raises:
        UsageError: `sql_not_read_only`, `sql_refused`, `bad_sql`.
        duckdb.Error: it is no SQL.
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
    tree = _checked_tree(connection, select)
    text = f"{explain[1]} {select}" if explain else select
    return Statement(text, frozenset(statements[0].named_parameters), explain is not None, tree)


def nodes_of(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects in a syntax tree."""
    pending: list[Any] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending.extend(node)
        elif isinstance(node, dict):
            pending.extend(node.values())
            yield node


def split_statements(text: str) -> tuple[list[str], str]:
    """The statements in a text that are ended by a semicolon, each without it, and what follows the last one."""
    data, statements, start = text.encode(), list[str](), 0
    for end in _ends(text):
        statements.append(data[start:end].decode())
        start = end + 1
    return statements, data[start:].decode()


def is_blank(text: str) -> bool:
    """Whether a text is nothing but white space and comments."""
    return all(kind == duckdb.token_type.comment for _, kind in duckdb.tokenize(text))


def parameters_of(statement: str) -> frozenset[str]:
    """The names of the parameters of a statement; none where it is no statement: who answers it says why."""
    try:
        with duckdb.connect() as parser:
            found = parser.extract_statements(statement)
    except duckdb.Error:
        return frozenset()
    return frozenset(name for one in found for name in one.named_parameters)


def without_end(select: str) -> str:
    """A statement up to the semicolon after it, if there is one."""
    statements, rest = split_statements(select)
    return statements[0] if statements else rest


def _ends(text: str) -> list[int]:
    """Where semicolons stand, in bytes: none within a string, a name in quotes or a comment is a token."""
    data = text.encode()
    return [at for at, _ in duckdb.tokenize(text) if data[at : at + 1] == b";"]


def _checked_tree(connection: duckdb.DuckDBPyConnection, select: str) -> Any:
    """The syntax tree of a SELECT; refused where it holds more than reading somewhere in it."""
    row = connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [select]).fetchone()
    try:
        tree = msgspec.json.decode(row[0]) if row else {"error": True}
    except RecursionError as error:
        raise UsageError("bad_sql", "the statement is nested too deeply", "split the long expression") from error
    if tree["error"]:
        raise UsageError("sql_not_read_only", f"not a question: {tree.get('error_message')}", "give one SELECT")
    for node in nodes_of(tree["statements"]):
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
    return tree["statements"]
