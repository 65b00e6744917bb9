"""The shape in which DuckDB reads an entry (docs/FORMAT.md, Entry): names and SQL types, nested.

Members that are open objects (bindings, configuration, a route's value) stay `JSON`, so that nothing of them is lost.
"""

from collections.abc import Mapping
from typing import Final

__all__ = ["DATA", "ENTRY", "TRIGGERS", "Shape", "json_shape", "sql_type"]

Shape = Mapping[str, "str | Shape"]
"""Member name -> SQL type, or the shape of a nested object."""

_PATCH: Final[Shape] = {"replace": "JSON", "merge": "JSON"}

TRIGGERS: Final[Shape] = dict.fromkeys(
    ("crons", "domains", "queues", "routes", "settings", "subdomain"), "MAP(VARCHAR, JSON)"
)

DATA: Final[Shape] = {
    "actor": {"type": "VARCHAR", "pseudonym": "VARCHAR", "sealed": "VARCHAR"},
    "interface": "VARCHAR",
    "message": "VARCHAR",
    "tag": "VARCHAR",
    "base": "VARCHAR",
    "activate": "BOOLEAN",
    "code": _PATCH,
    "bindings": _PATCH,
    "config": _PATCH,
    "routes": _PATCH,
    "domains": _PATCH,
    "crons": _PATCH,
    "queues": _PATCH,
    "subdomain": _PATCH,
    "settings": _PATCH,
    "deploy": "MAP(VARCHAR, DOUBLE)",
    "rollback_to": "VARCHAR",
    "delete": "BOOLEAN",
    "action": "VARCHAR",
    "detail": "JSON",
}

ENTRY: Final[Shape] = {
    "index": "BIGINT",
    "account": "VARCHAR",
    "account_index": "BIGINT",
    "account_prev": "VARCHAR",
    "recorded_at": "TIMESTAMPTZ",
    "effective_at": "TIMESTAMPTZ",
    "skew": "VARCHAR",
    "origin": {
        "topic": "VARCHAR",
        "topic_id": "VARCHAR",
        "partition": "BIGINT",
        "offset": "BIGINT",
        "mac": "VARCHAR",
        "skipped": "BIGINT",
        "gap": "JSON",
    },
    "event": {
        "specversion": "VARCHAR",
        "type": "VARCHAR",
        "source": "VARCHAR",
        "id": "VARCHAR",
        "subject": "VARCHAR",
        "time": "VARCHAR",
        "accountid": "VARCHAR",
        "datacontenttype": "VARCHAR",
        "data": DATA,
        "data_sha256": "VARCHAR",
    },
    "outcome": "VARCHAR",
    "reason": {"code": "VARCHAR", "path": "VARCHAR", "detail": "VARCHAR"},
    "first_index": "BIGINT",
    "changes": "VARCHAR[][]",
    "changes_sha256": "VARCHAR",
    "version": {"id": "VARCHAR", "number": "BIGINT", "sha256": "VARCHAR", "manifest": "JSON"},
    "deployment": {
        "id": "VARCHAR",
        "number": "BIGINT",
        "versions": "MAP(VARCHAR, DOUBLE)",
        "rollback": "BOOLEAN",
        "rollback_of": "VARCHAR",
    },
    "triggers": TRIGGERS,
    "triggers_sha256": "VARCHAR",
    "others": "STRUCT(subject VARCHAR, changes VARCHAR[][], triggers STRUCT("
    + ", ".join(f"{name} {kind}" for name, kind in TRIGGERS.items())
    + "))[]",
}


def sql_type(shape: "str | Shape") -> str:
    """The SQL type of a shape: nested objects become `STRUCT(...)`."""
    if isinstance(shape, str):
        return shape
    return "STRUCT(" + ", ".join(f'"{name}" {sql_type(member)}' for name, member in shape.items()) + ")"


def json_shape(shape: "str | Shape") -> object:
    """The same as DuckDB's `json_transform` wants it told: an object of objects and type names."""
    return shape if isinstance(shape, str) else {name: json_shape(member) for name, member in shape.items()}
