"""Compaction of a shard: which segments become a pack, and when they may go.

The order of writes is the whole point. A pack is put create-only, after its bytes were read back and checked; readers take what it covers
from it from then on. Then comes its index, which is derived and may be missing. Only after the pack was found in the store as it was
checked are its segments removed, one by one. A crash anywhere leaves the segments, the pack and the segments, or the pack and some
segments: the same log each time. The next run finishes it, missing indexes included.

Two compactors at once may make the same pack (one of them finds it there) or packs that overlap (`ledger.log.packs` says what counts);
each removes only segments that lie in a pack which it has checked itself.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from ledger.compact.deriving import Indexes
from ledger.compact.indexing import MadeIndex
from ledger.compact.making import Gathered, check_pack, follow, write_pack
from ledger.errors import IntegrityError, NotFoundError, StoreConflictError, StoreError
from ledger.log.ledgerfile import LedgerFile
from ledger.log.packfile import digest_of
from ledger.log.packs import Part, covers, pack_names, parts_of
from ledger.log.reader import raw_segment_names
from ledger.log.segments import Segment, parse_segment
from ledger.log.whole import WholeStore
from ledger.model import times
from ledger.proof.checkpoints import open_checkpoint
from ledger.proof.merkle import Frontier
from ledger.proof.notes import Verifier
from ledger.storage import layout
from ledger.storage.local import LocalStore
from ledger.storage.store import Store

__all__ = ["Compacted", "Policy", "compact_shard"]

PACK_ENTRIES: Final = 200_000
LEAST_ENTRIES: Final = 10_000
OLDER_THAN: Final = timedelta(hours=1)


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is compacted."""

    pack_entries: int = PACK_ENTRIES
    """A pack ends with the segment in which it reaches so many entries."""
    least_entries: int = LEAST_ENTRIES
    """Segments with fewer entries together stay what they are: many small packs are no better than many small segments."""
    older_than: timedelta = OLDER_THAN
    """Segments stay until their last entry was recorded so long ago; 0: all may go, those of clocks that are ahead too."""
    keep_segments: bool = False
    """Remove nothing."""
    threads: int = 1


class _Recorded(msgspec.Struct, frozen=True):
    """All of an entry that is asked for here."""

    recorded_at: str


class Compacted(msgspec.Struct, kw_only=True):
    """What was done to a shard."""

    shard: int
    packs: list[str] = []
    """The names of the packs that were made."""
    entries: int = 0
    """In them."""
    segments: int = 0
    """How many segments became part of them."""
    segment_bytes: int = 0
    pack_bytes: int = 0
    indexes: int = 0
    """How many packs got their index, those that an earlier run had left without included."""
    index_bytes: int = 0
    removed: int = 0
    """How many segments were removed, those that an earlier run had left behind included."""
    until: int = 0
    """Entries below this index are in packs now."""


def compact_shard(
    store: Store,
    file: LedgerFile,
    shard: int,
    policy: Policy,
    now: datetime,
    progress: Callable[[int], None] | None = None,
) -> Compacted:
    """Compact a shard as far as the policy goes.

    Args:
        store: the ledger's objects.
        file: its `ledger.json`.
        shard: which one (requires 0 <= shard < file.shards).
        policy: what is compacted.
        now: the time, with its zone.
        progress: called with the number of entries after each pack.

    Raises:
        IntegrityError: the log is not what was signed: nothing more is compacted or removed.
        StoreError: the store, or the temporary directory, cannot be read or written.
    """
    run = _Run(WholeStore(store), file.verifier(shard), shard, policy, now)
    run.index_earlier()
    if not policy.keep_segments:
        run.finish_earlier()
    while (made := run.next_pack()) is not None:
        (progress or (lambda _: None))(made)
    return run.done


