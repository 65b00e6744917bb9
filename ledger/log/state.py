"""The state of a shard: everything a writer must know to append the next entry; how it is loaded, and how it is saved."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock

from msgspec import UNSET

from ledger.errors import IntegrityError, LedgerError
from ledger.log.ledgerfile import LedgerFile
from ledger.log.lookup import Lookup
from ledger.log.reader import ShardReader, read_entry
from ledger.log.segments import Segment
from ledger.log.snapshot import Snapshot, SnapshotFiles, packed, unpacked
from ledger.model import ids, times
from ledger.model.entries import Entry, decode_entry
from ledger.model.restore import deployment_of, restore, version_of
from ledger.model.state import Account, Deployment, Version
from ledger.proof.checkpoints import Checkpoint, open_checkpoint
from ledger.proof.merkle import Frontier, leaf_hash
from ledger.proof.notes import Verifier
from ledger.storage import layout
from ledger.storage.blobs import BlobStore
from ledger.storage.store import Store

__all__ = ["ShardState", "continue_from", "entry_that_made", "load_state", "state_of", "take_segment"]


class ShardState:
    """What the writer of a shard remembers. Moves forward only; after a lost race it is dropped and loaded again."""

    def __init__(self, store: Store, shard: int) -> None:
        self.shard = shard
        self._lock = Lock()
        self.size = 0
        """How many entries the log has, unsealed ones included."""
        self.reader = ShardReader(store, shard)
        self.blobs = BlobStore(store)
        self.accounts: dict[str, Account] = {}
        self.frontier = Frontier()
        self.next_offset = 0
        self.topic_id = ""
        """Of the last entry; empty in an empty log."""
        self.recorded = times.EARLIEST
        self.events = Lookup()
        self.ids = Lookup()
        self.unsealed: list[bytes] = []
        """Entries after those that `reader` knows: folded, not yet seen on storage."""
        self.new_blobs: dict[str, bytes] = {}
        """Blobs that were folded and are not on storage yet, by the object's name."""
        self.on_entry: Callable[[Entry], None] | None = None
        """Told of each entry that `take` has taken over."""

    def append(self, line: bytes, next_offset: int, topic_id: str) -> None:
        """Take over a new entry, as far as it is the log's and not its account's or the tree's."""
        self.unsealed.append(line)
        self.size += 1
        self.next_offset = next_offset
        self.topic_id = topic_id

    def made(self, event: str, version: Version | None, deployment: Deployment | None) -> None:
        """Remember that the last entry has this event (its key) and made these."""
        index = self.size - 1
        self.events.add(event, index)
        if version is not None:
            self.ids.add(version.id, index)
        if deployment is not None:
            self.ids.add(deployment.id, index)

    def stored(self, objects: Sequence[tuple[str, bytes]]) -> None:
        """Take note that these are on storage now."""
        for name, _ in objects:
            self.new_blobs.pop(name, None)

    def sealed(self, index: int, count: int) -> None:
        """Take note that the next `count` entries, from `index`, are on storage now."""
        # Both in one step for a thread that folds meanwhile: it reads `reader.size` and `unsealed` one after the other.
        with self._lock:
            self.reader.add(index, count)
            del self.unsealed[:count]

    def entry(self, index: int) -> bytes:
        """The entry at an index (requires 0 <= index < size)."""
        with self._lock:
            sealed = self.reader.size
            if index >= sealed:
                return self.unsealed[index - sealed]
        return self.reader.entry(index)

    def first_with_event(self, source: str, event_id: str, candidates: Sequence[int]) -> int | None:
        """The first of the entries at `candidates` that has this event and did not reject it."""
        for index in candidates:
            entry = decode_entry(self.entry(index))
            if entry.event.source == source and entry.event.id == event_id and entry.outcome != "rejected":
                return index
        return None

    def find_version(self, account: str, script: str, identifier: str) -> Version | None:
        """The version of a script with this id, from the log."""
        entry = self._made("version", account, script, identifier)
        return version_of(entry, self._blob) if entry else None

    def _blob(self, digest: str) -> bytes:
        found = self.new_blobs.get(layout.blob(digest))
        return self.blobs.get(digest) if found is None else found

    def find_deployment(self, account: str, script: str, identifier: str) -> Deployment | None:
        """The deployment of a script with this id, from the log."""
        entry = self._made("deployment", account, script, identifier)
        return (
            deployment_of(entry, lambda version: self._known_version(account, script, version).number)
            if entry
            else None
        )

    def _known_version(self, account: str, script: str, identifier: str) -> Version:
        version = self.find_version(account, script, identifier)
        if version is None:
            raise IntegrityError(
                "unknown_version", f"an entry of {account}/{script} names version {identifier}, which no entry made"
            )
        return version

    def _made(self, part: str, account: str, script: str, identifier: str) -> Entry | None:
        return entry_that_made(part, account, script, identifier, map(self.entry, self.ids.find(identifier)))

    def take(self, lines: list[bytes]) -> None:
        """Move forward over entries that were read from the log.

        Raises:
            IntegrityError: they do not continue what came before.
        """
        for line in lines:
            index = self.size
            entry = _decode(line, index)
            leaf = leaf_hash(line)
            self.frontier.append(leaf)
            topic_id = self.topic_id if entry.origin.topic_id is UNSET else entry.origin.topic_id
            self.append(line, entry.origin.offset + 1, topic_id)
            self._take_account(entry, leaf)
            self._index(entry, index)
            self.recorded = times.parse(entry.recorded_at)
            if self.on_entry is not None:
                self.on_entry(entry)

    def _take_account(self, entry: Entry, leaf: bytes) -> None:
        name = entry.account
        if name is None:
            return
        account = self.accounts.setdefault(name, Account(name=name, scripts={}, routes={}, domains={}))
        if entry.account_index != account.entries or (entry.account_prev or "") != account.last:
            raise IntegrityError(
                "account_chain_broken",
                f"entry {entry.index}: the chain of account {name} does not continue",
                "run: ledger verify",
            )
        script = entry.event.subject or ""
        restore(account, entry, lambda version: self._known_version(name, script, version), self.blobs.get)
        account.entries += 1
        account.last = leaf.hex()

    def _index(self, entry: Entry, index: int) -> None:
        if entry.outcome not in ("rejected", "duplicate"):
            self.events.add(ids.event_key(entry.event.source or "", entry.event.id or ""), index)
        for made in (entry.version, entry.deployment):
            if made is not None:
                self.ids.add(made.id, index)

    def snapshot(self, directory: Path) -> Snapshot:
        """The state as it is now, its runs written to `directory`."""
        directory.mkdir(parents=True, exist_ok=True)
        return Snapshot(
            shard=self.shard,
            size=self.size,
            next_offset=self.next_offset,
            topic_id=self.topic_id,
            recorded_at=self.recorded.text,
            frontier=list(self.frontier.hashes),
            accounts=packed(self.accounts),
            events=self.events.save(directory, "events", self.size),
            ids=self.ids.save(directory, "ids", self.size),
        )


