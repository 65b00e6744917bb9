"""Rows of a query as dictionaries."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from ledger.query.opened import OpenLedger
from ledger.query.views import store_errors

__all__ = ["END_OF_TIME", "Row", "json_value", "rows", "state_rows"]

END_OF_TIME = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
"""After all that any log holds."""

Row = dict[str, Any]


def rows(ledger: OpenLedger, sql: str, **parameters: Any) -> list[Row]:
    """Run one of this package's own queries.

    Args:
        ledger: the ledger asked.
        sql: with parameters as `$name`, exactly those given.
        parameters: their values.

    Raises:
        IntegrityError: `segment_unreadable`, `segment_without_checkpoint`.
        StoreError: `store_unreadable`, `out_of_memory`.
    """
    given = {name: _text(value) for name, value in parameters.items()}
    return ledger.again_if_compacted(lambda: _rows(ledger, sql, given))


def state_rows(ledger: OpenLedger, at: datetime, sql: str, /, **parameters: Any) -> list[Row]:
    """The same of a query of `_near` as of an effective time, which decides what that holds; raises as `rows`."""
    given = {name: _text(value) for name, value in parameters.items()}

    def ask() -> list[Row]:
        with store_errors():
            ledger.look_at(at)
        return _rows(ledger, sql, given)

    return ledger.again_if_compacted(ask)


def _rows(ledger: OpenLedger, sql: str, given: dict[str, Any]) -> list[Row]:
    with store_errors():
        cursor = ledger.database_for(sql).execute(sql, given)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


def json_value(text: str | None) -> Any:
    """The value of a column of the type JSON; None where it is null."""
    return None if text is None else msgspec.json.decode(text)


def _text(value: Any) -> Any:
    """A name as the database takes it: bytes of a command line that are no text become `?`, which no name in the log has."""
    if isinstance(value, list):
        return [_text(member) for member in value]
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
