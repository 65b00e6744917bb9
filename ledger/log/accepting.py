"""What may be accepted: a gap is held against the end of the log, and against what the broker still has."""

from collections.abc import Iterator

import msgspec
from msgspec import UNSET

from ledger.errors import UsageError
from ledger.log.gaps import AcceptedGap, first_not_accepted, read_gaps
from ledger.log.ledgerfile import LedgerFile, accepted_topics, check_topic_id
from ledger.log.reader import segment_names
from ledger.log.segments import parse_segment
from ledger.model.entries import Entry, decode_entry
from ledger.storage.store import Store

__all__ = ["Tail", "check_gap", "check_gap_at_broker", "read_tail", "topic_at"]


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a shard's log."""

    size: int = 0
    topic_id: str = ""
    """Of the last entry; empty in an empty log."""
    next_offset: int = 0
    recorded_at: str | None = None
    """Of the last entry."""


def read_tail(store: Store, file: LedgerFile, shard: int) -> Tail:
    """The end of a shard's log, read from its end: needs neither keys nor a state.

    Raises:
        UsageError: `no_such_partition`.
        IntegrityError, StoreError: it cannot be read.
    """
    if not 0 <= shard < file.shards:
        raise UsageError(
            "no_such_partition",
            f"there is no partition {shard}: the ledger has {file.shards} shards",
            f"give --partition from 0 to {file.shards - 1}",
        )
    last: Entry | None = None
    for entry in _backwards(store, shard):
        last = last or entry
        if entry.origin.topic_id is not UNSET:
            return Tail(
                size=last.index + 1,
                topic_id=entry.origin.topic_id,
                next_offset=last.origin.offset + 1,
                recorded_at=last.recorded_at,
            )
    return Tail()


def topic_at(store: Store, file: LedgerFile, tail: Tail) -> str:
    """The topic id that is meant where none is named: that of the last entry, or the only one that the ledger accepts.

    Raises:
        UsageError: `which_topic`, where it is not clear.
    """
    accepted = accepted_topics(store)
    if len(accepted) == 1:
        return next(iter(accepted))
    if not accepted:
        raise UsageError(
            "which_topic",
            f"the ledger has not met its topic {file.topic} yet",
            "run a worker: nothing can be lost before",
        )
    raise UsageError(
        "which_topic",
        f"the ledger accepts {len(accepted)} topic ids"
        + (f"; the last entry is of {tail.topic_id}" if tail.topic_id else ""),
        "name it with --topic-id, as the worker's message does",
    )


def check_gap(store: Store, gap: AcceptedGap, tail: Tail) -> None:
    """Refuse a gap that does not begin where the log goes on (requires the end of the log of its partition).

    Raises:
        UsageError: `unknown_topic`, `not_next_offset`.
        IntegrityError: `bad_gap`, for one that was accepted before.
    """
    if gap.topic_id not in accepted_topics(store):
        raise UsageError(
            "unknown_topic",
            f"the ledger does not accept a topic with the id {gap.topic_id}",
            f"if it was made anew and that was meant: ledger accept-topic {gap.topic_id}",
        )
    if gap.topic_id != tail.topic_id and _has_topic(store, gap.partition, gap.topic_id):
        raise UsageError(
            "unknown_topic",
            f"the log of partition {gap.partition} has gone on to the topic with the id {tail.topic_id}",
            "what the one before held can be in no later entry",
        )
    accepted = read_gaps(store, gap.partition, gap.topic_id)
    expected = tail.next_offset if gap.topic_id == tail.topic_id else 0
    first = first_not_accepted(accepted, expected)
    if gap.from_ != first and gap.from_ not in accepted:
        raise UsageError(
            "not_next_offset",
            f"no gap of partition {gap.partition} can begin at offset {gap.from_}: "
            + (f"the ledger's next offset is {first}" if first == expected else f"up to {first - 1} all is accepted"),
            "copy the command from the worker's message",
        )


def check_gap_at_broker(gap: AcceptedGap, topic_id: str, start: int) -> None:
    """Refuse a gap of which the broker still has records, or that does not reach to where its records begin.

    Args:
        gap: to be accepted.
        topic_id: the topic's, at the broker.
        start: the offset of the first record of the partition that the broker holds.

    Raises:
        UsageError: `unknown_topic`, `no_gap`.
    """
    check_topic_id(gap.topic_id, topic_id)
    if start <= gap.from_:
        raise UsageError(
            "no_gap",
            f"nothing is lost: the broker's records of partition {gap.partition} begin at offset {start}",
            "run the worker",
        )
    if gap.to != start - 1:
        raise UsageError(
            "no_gap",
            f"the broker's records of partition {gap.partition} begin at offset {start}: lost are the offsets {gap.from_} to {start - 1}",
            f"give --to {start - 1}",
        )


def _has_topic(store: Store, shard: int, topic_id: str) -> bool:
    return any(entry.origin.topic_id == topic_id for entry in _backwards(store, shard))


def _backwards(store: Store, shard: int) -> Iterator[Entry]:
    """The last entry, and those before it that name a topic id."""
    is_last = True
    for _, name in reversed(list(segment_names(store, shard))):
        for line in reversed(parse_segment(store.get(name), name).lines):
            if is_last or b'"topic_id":"' in line:
                yield decode_entry(line)
            is_last = False
