"""Which statements have one answer: the same today and later, from the same entries. Pure.

Clocks, chance, the machine and what is under the views are refused by name. An answer that depends on the order in which rows
are read cannot be told from the text: who binds one asks twice, in two orders.
"""

from collections.abc import Collection
from typing import Any, Final

from ledger.errors import UsageError
from ledger.query.statements import Statement, nodes_of

__all__ = ["check_steady"]

_CLOCKS: Final = {
    "now", "get_current_timestamp", "current_timestamp", "transaction_timestamp", "current_date", "today", "current_time",
    "get_current_time", "current_localtime", "current_localtimestamp", "localtime", "localtimestamp",
}  # fmt: skip
_SURROUNDINGS: Final = {
    "current_setting", "getvariable", "current_database", "current_catalog", "current_schema", "current_schemas", "current_user",
    "session_user", "user", "txid_current", "in_search_path", "version", "blob_text", "pg_conf_load_time", "pg_postmaster_start_time",
}  # fmt: skip
_TABLE_FUNCTIONS: Final = {"scripts_at", "range", "generate_series", "unnest", "repeat", "json_each", "json_tree"}
_AGE: Final = "age"
"""With one argument it counts from today."""


def check_steady(statement: Statement, views: Collection[str], volatile: Collection[str]) -> None:
    """Refuse what may answer otherwise another time.

    Args:
        statement: that only reads.
        views: the names of the documented views.
        volatile: functions that the database says give another value each time.

    Raises:
        UsageError: `answer_unsteady`, `sql_no_rows`.
    """
    if statement.is_plan:
        raise UsageError("sql_no_rows", "a plan is no answer that could be bound", "bind the SELECT itself")
    found = list(nodes_of(statement.tree))
    tables = {name.casefold() for name in views} | {name.casefold() for node in found for name in _ctes(node)}
    for node in found:
        if why := _why_not(node, tables, volatile):
            raise UsageError(
                "answer_unsteady",
                f"the statement has no answer that could be made again: {why}",
                "give times as literals or parameters, ORDER BY with each LIMIT, and ask the documented views only",
            )


def _why_not(node: dict[str, Any], tables: Collection[str], volatile: Collection[str]) -> str:  # noqa: PLR0911 (one return a reason)
    kind, function = node.get("type"), str(node.get("function_name", "")).casefold()
    if node.get("sample"):
        return "it takes a sample"
    changed = [modifier["type"] for modifier in node.get("modifiers") or ()]
    if any(kind.startswith("LIMIT") for kind in changed) and "ORDER_MODIFIER" not in changed:
        return "it has a LIMIT and no ORDER BY"
    match kind:
        case "COLUMN_REF" if len(node["column_names"]) == 1 and node["column_names"][0].casefold() in _CLOCKS:
            return f"it asks the clock ({node['column_names'][0]})"
        case "BASE_TABLE" if str(node["table_name"]).casefold() not in tables:
            return f"{node['table_name']} is none of the documented views"
        case "SHOW_REF":
            return "it describes rather than asks"
        case "TABLE_FUNCTION" if (
            name := str(node["function"].get("function_name")).casefold()
        ) not in _TABLE_FUNCTIONS:
            return f"the table function {name} is not about the log"
        case _ if function in _CLOCKS or (function == _AGE and len(node["arguments"]) == 1):
            return f"it asks the clock ({function})"
        case _ if function in volatile or function in _SURROUNDINGS:
            return f"the function {function} is not about the log"
        case _:
            return ""


def _ctes(node: dict[str, Any]) -> list[str]:
    """The names that a node's WITH gives to queries."""
    named = node.get("cte_map")
    given = [str(one["key"]) for one in named["map"]] if isinstance(named, dict) else []
    return [*given, str(node["cte_name"])] if node.get("cte_name") else given
