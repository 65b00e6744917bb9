"""Segments that do not count: a paused writer may leave one below what is there already. Honest ones hold what the log holds."""

from ledger.errors import IntegrityError
from ledger.log.segments import Segment, parse_segment
from ledger.proof.checkpoints import open_checkpoint
from ledger.proof.notes import Verifier
from ledger.storage import layout
from ledger.storage.store import Store
from ledger.verify.earlier import lines_from
from ledger.verify.findings import BadError, Notice, Problem
from ledger.verify.reading import read_segment

__all__ = ["judge_stray"]


def judge_stray(store: Store, shard: int, first: int, size: int, verifier: Verifier) -> Problem | Notice | None:
    """What a stray is: a notice where its entries are those of the log, else a problem; None where it has gone.

    Args:
        store: the ledger's objects.
        shard: which shard.
        first: the index that its name says.
        size: of the log, as far as it is good.
        verifier: the shard's key.
    """
    name = layout.segment(shard, first)
    data = read_segment(store, name)
    if data is None:
        return None
    try:
        stray = parse_segment(data, name)
    except IntegrityError as error:
        return BadError("stray_segment", f"it does not count and cannot be read: {error.message}", index=first).problem(
            shard, name
        )
    index = first
    ours = lines_from(store, shard, first, but=first)
    for line in stray.lines:
        if index < size and line != next(ours, None):
            return _other(stray, index, verifier).problem(shard, name)
        index += 1
    return Notice(file=name, message="it does not count: its entries are in other segments already")


def _other(stray: Segment, index: int, verifier: Verifier) -> BadError:
    try:
        signed = open_checkpoint(stray.note, verifier)
    except IntegrityError:
        return BadError("stray_segment", "it does not count and holds other entries than the log", index=index)
    message = (
        f"it holds other entries than the log and was signed too, for {signed.size} entries: there are two histories"
    )
    return BadError("forked", message, index=index)