class _Run:
    """One run over one shard."""

    def __init__(self, store: WholeStore, verifier: Verifier, shard: int, policy: Policy, now: datetime) -> None:
        self._store = store
        self._inner = store.inner
        self._verifier = verifier
        self._shard = shard
        self._policy = policy
        self._before = f"{(now - policy.older_than).astimezone(UTC):%Y-%m-%dT%H:%M:%S%f}"
        self._indexes = Indexes(store, shard, policy.threads)
        self.done = Compacted(shard=shard)

    def index_earlier(self) -> None:
        """Make the indexes that packs lack: a run was ended before it had, or somebody removed them."""
        parts = self._parts()
        for place, part in enumerate(parts):
            if not self._indexes.has(part.pack):
                with _space(), tempfile.TemporaryDirectory(prefix="ledger-index-") as directory:
                    path = self._store.file(part.name).path
                    self._keep(self._indexes.make(path, part.pack, parts[:place], Path(directory)))

    def finish_earlier(self) -> None:
        """Remove the segments that packs hold already: a run was ended before it had, or was told to keep them."""
        parts = self._parts()
        left = [
            (first, name, part)
            for first, name in raw_segment_names(self._inner, self._shard)
            if (part := covers(parts, first))
        ]
        good = {part.name: self._is_good(part, parts) for part in dict.fromkeys(part for _, _, part in left)}
        for _, name, part in left:
            # One that is not the same is no copy: a stray, which stays where it is. `verify` looks at it.
            if good[part.name] and self._is_copy(name):
                self._inner.delete(name)
                self.done.removed += 1

    def next_pack(self) -> int | None:
        """Make one pack and remove its segments; how many entries it has, or None where there is nothing to be compacted."""
        parts = self._parts()
        self.done.until = parts[-1].end if parts else 0
        before = self._frontier(parts[-1]) if parts else Frontier()
        with _space(), tempfile.TemporaryDirectory(prefix="ledger-compact-") as place:
            gathered = self._gather(before, Path(place))
            if gathered is None:
                return None
            pack = write_pack(gathered, Path(place), self._policy.threads)
            said = layout.parse_pack(pack.name)
            if said is None:
                raise ValueError(pack.name)
            with ThreadPoolExecutor(1) as beside:  # one works in the database, the other hashes
                index = beside.submit(self._indexes.make, pack.path, said, parts, Path(place))
                check_pack(pack, gathered.first, before, self._verifier, gathered.notes)
                made = index.result()
            pack.close()
            data = pack.path.read_bytes()
            self._put(pack.name, data)
            # Crash here: the pack has no index, and questions read it itself.
            self._keep(made)
        # From here on readers take these entries from the pack. Crash here: the segments are there too, and nobody reads them.
        self.done.packs.append(pack.name)
        self.done.entries += gathered.count
        self.done.segments += len(gathered.names)
        self.done.segment_bytes += gathered.size_bytes
        self.done.pack_bytes += len(data)
        self.done.until = int(gathered.frontier.size)
        if not self._policy.keep_segments:
            for name in gathered.names:
                # Crash here: some of them are gone.
                self._inner.delete(name)
                self.done.removed += 1
        return gathered.count

    def _keep(self, made: MadeIndex) -> None:
        self.done.indexes += 1
        self.done.index_bytes += self._indexes.put(made)

    def _parts(self) -> list[Part]:
        parts = parts_of(pack_names(self._inner, self._shard))
        reached = 0
        for part in parts:
            if part.start != reached:
                message = f"shard {self._shard:04d}: no pack holds the entries from {reached} to {part.start - 1}"
                raise IntegrityError("segment_missing", message, "run: ledger verify")
            reached = part.end
        return parts

    def _frontier(self, part: Part) -> Frontier:
        """The frontier after a pack, from its metadata: it must hash to the root that was signed there."""
        pack = self._store.file(part.name)
        frontier = pack.frontier(part.end)
        checkpoint = open_checkpoint(pack.boundaries()[-1][1], self._verifier)
        if (checkpoint.size, checkpoint.root) != (frontier.size, frontier.root()):
            raise pack.bad("the frontier in its metadata is not that of its last checkpoint")
        return frontier

    def _gather(self, before: Frontier, place: Path) -> Gathered | None:
        """The next segments, checked, as long as they are old enough and no pack is full; None where they are too few."""
        gathered = Gathered(
            shard=self._shard,
            first=int(before.size),
            frontier=before.copy(),
            files=[],
            names=[],
            notes=[],
            size_bytes=0,
        )
        for name, data, segment in self._segments(int(before.size)):
            if not self._is_old(segment, name):
                break
            follow(gathered.frontier, segment, self._verifier, name)
            gathered.files.append(self._as_file(name, data, place))
            gathered.names.append(name)
            gathered.notes.append((int(gathered.frontier.size), segment.note))
            gathered.size_bytes += len(data)
            if gathered.count >= self._policy.pack_entries:
                break
        return gathered if gathered.count >= max(1, self._policy.least_entries) else None

    def _segments(self, size: int) -> Iterator[tuple[str, bytes, Segment]]:
        while True:
            name = layout.segment(self._shard, size)
            try:
                data = self._inner.get(name)
            except NotFoundError:
                return
            segment = parse_segment(data, name)
            yield name, data, segment
            size += len(segment.lines)

    def _is_old(self, segment: Segment, name: str) -> bool:
        if not self._policy.older_than:
            return True
        try:
            recorded = msgspec.json.decode(segment.lines[-1], type=_Recorded).recorded_at
            return times.parse(recorded).key <= self._before
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as error:
            raise IntegrityError(
                "malformed_entry", f"{name}: its last entry has no time", "run: ledger verify"
            ) from error

    def _as_file(self, name: str, data: bytes, place: Path) -> Path:
        if isinstance(self._inner, LocalStore):
            return self._inner.root / name
        path = place / name.rpartition("/")[2]
        path.write_bytes(data)
        return path

    def _put(self, name: str, data: bytes) -> None:
        """Make a pack part of the log, and find it there as it was checked."""
        with suppress(StoreConflictError):  # another compactor was first; the name says what its bytes must be
            self._inner.put(name, data)
        stored = self._inner.get(name)
        parsed = layout.parse_pack(name)
        if parsed is None or not sha256(stored).hexdigest().startswith(parsed.digest):
            raise IntegrityError("bad_pack", f"{name} is not what was written", "run: ledger verify")

    def _is_good(self, part: Part, parts: Sequence[Part]) -> bool:
        """Check a pack that an earlier run has made, from the frontier of the one before it; False where there is none that ends there.

        Raises:
            IntegrityError: it is not what was signed.
        """
        pack = self._store.file(part.name)
        if not digest_of(pack.path).startswith(part.pack.digest):
            raise pack.bad("its bytes are not those that its name says")
        before = [self._frontier(known) for known in parts if known.end == part.pack.first]
        if part.pack.first and not before:
            return False
        check_pack(pack, part.pack.first, before[0] if before else Frontier(), self._verifier)
        return True

    def _is_copy(self, name: str) -> bool:
        try:
            ours, theirs = parse_segment(self._inner.get(name), name), parse_segment(self._store.get(name), name)
        except (NotFoundError, IntegrityError):
            return False
        return (ours.lines, ours.note) == (theirs.lines, theirs.note)


@contextmanager
def _space() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"cannot write to the temporary directory: {error.strerror or error}"
        raise StoreError("no_space_for_copy", message, "make space there, or set TMPDIR to another disk") from error
