"""Brokers that go away and come back: the worker goes on by itself, or says that it cannot, and the log shows nothing of it."""

import os
import signal
import time
from pathlib import Path
from typing import Final

import pytest

from tests.faults.oracle import check_against_topic
from tests.faults.proxy import Proxy
from tests.kafka.brokers import Broker, KafkaNode, missing_for_kafka
from tests.kafka.rig import require
from tests.worker.rig import Ledger, Publishing, keyed, real_events, send, wait_until

RECOVERY_S: Final = 20
"""By when a worker goes on once its broker is back; it takes well under a second."""
SILENT_LINK_S: Final = 100
"""By when it has given up a connection that died without a word: the rebalance time-out, 60 s, and 10 s more."""
SESSION_S: Final = 6


@pytest.fixture
def node(tmp_path: Path) -> KafkaNode:
    """Apache Kafka of this test's own, not started."""
    missing = missing_for_kafka()
    if missing:
        require(missing)
    (tmp_path / "kafka").mkdir()
    return KafkaNode(tmp_path / "kafka")


@pytest.mark.timeout(180)
def test_a_worker_goes_on_when_its_broker_was_killed_and_is_back(tmp_path: Path, node: KafkaNode) -> None:
    """Kill -9 of the broker, a start on the same data: the same worker process goes on, and its group's offsets with it."""
    messages = keyed(real_events(600))
    with node:
        broker = node.broker
        topic = broker.topic(4)
        ledger = Ledger.create(tmp_path / "ledger", topic)
        with ledger.worker(broker, "--session-timeout", str(SESSION_S), idle_s=None) as worker:
            send(broker, topic, messages[:300])
            wait_until(lambda: ledger.size() == 300, 60)
            node.kill()
            node.start()
            send(broker, topic, messages[300:])
            wait_until(lambda: ledger.size() == 600, RECOVERY_S)
            worker.terminate()
            assert worker.stderr() == "ready\nstopped after 600 records\n"
        check_against_topic(ledger, broker, len(messages))


@pytest.mark.timeout(180)
def test_a_worker_goes_on_when_its_broker_was_silent_for_a_while(tmp_path: Path, node: KafkaNode) -> None:
    """A broker that answers nobody for longer than a session, in the midst of publishing: the worker goes on when it does again."""
    with node:
        broker = node.broker
        topic = broker.topic(4)
        ledger = Ledger.create(tmp_path / "ledger", topic)
        with ledger.worker(broker, "--session-timeout", str(SESSION_S), idle_s=None) as worker:
            worker.wait_ready()
            with Publishing(broker, topic) as publishing:
                wait_until(lambda: ledger.size() > 0, 60)
                node.signal(signal.SIGSTOP)
                time.sleep(SESSION_S + 3)
                node.signal(signal.SIGCONT)
                stood_at = ledger.size()
                wait_until(lambda: ledger.size() > stood_at, RECOVERY_S)
            wait_until(lambda: ledger.size() >= publishing.sent, RECOVERY_S)
            worker.terminate()
        check_against_topic(ledger, broker, publishing.sent)


@pytest.mark.timeout(300)
def test_a_worker_goes_on_over_new_connections(tmp_path: Path) -> None:
    """Connections that are reset are made again at once; those that died without a word, as soon as no answer can come any more."""
    missing = missing_for_kafka()
    if missing:
        require(missing)
    (tmp_path / "kafka").mkdir()
    with Proxy() as proxy, KafkaNode(tmp_path / "kafka", proxy.port) as node:
        proxy.forward(node.address)
        broker = Broker("kafka", f"127.0.0.1:{proxy.port}")
        topic = broker.topic(4)
        ledger = Ledger.create(tmp_path / "ledger", topic)
        cuts = [(proxy.reset, RECOVERY_S)] * 3
        if os.environ.get("LEDGER_LONG"):
            cuts += [(proxy.silence, SILENT_LINK_S), (proxy.reset, RECOVERY_S)]
        with ledger.worker(broker, idle_s=None) as worker:
            worker.wait_ready()
            sent = send(broker, topic, keyed(real_events(100)))
            for cut, patience_s in cuts:
                cut()
                sent += send(broker, topic, keyed(real_events(sent + 100)[sent:]))
                wait_until(lambda sent=sent: ledger.size() == sent, patience_s)  # type: ignore[misc]
            worker.terminate()
        check_against_topic(ledger, broker, sent)
