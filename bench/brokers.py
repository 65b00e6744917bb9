"""Brokers to measure on, and a producer fast enough not to be what is measured."""

import importlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient

from bench.load import HEADERS, Sent
from ledger.broker.clients import silence_client
from ledger.broker.connection import ping
from ledger.broker.embedded import EmbeddedBroker
from ledger.broker.topics import ensure_topic

__all__ = ["PARTITIONS", "Broker", "Producer", "open_producer", "start_broker"]

PARTITIONS: Final = 4
_BATCH_BYTES: Final = 256 << 10
_FILL_LINGER_MS: Final = 20
_FLUSH_TIMEOUT_S: Final = 120.0


class Broker:
    """A running broker; what is measured on it has topics of its own."""

    def __init__(self, name: str, bootstrap: str) -> None:
        self.name = name
        self.bootstrap = bootstrap

    @contextmanager
    def topic(self) -> Iterator[str]:
        """A new topic, gone at the end."""
        name = f"bench-{uuid4()}"
        ensure_topic(self.bootstrap, name, PARTITIONS, timeout_s=30)
        try:
            yield name
        finally:
            self._delete(name)

    def fill(self, topic: str, events: Iterable[Sent], partitions: Mapping[bytes, int]) -> None:
        """Send events, each to its account's partition, and return when the broker has acknowledged them all."""
        producer = open_producer(self.bootstrap, topic, _FILL_LINGER_MS)
        for event in events:
            producer.send(event, partitions[event.key])
        producer.close()

    def _delete(self, topic: str) -> None:
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            admin.delete_topics([topic])
        finally:
            admin.close()


@contextmanager
def start_broker(wanted: str, directory: Path) -> Iterator[Broker]:
    """The broker to measure on, for as long as the block lasts.

    Args:
        wanted: `embedded`; `jars` (Apache Kafka from its jars, as the tests start it: needs Java and Maven); or the
            `HOST:PORT` of one that runs.
        directory: for its log, and for Kafka's data.

    Raises:
        LedgerError: it cannot be started, or does not answer.
    """
    silence_client()
    if wanted == "embedded":
        with EmbeddedBroker(log=directory / "broker.log") as embedded:
            yield Broker("embedded (Tansu, in memory)", embedded.bootstrap)
    elif wanted == "jars":
        # Only here: an installation for production has no tests.
        brokers: Any = importlib.import_module("tests.kafka.brokers")
        home = directory / "kafka"
        home.mkdir()
        with brokers.run_kafka(home) as kafka:
            yield Broker(f"Apache Kafka {brokers.KAFKA_VERSION}", kafka.bootstrap)
    else:
        ping(wanted)
        yield Broker(f"at {wanted}", wanted)


class Producer(Protocol):
    """Sends to one topic."""

    def send(self, event: Sent, partition: int | None = None) -> None:
        """Hand over a record, for the partition that its key hashes to where none is given; waits where too many are on their way."""

    def close(self) -> None:
        """Return when every record is acknowledged; raises where one was not."""


def open_producer(bootstrap: str, topic: str, linger_ms: int) -> Producer:
    """The fastest producer that is installed: librdkafka (it comes with Quix Streams), else kafka-python (11 k events/s)."""
    if importlib.util.find_spec("confluent_kafka"):
        return _Confluent(bootstrap, topic, linger_ms)
    return _KafkaPython(bootstrap, topic, linger_ms)


class _Confluent:
    def __init__(self, bootstrap: str, topic: str, linger_ms: int) -> None:
        client: Any = importlib.import_module("confluent_kafka")
        self._topic = topic
        self._failures: list[str] = []
        self._producer = client.Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "compression.type": "zstd",
                "linger.ms": linger_ms,
                "batch.size": _BATCH_BYTES,
                "partitioner": "murmur2_random",
                "log_level": 0,
            }
        )

    def send(self, event: Sent, partition: int | None = None) -> None:
        """Hand over a record."""
        where = {} if partition is None else {"partition": partition}
        while True:
            try:
                self._producer.produce(
                    self._topic,
                    value=event.value,
                    key=event.key,
                    headers=list(HEADERS),
                    on_delivery=self._delivered,
                    **where,
                )
            except BufferError:
                self._producer.poll(0.1)
                continue
            self._producer.poll(0)
            return

    def close(self) -> None:
        """Wait for what is not acknowledged."""
        left = self._producer.flush(_FLUSH_TIMEOUT_S)
        if left or self._failures:
            raise RuntimeError(f"{left + len(self._failures)} records were not acknowledged: {self._failures[:1]}")

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self._failures.append(str(error))


class _KafkaPython:
    def __init__(self, bootstrap: str, topic: str, linger_ms: int) -> None:
        self._topic = topic
        self._failures: list[str] = []
        self._producer: Any = KafkaProducer(
            bootstrap_servers=bootstrap,
            acks="all",
            compression_type="zstd",
            linger_ms=linger_ms,
            batch_size=_BATCH_BYTES,
            metrics_enabled=False,
        )

    def send(self, event: Sent, partition: int | None = None) -> None:
        """Hand over a record."""
        future = self._producer.send(
            self._topic, value=event.value, key=event.key, headers=list(HEADERS), partition=partition
        )
        future.add_errback(lambda error: self._failures.append(str(error)))

    def close(self) -> None:
        """Wait for what is not acknowledged."""
        self._producer.flush(_FLUSH_TIMEOUT_S)
        self._producer.close()
        if self._failures:
            raise RuntimeError(f"{len(self._failures)} records were not acknowledged: {self._failures[:1]}")
