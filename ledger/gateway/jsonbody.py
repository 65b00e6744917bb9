"""JSON of requests, read exactly: what would be dropped or guessed is refused, and no message quotes a value."""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from ledger.gateway.refusals import refuse
from ledger.model.jsontext import parse, to_plain
from ledger.model.reasons import RefusedError

__all__ = ["MAX_JSON_BYTES", "member", "read_json", "read_list", "read_object"]

_T = TypeVar("_T")

MAX_JSON_BYTES: Final = 2 << 20
"""More than any event has."""


def read_json(body: bytes, most: int = MAX_JSON_BYTES) -> Any:
    """The value that a body is.

    Args:
        body: all of it.
        most: bytes that it may have: reading JSON exactly keeps others waiting.

    Raises:
        GatewayError: it is no JSON, or names a member twice.
    """
    if len(body) > most:
        raise refuse(f"JSON of more than {most} bytes is not taken here", 413)
    try:
        return to_plain(parse(body))
    except RefusedError as error:
        # Without the path: a name may be a value that got into the wrong place.
        raise refuse(f"the body is not JSON that can be taken: {error.reason.detail}") from None


def read_object(body: bytes, most: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The object that a body is, of at most so many bytes.

    Raises:
        GatewayError: it is none.
    """
    value = read_json(body, most)
    if not isinstance(value, dict):
        raise refuse("the body must be an object")
    return value


def read_list(body: bytes) -> list[dict[str, Any]]:
    """The array of objects that a body is.

    Raises:
        GatewayError: it is none.
    """
    value = read_json(body)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise refuse("the body must be an array of objects")
    return value


def member(value: Mapping[str, Any], name: str, kind: type[_T], default: _T) -> _T:
    """A member of this type, or the default where it is absent or null.

    Raises:
        GatewayError: it has another type.
    """
    found = value.get(name)
    if found is None:
        return default
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise refuse(f"`{name}` has the wrong type")
    return found
