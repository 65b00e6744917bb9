"""Where a shard's log ends, read from its last segment: cheap, without state, while workers write."""

from collections.abc import Iterator

import msgspec
from msgspec import UNSET

from ledger.errors import IntegrityError, NotFoundError
from ledger.log.reader import segment_names
from ledger.log.segments import parse_segment
from ledger.model.entries import Entry, decode_entry
from ledger.storage.store import Store

__all__ = ["ShardEnd", "shard_end"]


class ShardEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The last entry of a shard."""

    size: int
    """How many entries the log has; 0 where it is empty, and then the rest says nothing."""
    offset: int
    """Of the last record,"""
    topic_id: str
    """of the topic with this id; empty where it was not looked for."""
    recorded_at: str


def shard_end(store: Store, shard: int, *, only_topic: str = "") -> ShardEnd:
    """Where the log of a shard ends.

    Args:
        store: the ledger's objects.
        shard: which one.
        only_topic: the id of the only topic that the ledger ever accepted, where there is only one. Else the id is looked for in the
            entries, backwards to where it last changed: in the shard's first one, usually.

    Raises:
        IntegrityError: a segment is damaged.
        StoreError: it cannot be read.
    """
    names = [name for _, name in segment_names(store, shard)]
    last: Entry | None = None
    for entry in _backwards(store, names):
        last = last or entry
        topic_id = only_topic or (entry.origin.topic_id if entry.origin.topic_id is not UNSET else "")
        if topic_id:
            return ShardEnd(
                size=last.index + 1, offset=last.origin.offset, topic_id=topic_id, recorded_at=last.recorded_at
            )
    if last is not None:
        raise IntegrityError("unknown_topic", f"no entry of shard {shard:04d} names its topic", "run: ledger verify")
    return ShardEnd(size=0, offset=-1, topic_id="", recorded_at="")


def _backwards(store: Store, names: list[str]) -> Iterator[Entry]:
    for name in reversed(names):
        try:
            lines = parse_segment(store.get(name), name).lines
        except NotFoundError:
            continue  # listed, and gone since: the one before it will do
        for line in reversed(lines):
            try:
                yield decode_entry(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise IntegrityError(
                    "malformed_entry", f"{name} cannot be read: {error}", "run: ledger verify"
                ) from error
