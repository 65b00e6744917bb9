"""How far the topic reaches, and when what is on it came: asked of the broker, and where its answer may come late, of the records.

Tansu's end offsets lag the truth. So the last record that it admits to is read, and whatever comes behind it: what is read is there.
"""

import time
from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from ledger.broker.clients import kafka_python_options, silence_client
from ledger.broker.cluster import Where, as_cluster
from ledger.broker.connection import DEFAULT_TIMEOUT_S, describe_topic, unreachable

__all__ = ["Reach", "topic_reach"]

_PATIENCE_S: Final = 3.0
"""How long a record that should be there is waited for; where an aborted transaction is the last, none comes."""
_POLL_MS: Final = 200


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker holds of a partition. Times are Unix time in milliseconds; None where no such record was read."""

    start: int
    """Offset of the first record it holds."""
    end: int
    """Offset after the last one: of the broker's answer and what was read, the greater."""
    next_ms: int | None
    """Timestamp of the first record that the ledger has no entry of,"""
    newest_ms: int | None
    """and of the newest one."""


class _Found:
    def __init__(self) -> None:
        self.end = 0
        self.first_ms: int | None = None
        self.last_ms: int | None = None

    def take(self, records: list[Any]) -> None:
        """Take over records as they were read."""
        if self.first_ms is None:
            self.first_ms = records[0].timestamp
        self.end = records[-1].offset + 1
        self.last_ms = records[-1].timestamp


def topic_reach(
    where: Where, topic: str, next_offsets: Mapping[int, int], timeout_s: float = DEFAULT_TIMEOUT_S
) -> dict[int, Reach]:
    """How far each partition reaches.

    Args:
        where: the cluster, or `HOST:PORT` of one without TLS and SASL.
        topic: its name.
        next_offsets: of the ledger, by partition; the partitions that are asked for.
        timeout_s: for each request.

    Raises:
        BrokerError: what `describe_topic` raises.
        UsageError: `bad_bootstrap`, `bad_setting`, `bad_topic`.
    """
    describe_topic(where, topic, timeout_s)  # only to a broker that answers, lest the client try for ever
    silence_client()
    places = {TopicPartition(topic, number): offset for number, offset in sorted(next_offsets.items())}
    try:
        consumer = KafkaConsumer(
            **kafka_python_options(as_cluster(where)),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            request_timeout_ms=int(timeout_s * 1000),
            metrics_enabled=False,
        )
        try:
            return _ask(consumer, places)
        finally:
            consumer.close()
    except KafkaError as error:
        raise unreachable(as_cluster(where).bootstrap, error) from error


def _ask(consumer: Any, places: Mapping[Any, int]) -> dict[int, Reach]:
    starts: dict[Any, int] = consumer.beginning_offsets(list(places))
    ends: dict[Any, int] = consumer.end_offsets(list(places))
    waiting = {
        place: max(offset, starts[place])
        for place, offset in places.items()
        if max(offset, starts[place]) < ends[place]
    }
    firsts = _read(consumer, waiting, waiting)
    # From the last record that should be there on; where the ledger has read beyond the broker's end, from the ledger's last.
    last = {place: max(ends[place], places[place], 1) - 1 for place in places}
    read = {place: offset for place, offset in last.items() if offset >= starts[place]}
    lasts = _read(consumer, read, [place for place in read if max(ends[place], places[place]) > starts[place]])
    reach = {}
    for place in places:
        newest = lasts.get(place) or _Found()
        next_ms = firsts[place].first_ms if place in firsts else None
        if next_ms is None and newest.end > places[place]:
            next_ms = newest.last_ms
        reach[place.partition] = Reach(
            start=starts[place], end=max(ends[place], newest.end), next_ms=next_ms, newest_ms=newest.last_ms
        )
    return reach


def _read(consumer: Any, offsets: Mapping[Any, int], expected: Collection[Any]) -> dict[Any, _Found]:
    """Read each partition from an offset on: until those that should have something gave it, and nothing more comes."""
    found: dict[Any, _Found] = {}
    if not offsets:
        return found
    consumer.assign(list(offsets))
    for place, offset in offsets.items():
        consumer.seek(place, offset)
    deadline = time.monotonic() + _PATIENCE_S
    records: Any = True
    while time.monotonic() < deadline and (records or not found.keys() >= set(expected)):
        records = consumer.poll(timeout_ms=_POLL_MS)
        for place, some in records.items():
            found.setdefault(place, _Found()).take(some)
    return found
