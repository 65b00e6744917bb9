"""Reading a shard's log: its segments in order, entries by index.

A reader sees a prefix of the log. A segment counts only if its first index is the size that everything before it adds up to;
other names (strays of a paused worker) are left alone here and reported by `verify`.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

import msgspec

from ledger.errors import IntegrityError, NotFoundError
from ledger.log.segments import Segment, parse_segment
from ledger.log.whole import whole
from ledger.model.entries import Entry, decode_entry
from ledger.storage import layout
from ledger.storage.store import Store

__all__ = ["ShardReader", "raw_segment_names", "read_entry", "segment_names"]

_KEPT_SEGMENTS: Final = 16


def read_entry(line: bytes, where: str) -> Entry:
    """Decode an entry; `where` it stands is for the message.

    Raises:
        IntegrityError: `malformed_entry`.
    """
    try:
        return decode_entry(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise IntegrityError("malformed_entry", f"{where} cannot be read: {error}", "run: ledger verify") from error


def segment_names(store: Store, shard: int, after: str = "") -> Iterator[tuple[int, str]]:
    """The segments of a shard as (first index, name), ascending, those in packs included; names that are none are passed over."""
    return raw_segment_names(whole(store), shard, after)


def raw_segment_names(store: Store, shard: int, after: str = "") -> Iterator[tuple[int, str]]:
    """The same of the objects that lie in the store."""
    for name in store.list(layout.shard_prefix(shard), after):
        parsed = layout.parse_segment(name)
        if parsed is not None:
            yield parsed.first, name


class ShardReader:
    """Random access to the entries of one shard, for the worker that writes it, and reading on as the log grows.

    Args:
        store: the ledger's objects.
        shard: which one.
        size: so many entries are taken as read, for who only wants what comes after them (requires that a segment ends there).
    """

    def __init__(self, store: Store, shard: int, size: int = 0) -> None:
        self._store = whole(store)
        self._shard = shard
        self._starts: list[int] = []
        self._size = size
        self._kept: OrderedDict[int, Segment] = OrderedDict()

    @property
    def size(self) -> int:
        """How many entries the segments seen so far hold."""
        return self._size

    def segments(self, start: int = 0) -> Iterator[tuple[int, str, Segment]]:
        """Read the log from the segment that begins at `start` (requires that one does, or that the log ends there).

        Names below `start` are taken on trust from the listing: the caller's snapshot vouches for them.

        Raises:
            IntegrityError: `segment_missing`, where the segments do not follow one another.
        """
        self._starts = [index for index, _ in segment_names(self._store, self._shard) if index < start]
        self._size = start
        yield from self.further()

    def further(self) -> Iterator[tuple[int, str, Segment]]:
        """Read on where the log ended so far: what was written since, if anything; raises as `segments` does."""
        while (segment := self.next_segment()) is not None:
            index = self._size
            yield index, layout.segment(self._shard, index), segment
            self.add(index, len(segment.lines))

    def next_segment(self) -> Segment | None:
        """The segment that begins where the log ended so far, or None; `add` moves on over it. Raises as `segments` does.

        It is found by its name: a listing may miss what is written meanwhile.
        """
        name = layout.segment(self._shard, self._size)
        try:
            return parse_segment(self._store.get(name), name)
        except NotFoundError:
            beyond = next(segment_names(self._store, self._shard, after=name), None)
        if beyond is None:
            return None
        try:
            return parse_segment(self._store.get(name), name)  # both may have been written since
        except NotFoundError:
            message = f"shard {self._shard:04d}: after {self._size} entries comes {beyond[1]}"
            raise IntegrityError("segment_missing", message, "run: ledger verify") from None

    def add(self, index: int, count: int) -> None:
        """Take note of a segment that was written (or read) at the end of the log."""
        self._starts.append(index)
        self._size = index + count

    def start_of(self, index: int) -> int:
        """Where the segment begins that holds an entry (requires 0 <= index < size). Another thread may ask."""
        return self._starts[bisect_right(self._starts, index) - 1]

    def last(self) -> Segment | None:
        """The last segment, or None in an empty log."""
        return self._segment(self._starts[-1]) if self._starts else None

    def segment_at(self, size: int) -> Segment | None:
        """The segment that ends where the log has `size` entries, or None."""
        place = bisect_right(self._starts, size - 1) - 1
        if place < 0:
            return None
        segment = self._segment(self._starts[place])
        return segment if self._starts[place] + len(segment.lines) == size else None

    def entry(self, index: int) -> bytes:
        """The entry at an index (requires 0 <= index < size)."""
        start = self.start_of(index)
        return self._segment(start).lines[index - start]

    def _segment(self, start: int) -> Segment:
        found = self._kept.pop(start, None)
        if found is None:
            name = layout.segment(self._shard, start)
            found = parse_segment(self._store.get(name), name)
            if len(self._kept) >= _KEPT_SEGMENTS:
                self._kept.popitem(last=False)
        self._kept[start] = found
        return found
