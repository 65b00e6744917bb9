"""Rehearsals: what a record would become, by the real fold over the shard as it is now. Nothing is written anywhere."""

from pathlib import Path
from typing import Final

import msgspec

from ledger.broker.publish import Outgoing
from ledger.log.batch import Folder
from ledger.log.ledgerfile import LedgerFile
from ledger.log.records import Record
from ledger.log.snapshot import SnapshotFiles
from ledger.log.state import ShardState, load_state
from ledger.model.entries import decode_entry
from ledger.model.reasons import Reason
from ledger.storage.keys import KeyStore
from ledger.storage.memory import MemoryStore
from ledger.storage.store import Store

__all__ = ["Foreseen", "Rehearsal"]

_NAME: Final = "rehearsal"


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """What a record would become, if it were the next of its shard."""

    outcome: str
    reason: Reason | None
    first_index: int | None
    """Of a duplicate: the entry that has the event; None where that would be made by a record before it in the same rehearsal."""


class Rehearsal:
    """Folds records as if they had arrived, one after the other, each on top of those before.

    Its keys are made up, in memory: what an event does depends on none.

    Args:
        store: the ledger's objects; only read.
        about: what the ledger is.
        topic_id: of the topic.
        now_ms: when they would arrive, milliseconds since 1970.
        cache: a worker's snapshots, if there are any at hand: without them the whole log of a shard is read.
    """

    def __init__(self, store: Store, about: LedgerFile, topic_id: str, now_ms: int, cache: Path | None = None) -> None:
        self._store = store
        self._about = about
        self._topic_id = topic_id
        self._now_ms = now_ms
        self._cache = cache
        self._keys = KeyStore.create(MemoryStore(), _NAME)
        self._shards: dict[int, tuple[ShardState, Folder, int]] = {}
        """With each shard's size before the rehearsal."""

    def fold(self, record: Outgoing) -> Foreseen:
        """What this record would become.

        Raises:
            IntegrityError, StoreError: the log cannot be read.
        """
        state, folder, size = self._shard(record.partition)
        offset = state.next_offset if state.topic_id == self._topic_id else 0
        batch = folder.fold([Record(offset, self._now_ms, record.key, record.value, tuple(record.headers))])
        entry = decode_entry(batch.lines[0])
        first = entry.first_index
        real = first if first is not None and first < size else None
        return Foreseen(outcome=entry.outcome, reason=entry.reason, first_index=real)

    def _shard(self, shard: int) -> tuple[ShardState, Folder, int]:
        found = self._shards.get(shard)
        if found is None:
            snapshots = None if self._cache is None else SnapshotFiles(self._cache / f"{shard:04d}")
            state = load_state(self._store, self._about, shard, snapshots)
            folder = Folder(self._store, self._keys, state, self._about.topic, self._topic_id, gaps={}, keeps=False)
            found = self._shards[shard] = state, folder, state.size
        return found
