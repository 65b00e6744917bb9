"""What may be accepted: a gap is held against the end of the log, and against what the broker still has."""

from ledger.errors import UsageError
from ledger.log.gaps import AcceptedGap, first_not_accepted, read_gaps
from ledger.log.ledgerfile import LedgerFile, accepted_topics, check_topic_id
from ledger.log.tail import ShardEnd, has_topic
from ledger.storage.store import Store

__all__ = ["check_gap", "check_gap_at_broker", "check_partition", "topic_at"]


def check_partition(file: LedgerFile, partition: int) -> None:
    """Refuse a partition that the ledger has no shard for.

    Raises:
        UsageError: `no_such_partition`.
    """
    if not 0 <= partition < file.shards:
        raise UsageError(
            "no_such_partition",
            f"there is no partition {partition}: the ledger has {file.shards} shards",
            f"give --partition from 0 to {file.shards - 1}",
        )


def topic_at(store: Store, file: LedgerFile, end: ShardEnd) -> str:
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
        + (f"; the last entry is of {end.topic_id}" if end.topic_id else ""),
        "name it with --topic-id, as the worker's message does",
    )


def check_gap(store: Store, gap: AcceptedGap, end: ShardEnd) -> None:
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
    if gap.topic_id != end.topic_id and has_topic(store, gap.partition, gap.topic_id):
        raise UsageError(
            "unknown_topic",
            f"the log of partition {gap.partition} has gone on to the topic with the id {end.topic_id}",
            "what the one before held can be in no later entry",
        )
    accepted = read_gaps(store, gap.partition, gap.topic_id)
    expected = end.next_offset if gap.topic_id == end.topic_id else 0
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
