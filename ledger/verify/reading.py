"""Small questions about the segments of a shard."""

from contextlib import suppress

from ledger.errors import IntegrityError, NotFoundError
from ledger.log.reader import segment_names
from ledger.log.segments import parse_segment
from ledger.proof.checkpoints import read_unverified
from ledger.storage import layout
from ledger.storage.store import Store

__all__ = ["claimed_entries", "next_after", "read_segment"]


def read_segment(store: Store, name: str) -> bytes | None:
    """A segment's bytes, or None where there is none of the name (any more)."""
    try:
        return store.get(name)
    except NotFoundError:
        return None


def next_after(store: Store, shard: int, index: int) -> tuple[int, str] | None:
    """The first segment that begins after `index`, or None."""
    return next(segment_names(store, shard, after=layout.segment(shard, index)), None)


def claimed_entries(store: Store, shards: int) -> int:
    """How many entries the newest checkpoints speak of, nothing verified: for a progress bar."""
    total = 0
    for shard in range(shards):
        name = max((name for _, name in segment_names(store, shard)), default=None)
        data = None if name is None else read_segment(store, name)
        with suppress(IntegrityError):
            total += 0 if data is None else read_unverified(parse_segment(data, str(name)).note).size
    return total
