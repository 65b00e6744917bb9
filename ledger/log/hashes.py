"""The stored hashes of a tree: leaf hashes, and above them the roots of each 256, level by level.

Hash `i` of level `l` is the root over the leaves `[i * 256^l, (i + 1) * 256^l)`, as in the tiles of C2SP: complete subtrees, whose
roots never change once made. So levels only grow, and two processes that write the same log write the same bytes at the same
places. In memory, or in one file a level in a cache directory; neither is trusted, `ledger.log.tree` checks what it reads.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from ledger.proof.merkle import HASH_BYTES, node_hash

__all__ = ["TILE_WIDTH", "FileHashes", "Hashes", "MemoryHashes", "add_leaves", "row_root"]

TILE_WIDTH: Final = 256


class Hashes(Protocol):
    """Levels of hashes, 32 bytes each."""

    def count(self, level: int) -> int:
        """How many hashes a level has."""
        ...

    def read(self, level: int, start: int, end: int) -> bytes:
        """The hashes `[start, end)` of a level, joined; fewer bytes where some are missing."""
        ...

    def append(self, level: int, at: int, hashes: bytes) -> None:
        """Write joined hashes at place `at` of a level (requires 0 <= at <= count)."""
        ...


class MemoryHashes:
    """Levels that end with the process."""

    def __init__(self) -> None:
        self._levels: list[bytearray] = []

    def count(self, level: int) -> int:
        """See `Hashes.count`."""
        return len(self._levels[level]) // HASH_BYTES if level < len(self._levels) else 0

    def read(self, level: int, start: int, end: int) -> bytes:
        """See `Hashes.read`."""
        return bytes(self._levels[level][start * HASH_BYTES : end * HASH_BYTES]) if level < len(self._levels) else b""

    def append(self, level: int, at: int, hashes: bytes) -> None:
        """See `Hashes.append`."""
        while len(self._levels) <= level:
            self._levels.append(bytearray())
        self._levels[level][at * HASH_BYTES :] = hashes


class FileHashes:
    """Levels in files of a directory, `0`, `1`, ...: for a cache.

    Writes go to their place in the file and never shorten it, so several processes may extend one log's cache at once. A crash
    leaves levels of unequal length, or part of a hash, which `add_leaves` writes over.

    Args:
        directory: made where it is missing.

    Raises:
        OSError: the directory can't be made; reading and writing raise it too.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._files: dict[int, int] = {}
        directory.mkdir(parents=True, exist_ok=True)

    def count(self, level: int) -> int:
        """See `Hashes.count`."""
        return os.fstat(self._open(level)).st_size // HASH_BYTES

    def read(self, level: int, start: int, end: int) -> bytes:
        """See `Hashes.read`."""
        return os.pread(self._open(level), (end - start) * HASH_BYTES, start * HASH_BYTES)

    def append(self, level: int, at: int, hashes: bytes) -> None:
        """See `Hashes.append`."""
        place, left = at * HASH_BYTES, memoryview(hashes)
        while left:
            written = os.pwrite(self._open(level), left, place)
            place, left = place + written, left[written:]

    def close(self) -> None:
        """Close the files."""
        for descriptor in self._files.values():
            with suppress(OSError):
                os.close(descriptor)
        self._files.clear()

    def __del__(self) -> None:
        self.close()

    def _open(self, level: int) -> int:
        if level not in self._files:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._files[level] = os.open(self._directory / str(level), flags, 0o600)
        return self._files[level]


def add_leaves(hashes: Hashes, size: int, leaves: Sequence[bytes]) -> int:
    """Add leaf hashes to levels that are complete for a tree of `size`; the new size."""
    level, start, row = 0, size, b"".join(leaves)
    end = size + len(leaves)
    while row:
        hashes.append(level, start, row)
        first, last = start // TILE_WIDTH, (start + len(row) // HASH_BYTES) // TILE_WIDTH
        row = b"".join(_tile_root(hashes, level, tile) for tile in range(first, last))
        level, start = level + 1, first
    return end


def row_root(row: Sequence[bytes]) -> bytes:
    """The root over a row of hashes of one level (requires a power of two of them)."""
    while len(row) > 1:
        row = [node_hash(row[place], row[place + 1]) for place in range(0, len(row), 2)]
    return row[0]


def _tile_root(hashes: Hashes, level: int, tile: int) -> bytes:
    data = hashes.read(level, tile * TILE_WIDTH, (tile + 1) * TILE_WIDTH)
    return row_root([data[place : place + HASH_BYTES] for place in range(0, len(data), HASH_BYTES)])
