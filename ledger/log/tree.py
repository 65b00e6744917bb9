"""Random access to the hashes of a shard's tree, for proofs: the root of any run of leaves without reading the log again.

Leaf hashes and the roots of each 256 come from the segments once, and are kept in a cache that grows with the log. The cache is
never trusted: its right edge must hash to the root in the log's last signed checkpoint, and each full tile, when it is first
read, to the hash in the tile above it. What does not is made again from the segments.
"""

import os
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

from ledger.errors import IntegrityError
from ledger.log.hashes import TILE_WIDTH, FileHashes, Hashes, MemoryHashes, add_leaves
from ledger.log.ledgerfile import LedgerFile
from ledger.log.reader import ShardReader
from ledger.log.segments import Segment
from ledger.proof.checkpoints import Checkpoint, open_checkpoint
from ledger.proof.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    Hash,
    Index,
    Size,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    split,
)
from ledger.storage.store import Store

__all__ = ["ShardTree", "default_cache", "open_tree"]

_Answer = TypeVar("_Answer")
_TILE_HEIGHT: Final = 8
"""Levels of the tree in one tile: 2^8 is its width."""
_KEPT_TILES: Final = 512
"""Of 256 hashes and the nodes over them, 16 KB each."""

Rows = list[list[bytes]]
"""A tile and the nodes over it: its hashes, the roots of each two, of each four, ..."""


class _DamagedError(Exception):
    """The stored hashes are not those of the signed root."""


