"""Secrets' values become MACs here, while a request is parsed; nothing that this module returns or raises holds one."""

from base64 import b64decode
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from ledger.gateway.refusals import refuse
from ledger.model.aspects import SECRET_TYPES

__all__ = ["Seal", "refuse_hidden", "sealed_secret"]

Seal = Callable[[bytes], str]
"""HMAC-SHA256 under the account's key: 64 hex digits."""

_TEXT, _KEY = SECRET_TYPES
_KIND_MEMBERS: Final = (("algorithm", object), ("format", str), ("usages", list))


def sealed_secret(item: Mapping[str, Any], seal: Seal) -> dict[str, Any]:
    """A secret of the manifest, of an item that holds its value.

    Args:
        item: of type `secret_text` with `text`, or `secret_key` with `key_base64` or `key_jwk`.
        seal: makes its MAC.

    Raises:
        GatewayError: it holds no value, or one that is none.
    """
    if item["type"] == _TEXT:
        text = item.get("text")
        if not isinstance(text, str):
            raise refuse("a secret's `text` must be a string")
        return {"mac": seal(_utf8(text))}
    kind = {name: item[name] for name, _ in _KIND_MEMBERS if item.get(name) is not None}
    if not all(isinstance(kind.get(name, of()), of) for name, of in _KIND_MEMBERS if of is not object):
        raise refuse("a secret key's `format` is a string, its `usages` an array")
    refuse_hidden(kind)
    return {"mac": seal(_key_bytes(item)), "type": _KEY, **kind}


def refuse_hidden(value: Any) -> None:
    """Refuse what has a secret in a place that has none: there its value would be stored as it is.

    Raises:
        GatewayError: an object somewhere inside says that it is a secret, in whatever case it says so.
    """
    pending = [value]
    while pending:
        found = pending.pop()
        if isinstance(found, Mapping):
            kind = found.get("type")
            if isinstance(kind, str) and kind.lower() in SECRET_TYPES:
                raise refuse(
                    "a secret stands where none can: send it as a binding of the type secret_text or secret_key"
                )
            pending.extend(found.values())
        elif isinstance(found, list):
            pending.extend(found)


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise refuse("a secret's text is not one that UTF-8 can write") from None


def _key_bytes(item: Mapping[str, Any]) -> bytes:
    encoded, jwk = item.get("key_base64"), item.get("key_jwk")
    if (encoded is None) == (jwk is None):
        raise refuse("a secret key has exactly one of `key_base64` and `key_jwk`")
    if jwk is not None:
        if not isinstance(jwk, dict):
            raise refuse("`key_jwk` must be an object")
        return _canonical(jwk)
    try:
        return b64decode(str(encoded), validate=True)
    except ValueError:
        raise refuse("`key_base64` is not base64") from None


def _canonical(value: Any) -> bytes:
    """JSON in the form of RFC 8785, of what keys hold: no number with a fraction."""
    match value:
        case dict():
            names = sorted(value, key=lambda name: str(name).encode("utf-16-be", "surrogatepass"))
            return b"{%b}" % b",".join(b"%b:%b" % (_canonical(name), _canonical(value[name])) for name in names)
        case list():
            return b"[%b]" % b",".join(map(_canonical, value))
        case float():
            raise refuse("a number in `key_jwk` has a fraction or is too large")
        case _:
            return msgspec.json.encode(value)
