"""Where a shard's log ends, read from its end: without keys or state, while workers write, compacted or not."""

from collections.abc import Iterator

import msgspec
from msgspec import UNSET

from ledger.errors import IntegrityError
from ledger.log.reader import read_entry, segment_names
from ledger.log.segments import parse_segment
from ledger.log.whole import whole
from ledger.model.entries import Entry
from ledger.storage.store import Store

__all__ = ["ShardEnd", "has_topic", "shard_end", "shard_size"]


class ShardEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a shard's log; of an empty one by default."""

    size: int = 0
    """How many entries it has."""
    topic_id: str = ""
    """Of the topic that the last record is of; empty in an empty log."""
    next_offset: int = 0
    """The offset after the last record's."""
    recorded_at: str | None = None
    """Of the last entry."""


def shard_end(store: Store, shard: int, *, only_topic: str = "") -> ShardEnd:
    """Where the log of a shard ends.

    Args:
        store: the ledger's objects.
        shard: which one.
        only_topic: the id of the only topic that the ledger ever accepted, where there is only one. Else the id is looked for in the
            entries, backwards to where it last changed: in the shard's first one, usually.

    Raises:
        IntegrityError: a segment or pack is damaged; `unknown_topic`, where no entry names a topic id.
        StoreError: it cannot be read.
    """
    last: Entry | None = None
    for entry in _backwards(store, shard):
        last = last or entry
        topic_id = only_topic or (entry.origin.topic_id if entry.origin.topic_id is not UNSET else "")
        if topic_id:
            return ShardEnd(
                size=last.index + 1,
                topic_id=topic_id,
                next_offset=last.origin.offset + 1,
                recorded_at=last.recorded_at,
            )
    if last is not None:
        raise IntegrityError("unknown_topic", f"no entry of shard {shard:04d} names its topic", "run: ledger verify")
    return ShardEnd()


def shard_size(store: Store, shard: int) -> int:
    """How many entries a shard has; raises as `shard_end`."""
    last = next(_backwards(store, shard), None)
    return 0 if last is None else last.index + 1


def has_topic(store: Store, shard: int, topic_id: str) -> bool:
    """Whether any record of a shard was of this topic; raises as `shard_end`."""
    return any(entry.origin.topic_id == topic_id for entry in _backwards(store, shard))


def _backwards(store: Store, shard: int) -> Iterator[Entry]:
    """The last entry, and those before it that name a topic id."""
    store = whole(store)
    is_last = True
    for _, name in reversed(list(segment_names(store, shard))):
        for line in reversed(parse_segment(store.get(name), name).lines):
            if is_last or b'"topic_id":"' in line:
                yield read_entry(line, name)
            is_last = False
