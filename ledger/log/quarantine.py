"""Quarantine: the raw bytes of rejected records, one object for each, beside the log and no part of its evidence."""

from collections.abc import Iterator

import msgspec

from ledger.errors import IntegrityError, NotFoundError
from ledger.storage import layout
from ledger.storage.store import Store

__all__ = ["Quarantined", "decode_quarantined", "quarantined_entries", "read_quarantined"]


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A rejected record as it came; bytes as base64 where it is stored."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    """Milliseconds since 1970."""
    key: bytes | None
    headers: list[tuple[str, bytes | None]]
    value: bytes | None

    def encode(self) -> bytes:
        """The object's bytes."""
        return msgspec.json.encode(self)


def read_quarantined(store: Store, shard: int, index: int) -> Quarantined | None:
    """The raw record of a rejected entry, or None where its bytes are not there: never kept, or dropped.

    Raises:
        IntegrityError: `bad_quarantine`.
    """
    try:
        raw = store.get(layout.quarantine(shard, index))
    except NotFoundError:
        return None
    return decode_quarantined(raw, shard, index)


def decode_quarantined(raw: bytes, shard: int, index: int) -> Quarantined:
    """An object in quarantine, read.

    Raises:
        IntegrityError: `bad_quarantine`.
    """
    try:
        return msgspec.json.decode(raw, type=Quarantined)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise IntegrityError(
            "bad_quarantine",
            f"what is kept for the entry {shard}/{index} is damaged",
            "restore quarantine/ from a copy; the log itself is not concerned",
        ) from error


def quarantined_entries(store: Store) -> Iterator[tuple[int, int]]:
    """Which entries there are bytes of, as (shard, index), ascending; one may be of a batch that is not committed yet."""
    for name in store.list(layout.QUARANTINE):
        found = layout.parse_quarantine(name)
        if found is not None:
            yield found
