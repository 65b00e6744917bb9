"""Which segments and packs a reader sees: the longest contiguous prefix of every shard, found in one listing.

A segment counts only if its first index is the size that everything before it adds up to (docs/FORMAT.md, Segment). What a
segment adds is read from the checkpoint at its end, a few hundred bytes, so nothing is decompressed to find the prefix.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct

from ledger.errors import IntegrityError, StoreError
from ledger.query.packs import Packed, boundaries, reaches, read_packs
from ledger.storage import layout

__all__ = ["Segment", "ShardPrefix", "checkpoint_at_size", "checkpoint_in", "checkpoint_of", "read_prefix", "sizes_of"]

SKIPPABLE_MAGIC: Final = bytes.fromhex("502a4d18")
TAIL_BYTES: Final = 4096
"""Where the skippable frame is looked for; a checkpoint with one signature is about 200 bytes."""


_TRIES: Final = 3


class _GoneError(Exception):
    """A segment that was listed has been compacted since."""


class Segment(Struct, frozen=True, kw_only=True):
    """A segment that counts: its file, and the entries from `first` to below `size` (sizes of the shard)."""

    path: str
    first: int
    size: int
    unseen: int = 0
    """Entries at its end that do not count, because they were recorded later than the reader asks about."""


class ShardPrefix(Struct, frozen=True, kw_only=True):
    """The part of a shard that a reader sees: packs, and after them segments."""

    shard: int
    packs: tuple[Packed, ...] = ()
    segments: tuple[Segment, ...]
    checkpoint: str
    """The signed note at the end of the last segment, in a pack or not; empty where there is none."""
    strays: tuple[str, ...]
    """Names that lie below the size that was already reached. They hold nothing that is not in the prefix."""
    missing_at: int | None
    """The index at which a segment is missing although later ones are there; None where there is no such gap."""
    is_cut: bool = False
    """Whether its files hold entries, behind the last one, that do not count."""

    @property
    def size(self) -> int:
        """How many entries the prefix has."""
        return self.segments[-1].size if self.segments else self.packed

    @property
    def packed(self) -> int:
        """How many of them are in packs."""
        return self.packs[-1].size if self.packs else 0


def read_prefix(root: Path, shard: int) -> ShardPrefix:
    """List the segments and packs of a shard below `root` and keep those that are contiguous.

    Raises:
        StoreError: the directory or a segment cannot be read (`store_unreadable`).
        IntegrityError: a segment does not end with a checkpoint (`segment_without_checkpoint`); `bad_pack`.
    """
    for _ in range(_TRIES):
        with suppress(_GoneError):
            prefix = _walk(root, shard)
            # A directory listing is not atomic: one taken while the writer adds two segments may show the second alone.
            return _walk(root, shard) if prefix.missing_at is not None else prefix
    return _walk(root, shard)


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
    # In this order: a segment that has gone before it was listed is in a pack that is listed after it.
    names = list(_names(root, shard))
    packs = read_packs(root, shard)
    size = packs[-1].size if packs else 0
    in_packs = {0, *(end for end, _ in boundaries(packs))} if any(first < size for _, first in names) else set[int]()
    for name, first in names:
        if first < size:
            # A copy that was kept, or not yet removed, is no stray.
            if first not in in_packs:
                strays.append(name)
            continue
        if first > size:
            missing_at = size
            break
        path = str(root / name)
        if not Path(path).exists():
            raise _GoneError
        checkpoint = checkpoint_of(path)
        size = _size_in(checkpoint, path)
        if size <= first:
            raise _without_checkpoint(path)
        segments.append(Segment(path=path, first=first, size=size))
    if packs and not segments:
        checkpoint = checkpoint_in(packs)
    if missing_at is None and reaches(root, shard) > size:
        missing_at = size
    return ShardPrefix(
        shard=shard,
        packs=packs,
        segments=tuple(segments),
        checkpoint=checkpoint,
        strays=tuple(strays),
        missing_at=missing_at,
    )


def sizes_of(prefix: ShardPrefix) -> list[int]:
    """The sizes at which a segment ended."""
    return [end for end, _ in boundaries(prefix.packs)] + [segment.size for segment in prefix.segments]


def checkpoint_at_size(prefix: ShardPrefix, size: int) -> str | None:
    """The signed note of the segment that ended at a size, or None; raises as `checkpoint_of`, and IntegrityError `bad_pack`."""
    if size > prefix.packed:
        path = next((segment.path for segment in prefix.segments if segment.size == size), None)
        return None if path is None else checkpoint_of(path)
    packs = [pack for pack in prefix.packs if pack.first < size <= pack.size]
    return next((_text(note, packs[0].path) for end, note in boundaries(packs) if end == size), None)


def checkpoint_in(packs: Sequence[Packed]) -> str:
    """The text of the last checkpoint that covers no more than these packs; empty where there is none."""
    ends = boundaries(packs[-2:])
    return _text(ends[-1][1], packs[-1].path) if ends else ""


def _text(note: bytes, path: str) -> str:
    try:
        return note.decode()
    except UnicodeDecodeError:
        raise _without_checkpoint(path) from None


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
