"""Delivering records to the ledger's topic and waiting until workers have made their entries durable.

Nothing here writes into the log: a record is sent, a worker folds it, and the shard is read until its entry is there.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from ledger.broker.cluster import Where
from ledger.broker.connection import describe_topic
from ledger.broker.publish import Outgoing, Place, default_partition, send_records
from ledger.errors import BrokerError
from ledger.log.batch import home_of
from ledger.log.ledgerfile import LedgerFile, accepted_topics, check_topic
from ledger.log.reader import ShardReader, read_entry
from ledger.log.tail import shard_size
from ledger.model.entries import Entry
from ledger.model.reasons import Reason
from ledger.storage.store import Store

__all__ = ["Delivery", "Landed"]

_POLL_S: Final = 0.05
_AGAIN: Final = (
    "run the same command again: what was sent stays sent, and what comes twice is a duplicate that changes nothing"
)


class Landed(msgspec.Struct, frozen=True, kw_only=True):
    """The entry that a record became."""

    shard: int
    index: int
    outcome: str
    reason: Reason | None
    first_index: int | None
    """Of a duplicate: the entry that has the event."""

    @property
    def entry(self) -> str:
        """As the command line names it."""
        return f"{self.shard}/{self.index}"


class Delivery:
    """Sends records to a ledger's topic and finds their entries.

    Args:
        store: the ledger's objects; only read.
        about: what the ledger is.
        where: the cluster, or `HOST:PORT` of one without TLS and SASL.
        wait_s: how long workers may take until the entries are durable.
    """

    def __init__(self, store: Store, about: LedgerFile, where: Where, wait_s: float) -> None:
        self._store = store
        self._about = about
        self._where = where
        self._wait_s = wait_s

    def check_topic(self) -> str:
        """The id of the topic, where it is the ledger's.

        Raises:
            BrokerError: `broker_unreachable`, `topic_missing`, `topic_replaced`, `partition_mismatch`.
        """
        described = describe_topic(self._where, self._about.topic)
        accepted = accepted_topics(self._store) or frozenset((described.topic_id,))
        check_topic(self._about, described.topic_id, described.partitions, accepted)
        return described.topic_id

    def partition(self, account: str | None, key: bytes) -> int:
        """Where a record belongs: the account's home, else what the default partitioner says of its key."""
        home = None if account is None else home_of(self._store, account)
        return default_partition(key, self._about.shards) if home is None else home

    def deliver(self, records: Iterable[Outgoing]) -> list[Landed]:
        """Send records in order; returns what each became, once all are durable in the ledger.

        Raises:
            BrokerError: what `send_records` raises; `not_folded`, where no worker has folded them in time.
            IntegrityError: the log cannot be read.
        """
        self.check_topic()
        starts = {shard: shard_size(self._store, shard) for shard in range(self._about.shards)}
        try:
            places = send_records(records, self._where, self._about.topic)
        except BrokerError as error:
            raise BrokerError(error.code, error.message, f"look at the broker, then {_AGAIN}") from error
        return self._wait(places, starts)

    def _wait(self, places: Sequence[Place], starts: Mapping[int, int]) -> list[Landed]:
        wanted: dict[int, set[int]] = {}
        for place in places:
            wanted.setdefault(place.partition, set()).add(place.offset)
        readers = {shard: ShardReader(self._store, shard, starts[shard]) for shard in wanted}
        found: dict[Place, Landed] = {}
        deadline = time.monotonic() + self._wait_s
        while True:
            for shard, offsets in wanted.items():
                for _, name, segment in readers[shard].further():
                    for entry in (read_entry(line, name) for line in segment.lines):
                        if entry.origin.offset in offsets:
                            found[Place(shard, entry.origin.offset)] = _landed(shard, entry)
            if len(found) == len(set(places)):
                return [found[place] for place in places]
            if time.monotonic() > deadline:
                raise self._not_folded(len(places), len(found))
            time.sleep(_POLL_S)

    def _not_folded(self, sent: int, found: int) -> BrokerError:
        left = sent - found
        what = "a record was" if left == 1 else f"{left} records were"
        return BrokerError(
            "not_folded",
            f"{what} sent to the topic and made no entry within {self._wait_s:g} s",
            f"is a worker running, and does it keep up? When it has, {_AGAIN}",
        )


def _landed(shard: int, entry: Entry) -> Landed:
    return Landed(
        shard=shard,
        index=entry.index,
        outcome=entry.outcome,
        reason=entry.reason,
        first_index=entry.first_index,
    )
