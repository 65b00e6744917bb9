"""The segments of a shard as they lie in the store, from some index on."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from ledger.errors import IntegrityError, NotFoundError
from ledger.log.reader import segment_names
from ledger.log.segments import parse_segment
from ledger.proof.checkpoints import read_unverified
from ledger.storage import layout
from ledger.storage.store import Store
from ledger.verify.summary import Place, Summary, summarise_many

__all__ = ["Chunk", "chunks", "claimed_entries", "next_after", "read_segment", "summaries_of", "weight_of"]

_CHUNK_BYTES: Final = 1 << 20
_CHUNK_SEGMENTS: Final = 64

Chunk = tuple[Place, list[tuple[int, bytes]]]
"""Some segments of a shard: first index and bytes."""


def chunks(store: Store, place: Place, start: int) -> Iterator[Chunk]:
    """The segments that begin at `start` or later, some at once, in the order of their names."""
    chunk: list[tuple[int, bytes]] = []
    size = 0
    for first, name in segment_names(store, place.shard):
        if first < start:
            continue
        data = read_segment(store, name)
        if data is None:
            continue
        chunk.append((first, data))
        size += len(data)
        if size >= _CHUNK_BYTES or len(chunk) >= _CHUNK_SEGMENTS:
            yield place, chunk
            chunk, size = [], 0
    if chunk:
        yield place, chunk


def read_segment(store: Store, name: str) -> bytes | None:
    """A segment's bytes, or None where there is none of the name (any more)."""
    try:
        return store.get(name)
    except NotFoundError:
        return None


def summaries_of(chunk: Chunk) -> list[Summary | None]:
    """The summaries of a chunk's segments."""
    return summarise_many(*chunk)


def weight_of(chunk: Chunk) -> int:
    """How much work a chunk is: its bytes."""
    return sum(len(data) for _, data in chunk[1])


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
