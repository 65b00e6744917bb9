"""Ids: derived from what identifies an event, so that a producer knows them before the fold has run."""

from hashlib import sha256
from struct import Struct

__all__ = ["deployment_id", "event_key", "script_tag", "version_id"]


def version_id(account: str, script: str, source: str, event_id: str) -> str:
    """The id of the version that an event makes: a UUID version 8 (RFC 9562), lower case."""
    return _uuid8(f"version\0{account}\0{script}\0{source}\0{event_id}")


def deployment_id(account: str, script: str, source: str, event_id: str) -> str:
    """The id of the deployment that an event makes: a UUID version 8 (RFC 9562), lower case."""
    return _uuid8(f"deployment\0{account}\0{script}\0{source}\0{event_id}")


def script_tag(account: str, script: str) -> str:
    """A script's tag, 32 lower-case hex digits (wrangler 2 asks for it)."""
    return sha256(f"script\0{account}\0{script}".encode()).hexdigest()[:32]


def event_key(source: str, event_id: str) -> str:
    """What an event is known by: `source` and `id`, which hold no control characters."""
    return f"{source}\0{event_id}"


_WORDS = Struct(">IHHHHI").unpack_from


def _uuid8(text: str) -> str:
    a, b, c, d, e, f = _WORDS(sha256(text.encode()).digest())
    return "%08x-%04x-%04x-%04x-%04x%08x" % (a, b, c & 0x0FFF | 0x8000, d & 0x3FFF | 0x8000, e, f)  # noqa: UP031
