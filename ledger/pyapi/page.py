"""Answers as HTML, for notebooks. What people wrote into the log is text there, never markup. Pure."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any, Final

import msgspec

__all__ = ["html_table"]

_SHOWN: Final = 50
_LONGEST: Final = 120


def html_table(names: Sequence[str], rows: Sequence[Iterable[Any]], shown: int = _SHOWN) -> str:
    """The first rows as a table, and how many there are."""
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{escape(_text(value))}</td>' for value in row)}</tr>\n" for row in rows[:shown])
    count = f"{len(rows)} {'row' if len(rows) == 1 else 'rows'}"
    more = f", the first {shown} of them shown" if len(rows) > shown else ""
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n<p>{count}{more}</p>\n"


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case str() | int() | float():
            text = str(value)
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            text = aware.astimezone(UTC).isoformat(sep=" ").replace("+00:00", "Z")
        case _:
            plain = msgspec.to_builtins(value, enc_hook=str, str_keys=True)
            text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
