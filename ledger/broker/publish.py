"""Publishing: change events from lines of JSON to the topic, one record a line, keyed by account.

What would be rejected is refused here, before it leaves the machine; what may hold a secret's value is refused always.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError
from kafka.partitioner.default import murmur2

from ledger.broker.clients import kafka_python_options, silence_client
from ledger.broker.cluster import Cluster, Where, as_cluster
from ledger.broker.connection import describe_topic
from ledger.broker.lines import MAX_LINE_BYTES, Line, Source
from ledger.broker.topics import MAX_MESSAGE_BYTES
from ledger.errors import BrokerError, InputError
from ledger.model.binary import STRUCTURED
from ledger.model.decoding import decode
from ledger.model.events import Event

__all__ = [
    "STRUCTURED_HEADERS",
    "Outgoing",
    "Place",
    "Progress",
    "Published",
    "Refusal",
    "close_producer",
    "default_partition",
    "new_producer",
    "publish",
    "send_records",
]

_FIRST_REFUSALS: Final = 10
STRUCTURED_HEADERS: Final[tuple[tuple[str, bytes | None], ...]] = (("content-type", STRUCTURED.encode()),)
_LINGER_MS: Final = 20
_BATCH_BYTES: Final = 256 << 10
_MAX_PENDING: Final = 10_000
_MAX_PENDING_BYTES: Final = 32 << 20
"""kafka-python has no limit of its own to what it holds."""
_PROGRESS_EVERY_S: Final = 0.1
_TIMEOUT_S: Final = 30.0
_UNCHECKED: Final = "may hold a secret's value, so it stays here: "


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was not sent."""

    line: int
    """Its number, from 1."""
    code: str
    """A reason code of rejected entries."""
    path: str
    """Where in the event, as a JSON path."""
    detail: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far publishing has come."""

    read_bytes: int
    """Of the file as stored."""
    total_bytes: int | None
    """None where nobody knows."""
    read: int
    """Lines."""
    sent: int
    """Records that the broker has acknowledged."""
    refused: int


class Published(msgspec.Struct, frozen=True, kw_only=True):
    """What came of publishing."""

    read: int
    """Lines that are not blank."""
    sent: int
    """Records that the broker has acknowledged."""
    refused: int
    """Lines that were not sent; `read` is `sent` and these."""
    first_refusals: tuple[Refusal, ...]
    """The first ten."""
    duration_s: float


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One record for a partition that is known."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = STRUCTURED_HEADERS


class Place(msgspec.Struct, frozen=True):
    """Where a record lies on the topic."""

    partition: int
    offset: int


def default_partition(key: bytes, partitions: int) -> int:
    """The partition that Kafka's default partitioner gives a key, as `publish` does."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def send_records(
    records: Iterable[Outgoing], where: Where, topic: str, *, timeout_s: float = _TIMEOUT_S
) -> list[Place]:
    """Send records in order, each to its partition, and return where they lie once the broker has acknowledged the last.

    Raises:
        BrokerError: `publish_failed`; some may have been sent.
        InputError: `too_large`; those before it were sent.
    """
    with _Sender(as_cluster(where), topic, timeout_s) as sender:
        for record in records:
            if not sender.send(record.value, record.key, record.headers, record.partition):
                sender.finish()
                raise InputError(
                    "too_large", f"a record has more than {MAX_MESSAGE_BYTES} bytes, more than the topic takes"
                )
        sender.finish()
        return sender.places