class ShardTree:
    """The tree of one shard as it was when it was opened; see `open_tree`. Not for use from several threads at once."""

    def __init__(self, hashes: Hashes, checkpoint: Checkpoint | None, note: bytes, again: Callable[[], Hashes]) -> None:
        self._hashes = hashes
        self._again = again
        self._edge: dict[int, Rows] = {}
        self._kept: OrderedDict[tuple[int, int], Rows] = OrderedDict()
        self.checkpoint = checkpoint
        """The last one, verified with the key beside the log; None in an empty log."""
        self.note = note
        """The same as it was signed; empty in an empty log."""

    @property
    def size(self) -> Size:
        """How many entries the tree has."""
        return self.checkpoint.size if self.checkpoint else Size(0)

    def root(self, size: int | None = None) -> Hash:
        """The root of the tree when it had `size` entries (requires 0 <= size <= self.size); default: now."""
        end = self.size if size is None else size
        return self.subtree(0, end) if end else EMPTY_ROOT

    def leaf(self, index: int) -> Hash:
        """The leaf hash of an entry (requires 0 <= index < size)."""
        return self.subtree(index, index + 1)

    def subtree(self, lo: int, hi: int) -> Hash:
        """The Merkle tree hash over the leaves `[lo, hi)`.

        Raises:
            ValueError: unless 0 <= lo < hi <= size.
            IntegrityError: `root_mismatch`, where the log is not what its checkpoint was signed for.
        """
        if not 0 <= lo < hi <= self.size:
            raise ValueError(f"[{lo}, {hi}) is not in a tree of size {self.size}")
        return self._checked(lambda: self._subtree(lo, hi))

    def inclusion(self, index: int, size: int | None = None) -> list[Hash]:
        """The proof that the entry `index` is in the tree of `size`; raises as `inclusion_proof` and `subtree` do."""
        return inclusion_proof(Index(index), self._within(size), self.subtree)

    def consistency(self, old: int, size: int | None = None) -> list[Hash]:
        """The proof that the tree of `size` begins with that of `old`; raises as `consistency_proof` and `subtree` do."""
        return consistency_proof(Size(old), self._within(size), self.subtree)

    def frontier(self, size: int) -> list[Hash]:
        """The roots of the complete subtrees of the tree of `size`, largest first (requires 0 <= size <= self.size)."""
        roots, lo = list[Hash](), 0
        for height in reversed(range(size.bit_length())):
            if size >> height & 1:
                roots.append(self.subtree(lo, lo + (1 << height)))
                lo += 1 << height
        return roots

    def tile(self, level: int, number: int, width: int = TILE_WIDTH) -> bytes:
        """The first `width` hashes of a tile, joined (requires that the tree implies them)."""
        return b"".join(self._checked(lambda: self._rows(level, number))[0][:width])

    def check(self) -> None:
        """Compare with the signed checkpoint, and make the hashes again from the segments where they differ.

        Raises:
            IntegrityError: `root_mismatch`, where even those do not hash to its root.
        """
        self._checked(self._compare)

    def _within(self, size: int | None) -> Size:
        if size is not None and size > self.size:
            raise ValueError(f"the tree has {self.size} entries, not {size}")
        return self.size if size is None else Size(size)

    def _checked(self, ask: Callable[[], _Answer]) -> _Answer:
        """The answer, from the cache where it is what it should be, else from the segments."""
        try:
            return ask()
        except (_DamagedError, OSError):
            self._hashes = self._again()
        self._edge.clear()
        self._kept.clear()
        try:
            self._compare()
            return ask()
        except _DamagedError:
            raise _mismatch(self.checkpoint) from None

    def _compare(self) -> None:
        if self.checkpoint is not None and self._subtree(0, self.size) != self.checkpoint.root:
            raise _DamagedError

    def _subtree(self, lo: int, hi: int) -> Hash:
        width = hi - lo
        if width & (width - 1) == 0 and lo % width == 0:
            return self._complete(lo, width.bit_length() - 1)
        mid = lo + split(width)
        return node_hash(self._subtree(lo, mid), self._subtree(mid, hi))

    def _complete(self, lo: int, height: int) -> Hash:
        """The root of the complete subtree of 2^height leaves that begins at `lo`."""
        level, above = divmod(height, _TILE_HEIGHT)
        tile, place = divmod(lo >> _TILE_HEIGHT * level, TILE_WIDTH)
        return Hash(self._rows(level, tile)[above][place >> above])

    def _rows(self, level: int, tile: int) -> Rows:
        count = self.size >> _TILE_HEIGHT * level
        width = min(TILE_WIDTH, count - tile * TILE_WIDTH)
        if width < TILE_WIDTH:  # at the right edge: what is read here was compared with the signed root, so it is kept
            if level not in self._edge:
                self._edge[level] = self._read(level, tile, width)
            return self._edge[level]
        rows = self._kept.pop((level, tile), None)
        if rows is None:
            rows = self._read(level, tile, width)
            if rows[_TILE_HEIGHT][0] != self._rows(level + 1, tile // TILE_WIDTH)[0][tile % TILE_WIDTH]:
                raise _DamagedError
            if len(self._kept) >= _KEPT_TILES:
                self._kept.popitem(last=False)
        self._kept[level, tile] = rows
        return rows

    def _read(self, level: int, tile: int, width: int) -> Rows:
        data = self._hashes.read(level, tile * TILE_WIDTH, tile * TILE_WIDTH + width)
        if len(data) != width * HASH_BYTES:
            raise _DamagedError
        rows = [[data[place : place + HASH_BYTES] for place in range(0, len(data), HASH_BYTES)]]
        while len(rows[-1]) > 1:
            pairs = iter(rows[-1])
            rows.append([node_hash(left, right) for left, right in zip(pairs, pairs, strict=False)])
        return rows


def default_cache() -> Path:
    """The user's cache directory of this program: below `$XDG_CACHE_HOME` or `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path("~/.cache").expanduser()) / "deployment-ledger"


def open_tree(
    store: Store,
    file: LedgerFile,
    shard: int,
    cache: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> ShardTree:
    """Open the tree of a shard at the end of its log.

    Args:
        store: the ledger's objects.
        file: its `ledger.json`.
        shard: which one (requires 0 <= shard < file.shards).
        cache: a directory for what can be computed again, such as `default_cache()`; None, or where it can't be used: memory.
        progress: called with the number of entries after each segment that is read.

    Raises:
        IntegrityError: `segment_missing`, `bad_segment`; the last checkpoint's `bad_signature`, `wrong_key` and so on;
            `size_mismatch`, `root_mismatch`, where the log is not what that checkpoint was signed for.
        StoreError: the store cannot be read.
    """
    loading = _Loading(store, file, shard, _cache_directory(cache, file, shard), progress or (lambda _: None))
    hashes, checkpoint, note = loading.load()
    tree = ShardTree(hashes, checkpoint, note, loading.again)
    tree.check()
    return tree


class _Loading:
    """From segments to hashes, through the cache where there is one."""

    def __init__(
        self, store: Store, file: LedgerFile, shard: int, directory: Path | None, progress: Callable[[int], None]
    ) -> None:
        self._reader = ShardReader(store, shard)
        self._verifier = file.verifier(shard)
        self._directory = directory
        self._progress = progress

    def load(self) -> tuple[Hashes, Checkpoint | None, bytes]:
        """All hashes of the log, its last checkpoint verified, and the same as signed; the hashes not yet compared with it."""
        hashes = self._cached()
        size = hashes.count(0) if hashes else 0
        if hashes is not None and size:
            try:
                self._extend(hashes, size)
                if self._ends_with_a_segment():
                    return hashes, *self._checkpoint()
            except OSError:
                hashes = None
            except IntegrityError:
                pass  # as below; where it is the log that is damaged, reading it from the start says so again
            # The cache is of a longer log, or a crash left it inside a segment.
        return self._from_the_start(hashes)

    def again(self) -> Hashes:
        """The hashes from the segments alone, of a log that may have grown since; replaces the cache."""
        return self._from_the_start(self._cached(fresh=True))[0]

    def _from_the_start(self, hashes: Hashes | None) -> tuple[Hashes, Checkpoint | None, bytes]:
        try:
            found = hashes or MemoryHashes()
            self._extend(found, 0)
        except OSError:  # no space for the cache
            found = MemoryHashes()
            self._extend(found, 0)
        return found, *self._checkpoint()

    def _extend(self, hashes: Hashes, size: int) -> None:
        for index, _, segment in self._reader.segments(size):
            add_leaves(hashes, index, [leaf_hash(line) for line in segment.lines])
            self._progress(len(segment.lines))

    def _ends_with_a_segment(self) -> bool:
        return self._reader.segment_at(self._reader.size) is not None

    def _checkpoint(self) -> tuple[Checkpoint | None, bytes]:
        size = self._reader.size
        if not size:
            return None, b""
        note = _segment_at(self._reader, size).note
        checkpoint = open_checkpoint(note, self._verifier)
        if checkpoint.size != size:
            what = f"the last checkpoint says {checkpoint.size} entries, there are {size}"
            raise IntegrityError("size_mismatch", what, "run `ledger verify`")
        return checkpoint, note

    def _cached(self, *, fresh: bool = False) -> Hashes | None:
        if self._directory is None:
            return None
        try:
            if fresh:
                _remove(self._directory)
            return FileHashes(self._directory)
        except OSError:
            return None


def _segment_at(reader: ShardReader, size: int) -> Segment:
    segment = reader.segment_at(size)
    if segment is None:
        raise IntegrityError("bad_segment", f"no segment ends at entry {size}", "run `ledger verify`")
    return segment


def _cache_directory(cache: Path | None, file: LedgerFile, shard: int) -> Path | None:
    """Named by the key and the shard: copies of one ledger share it, and are told apart by their roots if they differ."""
    name = sha256(f"{file.vkey}\n{shard}".encode()).hexdigest()[:32]
    return cache / f"tree-{name}" if cache else None


def _remove(directory: Path) -> None:
    """Unlink the cache's files: who has them open goes on reading what they were."""
    for path in directory.iterdir():
        path.unlink()


def _mismatch(checkpoint: Checkpoint | None) -> IntegrityError:
    about = f"{checkpoint.origin} of size {checkpoint.size}" if checkpoint else "the log"
    return IntegrityError(
        "root_mismatch",
        f"the entries of {about} do not hash to the root that was signed",
        "run `ledger verify`, which says where; keep the directory as evidence",
    )
