"""The segments of a shard as they lie in the store, from some index on."""

from collections.abc import Iterator
from typing import Final

from ledger.log.reader import segment_names
from ledger.storage.store import Store
from ledger.verify.reading import read_segment
from ledger.verify.summary import Place, Summary, summarise_many

__all__ = ["Chunk", "chunks", "summaries_of", "weight_of"]

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


def summaries_of(chunk: Chunk) -> list[Summary | None]:
    """The summaries of a chunk's segments."""
    return summarise_many(*chunk)


def weight_of(chunk: Chunk) -> int:
    """How much work a chunk is: its bytes."""
    return sum(len(data) for _, data in chunk[1])
