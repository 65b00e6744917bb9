"""One blocking connection to a broker for short questions about a topic.

Kafka's clients keep a picture of the cluster that may be minutes old, and bring threads and reconnects of their own. What is
asked here (is this still the topic that it was?) must be fresh, cheap, and answered or refused in bounded time. Messages are
kafka-python's; this module only carries them, over TLS and after SASL where the cluster wants it.
"""

import socket
import ssl
import time
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import msgspec
from kafka.protocol.metadata import MetadataRequest, MetadataResponse

from ledger.broker.clients import tls_context
from ledger.broker.cluster import Where, as_cluster, split_bootstrap
from ledger.broker.handshake import explained, open_connection
from ledger.broker.wire import exchange, frame, left
from ledger.errors import BrokerError, UsageError

__all__ = [
    "DEFAULT_TIMEOUT_S",
    "Connection",
    "TopicDescription",
    "TopicIdProbe",
    "describe_topic",
    "ping",
    "unreachable",
]

DEFAULT_TIMEOUT_S: Final = 10.0

_METADATA_VERSION: Final = 10
"""The first version that tells topic ids: Apache Kafka 2.8 and later, and Tansu."""
_NO_ERROR: Final = 0
_UNKNOWN_TOPIC: Final = 3
_INVALID_TOPIC: Final = 17
_TOPIC_DENIED: Final = 29
_RETRY_PAUSE_S: Final = 0.1


class TopicDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker says of a topic."""

    topic_id: str
    """A UUID; a topic deleted and made again under the same name has another."""
    partitions: int


def unreachable(bootstrap: str, cause: object) -> BrokerError:
    """The error for a broker that cannot be reached or does not answer in time."""
    return BrokerError(
        "broker_unreachable",
        f"no broker answers at {bootstrap}: {cause}",
        "start one with `ledger broker`, or name yours with --bootstrap HOST:PORT (LEDGER_BOOTSTRAP)",
    )


class Connection:
    """A connection to the first broker of a bootstrap list that answers. Not for use by two threads at once.

    It is opened by the first question, and once more where the broker closed it in between (brokers close idle ones).
    """

    def __init__(self, where: Where, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._cluster = as_cluster(where)
        self._addresses = split_bootstrap(self._cluster.bootstrap)
        self._tls = tls_context(self._cluster)
        self._timeout_s = timeout_s
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a later question opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def ask(self, question: bytes) -> bytes:
        """Send one framed request and return the answer without its length, within the time-out as a whole.

        Raises:
            BrokerError: `broker_unreachable`, `tls_failed`, `sasl_failed`, `token_failed`.
        """
        deadline = time.monotonic() + self._timeout_s
        try:
            if self._socket is not None:
                try:
                    return exchange(self._socket, question, deadline)
                except (ConnectionError, ssl.SSLEOFError):
                    self.close()
            return self._ask_anew(question, deadline)
        except OSError as error:
            self.close()
            raise unreachable(self._cluster.bootstrap, error) from None
        except BaseException:
            # Half an answer may be left in the socket: the next question must not read it as its own.
            self.close()
            raise

    def _ask_anew(self, question: bytes, deadline: float) -> bytes:
        """Ask the first that answers. Each has an equal part of the time left: one that is silent must not use up the others'.

        Where none does, what one of them refused tells more than that another is not there.
        """
        failure: OSError | BrokerError = TimeoutError("timed out")
        for number, address in enumerate(self._addresses):
            until = time.monotonic() + left(deadline) / (len(self._addresses) - number)
            try:
                self._socket = open_connection(address, self._cluster, self._tls, until)
                return exchange(self._socket, question, until)
            except OSError as error:
                self.close()
                if not isinstance(failure, BrokerError):
                    failure = explained(error, address, self._cluster) or error
            except BrokerError as error:
                failure = error
        raise failure


def _question(client_id: str, *topics: str) -> bytes:
    request = MetadataRequest(
        topics=[MetadataRequest.MetadataRequestTopic(name=topic) for topic in topics],
        allow_auto_topic_creation=False,
        version=_METADATA_VERSION,
    )
    return frame(request, client_id)


def _answer(bootstrap: str, data: bytes) -> Any:
    try:
        return MetadataResponse.decode(data, version=_METADATA_VERSION, header=True)
    except Exception as error:  # noqa: BLE001 (the decoder raises whatever the bytes lead it to)
        raise unreachable(bootstrap, f"its answer cannot be read ({type(error).__name__})") from None


def _describe(topic: str, answer: Any) -> TopicDescription | None:
    """What an answer says of the topic; None while the broker itself does not know yet (its leaders are being elected).

    Raises:
        BrokerError: `topic_missing`, `topic_denied`, `topic_unavailable`.
        UsageError: `bad_topic`.
    """
    found = next((item for item in answer.topics if item.name == topic), None)
    if found is None or found.error_code == _UNKNOWN_TOPIC:
        raise BrokerError(
            "topic_missing",
            f"the broker has no topic {topic}",
            "make it with as many partitions as the ledger has shards; a new ledger: `ledger init --bootstrap HOST:PORT` makes it",
        )
    if found.error_code == _INVALID_TOPIC:
        raise UsageError(
            "bad_topic", f"the broker takes no topic of the name {topic!r}", "use letters, digits, `.`, `_` and `-`"
        )
    if found.error_code == _TOPIC_DENIED:
        raise BrokerError(
            "topic_denied",
            f"the broker does not let us look at the topic {topic}",
            "have the user allowed to describe, read and write it",
        )
    if found.error_code != _NO_ERROR or any(partition.leader_id < 0 for partition in found.partitions):
        return None
    if not isinstance(found.topic_id, UUID) or found.topic_id.int == 0:
        raise BrokerError(
            "topic_unavailable", f"the broker tells no id for the topic {topic}", "use Apache Kafka 2.8 or newer"
        )
    return TopicDescription(topic_id=str(found.topic_id), partitions=len(found.partitions))


def ping(where: Where, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
    """Return once a broker has answered a request of Kafka's protocol.

    Raises:
        BrokerError: `broker_unreachable`, `tls_failed`, `sasl_failed`, `token_failed`.
        UsageError: `bad_bootstrap`, `bad_setting`.
    """
    cluster = as_cluster(where)
    with Connection(cluster, timeout_s) as connection:
        _answer(cluster.bootstrap, connection.ask(_question(cluster.client_id)))


def describe_topic(where: Where, topic: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> TopicDescription:
    """The id and number of partitions of a topic; waits, within the time-out, for partitions without a leader.

    Raises:
        BrokerError: what `ping` raises; `topic_missing`, `topic_denied`, `topic_unavailable`.
        UsageError: `bad_bootstrap`, `bad_setting`, `bad_topic`.
    """
    with TopicIdProbe(where, topic, timeout_s) as probe:
        return probe.describe()


class TopicIdProbe:
    """Asks again and again for the id of one topic, over one connection.

    An answer equal to the last one, byte for byte, is not decoded again: a call costs a round trip and 60 µs of CPU.
    """

    def __init__(self, where: Where, topic: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        cluster = as_cluster(where)
        self._bootstrap = cluster.bootstrap
        self._topic = topic
        self._timeout_s = timeout_s
        self._connection = Connection(cluster, timeout_s)
        self._question = _question(cluster.client_id, topic)
        self._answer = b""
        self._description: TopicDescription | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; a later question opens another."""
        self._connection.close()

    def topic_id(self) -> str:
        """The topic's id at this moment, a UUID.

        Raises:
            BrokerError: what `ping` raises; `topic_missing`, `topic_denied`, `topic_unavailable`.
            UsageError: `bad_topic`.
        """
        return self.describe().topic_id

    def describe(self) -> TopicDescription:
        """The topic's id and number of partitions at this moment. Raises what `topic_id` raises."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            answer = self._connection.ask(self._question)
            if answer != self._answer or self._description is None:
                self._description = _describe(self._topic, _answer(self._bootstrap, answer))
                self._answer = answer
            if self._description is not None:
                return self._description
            if time.monotonic() >= deadline:
                raise BrokerError(
                    "topic_unavailable",
                    f"partitions of the topic {self._topic} have had no leader for {self._timeout_s:g} s",
                    "look at the brokers' state",
                )
            time.sleep(_RETRY_PAUSE_S)
