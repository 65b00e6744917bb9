"""Brokers for tests: Apache Kafka from its jars and the embedded one, and what tests do with their topics."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient

from ledger.broker.clients import silence_client
from ledger.broker.connection import TopicDescription, ping
from ledger.broker.embedded import EmbeddedBroker
from ledger.broker.topics import ensure_topic
from ledger.errors import BrokerError

KAFKA_VERSION: Final = "4.3.0"
JARS: Final = (
    Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    / "deployment-ledger"
    / "kafka-jars"
    / KAFKA_VERSION
)
START_TIMEOUT_S: Final = 60

_POM: Final = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>jars</groupId><artifactId>jars</artifactId><version>1</version>
<dependencies><dependency>
<groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
</dependency></dependencies></project>
"""
_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{advertised}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={directory}/data
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.backoff.ms=200
auto.create.topics.enable=false
"""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record as it came off a topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp_ms: int


class Broker:
    """A running broker, and what tests do with it."""

    def __init__(self, name: str, bootstrap: str) -> None:
        self.name = name
        self.bootstrap = bootstrap
        silence_client()

    def topic(self, partitions: int = 4, *, name: str | None = None) -> str:
        """Make a topic, under a name of its own where none is given, and return its name."""
        name = name or f"t-{uuid4()}"
        self.ensure(name, partitions)
        return name

    def ensure(self, name: str, partitions: int) -> TopicDescription:
        """Make a topic under this name."""
        return ensure_topic(self.bootstrap, name, partitions, timeout_s=30)

    def delete(self, topic: str) -> None:
        """Delete a topic, and return once it is gone."""
        admin = KafkaAdminClient(bootstrap_servers=self.bootstrap)
        try:
            admin.delete_topics([topic])
            deadline = time.monotonic() + 30
            while topic in admin.list_topics():
                if time.monotonic() > deadline:
                    raise TimeoutError(topic)
                time.sleep(0.05)
        finally:
            admin.close()

    def produce(
        self,
        topic: str,
        values: Iterable[bytes | None],
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Iterable[tuple[str, bytes]] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> int:
        """Send records, all alike but for their values, and return their number once all are acknowledged."""
        options = {"linger_ms": 5, "max_request_size": 16 << 20} | dict(settings or {})
        producer = KafkaProducer(bootstrap_servers=self.bootstrap, acks="all", **options)
        try:
            futures = [
                producer.send(topic, value=value, key=key, partition=partition, headers=list(headers))
                for value in values
            ]
            for future in futures:
                future.get(timeout=30)
        finally:
            producer.close()
        return len(futures)

    def read(self, topic: str, count: int, *, timeout_s: float = 30) -> list[Record]:
        """The records of a topic, by partition and offset, once there are this many of them.

        Partitions are assigned, not subscribed to: nothing here needs a group.
        """
        consumer = KafkaConsumer(bootstrap_servers=self.bootstrap, group_id=None, enable_auto_commit=False)
        try:
            partitions = sorted(consumer.partitions_for_topic(topic) or ())
            consumer.assign([TopicPartition(topic, number) for number in partitions])
            consumer.seek_to_beginning()
            found: list[Record] = []
            deadline = time.monotonic() + timeout_s
            while len(found) < count:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{len(found)} of {count} records came from {topic}")
                for records in consumer.poll(timeout_ms=200).values():
                    found += [_record(item) for item in records]
        finally:
            consumer.close()
        return sorted(found, key=lambda record: (record.partition, record.offset))


def _record(item: Any) -> Record:
    return Record(
        partition=item.partition,
        offset=item.offset,
        key=item.key,
        value=item.value,
        headers=tuple(item.headers),
        timestamp_ms=item.timestamp,
    )


def missing_for_kafka() -> str | None:
    """The first program that Apache Kafka needs and this machine does not have; None where all are there."""
    return next((name for name in ("java", "mvn") if shutil.which(name) is None), None)


def kafka_jars() -> Path:
    """The directory of the broker's jars, fetched with Maven where they are not there yet (44 MB, once a machine)."""
    JARS.parent.mkdir(parents=True, exist_ok=True)
    with (JARS.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not JARS.is_dir():
            _fetch_jars()
    return JARS


def _fetch_jars() -> None:
    # Fetched beside, then renamed: a fetch that was cut short leaves nothing that looks complete.
    half = JARS.parent / f"{KAFKA_VERSION}.part"
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    pom = half / "pom.xml"
    pom.write_text(_POM)
    subprocess.run(
        ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={half}"],
        check=True,
        stdout=sys.stderr,
        timeout=600,
    )
    half.rename(JARS)


class KafkaNode:
    """Apache Kafka as one node, its data and log in a directory; it can be killed, started again, and stopped for a while."""

    def __init__(
        self,
        directory: Path,
        advertised: int | None = None,
        *,
        properties: str = "",
        storage_options: Iterable[str] = (),
    ) -> None:
        """Format the data directory, unless one has run there before; nothing runs yet.

        Args:
            directory: an empty one, or one of before: then it has what it had, at the same port.
            advertised: the port of 127.0.0.1 that clients are told to come to, where it is not the broker's own.
            properties: further lines of its settings; `{port}` and `{controller}` stand for its ports.
            storage_options: of the tool that formats its storage.
        """
        self._directory = directory
        self._java = ["java", "-cp", f"{kafka_jars()}/*"]
        self._process: subprocess.Popen[bytes] | None = None
        self._properties = directory / "server.properties"
        if self._properties.exists():
            told = self._properties.read_text().partition("listeners=PLAINTEXT://127.0.0.1:")[2]
            self._port = int(told.partition(",")[0])
            return
        self._port, controller = free_ports(2)
        self._properties.write_text(
            (_PROPERTIES + properties).format(
                port=self._port, advertised=advertised or self._port, controller=controller, directory=directory
            )
        )
        cluster = self._storage("random-uuid").strip()
        self._storage("format", "-t", cluster, "-c", str(self._properties), *storage_options)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self._port

    @property
    def broker(self) -> Broker:
        """What runs here, or will."""
        return Broker("kafka", f"127.0.0.1:{self._port}")

    def start(self) -> None:
        """Start it, and return once it answers."""
        with (self._directory / "broker.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._java[0], "-Xmx512m", *self._java[1:], "kafka.Kafka", self._properties],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            _wait_for(self.broker.bootstrap, self._process, self._directory / "broker.log")
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill -9; what it had acknowledged is in its data directory, or in the kernel's memory on the way there."""
        if self._process is not None:
            self.signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _storage(self, *arguments: str) -> str:
        command = [*self._java, "kafka.tools.StorageTool", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@contextmanager
def run_kafka(directory: Path, properties: str = "", storage_options: Iterable[str] = ()) -> Iterator[Broker]:
    """Apache Kafka as one node, its data and log in the directory; run there again, it has what it had, at the same port.

    Args:
        directory: an empty one, or one of before.
        properties: further lines of its settings; `{port}` and `{controller}` stand for its ports.
        storage_options: of the tool that formats its storage.
    """
    with KafkaNode(directory, properties=properties, storage_options=storage_options) as node:
        yield node.broker


@contextmanager
def run_tansu(directory: Path) -> Iterator[Broker]:
    """The embedded broker, its log in the directory."""
    with EmbeddedBroker(log=directory / "broker.log") as broker:
        yield Broker("tansu", broker.bootstrap)


def free_ports(count: int) -> list[int]:
    """So many ports that nobody listens at."""
    with_ports = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in with_ports]
    for server in with_ports:
        server.close()
    return ports


def _wait_for(bootstrap: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            ping(bootstrap, timeout_s=2)
        except BrokerError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(f"Apache Kafka did not start: {log.read_text()[-2000:]}")
