"""Printing answers: one way from rows to a table, JSON, lines of JSON, or CSV. Data goes to stdout, and only data."""

import csv
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from cli.options import Format
from cli.tables import print_table, printable

__all__ = ["Column", "clock", "emit", "emit_one", "emit_rows", "json_text", "plain", "short", "timestamp"]


_UNSEEN: Final = re.compile("[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")
"""Controls that `json.dumps` leaves as they are (CSI is one), and marks of direction and of no width."""


class Column(NamedTuple):
    """A column of a table: its title and how a row's cell reads."""

    title: str
    cell: Callable[[Any], str | None]


def emit(
    answers: Sequence[msgspec.Struct], columns: Sequence[Column], output: Format, fields: type[msgspec.Struct]
) -> None:
    """Print a list of answers.

    Args:
        answers: rows; an empty list is valid in every format.
        columns: what a table shows of them.
        output: the format.
        fields: the rows' type, whose fields are CSV's header.
    """
    if output is Format.table:
        cells = [[column.cell(answer) or "" for column in columns] for answer in answers]
        print_table([column.title for column in columns], cells)
    else:
        names = fields.__struct_fields__
        emit_rows(names, ([getattr(answer, name) for name in names] for answer in answers), output)


def emit_one(answer: msgspec.Struct, show: Callable[[], None], output: Format) -> None:
    """Print one answer: `show` prints it for people."""
    value = plain(answer)
    if output is Format.table:
        show()
    elif output is Format.json:
        print(json_text(value, indent=2))
    else:
        emit_rows(list(value), [list(value.values())], output)


def emit_rows(names: Sequence[str], rows: Iterable[Sequence[Any]], output: Format) -> None:
    """Print rows of values under names."""
    if output is Format.table:
        print_table(names, [[_cell(value) for value in row] for row in rows])
    elif output is Format.csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        safe = printable if sys.stdout.isatty() else str  # exact, but for a terminal, which would obey
        writer.writerow(names)
        writer.writerows([safe(_cell(value)) for value in row] for row in rows)
    elif output is Format.jsonl:
        for row in rows:
            print(json_text(_named(names, row)))
    else:
        _print_array(_named(names, row) for row in rows)


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


def clock(moment: datetime | None) -> str:
    """A time as tables show it: to the second, UTC."""
    return "" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def short(identifier: str | None) -> str:
    """The first 8 digits of an id or the first 12 of a pseudonym or digest; anything else is left as it is."""
    if identifier is None:
        return ""
    if len(identifier) == 36 and identifier[8] == "-":
        return identifier[:8]
    return identifier[:12] if len(identifier) in {32, 64} and set(identifier) <= set("0123456789abcdef") else identifier


def _struct(value: msgspec.Struct) -> dict[str, Any]:
    config = value.__struct_config__
    tagged = {config.tag_field: config.tag} if config.tag_field else {}
    return tagged | {name: plain(getattr(value, name)) for name in value.__struct_fields__}


def _named(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in zip(names, row, strict=True)}


def _print_array(objects: Iterable[dict[str, Any]]) -> None:
    """A JSON array, one object at a time: a large answer is not held twice."""
    opening = "[\n"
    for item in objects:
        sys.stdout.write(opening + "  " + json_text(item, indent=2).replace("\n", "\n  "))
        opening = ",\n"
    sys.stdout.write("[]\n" if opening == "[\n" else "\n]\n")


def _cell(value: Any) -> str:
    simple = plain(value)
    if simple is None:
        return ""
    if isinstance(simple, str):
        return simple
    return json_text(simple)
