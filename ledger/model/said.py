"""What an entry's event says besides its aspects: who, by which interface, why."""

from collections.abc import Callable

import msgspec
from msgspec import UNSET, Struct

from ledger.model.entries import Entry

__all__ = ["NOTHING_SAID", "Said", "SealedActor", "said_of"]


class SealedActor(Struct, frozen=True, weakref=True):
    """Who acted, as entries hold them."""

    pseudonym: str
    sealed: str
    type: str = ""
    """`user`, `token` or `system`."""


class Said(Struct, frozen=True):
    """What is shown of an event's data."""

    actor: SealedActor | None = None
    interface: str | None = None
    message: str | None = None
    tag: str | None = None
    action: str | None = None
    """Of an operator's note, like `detail`."""
    detail: object = None


NOTHING_SAID = Said()

_decode = msgspec.json.Decoder(Said).decode


def said_of(entry: Entry, fetch: Callable[[str], bytes | None]) -> Said:
    """What an entry's event says; nothing where it has no data, as a duplicate or a rejected record.

    Args:
        entry: any.
        fetch: gives a blob's bytes by its SHA-256 (hex), or None where it is not there.
    """
    data = entry.event.data
    if data is not UNSET:
        return _decode(data)
    content = fetch(entry.event.data_sha256) if entry.event.data_sha256 else None
    return NOTHING_SAID if content is None else _decode(content)
