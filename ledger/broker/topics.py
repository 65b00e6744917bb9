"""The ledger's topic: making it, and asking how far it reaches."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from kafka import TopicPartition
from kafka.admin import KafkaAdminClient, OffsetSpec
from kafka.errors import (
    InvalidConfigurationError,
    InvalidReplicationFactorError,
    KafkaError,
    PolicyViolationError,
    TopicAlreadyExistsError,
)

from ledger.broker.clients import kafka_python_options, silence_client
from ledger.broker.cluster import Where, as_cluster
from ledger.broker.connection import DEFAULT_TIMEOUT_S, TopicDescription, describe_topic, ping, unreachable
from ledger.errors import BrokerError

__all__ = ["MAX_MESSAGE_BYTES", "end_offsets", "ensure_topic", "start_offsets"]

MAX_MESSAGE_BYTES: Final = 2 << 20
"""An event has at most 1 MiB; key, headers and the batch around it need room besides."""

_RETRY_PAUSE_S: Final = 0.1
_TOPIC_CONFIG: Final = {
    # Recorded time is the broker's clock, not the producer's. Tansu takes the setting and does not follow it.
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": str(MAX_MESSAGE_BYTES),
}


def ensure_topic(
    where: Where,
    topic: str,
    partitions: int,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    *,
    replication: int = 1,
) -> TopicDescription:
    """Make the topic where it does not exist, and return once every partition has a leader.

    Of several that make it at once one succeeds and the others find it.

    Args:
        where: the cluster, or `HOST:PORT` of one without TLS and SASL.
        topic: its name.
        partitions: as many as the ledger has shards; fixed for ever.
        timeout_s: for each request.
        replication: copies of each partition; -1 leaves it to the broker's setting.

    Raises:
        BrokerError: what `describe_topic` raises; `partition_mismatch`, `topic_refused`, `topic_unavailable`.
        UsageError: `bad_bootstrap`, `bad_setting`, `bad_topic`.
    """
    try:
        found = describe_topic(where, topic, timeout_s)
    except BrokerError as error:
        if error.code != "topic_missing":
            raise
        _create(where, topic, partitions, replication, timeout_s)
        found = _describe_new(where, topic, timeout_s)
    if found.partitions != partitions:
        raise BrokerError(
            "partition_mismatch",
            f"the topic {topic} has {found.partitions} partitions, the ledger has {partitions} shards",
            "a ledger's number of shards never changes: use another topic, or a new ledger with --shards",
        )
    return found


def end_offsets(where: Where, topic: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> dict[int, int]:
    """The offset after the last record of each partition. Tansu's lag behind the truth.

    Raises:
        BrokerError: what `describe_topic` raises.
        UsageError: `bad_bootstrap`, `bad_setting`, `bad_topic`.
    """
    return _offsets(where, topic, OffsetSpec.LATEST, timeout_s)


def start_offsets(where: Where, topic: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> dict[int, int]:
    """The offset of the first record of each partition that the broker still holds. Raises what `end_offsets` raises."""
    return _offsets(where, topic, OffsetSpec.EARLIEST, timeout_s)


def _offsets(where: Where, topic: str, spec: OffsetSpec, timeout_s: float) -> dict[int, int]:
    partitions = describe_topic(where, topic, timeout_s).partitions
    with _admin(where, timeout_s) as admin:
        wanted = {TopicPartition(topic, number): spec for number in range(partitions)}
        found = admin.list_partition_offsets(wanted)
    return {place.partition: result.offset for place, result in sorted(found.items())}


@contextmanager
def _admin(where: Where, timeout_s: float) -> Iterator[Any]:
    """An admin client; whatever it raises leaves as a `BrokerError`."""
    # Only to a broker that answers: a client that fails to start leaves its thread behind.
    cluster = as_cluster(where)
    ping(cluster, timeout_s)
    silence_client()
    timeout_ms = max(1, int(timeout_s * 1000))
    try:
        client = KafkaAdminClient(
            **kafka_python_options(cluster),
            bootstrap_timeout_ms=timeout_ms,
            request_timeout_ms=timeout_ms,
        )
        try:
            yield client
        finally:
            client.close()
    except KafkaError as error:
        raise unreachable(cluster.bootstrap, error) from error


def _create(where: Where, topic: str, partitions: int, replication: int, timeout_s: float) -> None:
    wanted = {"num_partitions": partitions, "replication_factor": replication}
    with _admin(where, timeout_s) as admin:
        try:
            try:
                admin.create_topics({topic: wanted | {"configs": _TOPIC_CONFIG}})
            except (InvalidConfigurationError, PolicyViolationError):
                # A broker that does not support LogAppendTime: recorded time is then the producer's clock.
                admin.create_topics({topic: wanted})
        except TopicAlreadyExistsError:
            return
        except (InvalidConfigurationError, InvalidReplicationFactorError, PolicyViolationError) as error:
            raise BrokerError(
                "topic_refused",
                f"the broker refuses to make the topic {topic}: {type(error).__name__}",
                "make it by hand, with as many partitions as the ledger has shards",
            ) from error


def _describe_new(where: Where, topic: str, timeout_s: float) -> TopicDescription:
    """Describe a topic that was made just now: the broker that is asked may not have heard of it yet."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return describe_topic(where, topic, timeout_s)
        except BrokerError as error:
            if error.code != "topic_missing" or time.monotonic() >= deadline:
                raise
        time.sleep(_RETRY_PAUSE_S)
