"""The walk over one shard's log: segments in order, summaries joined, every checkpoint compared, the first contradiction named."""

from collections.abc import Callable, Iterator

from ledger.errors import IntegrityError
from ledger.log.ledgerfile import LedgerFile
from ledger.log.reader import segment_names
from ledger.log.segments import Segment, parse_segment
from ledger.log.whole import WholeStore
from ledger.proof.checkpoints import Checkpoint, format_hash, open_checkpoint
from ledger.proof.merkle import Frontier, leaf_hash
from ledger.proof.notes import Verifier
from ledger.storage import layout
from ledger.verify.chain import Chain
from ledger.verify.content import moved_parts, read_exactly
from ledger.verify.damage import damaged, frame_flip, unsigned
from ledger.verify.earlier import Extension
from ledger.verify.findings import BadError, Lost, Problem, ShardReport
from ledger.verify.locate import Suspect, judged
from ledger.verify.packs import PackChecks
from ledger.verify.pool import Pool
from ledger.verify.ranges import joined
from ledger.verify.reading import next_after, read_segment
from ledger.verify.remembered import Seen, thin
from ledger.verify.segments import Chunk, chunks
from ledger.verify.summary import Place, Summary

__all__ = ["Walk"]


class Walk:
    """Verifies one shard, from the beginning or from where `resume` put it.

    Args:
        store: the ledger's objects.
        file: what the ledger is.
        key: the shard's public key, as it is trusted.
        chain: of the shard, empty.
        blob: called with the digest of every blob that entries refer to; raises BadError where it is not there.
        extension: earlier checkpoints to compare with on the way.
    """

    def __init__(
        self,
        store: WholeStore,
        file: LedgerFile,
        key: Verifier,
        chain: Chain,
        blob: Callable[[str], None],
        extension: Extension,
    ) -> None:
        self._store = store
        self.shard = chain.shard
        self._verifier = key
        self._chain = chain
        self._frontier = Frontier()
        self._blob = blob
        self.extension = extension
        self._place = Place(chain.shard, file.topic, key.vkey)
        self._name = layout.shard_prefix(chain.shard)
        self._newest = self._name
        self._last: bytes | None = None
        self._packs = PackChecks(store, chain.shard)
        self.since = 0
        """Entries below this index were verified by an earlier run."""
        self._trail: list[tuple[int, bytes]] = []
        self.segments = 0
        """How many segments were found to be good."""
        self.strays: list[int] = []
        """First indexes of those that don't."""
        self.problem: Problem | None = None

    @property
    def size(self) -> int:
        """How many entries were found to be good."""
        return int(self._frontier.size)

    @property
    def lost(self) -> list[Lost]:
        """The accepted gaps that entries carry."""
        return self._chain.lost

    def resume(self, seen: Seen) -> None:
        """Begin after what an earlier run has verified."""
        self._frontier = seen.resume(self._chain)
        self.since = seen.size
        self._trail = list(seen.trail)

    def report(self, replayed: int | None = None) -> ShardReport:
        """What was verified."""
        return ShardReport(
            shard=self.shard,
            size=self.size,
            root=format_hash(self._frontier.root()),
            segments=self.segments,
            accounts=len(self._chain.accounts),
            since=self.since,
            replayed=replayed,
        )

    def seen(self) -> Seen:
        """What a later run needs to know (requires that a segment was read and no problem found)."""
        chain = self._chain
        return Seen(
            vkey=self._verifier.vkey,
            size=self.size,
            root=self._frontier.root(),
            note=parse_segment(self._last or self._store.get(self._newest), self._newest).note,
            frontier=list(self._frontier.hashes),
            accounts=chain.accounts,
            next_offset=chain.next_offset,
            topic_id=chain.topic_id,
            recorded=chain.recorded,
            lost=chain.lost,
            trail=self._trail,
        )

    def run(self, pool: "Pool[Chunk, list[Summary | None]]") -> Iterator[int]:
        """Check segment after segment; yields the number of entries of each. `problem` says what ended it."""
        try:
            if self.since:
                yield from self._continue()
            for chunk, summaries in pool.map(chunks(self._store, self._place, self.size)):
                for (first, data), summary in zip(chunk.segments, summaries, strict=True):
                    if first > self.size:
                        yield from self._until(first)
                    if first < self.size:
                        self.strays.append(first)
                    else:
                        yield self._segment(data, summary)
            yield from self._until(None)
            self._name = self._newest
            self.extension.end(self.size)
        except BadError as bad:
            bad = self._packs.blamed(bad, self.size)
            self.problem = bad.problem(self.shard, self._said(bad), self.size)
        except IntegrityError as error:
            # A pack that is not even read as one: all that it should hold is missing.
            unreadable = self._packs.unreadable(error, self.size)
            self.problem = unreadable.problem(self.shard, self._said(unreadable), self.size)

    def _said(self, bad: BadError) -> str:
        """The file that a problem is said of: the pack, where the segment lies in one."""
        parsed = layout.parse_segment(self._name)
        if bad.file:
            return bad.file
        return (parsed and self._packs.name_of(parsed.first)) or self._name

    def _continue(self) -> Iterator[int]:
        """The segment in which, or at whose end, this run begins: what is before it must still be there."""
        self.extension.begin(self._frontier)
        self._packs.skip(self.size)
        first = max((first for first, _ in segment_names(self._store, self.shard) if first < self.size), default=0)
        self._name = layout.segment(self.shard, first)
        data = read_segment(self._store, self._name)
        if data is None:
            raise BadError(
                "segment_missing", f"the log ended at {self.size} entries when it was seen before", index=first
            )
        segment = self._parsed(data, first)
        if first + len(segment.lines) < self.size:
            message = (
                f"the log ends at {first + len(segment.lines)} entries; it had {self.size} when it was seen before"
            )
            raise BadError("truncated", message, index=first + len(segment.lines))
        before = self._frontier
        self._entries(Segment(segment.lines[self.size - first :], segment.note))
        self._columns(first)
        self._took(data)
        # Nothing below where this run begins is compared, so the lines before it do not matter here.
        self.extension.follow(before, self._frontier, lambda: segment.lines)
        yield self.size - self.since

    def _until(self, first: int | None) -> Iterator[int]:
        """Segments that the listing did not hold (it may miss what is written meanwhile), up to the one at `first`."""
        while first is None or self.size < first:
            self._name = layout.segment(self.shard, self.size)
            beyond = first
            if beyond is None:
                after = next_after(self._store, self.shard, self.size)
                beyond = after[0] if after else None
            data = read_segment(self._store, self._name)
            if data is None and beyond is None:
                return
            if data is None:
                message = f"the log has {self.size} entries, the next segment begins at {beyond}"
                raise BadError("segment_missing", message, expected=str(self.size), found=str(beyond))
            yield self._segment(data, None)

    def _segment(self, data: bytes | None, summary: Summary | None) -> int:
        """Go on by the segment that begins here; without its bytes where it lies in a pack."""
        before = self._frontier
        self._name = layout.segment(self.shard, before.size)
        if summary is None or not self._join(summary):
            found = self._store.get(self._name) if data is None else data
            segment = self._parsed(found, before.size)
            self._entries(segment)
            self._columns(int(before.size))
            flip = frame_flip(segment, found)
            if flip is not None:
                flip.index = int(before.size)
                raise flip
        self._took(data)
        self._trail.append((self.size, self._frontier.root()))
        thin(self._trail)
        self.extension.follow(before, self._frontier, lambda: self._lines(data))
        return self.size - before.size

    def _lines(self, data: bytes | None) -> list[bytes]:
        return parse_segment(self._store.get(self._name) if data is None else data, self._name).lines

    def _columns(self, first: int) -> None:
        """What stands beside the entries of the segment that begins at `first`, where it lies in a pack."""
        self._packs.compare(first, self.size)

    def _took(self, data: bytes | None) -> None:
        self.segments += 1
        self._last, self._newest = data, self._name
        self._packs.passed(self.size)

    def _join(self, summary: Summary) -> bool:
        """Take over a summary; False where it does not fit, or where it takes a closer look to say what does not."""
        after = joined(self._frontier, summary.nodes)
        if (summary.size, summary.root) != (after.size, after.root()):
            return False
        try:
            for digest in summary.moved:
                self._blob(digest)
        except BadError:
            return False
        if not self._chain.join(summary):
            return False
        self._frontier = after
        return True

    def _parsed(self, data: bytes, first: int) -> Segment:
        try:
            return parse_segment(data, self._name)
        except IntegrityError as error:
            suspect = Suspect(self._store, self.shard, first, [], self._frontier, None)
            raise damaged(error, data, suspect, self._verifier) from None

    def _entries(self, segment: Segment) -> None:
        """Go on entry by entry, naming what does not fit."""
        first, frontier = self.size, self._frontier.copy()
        leaves = [leaf_hash(line) for line in segment.lines]
        frontier.extend(leaves)
        expected = Checkpoint(origin=self._verifier.name, size=frontier.size, root=frontier.root())
        opened = self._opened(segment.note)
        checkpoint = opened if isinstance(opened, Checkpoint) else None
        suspect = Suspect(self._store, self.shard, first, segment.lines, self._frontier, checkpoint)
        try:
            for line, leaf in zip(segment.lines, leaves, strict=True):
                facts = read_exactly(line)
                for digest in moved_parts(facts):
                    self._blob(digest)
                self._chain.step(facts, leaf.hex())
        except BadError as bad:
            bad.index = self._chain.size if bad.index is None else bad.index
            raise judged(suspect, bad) from None
        if isinstance(opened, IntegrityError):
            raise unsigned(opened, segment.note, self._verifier, expected, first)
        if (opened.size, opened.root) != (expected.size, expected.root):
            raise judged(suspect, None)
        self._frontier = frontier

    def _opened(self, note: bytes) -> Checkpoint | IntegrityError:
        try:
            return open_checkpoint(note, self._verifier)
        except IntegrityError as error:
            return error
