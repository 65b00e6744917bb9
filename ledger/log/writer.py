"""The writer of one shard: Kafka records in, durable segments out. Every record becomes exactly one entry.

`fold` turns records into a `Draft` and moves the state forward; `commit` makes the draft durable. The order of writes is the whole
point of this module:

1. keys, account registrations, blobs and quarantined bytes that the batch needs (create-only; a crash after this leaves some
   that no entry uses yet, and folding the same records again finds or makes them again);
2. the segment, create-only: its name is the lock. A crash before leaves nothing, a crash after has committed the batch;
3. only then may the offset be committed, which is a hint for monitors: the next offset is in the last entry.

Of two writers at the same index one wins. The loser's state is ahead of a log that never came to be: it must be dropped, and
`open_writer` called again, which reads what the other wrote.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from ledger.errors import IntegrityError, NotFoundError, StoreConflictError
from ledger.log.ledgerfile import LedgerFile, origin
from ledger.log.records import RecordLike
from ledger.log.segments import encode_segment
from ledger.log.snapshot import PackedSnapshot, SnapshotFiles
from ledger.log.state import ShardState, load_state
from ledger.model import ids, times
from ledger.model.entries import Line, Origin, Place, encode_duplicate, encode_folded, encode_rejected, sealed_actor
from ledger.model.events import Event, Known, Rejected, decode
from ledger.model.fold import NOTHING_FOUND, Found, effective_time, fold
from ledger.model.reasons import Reason
from ledger.model.state import ABSENT, Account
from ledger.proof.checkpoints import Checkpoint, sign
from ledger.proof.merkle import leaf_hash
from ledger.storage import layout
from ledger.storage.keys import KeyStore
from ledger.storage.store import Store

__all__ = ["Draft", "ShardWriter", "open_writer"]

SNAPSHOT_EVERY: Final = 50_000
"""Entries between snapshots."""

_encode = msgspec.json.Encoder().encode


class _Registration(msgspec.Struct, frozen=True):
    """Which shard an account is at home in (`accounts/<id>.json`)."""

    account: str
    shard: int


class _Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A rejected record as it came; bytes as base64."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    headers: list[tuple[str, bytes | None]]
    value: bytes | None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A folded batch that is not durable yet."""

    first: int
    """Index of the first entry."""
    lines: list[bytes]
    checkpoint: Checkpoint
    next_offset: int
    snapshot: PackedSnapshot | None
    """To be written once the segment is durable."""


