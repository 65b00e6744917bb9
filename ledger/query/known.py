"""What a reader of an earlier day saw: the prefix of each shard that the ledger had received by a recorded time, or of some size.

Recorded time never decreases in a shard, so what was known by a time is a prefix. Where it ends is searched: a few segments are
opened, whatever the length of the log. The views hold back later entries by themselves (`_seen` in views.py); this spares them
the segments that hold nothing else, and says how long the prefix is.
"""

import io
from bisect import bisect_right
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import zstandard

from ledger.errors import IntegrityError, StoreError
from ledger.query.packs import recorded_by
from ledger.query.segments import Segment, ShardPrefix, checkpoint_in, checkpoint_of

__all__ = ["known_prefix", "sized_prefix"]


class _Recorded(msgspec.Struct, frozen=True):
    recorded_at: datetime


_decode = msgspec.json.Decoder(_Recorded).decode


def known_prefix(prefix: ShardPrefix, moment: datetime) -> ShardPrefix:
    """The part of a shard whose entries were recorded at `moment` or before.

    Its checkpoint is the last one that covers none but these entries.

    Raises:
        StoreError: `store_unreadable`.
        IntegrityError: `segment_unreadable`, `segment_without_checkpoint`, `bad_pack`.
    """
    packs = recorded_by(prefix.packs, moment)
    if (packs[-1].size if packs else 0) < prefix.packed:
        return msgspec.structs.replace(
            prefix, packs=packs, segments=(), checkpoint=checkpoint_in(packs), missing_at=None
        )
    segments = prefix.segments
    if not segments:
        return prefix
    count = bisect_right(segments, moment, key=_first_recorded)
    if count == 0:
        return msgspec.structs.replace(prefix, segments=(), checkpoint=checkpoint_in(packs), missing_at=None)
    last = segments[count - 1]
    seen = bisect_right(list(_times(last)), moment)
    if last.first + seen == last.size:
        if count == len(segments):
            return prefix
        return msgspec.structs.replace(
            prefix, segments=segments[:count], checkpoint=checkpoint_of(last.path), missing_at=None
        )
    cut = msgspec.structs.replace(last, size=last.first + seen, unseen=last.size - last.first - seen)
    return msgspec.structs.replace(
        prefix,
        segments=(*segments[: count - 1], cut),
        checkpoint=checkpoint_of(segments[count - 2].path) if count > 1 else checkpoint_in(packs),
        missing_at=None,
    )


def sized_prefix(prefix: ShardPrefix, size: int) -> ShardPrefix:
    """The first `size` entries of a shard (all, where it has no more), whatever they lie in by now.

    Its checkpoint is the last one that covers none but these entries.

    Raises:
        StoreError: `store_unreadable`.
        IntegrityError: `segment_without_checkpoint`, `bad_pack`.
    """
    if size >= prefix.size:
        return prefix
    packs = tuple(
        msgspec.structs.replace(p, size=min(p.size, size), cut=p.cut or p.size > size)
        for p in prefix.packs
        if p.first < size
    )
    segments = [_cut(segment, size) for segment in prefix.segments if segment.first < size]
    whole = [segment.path for segment in segments if not segment.unseen]
    return msgspec.structs.replace(
        prefix,
        packs=packs,
        segments=tuple(segments),
        checkpoint=checkpoint_of(whole[-1]) if whole else checkpoint_in(packs),
        missing_at=None,
        is_cut=True,
    )


def _cut(segment: Segment, size: int) -> Segment:
    if segment.size <= size:
        return segment
    return msgspec.structs.replace(segment, size=size, unseen=segment.unseen + segment.size - size)


def _first_recorded(segment: Segment) -> datetime:
    for recorded in _times(segment):
        return recorded
    raise _not_entries(segment.path, "it has none")


def _times(segment: Segment) -> Iterator[datetime]:
    """The recorded times of a segment's entries, read as far as somebody asks."""
    try:
        with Path(segment.path).open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as frame:
            for line in io.BufferedReader(frame):
                yield _decode(line).recorded_at
    except OSError as error:
        raise StoreError(
            "store_unreadable",
            f"cannot read {segment.path}: {error.strerror or error}",
            "check the permissions of the ledger's directory",
        ) from error
    except (zstandard.ZstdError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _not_entries(segment.path, str(error)) from error


def _not_entries(path: str, why: str) -> IntegrityError:
    return IntegrityError(
        "segment_unreadable",
        f"the segment {path} cannot be read as entries: {why}",
        "run `ledger verify` to see which part of the log differs",
    )
