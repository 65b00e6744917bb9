"""A digest of an answer's rows, whatever order they came in (docs/FORMAT.md, Bound answer). Pure.

Each row is one line of JSON; the lines are sorted by their bytes, and the same row twice stays twice.
"""

import json
import math
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

__all__ = ["digest_rows", "encode_row"]

_MICROSECOND: Final = timedelta(microseconds=1)


def digest_rows(rows: Iterable[Sequence[Any]]) -> bytes:
    """SHA-256 over the sorted lines of the rows, each with a line feed: 32 bytes."""
    state = sha256()
    for line in sorted(encode_row(row) for row in rows):
        state.update(line + b"\n")
    return state.digest()


def encode_row(row: Sequence[Any]) -> bytes:
    """A row as a line of JSON: an array of its values."""
    values = [_plain(value) for value in row]
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:  # noqa: PLR0911 (one return a type)
    """What stands for a value. Values of one column have one type, which is bound too, so that nothing stands for two of them."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return _moment(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value // _MICROSECOND
        case bytes():
            return value.hex()
        case dict():
            members = [[_plain(key), _plain(member)] for key, member in value.items()]
            return sorted(members, key=lambda member: encode_row(member[:1]))
        case list() | tuple():
            return [_plain(member) for member in value]
        case _:
            return str(value)


def _moment(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(timespec="microseconds")
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