def publish(
    source: Source,
    where: Where,
    topic: str,
    *,
    validate: bool = True,
    rate: float | None = None,
    progress: Callable[[Progress], None] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> Published:
    """Send every line of the source, and return when the broker has acknowledged the last.

    Args:
        source: where the lines come from.
        where: the cluster, or `HOST:PORT` of one without TLS and SASL.
        topic: which must exist.
        validate: refuse what a worker would reject for what it is; else refuse only what may hold a secret's value.
        rate: records a second at most; no limit where None.
        progress: called some ten times a second, and at the end.
        timeout_s: how long the broker may take to acknowledge a record.

    Raises:
        BrokerError: what `describe_topic` raises; `publish_failed`, which says how many
            records were acknowledged before.
        InputError: `bad_file`, which says how many records were sent before.
        UsageError: `bad_bootstrap`, `bad_setting`, `bad_topic`.
    """
    cluster = as_cluster(where)
    describe_topic(cluster, topic, timeout_s)
    run = _Run(source, progress)
    with _Sender(cluster, topic, timeout_s) as sender:
        try:
            for line in source.lines():
                run.count_line()
                found = _check(line, validate=validate)
                if isinstance(found, Refusal):
                    run.refuse(found)
                else:
                    _hold_back(run.started, sender.accepted, rate)
                    if not sender.send(line.value, None if found is None else found.encode()):
                        run.refuse(_too_large(line))
                run.report(sender.acknowledged)
        except InputError as error:
            sender.finish()
            sent = f"{sender.acknowledged} events before that were sent"
            raise InputError(error.code, f"{error.message}; {sent}", error.hint) from error
        sender.finish()
    return run.end(sender.acknowledged)


class _Run:
    """Counts, the first refusals, and when to tell of progress."""

    def __init__(self, source: Source, progress: Callable[[Progress], None] | None) -> None:
        self._source = source
        self._progress = progress
        self._read = 0
        self._refused = 0
        self._first: list[Refusal] = []
        self.started = time.monotonic()
        self._next_report = self.started

    def count_line(self) -> None:
        self._read += 1

    def refuse(self, refusal: Refusal) -> None:
        self._refused += 1
        if len(self._first) < _FIRST_REFUSALS:
            self._first.append(refusal)

    def report(self, acknowledged: int, *, is_last: bool = False) -> None:
        if self._progress is None or (time.monotonic() < self._next_report and not is_last):
            return
        self._next_report = time.monotonic() + _PROGRESS_EVERY_S
        self._progress(
            Progress(
                read_bytes=self._source.read_bytes,
                total_bytes=self._source.total_bytes,
                read=self._read,
                sent=acknowledged,
                refused=self._refused,
            )
        )

    def end(self, acknowledged: int) -> Published:
        self.report(acknowledged, is_last=True)
        return Published(
            read=self._read,
            sent=acknowledged,
            refused=self._refused,
            first_refusals=tuple(self._first),
            duration_s=time.monotonic() - self.started,
        )


class _Sender:
    """A producer that holds a bounded number of records, and counts what was acknowledged."""

    def __init__(self, cluster: Cluster, topic: str, timeout_s: float) -> None:
        silence_client()
        self._topic = topic
        self._timeout_s = timeout_s
        self._pending: deque[tuple[Any, int, bool]] = deque()
        self._pending_bytes = 0
        self.accepted = 0
        """Records handed to the producer."""
        self.acknowledged = 0
        """Records that the broker has acknowledged, as far as was looked."""
        self.places: list[Place] = []
        """Where those lie that were sent to a partition of their own."""
        try:
            self._producer = new_producer(cluster, timeout_s)
        except KafkaError as error:
            raise self._failure(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The lines before a damaged one have arrived; after Ctrl-C or the broker's failure nobody wants to wait.
        try:
            close_producer(
                self._producer, self._timeout_s, at_once=error is not None and not isinstance(error, InputError)
            )
        except KafkaError as failure:
            raise self._failure(failure) from failure

    def send(
        self,
        value: bytes | None,
        key: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = STRUCTURED_HEADERS,
        partition: int | None = None,
    ) -> bool:
        """Hand over one record, to the partition of its key where none is named; False where it is too large for the topic."""
        while len(self._pending) >= _MAX_PENDING or self._pending_bytes > _MAX_PENDING_BYTES:
            self._settle_oldest()
        try:
            future = self._producer.send(self._topic, value=value, key=key, headers=list(headers), partition=partition)
        except MessageSizeTooLargeError:
            return False
        except KafkaError as error:
            raise self._failure(error) from error
        self.accepted += 1
        size = len(value or b"")
        self._pending.append((future, size, partition is not None))
        self._pending_bytes += size
        while self._pending and self._pending[0][0].is_done:
            self._settle_oldest()
        return True

    def finish(self) -> None:
        """Wait for what is not yet acknowledged."""
        while self._pending:
            self._settle_oldest()

    def _settle_oldest(self) -> None:
        future, size, is_placed = self._pending.popleft()
        self._pending_bytes -= size
        try:
            # The producer's own delivery time-out ends this wait; the margin is for the unforeseen.
            sent = future.get(timeout=self._timeout_s + 5)
        except KafkaError as error:
            raise self._failure(error) from error
        self.acknowledged += 1
        if is_placed:
            self.places.append(Place(sent.partition, sent.offset))

    def _failure(self, error: KafkaError) -> BrokerError:
        done = self.acknowledged + sum(future.succeeded() for future, *_ in self._pending)
        return BrokerError(
            "publish_failed",
            f"the broker stopped taking records ({type(error).__name__}): {done} were acknowledged before",
            "publish the file again: what is in the ledger already is recorded as a duplicate and changes nothing",
        )


def new_producer(cluster: Cluster, timeout_s: float, linger_ms: int = _LINGER_MS) -> Any:
    """A producer of kafka-python that has each record once, and from all replicas; raises KafkaError where it reaches no broker.

    Args:
        cluster: to which it sends.
        timeout_s: how long a record may take until it is acknowledged.
        linger_ms: how long a record waits for others to travel with.
    """
    timeout_ms = int(timeout_s * 1000)
    return KafkaProducer(
        **kafka_python_options(cluster),
        acks="all",
        enable_idempotence=True,
        compression_type="zstd",
        linger_ms=linger_ms,
        batch_size=_BATCH_BYTES,
        max_request_size=MAX_MESSAGE_BYTES,
        allow_auto_create_topics=False,
        max_block_ms=timeout_ms,
        bootstrap_timeout_ms=timeout_ms,
        request_timeout_ms=max(1, timeout_ms // 2),
        delivery_timeout_ms=timeout_ms + linger_ms,
        metrics_enabled=False,
    )


def close_producer(producer: Any, timeout_s: float, *, at_once: bool) -> None:
    """Close a producer; raises KafkaError where what is pending does not get through in time. `at_once` gives that up."""
    if at_once:
        # `close` itself would wait for what is pending and, in vain, raise: kafka-python 3.0 flushes first.
        producer._sender.force_close()  # noqa: SLF001
    producer.close(timeout=timeout_s)


def _check(line: Line, *, validate: bool) -> str | Refusal | None:
    """The account that a line belongs to (None where that cannot be read), or why it is not sent."""
    if line.is_cut:
        return _too_large(line)
    found = decode(line.value)
    if isinstance(found, Event):
        return found.account
    reason = found.reason
    if validate or reason.code == "plaintext_secret":
        return Refusal(line=line.number, code=reason.code, path=reason.path, detail=reason.detail)
    if not found.keep:
        return Refusal(line=line.number, code=reason.code, path=reason.path, detail=_UNCHECKED + reason.detail)
    return found.known.account


def _too_large(line: Line) -> Refusal:
    limit = MAX_LINE_BYTES if line.is_cut else MAX_MESSAGE_BYTES
    return Refusal(line=line.number, code="too_large", path="$", detail=f"more than {limit} bytes")


def _hold_back(started: float, accepted: int, rate: float | None) -> None:
    """Wait until one more record is within the rate."""
    if rate is not None:
        pause = started + accepted / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
