"""Folding a batch: decoded records in, encoded entries out, the shard's state moved forward. Reads the store, never writes it.

This is where a record's fate is decided, in this order: unreadable, keyed wrongly, at home in another shard, known already, and
only then what the fold says. Each record appends exactly one entry.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from ledger.errors import IntegrityError, NotFoundError
from ledger.log.gaps import Accepted, gap_before
from ledger.log.quarantine import Quarantined
from ledger.log.records import RecordLike
from ledger.log.state import ShardState
from ledger.model import ids, times
from ledger.model.decoding import decode
from ledger.model.entries import (
    MAX_ENTRY_BYTES,
    encode_deployed,
    encode_duplicate,
    encode_folded,
    encode_head,
    encode_rejected,
    sealed_actor,
)
from ledger.model.events import Actor, Event, Known, Rejected
from ledger.model.fold import NOTHING_FOUND, Found, Kind, effective_time, fold
from ledger.model.quick import CodeChange, event_parts, fold_code_change, read_code_change
from ledger.model.reasons import Reason
from ledger.model.state import ABSENT, Account
from ledger.proof.merkle import leaf_hash
from ledger.storage import layout
from ledger.storage.keys import KeyStore, Mac
from ledger.storage.store import Store

__all__ = ["Batch", "Folder", "home_of", "registration"]

_encode = msgspec.json.Encoder().encode


class _Registration(msgspec.Struct, frozen=True):
    """Which shard an account is at home in (`accounts/<id>.json`)."""

    account: str
    shard: int


class Batch(msgspec.Struct):
    """What folding a batch made, and what must be durable before its segment."""

    first: int
    """Index of the first entry."""
    lines: list[bytes]
    leaves: list[bytes]
    new_accounts: list[str]
    """To be registered."""
    objects: list[tuple[str, bytes]]
    """Blobs and quarantined bytes: name and content."""
    outcomes: dict[str, int]
    """How many entries have each outcome; those that were folded quickly are added at the end."""
    reasons: dict[str, int]
    """How many rejected entries have each reason code."""

    def count(self, outcome: str) -> None:
        """Count one more entry with this outcome."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1