def entry_that_made(part: str, account: str, script: str, identifier: str, candidates: Iterable[bytes]) -> Entry | None:
    """The entry that made the `version` or `deployment` of a script with this id, among candidates, or None."""
    for line in candidates:
        entry = decode_entry(line)
        made = getattr(entry, part)
        if entry.account == account and entry.event.subject == script and made is not None and made.id == identifier:
            return entry
    return None


def load_state(store: Store, file: LedgerFile, shard: int, snapshots: SnapshotFiles | None) -> ShardState:
    """The state at the end of the log: from the newest usable snapshot, and from the entries after it.

    Raises:
        IntegrityError: the log contradicts itself.
    """
    verifier = file.verifier(shard)
    snapshot = snapshots.newest() if snapshots else None
    if snapshots and snapshot and snapshot.shard == shard:
        state = state_of(snapshot, store, shard, snapshots.directory)
        if state is not None and continue_from(state, verifier, snapshot.size):
            return state
    state = ShardState(store, shard)
    continue_from(state, verifier, 0)
    return state


def state_of(snapshot: Snapshot, store: Store, shard: int, directory: Path) -> ShardState | None:
    """The state that a snapshot holds, or None where its runs or its frontier are damaged."""
    state = ShardState(store, shard)
    try:
        state.events = Lookup.load(directory, snapshot.events)
        state.ids = Lookup.load(directory, snapshot.ids)
        state.frontier = Frontier(snapshot.size, snapshot.frontier)
        state.recorded = times.parse(snapshot.recorded_at)
        state.size = snapshot.size
    except (OSError, ValueError, LedgerError):
        return None
    state.accounts = unpacked(snapshot.accounts)
    state.next_offset = snapshot.next_offset
    state.topic_id = snapshot.topic_id
    return state


def continue_from(state: ShardState, verifier: Verifier, start: int) -> bool:
    """Read the log from `start` to its end; False where the snapshot at `start` is not what the log says.

    Raises:
        IntegrityError: the log contradicts itself.
        StoreError: it cannot be read.
    """
    reader = state.reader
    checked = start == 0
    for _, name, segment in reader.segments(start):
        if not checked and not _vouches(reader.segment_at(start), state, verifier):
            return False
        checked = True
        take_segment(state, segment, verifier, name)
    return checked or _vouches(reader.segment_at(start), state, verifier)


def take_segment(state: ShardState, segment: Segment, verifier: Verifier, name: str) -> None:
    """Move forward over the next segment of the log, which its reader is told of by the caller.

    Raises:
        IntegrityError: it does not continue what came before, or its checkpoint is not what was signed. The state is of no use any more.
    """
    state.take(segment.lines)
    state.unsealed.clear()
    checkpoint = _checkpoint(segment, verifier, name)
    if checkpoint.size != state.frontier.size or checkpoint.root != state.frontier.root():
        raise IntegrityError(
            "root_mismatch", f"{name}: its checkpoint does not fit the entries before it", "run: ledger verify"
        )


def _vouches(segment: Segment | None, state: ShardState, verifier: Verifier) -> bool:
    if segment is None:
        return False
    checkpoint = _checkpoint(segment, verifier, f"the segment before entry {state.frontier.size}")
    return checkpoint.size == state.frontier.size and checkpoint.root == state.frontier.root()


def _checkpoint(segment: Segment, verifier: Verifier, name: str) -> Checkpoint:
    try:
        return open_checkpoint(segment.note, verifier)
    except IntegrityError as error:
        raise IntegrityError(error.code, f"{name}: {error.message}", "run: ledger verify") from error


def _decode(line: bytes, index: int) -> Entry:
    entry = read_entry(line, f"entry {index}")
    if entry.v > 1:
        raise IntegrityError("newer_format", f"entry {index} has format {entry.v}", "use a newer release of the ledger")
    if entry.index != index:
        raise IntegrityError(
            "reordered", f"entry {entry.index} stands where entry {index} belongs", "run: ledger verify"
        )
    return entry
