"""Answers as JSON: one text for each, whoever prints or serves it. Additions only, as in `ledger.query.answers`."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

__all__ = ["json_array", "json_lines", "json_object", "json_text", "plain", "timestamp"]

_UNSEEN: Final = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
"""Controls that `json.dumps` leaves as they are (CSI is one), and marks of direction and of no width."""


def plain(value: Any) -> Any:  # noqa: PLR0911 (one return a type)
    """What JSON has for a value: times in RFC 3339, whole numbers without a fraction, no NaN."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if not math.isfinite(value):
                return None
            return int(value) if value.is_integer() and abs(value) < 1 << 53 else value
        case Decimal():
            return plain(float(value))
        case datetime():
            return timestamp(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.hex()
        case msgspec.Struct():
            return _struct(value)
        case Mapping():
            return {str(key): plain(member) for key, member in value.items()}
        case list() | tuple() | set():
            return [plain(member) for member in value]
        case UUID() | _:
            return str(value)


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON whose text neither moves a terminal's cursor nor turns a line around: what would is escaped, and means the same."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _UNSEEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`, with as many fractional digits as it has (none, three or six)."""
    precision = "seconds" if not moment.microsecond else "microseconds" if moment.microsecond % 1000 else "milliseconds"
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.astimezone(UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def json_object(value: Any) -> str:
    """One answer."""
    return json_text(plain(value), indent=2) + "\n"


def json_array(values: Iterable[Any]) -> Iterator[str]:
    """A list of answers in pieces, one answer at a time: a large one is not held twice."""
    opening = "[\n"
    for value in values:
        yield opening + "  " + json_text(plain(value), indent=2).replace("\n", "\n  ")
        opening = ",\n"
    yield "[]\n" if opening == "[\n" else "\n]\n"


def json_lines(values: Iterable[Any]) -> Iterator[str]:
    """A list of answers, each on a line of its own."""
    for value in values:
        yield json_text(plain(value)) + "\n"


def _struct(value: msgspec.Struct) -> dict[str, Any]:
    config = value.__struct_config__
    tagged = {config.tag_field: config.tag} if config.tag_field else {}
    return tagged | {name: plain(getattr(value, name)) for name in value.__struct_fields__}
