"""The writer of one shard: Kafka records in, durable segments out. Every record becomes exactly one entry.

`fold` turns records into a `Draft` and moves the state forward; it only reads. `commit` makes the draft durable. The order of writes
is the whole point of this module:

1. keys, account registrations, blobs and quarantined bytes that the batch needs (create-only; a crash after this leaves some
   that no entry uses yet, and folding the same records again finds or makes them again);
2. the segment, create-only: its name is the lock. A crash before leaves nothing, a crash after has committed the batch;
3. only then may the offset be committed, which is a hint for monitors: the next offset is in the last entry.

Of two writers at the same index one wins. The loser's state is ahead of a log that never came to be: it must be dropped, and
`open_writer` called again, which reads what the other wrote.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Final

import msgspec

from ledger.errors import StoreConflictError
from ledger.log.batch import Batch, Folder, home_of, registration
from ledger.log.gaps import Accepted, read_gaps
from ledger.log.ledgerfile import LedgerFile, origin
from ledger.log.packs import reach_beyond
from ledger.log.records import RecordLike
from ledger.log.report import Committed, Extent, Stopwatch, extent_of
from ledger.log.segments import encode_segment
from ledger.log.snapshot import PackedSnapshot, SnapshotFiles
from ledger.log.state import ShardState, load_state
from ledger.proof.checkpoints import Checkpoint, sign
from ledger.storage import layout
from ledger.storage.keys import KeyStore, Staged
from ledger.storage.store import Store

__all__ = ["Draft", "ShardWriter", "open_writer"]

SNAPSHOT_EVERY: Final = 50_000
"""Entries between snapshots."""

_encode = msgspec.json.Encoder().encode


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A folded batch that is not durable yet."""

    first: int
    """Index of the first entry."""
    lines: list[bytes]
    checkpoint: Checkpoint
    next_offset: int
    keys: Staged
    """New keys that the entries use,"""
    accounts: list[str]
    """accounts to be registered,"""
    objects: list[tuple[str, bytes]]
    """blobs and quarantined bytes: all this is durable before the segment."""
    snapshot: PackedSnapshot | None
    """To be written once the segment is durable."""
    outcomes: dict[str, int]
    """Entries by outcome,"""
    reasons: dict[str, int]
    """and rejected ones by reason code."""
    recorded_at: str
    """Recorded time of the last entry."""


