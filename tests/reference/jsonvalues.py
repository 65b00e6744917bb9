"""JSON for the reference evaluator: a strict reader and the one compact form of stored objects.

Nothing here is shared with the product: the standard library's parser and plain recursion.
"""

import json
import math
import re
from typing import Any, NoReturn

SAFE_INTEGER = 2**53 - 1
DEEPEST = 64
_EXPONENT = re.compile(r"\de[+-]\d")
_NO_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[^\[\]{}"]+', re.DOTALL)


class Refused(Exception):  # noqa: N818 - an outcome rather than an error
    """The record becomes a `rejected` entry with this reason code; `path` is where, as JSONPath."""

    def __init__(self, code: str, path: str = "$") -> None:
        super().__init__(f"{code} at {path}")
        self.code = code
        self.path = path


class Members(dict[str, Any]):
    """A JSON object that remembers members given twice: `pairs` are all of them, in the order written."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.pairs = pairs


def parse(raw: bytes) -> Any:
    """The JSON value of `raw`, objects as `Members`; raises `Refused` (`not_utf8`, `malformed_json`)."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise Refused("not_utf8") from None
    if depth(text) > DEEPEST:
        raise Refused("malformed_json")
    try:
        value = json.loads(
            text, object_pairs_hook=Members, parse_int=_integer, parse_float=_number, parse_constant=_refuse_constant
        )
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is no text
    except (ValueError, UnicodeEncodeError):
        raise Refused("malformed_json") from None
    return value


def depth(text: str) -> int:
    """How deep the brackets outside strings are nested; meaningless, but total, where `text` is no JSON."""
    deepest = level = 0
    for bracket in _NO_BRACKET.sub("", text):
        level += 1 if bracket in "[{" else -1
        deepest = max(deepest, level)
    return deepest


def _integer(digits: str) -> int | float:
    """Integers within ±(2^53-1) exactly, others as doubles."""
    if len(digits) <= 17 and abs(int(digits)) <= SAFE_INTEGER:
        return int(digits)
    return _number(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise Refused("bad_value")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def duplicate_path(value: Any, path: str = "$") -> str | None:
    """The path of the first member that is given twice in its object, else None."""
    if isinstance(value, list):
        parts: list[tuple[str, Any]] = [(f"{path}[{place}]", item) for place, item in enumerate(value)]
    elif isinstance(value, Members):
        parts = [(f"{path}.{name}", item) for name, item in value.pairs]
        seen: set[str] = set()
        for name, _ in value.pairs:
            if name in seen:
                return f"{path}.{name}"
            seen.add(name)
    else:
        return None
    found = (duplicate_path(item, where) for where, item in parts)
    return next((where for where in found if where), None)


def compact(value: Any) -> str:
    """The stored form: no white space, members sorted by code point at every level, shortest numbers."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return _compact_exponents(value) if _EXPONENT.search(text) else text


def _compact_exponents(value: Any) -> str:
    """`compact` where Python's own text may have exponents longer than need be (`1e+16` is `1e16`)."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact(name)}:{compact(value[name])}" for name in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(compact(item) for item in value) + "]"
    if isinstance(value, float):
        mantissa, _, exponent = repr(value).partition("e")
        return f"{mantissa}e{int(exponent)}"
    return json.dumps(value, ensure_ascii=False)


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are stored as the same bytes (so 1 and true differ, unlike in Python)."""
    return one is other or compact(one) == compact(other)
