"""A store in which a log looks as if nothing of it had been compacted: packs are read as the segments that they hold.

So the writer's restart, proofs, tiles, witnesses and the verifier know one form of the log. What a pack covers is read from the
pack, whatever segments there are of it: a segment that a paused worker left there later does not count.
"""

import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ledger.errors import NotFoundError, StoreError
from ledger.log.packs import Part, covers, pack_names, parts_of
from ledger.log.segments import Segment, encode_segment
from ledger.storage import layout
from ledger.storage.local import LocalStore
from ledger.storage.store import Store

if TYPE_CHECKING:
    from ledger.log.packfile import PackFile

__all__ = ["PackSlice", "WholeStore", "whole"]

_AHEAD: Final = 4096
"""Entries that are read at once by who reads on where it stopped."""
_COPIES: Final = 4
"""Packs of an object store that are kept as files."""


class PackSlice:
    """Where a segment lies that was compacted: entries `first` to below `end` of a pack's file."""

    __slots__ = ("end", "first", "name", "path")

    def __init__(self, path: Path, name: str, first: int, end: int) -> None:
        self.path, self.name, self.first, self.end = path, name, first, end


class WholeStore:
    """A `Store` over another one; only segments' names are treated in another way. Keeps an object store's packs as temporary files.

    Args:
        inner: the ledger's objects as they lie there.
    """

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self._lock = threading.RLock()
        self._shards: dict[int, _Packed] = {}
        self._files: OrderedDict[str, PackFile] = OrderedDict()
        self._copies: Path | None = None

    def put(self, name: str, data: bytes) -> None:
        """See `Store.put`."""
        self.inner.put(name, data)

    def put_many(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """See `Store.put_many`."""
        return self.inner.put_many(objects)

    def delete(self, name: str) -> None:
        """See `Store.delete`."""
        self.inner.delete(name)

    def get(self, name: str) -> bytes:
        """See `Store.get`.

        Raises:
            IntegrityError: `bad_pack`.
        """
        parsed = layout.parse_segment(name)
        if parsed is None:
            return self.inner.get(name)
        packed = self._packed(parsed.shard)
        if covers(packed.parts, parsed.first) is None:
            try:
                return self.inner.get(name)
            except NotFoundError:
                packed = self._packed(parsed.shard, again=True)  # it may have been compacted since
                if covers(packed.parts, parsed.first) is None:
                    raise
        segment = self._segment(packed, parsed.first)
        if segment is None:
            raise NotFoundError("object_not_found", f"no segment begins at entry {parsed.first}")
        return encode_segment(segment.lines, segment.note)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See `Store.list`. Reads the names of segments before those of packs: what has gone from the first is in the second then."""
        names = self.inner.list(prefix, after)
        if not prefix.startswith(layout.LOG):
            return names
        shard = prefix.removeprefix(layout.LOG)[:4]
        if not shard.isdigit() or prefix != layout.shard_prefix(int(shard)):
            return names
        found = list(names)
        packed = self._packed(int(shard), again=True)
        if not packed.parts:
            return iter(found)
        return merge(
            (name for name in packed.names if name > after),
            (name for name in found if not _is_covered(packed.parts, name)),
        )

    def slice_of(self, shard: int, first: int) -> PackSlice | None:
        """Where the segment that begins at `first` lies, if it is in a pack."""
        packed = self._packed(shard)
        part = covers(packed.parts, first)
        end = packed.ends.get(first)
        if part is None or end is None:
            return None
        return PackSlice(self.file(part.name).path, part.name, first, end)

    def parts(self, shard: int) -> Sequence[Part]:
        """What is read of which pack, as it was when the shard was last listed."""
        return self._packed(shard).parts

    def pack_of(self, shard: int, index: int) -> str | None:
        """The name of the pack that an entry is read from, or None."""
        part = covers(self._packed(shard).parts, index)
        return part.name if part else None

    def file(self, name: str) -> "PackFile":
        """A pack as a file; raises StoreError where there is no space for a copy of it."""
        from ledger.log.packfile import PackFile

        with self._lock:
            found = self._files.pop(name, None)
            if found is None:
                found = PackFile(self._path(name), name)
            self._files[name] = found
            if len(self._files) > _COPIES:
                _, oldest = self._files.popitem(last=False)
                oldest.close()
                if self._copies is not None:
                    oldest.path.unlink(missing_ok=True)
            return found

    def path(self, name: str) -> Path:
        """An object as a file; of an object store a copy, which stays as long as this does. Raises as `file`, and NotFoundError."""
        with self._lock:
            return self._path(name)

    def _path(self, name: str) -> Path:
        if isinstance(self.inner, LocalStore):
            return self.inner.root / name
        if self._copies is None:
            self._copies = Path(tempfile.mkdtemp(prefix="ledger-packs-"))
            weakref.finalize(self, shutil.rmtree, self._copies, ignore_errors=True)
        path = self._copies / name.replace("/", "-")
        try:
            path.write_bytes(self.inner.get(name))
        except OSError as error:
            raise StoreError("no_space_for_copy", f"cannot copy {name} to {path}: {error.strerror}") from error
        return path

    def _packed(self, shard: int, *, again: bool = False) -> "_Packed":
        with self._lock:
            known = self._shards.get(shard)
            if known is None or again:
                names = pack_names(self.inner, shard)
                if known is None or names != known.listed:
                    known = self._shards[shard] = _Packed(names, shard, self)
            return known

    def _segment(self, packed: "_Packed", first: int) -> Segment | None:
        """The segment that begins at `first`; more than one is read where the last read ended there."""
        with self._lock:
            end = packed.ends.get(first)
            part = covers(packed.parts, first)
            if end is None or part is None:
                return None
            found = packed.ahead.pop(first, None)
            if found is not None:
                return found
            if first == packed.read_to:
                while end < part.end and packed.ends[end] - first <= _AHEAD:
                    end = packed.ends[end]
            packed.ahead.clear()
            at = first
            for segment in self.file(part.name).segments(first, end):
                packed.ahead[at] = segment
                at += len(segment.lines)
            packed.read_to = end
            return packed.ahead.pop(first)


class _Packed:
    """The packs of a shard as they were listed once, and the boundaries of the segments in them."""

    def __init__(self, listed: list[str], shard: int, store: WholeStore) -> None:
        self.listed = listed
        self.parts = parts_of(listed)
        self.ends: dict[int, int] = {}
        """First index of each segment -> the index after its last entry."""
        self.ahead: dict[int, Segment] = {}
        self.read_to = 0
        for part in self.parts:
            start = part.start
            for end, _ in store.file(part.name).boundaries():
                if end > start:
                    self.ends[start] = end
                    start = end
        self.names = [layout.segment(shard, first) for first in self.ends]


def whole(store: Store) -> WholeStore:
    """The store as one in which nothing is compacted; itself where it is one already."""
    return store if isinstance(store, WholeStore) else WholeStore(store)


def _is_covered(parts: Sequence[Part], name: str) -> bool:
    parsed = layout.parse_segment(name)
    return parsed is not None and covers(parts, parsed.first) is not None
