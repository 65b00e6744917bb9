"""Ids: derived from what identifies an event, so that a producer knows them before the fold has run."""

from hashlib import sha256
from typing import Final

__all__ = ["VARIANT", "both_ids", "deployment_id", "event_key", "script_tag", "uuid8", "version_id"]


def version_id(account: str, script: str, source: str, event_id: str) -> str:
    """The id of the version that an event makes: a UUID version 8 (RFC 9562), lower case."""
    return uuid8(f"version\0{account}\0{script}\0{source}\0{event_id}")


def deployment_id(account: str, script: str, source: str, event_id: str) -> str:
    """The id of the deployment that an event makes: a UUID version 8 (RFC 9562), lower case."""
    return uuid8(f"deployment\0{account}\0{script}\0{source}\0{event_id}")


def both_ids(account: str, script: str, source: str, event_id: str) -> tuple[str, str]:
    """The ids of the version and of the deployment that an event makes."""
    made = f"\0{account}\0{script}\0{source}\0{event_id}"
    return uuid8(f"version{made}"), uuid8(f"deployment{made}")


def script_tag(account: str, script: str) -> str:
    """A script's tag, 32 lower-case hex digits (wrangler 2 asks for it)."""
    return sha256(f"script\0{account}\0{script}".encode()).hexdigest()[:32]


def event_key(source: str, event_id: str) -> str:
    """What an event is known by: `source` and `id`, which hold no control characters."""
    return f"{source}\0{event_id}"


VARIANT: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""A hex digit to the one that says the UUID's variant (RFC 9562, section 4.1) and keeps the lower two bits."""


def uuid8(text: str) -> str:
    """A UUID version 8 (RFC 9562) of a text: the first 16 bytes of its SHA-256, lower case."""
    digits = sha256(text.encode()).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{VARIANT[digits[16]]}{digits[17:20]}-{digits[20:32]}"
