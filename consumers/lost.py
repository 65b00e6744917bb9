"""Records that are gone from the topic before they were read: what a worker makes of an offset that the broker does not have."""

import time
from shlex import quote
from typing import Final

from ledger.errors import BrokerError

__all__ = ["Beyond", "expired", "truncated"]

_TRUNCATED_AFTER_S: Final = 5.0
"""For how long a broker must insist that an offset is beyond the topic's end: one that is no longer the leader and does not know it may say so."""


class Beyond:
    """Partitions whose end the broker says is before the offset that was asked for."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, float, float]] = {}
        """Of each: that offset, since when, and when last."""

    def insisted(self, partition: int, asked: int) -> bool:
        """Take note that the broker says so; whether it has, for long enough and without a pause."""
        now = time.monotonic()
        known, since, last = self._seen.get(partition, (asked, now, now))
        if known != asked or now - last > _TRUNCATED_AFTER_S:
            since = now
        self._seen[partition] = asked, since, now
        return now - since >= _TRUNCATED_AFTER_S


def expired(partition: int, first: int, start: int, topic_id: str, ledger: str) -> BrokerError:
    """The records from `first` to before `start` were removed from the topic before they were read."""
    options = f"--partition {partition} --from {first} --to {start - 1} --topic-id {topic_id}"
    return BrokerError(
        "records_expired",
        f"partition {partition}: the ledger's next offset is {first}, but the topic begins at {start}: "
        f"{start - first} records expired before they were read",
        f"restore them, or accept the loss: ledger accept-gap --ledger {quote(ledger)} {options}",
    )


def truncated(partition: int, asked: int, end: int) -> BrokerError:
    """The topic ends before an offset that is in the log already."""
    return BrokerError(
        "topic_truncated",
        f"partition {partition}: the ledger's next offset is {asked}, but the topic ends at {end}: records that are in the log are gone from it",
        "restore the topic; or make it anew and accept it: other records under the same offsets would be passed over",
    )
