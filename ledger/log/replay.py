"""Replays: the real fold, writer and encoder over records in memory, leaving nothing behind."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ledger.log.ledgerfile import create_ledger
from ledger.log.records import RecordLike
from ledger.log.segments import parse_segment
from ledger.log.writer import open_writer
from ledger.storage import layout
from ledger.storage.keys import KeyStore
from ledger.storage.memory import MemoryStore

__all__ = ["entries_of"]


def entries_of(
    records: Sequence[RecordLike],
    *,
    topic: str = "ledger.changes",
    shard: int = 0,
    shards: int = 1,
    homes: Mapping[str, int] | None = None,
    batch: int = 500,
) -> list[dict[str, Any]]:
    """The entries that a new ledger's shard gets from these records, decoded.

    Args:
        records: of one partition, in the order of their offsets, from 0 on.
        topic: its name.
        shard: the partition's number.
        shards: how many the ledger has.
        homes: accounts that are registered already, and their shards.
        batch: how many records make a segment; the entries do not depend on it.
    """
    store, key_objects = MemoryStore(), MemoryStore()
    file = create_ledger(store, key_objects, name="replay", topic=topic, shards=shards)
    for account, home in (homes or {}).items():
        store.put(layout.account(account), msgspec.json.encode({"account": account, "shard": home}))
    writer = open_writer(store, file, KeyStore.open(key_objects, "replay"), shard, "replayed")
    entries: list[dict[str, Any]] = []
    for start in range(0, len(records), batch):
        draft = writer.fold(records[start : start + batch])
        if draft is not None:
            writer.commit(draft)
            name = layout.segment(shard, draft.first)
            entries += map(msgspec.json.decode, parse_segment(store.get(name), name).lines)
    return entries
