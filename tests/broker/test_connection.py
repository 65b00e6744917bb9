"""Addresses, and what becomes of a question that nobody answers."""

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from ledger.broker.cluster import Cluster, Mechanism, Protocol, Secret, split_bootstrap
from ledger.broker.connection import TopicIdProbe, describe_topic, ping
from ledger.broker.embedded import EmbeddedBroker
from ledger.broker.topics import end_offsets, ensure_topic
from ledger.errors import EXIT_UNAVAILABLE, BrokerError, UsageError


@contextmanager
def serve(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does one thing with every connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def run() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        answer(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        host, port = server.getsockname()
        yield f"{host}:{port}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def test_a_bootstrap_list_has_hosts_and_ports() -> None:
    """Addresses stand with commas between; 9092 is understood."""
    assert split_bootstrap("a:1, b,[::1]:2,10.0.0.1:65535") == [
        ("a", 1),
        ("b", 9092),
        ("::1", 2),
        ("10.0.0.1", 65535),
    ]


@pytest.mark.parametrize("bad", ["", ",", "a:", "a:b", "a:0", "a:65536", "a b:1", "http://a:1", "::1:2", "a:1,"])
def test_what_is_no_address_is_the_users_error(bad: str) -> None:
    """An address that cannot be read is refused before anything is tried."""
    with pytest.raises(UsageError) as caught:
        ping(bad)
    assert caught.value.code == "bad_bootstrap"


@pytest.mark.parametrize(
    "ask",
    [
        lambda address: ping(address, 1),
        lambda address: describe_topic(address, "t", 1),
        lambda address: ensure_topic(address, "t", 1, 1),
        lambda address: end_offsets(address, "t", 1),
        lambda address: TopicIdProbe(address, "t", 1).topic_id(),
    ],
    ids=["ping", "describe_topic", "ensure_topic", "end_offsets", "TopicIdProbe"],
)
def test_no_broker_is_one_clear_error(ask: Callable[[str], object], caplog: pytest.LogCaptureFixture) -> None:
    """Where nothing listens every question ends at once, with the address in the message and nothing in the log."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    started = time.monotonic()
    with caplog.at_level(logging.DEBUG), pytest.raises(BrokerError) as caught:
        ask(address)
    assert time.monotonic() - started < 3
    assert caught.value.code == "broker_unreachable"
    assert caught.value.exit_code == EXIT_UNAVAILABLE
    assert address in caught.value.message
    assert not caplog.records


@pytest.mark.parametrize(
    "answer",
    [
        lambda connection: connection.recv(1 << 16) and None,
        lambda connection: connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        lambda connection: connection.sendall(b"\0\0\0\x08\0\0\0\x07abcd"),
        lambda connection: connection.sendall(b"\0\0\0\x08\0\0\0\x01abcd"),
        lambda connection: connection.sendall(b"\0\0\0\x08\0\0"),
        lambda connection: connection.sendall(b"\xff\xff\xff\xff"),
    ],
    ids=["hangs up", "HTTP", "another question's answer", "unreadable", "half an answer", "negative length"],
)
def test_what_does_not_speak_kafka_is_no_broker(answer: Callable[[socket.socket], None]) -> None:
    """Whatever else listens there, the error is that no broker answers."""
    with serve(answer) as address, pytest.raises(BrokerError) as caught:
        describe_topic(address, "t", timeout_s=1)
    assert caught.value.code == "broker_unreachable"


def test_a_broker_that_is_silent_is_given_up_in_time() -> None:
    """A server that takes the connection and says nothing is waited for as long as was said."""
    with serve(lambda _: time.sleep(1.5)) as address:
        started = time.monotonic()
        with pytest.raises(BrokerError) as caught:
            ping(address, timeout_s=0.5)
        assert 0.4 < time.monotonic() - started < 1.4
    assert caught.value.code == "broker_unreachable"


def test_the_first_broker_that_answers_is_asked() -> None:
    """Of several addresses those where nothing listens are passed over."""
    with EmbeddedBroker() as broker:
        ping(f"127.0.0.1:1,{broker.bootstrap}")


def test_a_broker_that_is_silent_does_not_use_up_the_time_of_the_next() -> None:
    """One machine of three that hangs must not stop a worker from starting."""
    with serve(lambda _: time.sleep(3)) as silent, EmbeddedBroker() as broker:
        ping(f"{silent},{broker.bootstrap}", timeout_s=2)


def test_a_probe_outlives_its_connection() -> None:
    """A broker that closed the connection in between is asked over a new one."""
    with EmbeddedBroker() as broker:
        made = ensure_topic(broker.bootstrap, "t", 1)
        with TopicIdProbe(broker.bootstrap, "t") as probe:
            assert probe.topic_id() == made.topic_id
            opened = probe._connection._socket
            assert opened is not None
            opened.shutdown(socket.SHUT_RDWR)
            assert probe.topic_id() == made.topic_id


def test_a_broker_started_again_is_not_taken_for_the_old_one() -> None:
    """The embedded broker's topic is another one after each start; the probe says so."""
    with EmbeddedBroker() as broker:
        ensure_topic(broker.bootstrap, "t", 1)
        probe = TopicIdProbe(broker.bootstrap, "t")
        first = probe.topic_id()
        port = int(broker.bootstrap.rpartition(":")[2])
    with EmbeddedBroker(port) as broker, probe:
        with pytest.raises(BrokerError) as caught:
            probe.topic_id()
        assert caught.value.code == "topic_missing"
        ensure_topic(broker.bootstrap, "t", 1)
        assert probe.topic_id() != first


def _cluster(address: str, protocol: Protocol) -> Cluster:
    if not protocol.is_sasl:
        return Cluster(bootstrap=address, security_protocol=protocol)
    return Cluster(
        bootstrap=address,
        security_protocol=protocol,
        sasl_mechanism=Mechanism.PLAIN,
        sasl_username="u",
        sasl_password=Secret("hunter2"),
    )


@pytest.mark.parametrize("answer", [b"", b"\0\0\0\x06\0\0\0\x01junk", b"\0\0\0\x04\0\0\0\x01"])
@pytest.mark.parametrize("protocol", [Protocol.SASL_PLAINTEXT, Protocol.SASL_SSL, Protocol.SSL])
def test_what_is_no_broker_is_one_error_with_tls_and_sasl_too(answer: bytes, protocol: Protocol) -> None:
    """Silence, an end, and bytes that mean nothing."""

    def reply(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with serve(reply) as address, pytest.raises(BrokerError) as caught:
        ping(_cluster(address, protocol), 2)
    assert caught.value.code in {"broker_unreachable", "tls_failed"}
    assert caught.value.exit_code == EXIT_UNAVAILABLE
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("protocol", [Protocol.SASL_PLAINTEXT, Protocol.SSL])
def test_a_silent_server_is_given_up_with_tls_and_sasl_too(protocol: Protocol) -> None:
    """The time-out holds for what comes before the first question."""
    ended = threading.Event()

    def wait(connection: socket.socket) -> None:
        ended.wait(30)

    with serve(wait) as address:
        try:
            with pytest.raises(BrokerError, match="timed out"):
                ping(_cluster(address, protocol), 0.5)
        finally:
            ended.set()