class ShardWriter:
    """Appends to one shard. `fold` and `commit` may run in different threads if each runs in order and one at a time."""

    def __init__(
        self,
        store: Store,
        file: LedgerFile,
        keys: KeyStore,
        state: ShardState,
        topic_id: str,
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
        self._homes: dict[str, int] = {}
        """Accounts that are at home in other shards, as far as they were met."""
        self._new_accounts: list[str] = []
        self._objects: list[tuple[str, bytes]] = []
        """Blobs and quarantined bytes of the batch."""
        self._lines: list[bytes] = []
        """Entries of the batch."""

    @property
    def next_offset(self) -> int:
        """The offset of the next record that is not in the log (drafts included)."""
        return self._state.next_offset if self._state.topic_id == self._topic_id else 0

    @property
    def size(self) -> int:
        """How many entries there are, drafts included."""
        return self._state.size

    # --- folding ---------------------------------------------------------------------------------------------------------------------

    def fold(self, records: Sequence[RecordLike]) -> Draft | None:
        """Fold records, in the order of their offsets, into a draft; those that are in the log already are passed over.

        What the draft refers to (keys, registrations, blobs, quarantine) is durable on return.

        Returns:
            None where there was nothing new.

        Raises:
            StoreConflictError: another writer made a key or registered an account first: open the writer again.
            StoreError, IntegrityError: stop.
            After any exception the writer's state is ahead of the log: drop it.
        """
        new = [record for record in records if record.offset >= self.next_offset]
        if not new:
            return None
        decoded = [decode(record.value, record.headers) for record in new]
        digests = [0 if isinstance(event, Rejected) else ids.event_digest(event.source, event.id) for event in decoded]
        known = self._state.events.find_in_runs(digests)
        first = self._state.size
        for place, (record, event) in enumerate(zip(new, decoded, strict=True)):
            if isinstance(event, Rejected):
                self._reject(record, event.known, event.reason, keep=event.keep)
            else:
                candidates = [*known.get(place, ()), *self._state.events.recent(digests[place])]
                self._add(record, event, digests[place], candidates)
        self._make_durable()
        return self._draft(first)

    def _add(self, record: RecordLike, event: Event, digest: int, candidates: list[int]) -> None:
        reason = self._misplaced(record, event)
        if reason is not None:
            self._reject(record, _known(event, account=None), reason)
            return
        known_account = self._state.accounts.get(event.account)
        account = known_account or Account(name=event.account, scripts={}, routes={}, domains={})
        first = self._state.first_with_event(event.source, event.id, candidates) if candidates else None
        if first is not None:
            script = account.scripts.get(event.subject, ABSENT)
            effective_at, skew = effective_time(event.time, self._recorded(record), script.effective_at)
            mac, _ = self._person(record, event)
            self._append(
                encode_duplicate(self._place(record, account, mac), event, effective_at, skew, first), record, account
            )
            return
        outcome = fold(account, event, self._recorded(record), self._found(event))
        if outcome.reason is not None:
            self._reject(record, _known(event, account=event.account), outcome.reason)
            return
        mac, actor = self._person(record, event)
        line = encode_folded(self._place(record, account, mac), event, actor, outcome)
        if line is None:
            self._reject(record, _known(event, account=event.account), _OVERSIZED)
            return
        index = self._state.size
        self._append(line, record, account)
        account.settle(
            event.subject,
            outcome.scripts,
            outcome.changes or (),
            {lost.subject: lost.changes for lost in outcome.others},
        )
        self._state.events.add(digest, index)
        for made in (outcome.version, outcome.deployment):
            made_digest = ids.id_digest(made.id) if made else None
            if made_digest is not None:
                self._state.ids.add(made_digest, index)

    def _reject(self, record: RecordLike, known: Known, reason: Reason, *, keep: bool = True) -> None:
        """Append a `rejected` entry; it joins the account's chain where the account is known and the record was keyed with it."""
        account = self._state.accounts.get(known.account or "")
        if account is not None and record.key != account.name.encode():
            account = None
        script = account.scripts.get(known.subject or "", ABSENT) if account else ABSENT
        time = times.parse(known.time) if known.time else None
        effective_at, skew = effective_time(time, self._recorded(record), script.effective_at)
        mac = self._keys.ledger(record.value or b"")
        if keep:
            self._objects.append((layout.quarantine(self._state.shard, self._state.size), self._quarantined(record)))
        self._append(
            encode_rejected(self._place(record, account, mac), known, effective_at, skew, reason), record, account
        )

    def _append(self, line: Line, record: RecordLike, account: Account | None) -> None:
        state = self._state
        leaf = leaf_hash(line.entry)
        state.frontier.append(leaf)
        state.unsealed.append(line.entry)
        self._lines.append(line.entry)
        state.recorded = self._recorded(record)
        state.next_offset = record.offset + 1
        state.topic_id = self._topic_id
        self._objects.extend((layout.blob(digest), content) for digest, content in line.blobs)
        if account is not None:
            if account.name not in state.accounts:
                state.accounts[account.name] = account
                self._new_accounts.append(account.name)
            account.entries += 1
            account.last = leaf.hex().encode()

    def _place(self, record: RecordLike, account: Account | None, mac: str) -> Place:
        state = self._state
        gap = record.offset - self.next_offset
        source = Origin(
            topic=self._file.topic,
            topic_id=msgspec.UNSET if state.topic_id == self._topic_id else self._topic_id,
            partition=state.shard,
            offset=record.offset,
            skipped=gap or msgspec.UNSET,
            mac=mac,
        )
        return Place(
            index=state.size,
            account=account.name if account else None,
            account_index=account.entries if account else 0,
            account_prev=account.last.decode() if account else None,
            recorded_at=self._recorded(record).text,
            origin=_encode(source),
        )

    def _recorded(self, record: RecordLike) -> times.Time:
        recorded = times.from_milliseconds(record.timestamp)
        return recorded if recorded.key > self._state.recorded.key else self._state.recorded

    def _person(self, record: RecordLike, event: Event) -> tuple[str, bytes]:
        """The MAC of the record's value and the sealed actor, under the key of the person who acted."""
        value = record.value or b""
        if event.actor is None:
            return self._keys.ledger(value), b""
        person = self._keys.person(event.account, event.actor.id)
        return person.mac(value), sealed_actor(event.actor.type, person.pseudonym, person.seal(event.actor_json))

    def _misplaced(self, record: RecordLike, event: Event) -> Reason | None:
        if record.key != event.account.encode():
            return Reason("key_mismatch", "$.accountid", "the record's key is not the account")
        if event.account in self._state.accounts:
            return None
        home = self._home(event.account)
        if home is None or home == self._state.shard:
            return None
        return Reason("misrouted", "$.accountid", f"the account is at home in shard {home:04d}")

    def _home(self, account: str) -> int | None:
        """The shard that an account which this one does not know is at home in, or None where it is new."""
        if account not in self._homes:
            try:
                registration = msgspec.json.decode(self._store.get(layout.account(account)), type=_Registration)
            except NotFoundError:
                return None
            except msgspec.MsgspecError as error:
                raise IntegrityError(
                    "bad_registration", f"{layout.account(account)} is damaged", "restore it from a copy"
                ) from error
            self._homes[account] = registration.shard
        return self._homes[account]

    def _found(self, event: Event) -> Found:
        """Look up what the event's ids refer to: the fold itself reads nothing."""
        if event.deploy is None and event.rollback_to is None:
            return NOTHING_FOUND
        state, account, script = self._state, event.account, event.subject
        deployments = {}
        wanted = list(event.deploy or ())
        if event.rollback_to is not None:
            deployment = state.find_deployment(account, script, event.rollback_to)
            if deployment is not None:
                deployments[event.rollback_to] = deployment
                wanted = [share.version for share in deployment.shares]
        versions = {identifier: state.find_version(account, script, identifier) for identifier in wanted}
        return Found(
            versions={name: version for name, version in versions.items() if version is not None},
            deployments=deployments,
        )

    def _quarantined(self, record: RecordLike) -> bytes:
        return _encode(
            _Quarantined(
                topic=self._file.topic,
                partition=self._state.shard,
                offset=record.offset,
                timestamp=record.timestamp,
                key=record.key,
                headers=list(record.headers),
                value=record.value,
            )
        )

    def _make_durable(self) -> None:
        self._keys.flush()
        if self._new_accounts:
            self._register()
        if self._objects:
            self._store.put_many(list(dict(self._objects).items()))
            self._objects.clear()

    def _register(self) -> None:
        names = self._new_accounts
        objects = [(layout.account(name), _encode(_Registration(name, self._state.shard)) + b"\n") for name in names]
        created = self._store.put_many(objects)
        self._new_accounts = []
        for name, is_new in zip(names, created, strict=True):
            self._homes.pop(name, None)
            if not is_new and self._home(name) != self._state.shard:
                raise StoreConflictError(
                    "registration_race", f"another shard registered account {name} first", "read again and repeat"
                )

    def _draft(self, first: int) -> Draft:
        state = self._state
        snapshot = None
        if self._snapshots and state.size - self._snapshot_at >= SNAPSHOT_EVERY:
            snapshot = self._take_snapshot(self._snapshots)
        lines, self._lines = self._lines, []
        return Draft(
            first=first,
            lines=lines,
            checkpoint=Checkpoint(origin=self._signer.name, size=state.frontier.size, root=state.frontier.root()),
            next_offset=state.next_offset,
            snapshot=snapshot,
        )

    # --- committing ------------------------------------------------------------------------------------------------------------------

    def commit(self, draft: Draft) -> None:
        """Make a draft durable (requires that all drafts before it are).

        Raises:
            StoreConflictError: another writer has written at this index: open the writer again.
            StoreError: stop; whether the segment was written is found out on opening again.
        """
        name = layout.segment(self._state.shard, draft.first)
        data = encode_segment(draft.lines, sign(draft.checkpoint, self._signer))
        # Until here nothing of the batch exists; once put returns, all of it does, with its checkpoint.
        self._store.put(name, data)
        self._state.sealed(draft.first, len(draft.lines))
        if draft.snapshot is not None and self._snapshots is not None:
            self._snapshots.write(draft.snapshot)

    def save_snapshot(self) -> None:
        """Write a snapshot now (requires that no draft is under way), so that the next start is quick."""
        if self._snapshots is not None and self._state.size > self._snapshot_at:
            self._snapshots.write(self._take_snapshot(self._snapshots))

    def _take_snapshot(self, snapshots: SnapshotFiles) -> PackedSnapshot:
        self._snapshot_at = self._state.size
        return snapshots.pack(self._state.snapshot(snapshots.directory))


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
        keys: its keys.
        shard: which shard; the same number as the partition.
        topic_id: of the topic that the records come from; the ledger has accepted it.
        cache: the directory for snapshots (`<cache>/<shard, 4 digits>`), or None to keep none.

    Raises:
        IntegrityError: the log contradicts itself.
        StoreError: it cannot be read.
    """
    keys.discard_staged()
    snapshots = SnapshotFiles(cache / f"{shard:04d}") if cache else None
    state = load_state(store, file, shard, snapshots)
    return ShardWriter(store, file, keys, state, topic_id, snapshots)


_OVERSIZED: Final = Reason("oversized_entry", "$", "the entry would be larger than 65,535 bytes")
_MAX_KEPT: Final = 1024


def _known(event: Event, account: str | None) -> Known:
    source, identifier = (text if len(text) <= _MAX_KEPT else None for text in (event.source, event.id))
    return Known(source=source, id=identifier, subject=event.subject, time=event.time.text, account=account)