class Folder:
    """Turns records into entries of one shard.

    Args:
        store: the ledger's objects; only read.
        keys: its keys.
        state: the shard's, moved forward.
        topic: the ledger's topic.
        topic_id: of the topic that the records come from.
        gaps: the accepted gaps of this partition and topic id.
        keeps: whether refused records' bytes are kept, where they may be; False for replays.
    """

    def __init__(
        self,
        store: Store,
        keys: KeyStore,
        state: ShardState,
        topic: str,
        topic_id: str,
        *,
        gaps: Accepted,
        keeps: bool = True,
    ) -> None:
        self._store = store
        self._keys = keys
        self._state = state
        self._topic = topic
        self._topic_id = topic_id
        self.gaps = gaps
        self._keeps = keeps
        self._origin = f'{{"topic":"{topic}",'
        self._homes: dict[str, int] = {}
        """Accounts that are at home in other shards, as far as they were met."""
        self._batch = _empty(0)
        self._actors: dict[str, dict[bytes, tuple[Mac, bytes]]] = {}
        """How those who act are written, by account and actor: the same few act again and again."""
        self._met = 0
        self._stamp: tuple[int, times.Time] = (0, times.from_milliseconds(0))
        """The last record's timestamp; those of a record batch are often all the same."""

    def fold(self, records: Sequence[RecordLike]) -> Batch:
        """Fold records (requires that their offsets follow those in the log, ascending).

        Raises:
            StoreError, IntegrityError: the log cannot be read; the state is of no use any more.
        """
        self._batch = batch = _empty(self._state.size)
        for start in range(0, len(records), _STRIDE):
            self._fold_some(records[start : start + _STRIDE])
        self._state.frontier.extend(batch.leaves)
        quickly = len(batch.lines) - sum(batch.outcomes.values())
        if quickly:  # only deployments are folded quickly
            batch.outcomes[_DEPLOYED] = batch.outcomes.get(_DEPLOYED, 0) + quickly
        return batch

    def refuse(self, record: RecordLike, known: Known, reason: Reason) -> Batch:
        """Append the entry of a record that was refused (requires that its offset follows), of which only this is left: for replays."""
        self._batch = batch = _empty(self._state.size)
        self._stamp_with(record)
        self._reject(record, known, reason, keep=False)
        self._state.frontier.extend(batch.leaves)
        return batch

    def forget_erased(self, stored: frozenset[str]) -> None:
        """Forget the people whose keys are no longer stored: who acts again after that is somebody new.

        Args:
            stored: what `KeyStore.stored_people` said a short while ago.
        """
        if self._keys.forget_erased(stored):
            self._actors.clear()
            self._met = 0

    def _stamp_with(self, record: RecordLike) -> None:
        """Take over a record's timestamp as the recorded time, unless that is later already."""
        if record.timestamp != self._stamp[0]:
            self._stamp = record.timestamp, times.from_milliseconds(record.timestamp)
        if self._stamp[1].key > self._state.recorded.key:
            self._state.recorded = self._stamp[1]

    def _fold_some(self, records: Sequence[RecordLike]) -> None:
        decoded = [_read(record) for record in records]
        in_runs = self._in_runs(decoded)
        for place, (record, read) in enumerate(zip(records, decoded, strict=True)):
            self._stamp_with(record)
            if isinstance(read, CodeChange) and place not in in_runs and self._add_quickly(record, read):
                continue
            event = decode(record.value, record.headers) if isinstance(read, CodeChange) else read
            if isinstance(event, Rejected):
                self._reject(record, event.known, event.reason, keep=event.keep)
            else:
                self._add(record, event, in_runs.get(place, ()))

    def _in_runs(self, decoded: Sequence[CodeChange | Event | Rejected]) -> dict[int, list[int]]:
        """Candidates for events that are known already, of all records at once: place to entry indexes."""
        lookup = self._state.events
        if not lookup.has_runs:
            return {}
        keys = ["" if isinstance(event, Rejected) else ids.event_key(event.source, event.id) for event in decoded]
        return lookup.find_in_runs(keys)

    def _add_quickly(self, record: RecordLike, change: CodeChange) -> bool:
        """Append the entry of a change of code that nothing is special about; False where something is: then nothing was done."""
        state = self._state
        account = state.accounts.get(change.account)
        key = ids.event_key(change.source, change.id)
        if account is None or record.key != account.key or state.events.recent(key) is not None:
            return False
        deployed = fold_code_change(account.scripts.get(change.subject, ABSENT), change, state.recorded)
        if deployed is None:
            return False
        mac, actor = self._sealed(record, change)
        head = self._head(record, account, mac, deployed.effective_at, deployed.skew)
        entry = encode_deployed(
            head, event_parts(change, actor), deployed.changes, deployed.version, deployed.deployment
        )
        if len(entry) > MAX_ENTRY_BYTES:
            return False
        self._append(entry, record, account)
        account.scripts[change.subject] = deployed.script
        state.made(key, deployed.version, deployed.deployment)
        return True

    def _add(self, record: RecordLike, event: Event, candidates: Sequence[int]) -> None:
        """Append the entry of a record that could be decoded."""
        state = self._state
        key = ids.event_key(event.source, event.id)
        reason = self._misplaced(record, event)
        if reason is not None:
            self._reject(record, _known(event, account=None), reason)
            return
        account = state.accounts.get(event.account)
        if account is None:
            account = Account(name=event.account, scripts={}, routes={}, domains={})
        first = state.events.recent(key)
        if first is None and candidates:
            first = state.first_with_event(event.source, event.id, candidates)
        if first is not None:
            script = account.scripts.get(event.subject, ABSENT)
            effective_at, skew = effective_time(event.time, state.recorded, script.effective_at)
            head = self._head(record, account, self._sealed(record, event)[0], effective_at, skew)
            entry = encode_duplicate(head, event, first)
            if len(entry) > MAX_ENTRY_BYTES:  # by attributes that the first had not
                self._reject(record, _known(event, account=event.account), _OVERSIZED)
            else:
                self._append(entry, record, account)
                self._batch.count("duplicate")
            return
        outcome = fold(account, event, state.recorded, self._found(event))
        if outcome.reason is not None:
            self._reject(record, _known(event, account=event.account), outcome.reason)
            return
        mac, actor = self._sealed(record, event)
        head = self._head(record, account, mac, outcome.effective_at, outcome.skew)
        line = encode_folded(head, event, actor, outcome)
        if line is None:
            self._reject(record, _known(event, account=event.account), _OVERSIZED)
            return
        self._append(line.entry, record, account, line.blobs)
        self._batch.count(outcome.kind)
        account.settle(event.subject, outcome)
        state.made(key, outcome.version, outcome.deployment)

    def _reject(self, record: RecordLike, known: Known, reason: Reason, *, keep: bool = True) -> None:
        """Append a `rejected` entry; it joins the account's chain where the account is known and the record was keyed with it."""
        account = self._state.accounts.get(known.account or "")
        if account is not None and record.key != account.name.encode():
            account = None
        script = account.scripts.get(known.subject or "", ABSENT) if account else ABSENT
        time = times.parse(known.time) if known.time else None
        effective_at, skew = effective_time(time, self._state.recorded, script.effective_at)
        mac = self._keys.ledger(record.value or b"")
        if keep and self._keeps:
            self._batch.objects.append(
                (layout.quarantine(self._state.shard, self._state.size), self._quarantined(record))
            )
        head = self._head(record, account, mac, effective_at, skew)
        self._append(encode_rejected(head, known, reason), record, account)
        self._batch.count("rejected")
        self._batch.reasons[reason.code] = self._batch.reasons.get(reason.code, 0) + 1

    def _append(
        self, entry: bytes, record: RecordLike, account: Account | None, blobs: Sequence[tuple[str, bytes]] = ()
    ) -> None:
        state, batch = self._state, self._batch
        leaf = leaf_hash(entry)
        batch.leaves.append(leaf)
        batch.lines.append(entry)
        if blobs:
            named = [(layout.blob(digest), content) for digest, content in blobs]
            batch.objects += named
            state.new_blobs.update(named)  # an event may deploy this version again before it is on storage
        state.append(entry, record.offset + 1, self._topic_id)
        if account is not None:
            if not account.entries:
                state.accounts[account.name] = account
                batch.new_accounts.append(account.name)
            account.entries += 1
            account.last = leaf.hex()

    def _head(
        self, record: RecordLike, account: Account | None, mac: str, effective_at: str, skew: str | None
    ) -> bytes:
        state = self._state
        is_same = state.topic_id == self._topic_id
        expected = state.next_offset if is_same else 0
        hole = "" if record.offset == expected else self._hole(expected, record.offset)
        named = "" if is_same else f'"topic_id":"{self._topic_id}",'
        origin = f'{self._origin}{named}"partition":{state.shard},"offset":{record.offset},{hole}"mac":"{mac}"}}'
        return encode_head(state.size, account, state.recorded.text, effective_at, skew, origin)

    def _hole(self, expected: int, offset: int) -> str:
        """What an entry's origin says of the offsets before its own that have no entry: skipped, or lost and that accepted."""
        gap = gap_before(self.gaps, expected, offset)
        skipped = offset - (expected if gap is None else gap.to + 1)
        lost = "" if gap is None else f'"gap":{_encode(gap).decode()},'
        return (f'"skipped":{skipped},' if skipped else "") + lost

    def _sealed(self, record: RecordLike, event: CodeChange | Event) -> tuple[str, bytes]:
        """The MAC of the record's value and the sealed actor, under the key of the person who acted."""
        value = record.value or b""
        if event.actor is None:
            return self._keys.ledger(value), b""
        actors = self._actors.get(event.account)
        known = actors.get(event.actor_json) if actors else None
        mac, actor = known or self._meet(event.account, event.actor, event.actor_json)
        return mac(value), actor

    def _meet(self, account: str, actor: Actor, actor_json: bytes) -> tuple[Mac, bytes]:
        """The MAC of a person, and how an entry names them; remembered."""
        person = self._keys.person(account, actor.id)
        met = person.mac, sealed_actor(actor.type, person.pseudonym, person.seal(actor_json))
        if self._met >= _REMEMBERED:
            self._actors.clear()
            self._met = 0
        self._actors.setdefault(account, {})[actor_json] = met
        self._met += 1
        return met

    def _misplaced(self, record: RecordLike, event: Event) -> Reason | None:
        account = self._state.accounts.get(event.account)
        if record.key != (event.account.encode() if account is None else account.key):
            return Reason("key_mismatch", "$.accountid", "the record's key is not the account")
        if account is not None:
            return None
        if event.account not in self._homes:
            home = home_of(self._store, event.account)
            if home is None or home == self._state.shard:
                return None
            self._homes[event.account] = home
        home = self._homes[event.account]
        return Reason("misrouted", "$.accountid", f"the account is at home in shard {home:04d}")

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
        return Quarantined(
            topic=self._topic,
            partition=self._state.shard,
            offset=record.offset,
            timestamp=record.timestamp,
            key=record.key,
            headers=list(record.headers),
            value=record.value,
        ).encode()


