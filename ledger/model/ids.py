"""Ids: derived from what identifies an event, so that a producer knows them before the fold has run."""

from hashlib import sha256
from typing import Final

__all__ = ["deployment_id", "event_digest", "id_digest", "script_tag", "version_id"]

_UUID_LENGTH: Final = 36
_MAX_DIGEST: Final = 2**64 - 1


def version_id(account: str, script: str, source: str, event_id: str) -> str:
    """The id of the version that an event makes: a UUID version 8 (RFC 9562), lower case."""
    return _uuid8(f"version\0{account}\0{script}\0{source}\0{event_id}")


def deployment_id(account: str, script: str, source: str, event_id: str) -> str:
    """The id of the deployment that an event makes: a UUID version 8 (RFC 9562), lower case."""
    return _uuid8(f"deployment\0{account}\0{script}\0{source}\0{event_id}")


def script_tag(account: str, script: str) -> str:
    """A script's tag, 32 lower-case hex digits (wrangler 2 asks for it)."""
    return sha256(f"script\0{account}\0{script}".encode()).hexdigest()[:32]


def event_digest(source: str, event_id: str) -> int:
    """What the index of known events is sorted by: the first 8 bytes of a SHA-256 as an unsigned integer.

    Two events may share it; a hit is confirmed against the entry.
    """
    return int.from_bytes(sha256(f"{source}\0{event_id}".encode()).digest()[:8], "big")


def id_digest(identifier: str) -> int | None:
    """What the index of version and deployment ids is sorted by: the first 8 bytes of the UUID.

    Returns:
        None for what is no UUID, so no id of ours.
    """
    if len(identifier) != _UUID_LENGTH:
        return None
    try:
        return int(identifier[:8] + identifier[9:13] + identifier[14:18], 16) & _MAX_DIGEST
    except ValueError:
        return None


def _uuid8(text: str) -> str:
    digits = sha256(text.encode()).hexdigest()
    variant = "89ab"[int(digits[16], 16) & 3]
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:32]}"
