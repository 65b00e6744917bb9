"""Which segments a reader sees: the longest contiguous prefix of every shard, found in one listing.

A segment counts only if its first index is the size that everything before it adds up to (docs/FORMAT.md, Segment). What a
segment adds is read from the checkpoint at its end, a few hundred bytes, so nothing is decompressed to find the prefix.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from ledger.errors import IntegrityError, StoreError
from ledger.storage import layout

__all__ = ["Segment", "ShardPrefix", "checkpoint_of", "read_prefix"]

SKIPPABLE_MAGIC: Final = bytes.fromhex("502a4d18")
TAIL_BYTES: Final = 4096
"""Where the skippable frame is looked for; a checkpoint with one signature is about 200 bytes."""


class Segment(Struct, frozen=True, kw_only=True):
    """A segment that counts: its file, and the entries from `first` to below `size` (sizes of the shard)."""

    path: str
    first: int
    size: int
    unseen: int = 0
    """Entries at its end that do not count, because they were recorded later than the reader asks about."""


class ShardPrefix(Struct, frozen=True, kw_only=True):
    """The part of a shard that a reader sees."""

    shard: int
    segments: tuple[Segment, ...]
    checkpoint: str
    """The signed note at the end of the last segment; empty where there is no segment."""
    strays: tuple[str, ...]
    """Names that lie below the size that was already reached. They hold nothing that is not in the prefix."""
    missing_at: int | None
    """The index at which a segment is missing although later ones are there; None where there is no such gap."""

    @property
    def size(self) -> int:
        """How many entries the prefix has."""
        return self.segments[-1].size if self.segments else 0


def read_prefix(root: Path, shard: int) -> ShardPrefix:
    """List the segments of a shard below `root` once and keep those that are contiguous.

    Raises:
        StoreError: the directory or a segment cannot be read (`store_unreadable`).
        IntegrityError: a segment does not end with a checkpoint (`segment_without_checkpoint`).
    """
    prefix = _walk(root, shard)
    if prefix.missing_at is not None:
        # A directory listing is not atomic: one taken while the writer adds two segments may show the second alone.
        prefix = _walk(root, shard)
    return prefix


def checkpoint_of(path: str) -> str:
    """The text of the checkpoint in the skippable frame at the end of a segment.

    Raises:
        IntegrityError: there is no such frame, or it isn't text (`segment_without_checkpoint`).
    """
    tail = _read_tail(path)
    at = tail.rfind(SKIPPABLE_MAGIC)
    while at >= 0:
        length = int.from_bytes(tail[at + 4 : at + 8], "little")
        if at + 8 + length == len(tail):
            try:
                return tail[at + 8 :].decode()
            except UnicodeDecodeError:
                break
        at = tail.rfind(SKIPPABLE_MAGIC, 0, at)
    raise _without_checkpoint(path)


def _walk(root: Path, shard: int) -> ShardPrefix:
    segments: list[Segment] = []
    strays: list[str] = []
    missing_at: int | None = None
    checkpoint = ""
    size = 0
    for name, first in _names(root, shard):
        if first < size:
            strays.append(name)
            continue
        if first > size:
            missing_at = size
            break
        path = str(root / name)
        checkpoint = checkpoint_of(path)
        size = _size_in(checkpoint, path)
        if size <= first:
            raise _without_checkpoint(path)
        segments.append(Segment(path=path, first=first, size=size))
    return ShardPrefix(
        shard=shard,
        segments=tuple(segments),
        checkpoint=checkpoint,
        strays=tuple(strays),
        missing_at=missing_at,
    )


def _names(root: Path, shard: int) -> Iterator[tuple[str, int]]:
    prefix = layout.shard_prefix(shard)
    try:
        names = sorted(path.name for path in (root / prefix).iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(str(root / prefix), error) from error
    for name in names:
        parsed = layout.parse_segment(prefix + name)
        if parsed is not None:
            yield prefix + name, parsed.first


def _read_tail(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - TAIL_BYTES))
            return file.read()
    except OSError as error:
        raise _unreadable(path, error) from error


def _size_in(checkpoint: str, path: str) -> int:
    """The tree size: the second line of a checkpoint (C2SP tlog-checkpoint)."""
    lines = checkpoint.split("\n", 2)
    if len(lines) < 2 or not lines[1].isascii() or not lines[1].isdigit():
        raise _without_checkpoint(path)
    return int(lines[1])


def _without_checkpoint(path: str) -> IntegrityError:
    return IntegrityError(
        "segment_without_checkpoint",
        f"the segment {path} does not end with a checkpoint after its entries",
        "run `ledger verify` to see what else differs",
    )


def _unreadable(path: str, error: OSError) -> StoreError:
    return StoreError(
        "store_unreadable",
        f"cannot read {path}: {error.strerror or error}",
        "check the permissions of the ledger's directory",
    )
