"""One blocking connection to a broker for short questions about a topic.

Kafka's clients keep a picture of the cluster that may be minutes old, and bring threads and reconnects of their own. What is
asked here (is this still the topic that it was?) must be fresh, cheap, and answered or refused in bounded time. Messages are
kafka-python's; this module only carries them. Plain text only: no TLS, no SASL.
"""

import re
import socket
import time
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

import msgspec
from kafka.protocol.metadata import MetadataRequest, MetadataResponse

from ledger.errors import BrokerError, UsageError

__all__ = [
    "DEFAULT_PORT",
    "DEFAULT_TIMEOUT_S",
    "Connection",
    "TopicDescription",
    "TopicIdProbe",
    "describe_topic",
    "ping",
    "split_bootstrap",
    "unreachable",
]

DEFAULT_PORT: Final = 9092
DEFAULT_TIMEOUT_S: Final = 10.0

_METADATA_VERSION: Final = 10
"""The first version that tells topic ids: Apache Kafka 2.8 and later, and Tansu."""
_CORRELATION_ID: Final = 1
"""Questions are answered one at a time on a connection, so one number will do, and equal answers are equal bytes."""
_MAX_ANSWER_BYTES: Final = 16 << 20
_NO_ERROR: Final = 0
_UNKNOWN_TOPIC: Final = 3
_INVALID_TOPIC: Final = 17
_RETRY_PAUSE_S: Final = 0.1
_ADDRESS = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<host>[^\s:\[\],]+))(?::(?P<port>[0-9]{1,5}))?")


class TopicDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker says of a topic."""

    topic_id: str
    """A UUID; a topic deleted and made again under the same name has another."""
    partitions: int


def split_bootstrap(bootstrap: str) -> list[tuple[str, int]]:
    """The addresses of a bootstrap list: `host`, `host:port` or `[v6]:port`, with commas between.

    Raises:
        UsageError: `bad_bootstrap`.
    """
    addresses = []
    for part in bootstrap.split(","):
        match = _ADDRESS.fullmatch(part.strip())
        port = int(match["port"] or DEFAULT_PORT) if match else 0
        if match is None or not 0 < port < 1 << 16:
            raise UsageError(
                "bad_bootstrap", f"not an address of a broker: {part!r}", "give HOST:PORT, such as 127.0.0.1:9092"
            )
        addresses.append((match["v6"] or match["host"], port))
    return addresses


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

    def __init__(self, bootstrap: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._bootstrap = bootstrap
        self._addresses = split_bootstrap(bootstrap)
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
            BrokerError: `broker_unreachable`.
        """
        deadline = time.monotonic() + self._timeout_s
        try:
            if self._socket is not None:
                try:
                    return _exchange(self._socket, question, deadline)
                except ConnectionError:
                    self.close()
            return self._ask_anew(question, deadline)
        except OSError as error:
            self.close()
            raise unreachable(self._bootstrap, error) from None
        except BaseException:
            # Half an answer may be left in the socket: the next question must not read it as its own.
            self.close()
            raise

    def _ask_anew(self, question: bytes, deadline: float) -> bytes:
        """Ask the first that answers. Each has an equal part of the time left: one that is silent must not use up the others'."""
        failure: OSError = TimeoutError("timed out")
        for number, address in enumerate(self._addresses):
            until = time.monotonic() + _left(deadline) / (len(self._addresses) - number)
            try:
                self._socket = socket.create_connection(address, timeout=_left(until))
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return _exchange(self._socket, question, until)
            except OSError as error:
                failure = error
                self.close()
        raise failure


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return left


def _exchange(connection: socket.socket, question: bytes, deadline: float) -> bytes:
    connection.settimeout(_left(deadline))
    connection.sendall(question)
    size = int.from_bytes(_receive(connection, 4, deadline), "big")
    if not 4 <= size <= _MAX_ANSWER_BYTES:
        raise OSError("what listens there does not speak Kafka's protocol")
    answer = _receive(connection, size, deadline)
    if int.from_bytes(answer[:4], "big") != _CORRELATION_ID:
        raise OSError("what listens there answered something else than it was asked")
    return answer


def _receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    data = connection.recv(size)
    while len(data) < size:
        connection.settimeout(_left(deadline))
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionResetError("the connection was closed")
        data += more
    return data


def _question(*topics: str) -> bytes:
    request = MetadataRequest(
        topics=[MetadataRequest.MetadataRequestTopic(name=topic) for topic in topics],
        allow_auto_topic_creation=False,
        version=_METADATA_VERSION,
    )
    request.with_header(correlation_id=_CORRELATION_ID, client_id="ledger")
    frame: bytes = request.encode(header=True, framed=True)
    return frame


def _answer(bootstrap: str, data: bytes) -> Any:
    try:
        return MetadataResponse.decode(data, version=_METADATA_VERSION, header=True)
    except Exception as error:  # noqa: BLE001 (the decoder raises whatever the bytes lead it to)
        raise unreachable(bootstrap, f"its answer cannot be read ({type(error).__name__})") from None


def _describe(topic: str, answer: Any) -> TopicDescription | None:
    """What an answer says of the topic; None while the broker itself does not know yet (its leaders are being elected).

    Raises:
        BrokerError: `topic_missing`, `topic_unavailable`.
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
    if found.error_code != _NO_ERROR or any(partition.leader_id < 0 for partition in found.partitions):
        return None
    if not isinstance(found.topic_id, UUID) or found.topic_id.int == 0:
        raise BrokerError(
            "topic_unavailable", f"the broker tells no id for the topic {topic}", "use Apache Kafka 2.8 or newer"
        )
    return TopicDescription(topic_id=str(found.topic_id), partitions=len(found.partitions))


def ping(bootstrap: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
    """Return once a broker has answered a request of Kafka's protocol.

    Raises:
        BrokerError: `broker_unreachable`.
        UsageError: `bad_bootstrap`.
    """
    with Connection(bootstrap, timeout_s) as connection:
        _answer(bootstrap, connection.ask(_question()))


def describe_topic(bootstrap: str, topic: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> TopicDescription:
    """The id and number of partitions of a topic; waits, within the time-out, for partitions without a leader.

    Raises:
        BrokerError: `broker_unreachable`, `topic_missing`, `topic_unavailable`.
        UsageError: `bad_bootstrap`, `bad_topic`.
    """
    with TopicIdProbe(bootstrap, topic, timeout_s) as probe:
        return probe.describe()


class TopicIdProbe:
    """Asks again and again for the id of one topic, over one connection.

    An answer equal to the last one, byte for byte, is not decoded again: a call costs a round trip and 60 µs of CPU.
    """

    def __init__(self, bootstrap: str, topic: str, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._timeout_s = timeout_s
        self._connection = Connection(bootstrap, timeout_s)
        self._question = _question(topic)
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
            BrokerError: `broker_unreachable`, `topic_missing`, `topic_unavailable`.
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
