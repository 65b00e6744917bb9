"""The segments of a shard as they lie in the store, from some index on: objects of their own, or parts of packs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from ledger.errors import IntegrityError, StoreError
from ledger.log.packfile import PackFile
from ledger.log.reader import segment_names
from ledger.log.whole import WholeStore
from ledger.proof.notes import Verifier
from ledger.verify.columns import first_differing
from ledger.verify.reading import read_segment
from ledger.verify.summary import Place, Summary, summarise, summarise_segment

__all__ = ["Chunk", "chunks", "summaries_of", "weight_of"]

_CHUNK_BYTES: Final = 1 << 20
_CHUNK_SEGMENTS: Final = 64
_SLICE_ENTRIES: Final = 16_384
_ENTRY_BYTES: Final = 300
"""About what one takes in a pack."""


class Chunk(msgspec.Struct, frozen=True, array_like=True):
    """Some segments of a shard."""

    place: Place
    segments: list[tuple[int, bytes | None]]
    """First index and bytes; None instead of bytes where they are in a pack,"""
    pack: str = ""
    """which is this file,"""
    name: str = ""
    """of this name; all of them are then,"""
    end: int = 0
    """and end before this index."""


def chunks(store: WholeStore, place: Place, start: int) -> Iterator[Chunk]:
    """The segments that begin at `start` or later, some at once, in the order of their names."""
    chunk: list[tuple[int, bytes | None]] = []
    size = 0
    pack, name, end = "", "", 0

    def taken() -> Iterator[Chunk]:
        nonlocal chunk, size
        if chunk:
            yield Chunk(place, chunk, pack, name, end)
        chunk, size = [], 0

    for first, segment in segment_names(store, place.shard):
        if first < start:
            continue
        found = store.slice_of(place.shard, first)
        if found is not None:
            if name != found.name or end != first or found.end - chunk[0][0] > _SLICE_ENTRIES:
                yield from taken()
            pack, name, end = str(found.path), found.name, found.end
            chunk.append((first, None))
            continue
        if name:
            yield from taken()
            pack, name, end = "", "", 0
        data = read_segment(store, segment)
        if data is None:
            continue
        chunk.append((first, data))
        size += len(data)
        if size >= _CHUNK_BYTES or len(chunk) >= _CHUNK_SEGMENTS:
            yield from taken()
    yield from taken()


def summaries_of(chunk: Chunk) -> list[Summary | None]:
    """The summaries of a chunk's segments."""
    verifier = Verifier.from_vkey(chunk.place.vkey)
    if chunk.name:
        return _of_pack(chunk, verifier)
    return [summarise(chunk.place, verifier, first, data) if data else None for first, data in chunk.segments]


def weight_of(chunk: Chunk) -> int:
    """How much work a chunk is: its bytes."""
    if chunk.name:
        return (chunk.end - chunk.segments[0][0]) * _ENTRY_BYTES
    return sum(len(data or b"") for _, data in chunk.segments)


def _of_pack(chunk: Chunk, verifier: Verifier) -> list[Summary | None]:
    """None where the pack cannot be read (or its copy has made room for others), and for the segment in which a column is not what its entry says."""
    pack = PackFile(Path(chunk.pack), chunk.name)
    start = chunk.segments[0][0]
    try:
        segments = pack.segments(start, chunk.end)
        differing = first_differing(pack, start, chunk.end)
    except (IntegrityError, StoreError):
        return [None] * len(chunk.segments)
    finally:
        pack.close()
    if len(segments) != len(chunk.segments):
        return [None] * len(chunk.segments)
    return [
        None
        if differing is not None and first <= differing < first + len(segment.lines)
        else summarise_segment(chunk.place, verifier, first, segment)
        for (first, _), segment in zip(chunk.segments, segments, strict=True)
    ]
