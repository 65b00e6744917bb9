"""Exact JSON: what the fast decoder forgives is found here.

`msgspec` takes the last of two equal member names, reads any integer, and keeps no trace of white space. A record is *exact* when
re-encoding what was decoded gives the same bytes; where it does not, `parse` reads it once more, slowly, refuses what must be refused
and normalises the rest: no white space, integers within +-(2^53-1), other numbers as doubles in their shortest form.
"""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from ledger.model.reasons import join, refuse

__all__ = [
    "MAX_DEPTH",
    "Members",
    "has_wide_integer",
    "is_too_deep",
    "parse",
    "sorted_json",
    "strings",
    "to_plain",
    "walk",
]

MAX_DEPTH: Final = 64
_MAX_EXACT: Final = 2**53 - 1
_WIDE = re.compile(rb"[:\[,]-?[0-9]{16}")
_DIGITS: Final = bytes(ord("0") if chr(byte) in "0123456789" else ord(" ") for byte in range(256))
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_sorted_encoder = msgspec.json.Encoder(order="sorted")

sorted_json = _sorted_encoder.encode
"""Compact JSON, members sorted by code point at every level: the form of stored objects."""


class Members(list[tuple[str, Any]]):
    """A JSON object as it was written: its members in order, repeated names included."""


def parse(raw: bytes) -> Any:
    """Read JSON exactly; objects come back as `Members`.

    Raises:
        RefusedError: `not_utf8` or `malformed_json` (nesting deeper than `MAX_DEPTH` included).
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise refuse("not_utf8", "$", f"not UTF-8 at byte {error.start}") from None
    if is_too_deep(raw):
        raise refuse("malformed_json", "$", f"nested deeper than {MAX_DEPTH} levels")
    try:
        value = json.loads(text, object_pairs_hook=Members, parse_constant=_no_constant, parse_int=_integer)
        msgspec.json.encode(strings(value))  # a lone surrogate has no UTF-8
    except (ValueError, RecursionError):
        # The detail is part of the entry's bytes: it must not depend on a library's wording.
        raise refuse("malformed_json", "$", "not JSON") from None
    return value


def to_plain(value: Any) -> Any:
    """The same value with objects as dicts, for encoding.

    Raises:
        RefusedError: `duplicate_member`, or `bad_value` for a number that no double can hold.
    """
    return _plain(value, "$")


def _plain(value: Any, path: str) -> Any:
    if isinstance(value, Members):
        plain: dict[str, Any] = {}
        for name, inner in value:
            if name in plain:
                raise refuse("duplicate_member", join(path, name), "the member's name occurs twice in its object")
            plain[name] = _plain(inner, join(path, name))
        return plain
    if isinstance(value, list):
        return [_plain(inner, join(path, place)) for place, inner in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise refuse("bad_value", path, "the number is too large for a double")
    return value


def walk(value: Any, path: str = "$") -> Iterator[tuple[str, str, Any]]:
    """Every member of every object inside a parsed value: (path of the object, member name, value)."""
    if isinstance(value, Members):
        for name, inner in value:
            yield path, name, inner
            yield from walk(inner, join(path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from walk(inner, join(path, place))


def is_too_deep(raw: bytes, around: int = 0) -> bool:
    """Whether arrays and objects nest deeper than `MAX_DEPTH`, `around` of them around `raw`; cheap where there are few."""
    limit = MAX_DEPTH - around
    if raw.count(b"{") + raw.count(b"[") <= limit:
        return False
    depth = deepest = 0
    for byte in _STRINGS.sub(b"", raw):
        if byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest > limit


def has_wide_integer(raw: bytes) -> bool:
    """Whether compact JSON may hold an integer of 16 digits or more, which may not be exact as a double."""
    # The search is slow, and hardly any event has so many digits in a row.
    return b"0" * 16 in raw.translate(_DIGITS) and _WIDE.search(raw) is not None


def _integer(digits: str) -> int | float:
    if len(digits) <= len(str(-_MAX_EXACT)):
        value = int(digits)
        if -_MAX_EXACT <= value <= _MAX_EXACT:
            return value
    return float(digits)


def _no_constant(name: str) -> Any:
    message = f"{name} is no JSON value"
    raise ValueError(message)


def strings(value: Any) -> list[str]:
    """Every string inside, member names included."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Members):
        return [text for name, inner in value for text in (name, *strings(inner))]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return []