def _read(record: RecordLike) -> CodeChange | Event | Rejected:
    return read_code_change(record.value, record.headers) or decode(record.value, record.headers)


def _empty(first: int) -> Batch:
    return Batch(first, [], [], [], [], {}, {})


_DEPLOYED: Final[Kind] = "deployed"
_STRIDE: Final = 128
"""How many records are decoded before they are folded: what is decoded is to be in the processor's cache still."""
_OVERSIZED: Final = Reason("oversized_entry", "$", "the entry would be larger than 65,535 bytes")
_MAX_KEPT: Final = 1024
_REMEMBERED: Final = 65_536


def _known(event: Event, account: str | None) -> Known:
    source, identifier = (text if len(text) <= _MAX_KEPT else None for text in (event.source, event.id))
    return Known(source=source, id=identifier, subject=event.subject, time=event.time.text, account=account)


def home_of(store: Store, account: str) -> int | None:
    """The shard that an account is registered for, or None where it is new.

    Raises:
        IntegrityError: `bad_registration`.
    """
    try:
        return msgspec.json.decode(store.get(layout.account(account)), type=_Registration).shard
    except NotFoundError:
        return None
    except msgspec.MsgspecError as error:
        message = f"{layout.account(account)} is damaged"
        raise IntegrityError("bad_registration", message, "restore it from a copy") from error


def registration(account: str, shard: int) -> tuple[str, bytes]:
    """The object that registers an account: its name and content."""
    return layout.account(account), _encode(_Registration(account, shard)) + b"\n"
