"""Segments that do not count: a paused writer may leave one below what is there already. Honest ones hold what the log holds."""

from collections.abc import Iterator

from ledger.errors import IntegrityError
from ledger.log.reader import raw_segment_names
from ledger.log.segments import Segment, parse_segment
from ledger.log.whole import WholeStore
from ledger.proof.checkpoints import open_checkpoint
from ledger.proof.notes import Verifier
from ledger.storage import layout
from ledger.verify.damage import frame_flip
from ledger.verify.earlier import lines_from
from ledger.verify.findings import BadError, Notice, Problem
from ledger.verify.reading import read_segment

__all__ = ["judge_covered", "judge_stray"]


def judge_stray(store: WholeStore, shard: int, first: int, size: int, verifier: Verifier) -> Iterator[Problem | Notice]:
    """What a stray is: a notice where its entries are those of the log, else a problem; nothing where it has gone.

    Args:
        store: the ledger's objects.
        shard: which shard.
        first: the index that its name says.
        size: of the log, as far as it is good.
        verifier: the shard's key.
    """
    name = layout.segment(shard, first)
    data = read_segment(store.inner, name)
    if data is None:
        return
    try:
        stray = parse_segment(data, name)
    except IntegrityError as error:
        message = f"it does not count and cannot be read: {error.message}"
        yield BadError("stray_segment", message, index=first).problem(shard, name)
        return
    index = first
    but = first if store.pack_of(shard, first) is None else None
    ours = lines_from(store, shard, first, but=but)
    for line in stray.lines:
        if index < size and line != next(ours, None):
            yield _other(stray, index, verifier).problem(shard, name)
            return
        index += 1
    yield Notice(file=name, message="it does not count: its entries are in other segments already")


def judge_covered(
    store: WholeStore, shard: int, since: int, size: int, verifier: Verifier
) -> Iterator[Problem | Notice]:
    """The segments of which packs hold the entries: copies that were kept are the same, byte for byte; others are strays.

    Args:
        store: the ledger's objects.
        shard: which shard.
        since: segments below this index are left alone.
        size: of the log, as far as it is good.
        verifier: the shard's key.
    """
    for first, name in raw_segment_names(store.inner, shard):
        if first < since or store.pack_of(shard, first) is None:
            continue
        data, packed = read_segment(store.inner, name), read_segment(store, name)
        if data is None:
            continue
        bad = None if packed is None else _damaged_copy(data, parse_segment(packed, name), name, verifier)
        if bad is not None:
            bad.index = first
            yield bad.problem(shard, name)
        elif packed is None or not _is_copy(data, packed, name):
            yield from judge_stray(store, shard, first, size, verifier)


def _is_copy(data: bytes, packed: bytes, name: str) -> bool:
    """Whether two segments are the same; the bytes of their frames may differ where another release of zstd has written one."""
    if data == packed:
        return True
    try:
        one, other = parse_segment(data, name), parse_segment(packed, name)
    except IntegrityError:
        return False
    return (one.lines, one.note) == (other.lines, other.note)


def _damaged_copy(data: bytes, packed: Segment, name: str, verifier: Verifier) -> BadError | None:
    """What is wrong with a copy whose entries are those that the pack holds, or None."""
    try:
        copy = parse_segment(data, name)
    except IntegrityError:
        return None
    if copy.lines != packed.lines:
        return None
    if copy.note == packed.note:
        return frame_flip(copy, data)
    try:
        open_checkpoint(copy.note, verifier)
    except IntegrityError as error:
        return BadError("stray_segment", f"its checkpoint is not the one in the pack: {error.message}")
    return None


def _other(stray: Segment, index: int, verifier: Verifier) -> BadError:
    try:
        signed = open_checkpoint(stray.note, verifier)
    except IntegrityError:
        return BadError("stray_segment", "it does not count and holds other entries than the log", index=index)
    message = (
        f"it holds other entries than the log and was signed too, for {signed.size} entries: there are two histories"
    )
    return BadError("forked", message, index=index)
