"""Printing answers: one way from rows to a table, JSON, lines of JSON, or CSV. Data goes to stdout, and only data."""

import csv
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from cli.options import Format
from cli.tables import print_table, printable
from ledger.query.plain import json_array, json_lines, json_object, json_text, plain, timestamp

__all__ = ["Column", "clock", "emit", "emit_one", "emit_rows", "json_text", "plain", "short", "timestamp"]


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
        sys.stdout.write(json_object(value))
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
        sys.stdout.writelines(json_lines(dict(zip(names, row, strict=True)) for row in rows))
    else:
        sys.stdout.writelines(json_array(dict(zip(names, row, strict=True)) for row in rows))


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


def _cell(value: Any) -> str:
    simple = plain(value)
    if simple is None:
        return ""
    if isinstance(simple, str):
        return simple
    return json_text(simple)