class ShardWriter:
    """Appends to one shard. `fold` and `commit` may run in different threads if each runs in order and one at a time."""

    def __init__(
        self,
        store: Store,
        file: LedgerFile,
        keys: KeyStore,
        state: ShardState,
        topic_id: str,
        gaps: Accepted,
        snapshots: SnapshotFiles | None,
    ) -> None:
        self._store = store
        self._file = file
        self._keys = keys
        self._state = state
        self._topic_id = topic_id
        self._snapshots = snapshots
        self._snapshot_at = state.size
        self._signer = keys.signer(origin(file.name, state.shard))
        self.gaps = gaps
        """The accepted gaps of this partition and topic id, as they were when the writer was opened."""
        self._folder = Folder(store, keys, state, file.topic, topic_id, gaps=gaps)

    @property
    def next_offset(self) -> int:
        """The offset of the next record that is not in the log (drafts included)."""
        return self._state.next_offset if self._state.topic_id == self._topic_id else 0

    @property
    def size(self) -> int:
        """How many entries there are, drafts included."""
        return self._state.size

    @property
    def recorded_at(self) -> str:
        """Recorded time of the last entry, drafts included; the earliest time there is where there is none."""
        return self._state.recorded.text

    def extent(self) -> Extent:
        """How large the state is; may be asked while another thread folds."""
        return extent_of(self._state.accounts)

    # --- folding ---------------------------------------------------------------------------------------------------------------------

    def fold(self, records: Sequence[RecordLike]) -> Draft | None:
        """Fold records, in the order of their offsets, into a draft; those that are in the log already are passed over.

        Returns:
            None where there was nothing new.

        Raises:
            StoreError, IntegrityError: stop. The writer's state is ahead of the log: drop it.
        """
        start = self.next_offset
        new = [record for record in records if record.offset >= start]
        if not new:
            return None
        return self._draft(self._folder.fold(new))

    def forget_erased(self, stored: frozenset[str]) -> None:
        """Forget the people whose keys are no longer stored; see `Folder.forget_erased`. Between two folds."""
        self._folder.forget_erased(stored)

    def _draft(self, batch: Batch) -> Draft:
        state = self._state
        snapshot = None
        if self._snapshots and state.size - self._snapshot_at >= SNAPSHOT_EVERY:
            snapshot = self._take_snapshot()
        return Draft(
            first=batch.first,
            lines=batch.lines,
            checkpoint=Checkpoint(origin=self._signer.name, size=state.frontier.size, root=state.frontier.root()),
            next_offset=state.next_offset,
            keys=self._keys.take_staged(),
            accounts=batch.new_accounts,
            objects=list(dict(batch.objects).items()),
            snapshot=snapshot,
            outcomes=batch.outcomes,
            reasons=batch.reasons,
            recorded_at=state.recorded.text,
        )

    # --- committing ------------------------------------------------------------------------------------------------------------------

    def commit(self, draft: Draft) -> Committed:
        """Make a draft durable (requires that all drafts before it are).

        Returns:
            What was written, and how long each step took.

        Raises:
            StoreConflictError: another writer has written at this index, made a key or registered an account first: open the writer
                again.
            StoreError: stop; whether the segment was written is found out on opening again.
        """
        watch = Stopwatch()
        self._make_durable(draft, watch)
        name = layout.segment(self._state.shard, draft.first)
        started = perf_counter()
        data = encode_segment(draft.lines, sign(draft.checkpoint, self._signer))
        watch.seconds["encode"] = perf_counter() - started
        # Until here nothing of the batch is in the log; once put returns, all of it is, with its checkpoint.
        watch.run("segment", lambda: self._store.put(name, data))
        if reach_beyond(self._store, self._state.shard, draft.first):
            # The name was free because its segment had been compacted: this writer was paused for that long. What it wrote does not
            # count, and the next one would not meet a name that exists either.
            message = f"entry {draft.first} was written and compacted by others meanwhile"
            raise StoreConflictError("compacted_meanwhile", message, "read again and repeat")
        self._state.sealed(draft.first, len(draft.lines))
        snapshot = draft.snapshot
        if snapshot is not None:
            watch.run("snapshot", lambda: self._keep(snapshot))
        return Committed(
            entries=len(draft.lines),
            size=draft.checkpoint.size,
            outcomes=draft.outcomes,
            reasons=draft.reasons,
            recorded_at=draft.recorded_at,
            entry_bytes=sum(map(len, draft.lines)),
            segment_bytes=len(data),
            seconds=watch.seconds,
        )

    def _make_durable(self, draft: Draft, watch: Stopwatch) -> None:
        """Write what the draft's segment will refer to. A crash after this leaves objects that no entry uses yet."""
        if draft.keys:
            watch.run("keys", lambda: self._keys.keep(draft.keys))
        if draft.accounts:
            watch.run("accounts", lambda: self._register(draft.accounts))
        if draft.objects:
            watch.run("objects", lambda: self._put_objects(draft.objects))
            self._state.stored(draft.objects)

    def _put_objects(self, objects: list[tuple[str, bytes]]) -> None:
        created = self._store.put_many(objects)
        for (name, content), is_new in zip(objects, created, strict=True):
            # Blobs of one name are equal. Quarantined bytes may be left from a batch of a topic since replaced that never was committed.
            if not is_new and name.startswith(layout.QUARANTINE) and self._store.get(name) != content:
                self._store.delete(name)
                self._store.put(name, content)

    def _register(self, accounts: list[str]) -> None:
        created = self._store.put_many([registration(name, self._state.shard) for name in accounts])
        for name, is_new in zip(accounts, created, strict=True):
            if not is_new and home_of(self._store, name) != self._state.shard:
                message = f"another shard registered account {name} first"
                raise StoreConflictError("registration_race", message, "read again and repeat")

    def save_snapshot(self) -> None:
        """Write a snapshot now (requires that no draft is under way), so that the next start is quick."""
        if self._state.size > self._snapshot_at:
            snapshot = self._take_snapshot()
            if snapshot is not None:
                self._keep(snapshot)

    # A cache that cannot be written (its disk is full, another worker tidies up the same directory) is no reason to stop: the log is
    # whole without it, and the next start reads more of it.

    def _take_snapshot(self) -> PackedSnapshot | None:
        if self._snapshots is None:
            return None
        self._snapshot_at = self._state.size
        try:
            return self._snapshots.pack(self._state.snapshot(self._snapshots.directory))
        except (OSError, ValueError):
            return None

    def _keep(self, snapshot: PackedSnapshot) -> None:
        if self._snapshots is not None:
            with suppress(OSError):
                self._snapshots.write(snapshot)


def open_writer(
    store: Store,
    file: LedgerFile,
    keys: KeyStore,
    shard: int,
    topic_id: str,
    cache: Path | None = None,
) -> ShardWriter:
    """Open a shard for appending, at the end of its log.

    Args:
        store: the ledger's objects.
        file: what the ledger is.
        keys: its keys; what they remember or have staged is not used.
        shard: which shard; the same number as the partition.
        topic_id: of the topic that the records come from; the ledger has accepted it.
        cache: the directory for snapshots (`<cache>/<shard, 4 digits>`), or None to keep none.

    Raises:
        IntegrityError: the log contradicts itself.
        StoreError: it cannot be read.
    """
    snapshots = SnapshotFiles(cache / f"{shard:04d}") if cache else None
    state = load_state(store, file, shard, snapshots)
    return ShardWriter(store, file, keys.fresh(), state, topic_id, read_gaps(store, shard, topic_id), snapshots)
