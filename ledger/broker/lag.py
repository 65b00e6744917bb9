"""How far a ledger is behind its topic, by partition. Needs no worker and no consumer group: the log knows what was consumed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from ledger.broker.cluster import Where
from ledger.broker.connection import describe_topic
from ledger.broker.reach import Reach, topic_reach
from ledger.errors import BrokerError
from ledger.log.ledgerfile import LedgerFile, accepted_topics
from ledger.log.tail import ShardEnd, shard_end
from ledger.storage.store import Store

__all__ = ["PartitionLag", "State", "lag_of", "measure_lag"]

State = Literal["ok", "gap", "replaced", "ahead"]
"""
- `ok`: the ledger can go on.
- `gap`: the topic begins after the ledger's next offset: records expired before they were read.
- `replaced`: the topic was deleted and made anew, and the ledger has not accepted it.
- `ahead`: the ledger holds records that the broker does not: it lost some.
"""


class PartitionLag(msgspec.Struct, frozen=True, kw_only=True):
    """One partition and its shard."""

    partition: int
    state: State
    log_start: int
    """Offset of the first record that the broker holds,"""
    log_end: int
    """and the one after its last."""
    next_offset: int | None
    """Of the first record that the ledger has no entry of; None where the topic is another one."""
    behind: int | None
    """How many offsets lie between; some of them may hold no record (transactions). None where the topic is another one."""
    behind_s: float | None
    """From the last entry's recorded time to the newest record's timestamp; from the next record's, where there is no entry yet.
    0 where nothing waits, None where neither can be said."""
    size: int
    """Entries of the shard."""
    recorded_at: str | None
    """Of the last entry."""
    newest_at: str | None
    """The newest record's timestamp."""


def measure_lag(store: Store, file: LedgerFile, where: Where) -> list[PartitionLag]:
    """Look at all partitions, the log first: what comes meanwhile counts as waiting.

    Raises:
        BrokerError: `partition_mismatch`, and what `topic_reach` raises.
        IntegrityError, StoreError: the log cannot be read.
    """
    described = describe_topic(where, file.topic)
    if described.partitions != file.shards:
        raise BrokerError(
            "partition_mismatch",
            f"the topic {file.topic} has {described.partitions} partitions, the ledger has {file.shards} shards",
            "a ledger's number of shards never changes: restore the topic, or begin a new ledger",
        )
    accepted = accepted_topics(store)
    is_known = not accepted or described.topic_id in accepted
    only = next(iter(accepted)) if len(accepted) == 1 else ""
    ends = [shard_end(store, shard, only_topic=only) for shard in range(file.shards)]
    nexts = [end.next_offset if is_known and end.topic_id == described.topic_id else 0 for end in ends]
    reaches = topic_reach(where, file.topic, dict(enumerate(nexts)))
    return lag_of(ends, nexts, [reaches[number] for number in range(file.shards)], is_known=is_known)


def lag_of(
    ends: Sequence[ShardEnd], nexts: Sequence[int], reaches: Sequence[Reach], *, is_known: bool
) -> list[PartitionLag]:
    """The lag of all partitions, from what the log and the broker say.

    Args:
        ends: of the shards.
        nexts: the offsets at which they go on in this topic.
        reaches: of the partitions.
        is_known: whether the ledger accepts the topic.
    """
    lags = []
    for number, (end, offset, reach) in enumerate(zip(ends, nexts, reaches, strict=True)):
        behind = max(0, reach.end - offset)
        lags.append(
            PartitionLag(
                partition=number,
                state=_state(offset, reach) if is_known else "replaced",
                log_start=reach.start,
                log_end=reach.end,
                next_offset=offset if is_known else None,
                behind=behind if is_known else None,
                behind_s=_behind_s(end, reach, behind) if is_known else None,
                size=end.size,
                recorded_at=end.recorded_at,
                newest_at=_text(reach.newest_ms),
            )
        )
    return lags


def _state(offset: int, reach: Reach) -> State:
    if reach.start > offset:
        return "gap"
    return "ahead" if reach.end < offset else "ok"


def _behind_s(end: ShardEnd, reach: Reach, behind: int) -> float | None:
    if not behind:
        return 0.0
    if reach.newest_ms is None:
        return None
    since_ms = reach.next_ms if end.recorded_at is None else datetime.fromisoformat(end.recorded_at).timestamp() * 1000
    return None if since_ms is None else round(max(0.0, reach.newest_ms - since_ms) / 1000, 3)


def _text(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
