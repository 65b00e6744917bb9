"""Brokers for the worker's tests, and a worker that runs while they look at it."""

import signal
import socket
from collections.abc import Iterator

import pytest

from tests.kafka.brokers import Broker, missing_for_kafka
from tests.worker.probing import OPERATED, Probe, events_of
from tests.worker.rig import Ledger, Message, Worker, check_log, keyed, real_events, send, wait_until


@pytest.fixture
def quick(request: pytest.FixtureRequest) -> Broker:
    """Apache Kafka where it can be had, for its groups form in half the time; else the embedded broker."""
    found: Broker = request.getfixturevalue("tansu" if missing_for_kafka() else "kafka")
    return found


@pytest.fixture(scope="session")
def seen(tmp_path_factory: pytest.TempPathFactory, tansu: Broker) -> Iterator[tuple[Ledger, Worker, Probe]]:
    """A worker that has folded real events, a duplicate and garbage, and still runs."""
    topic = tansu.topic(2)
    ledger = Ledger.create(tmp_path_factory.mktemp("operation") / "ledger", topic, shards=2)
    messages = keyed(real_events(OPERATED - 3))
    garbage = [Message(value=b"{", key=b"acme", partition=0), Message(value=None, key=b"acme", partition=1)]
    send(tansu, topic, [*messages, messages[0], *garbage])
    options = ("--metrics-port", "0", "--log-format", "json", "--summary", "1")
    with ledger.worker(tansu, *options, idle_s=None) as worker:
        worker.wait_ready()
        probe = Probe(worker)
        wait_until(lambda: probe.json("/healthz")[1]["records"] == OPERATED, 60)
        yield ledger, worker, probe
        with socket.create_connection(("127.0.0.1", probe.port)):  # a client that never asks does not keep it
            worker.signal(signal.SIGTERM)
            assert worker.wait(20) == 0, worker.stderr()
        told = [line["event"] for line in events_of(worker)]
        assert told[:2] == ["serving", "started"]
        assert told[-1] == "stopped"
        assert told.index("assigned") < told.index("first_commit") < told.index("stopping") < told.index("revoked")
        assert told.count("assigned") == 2
        assert told.count("first_commit") == told.count("ready") == told.count("stopping") == 1
        check_log(ledger, OPERATED)
