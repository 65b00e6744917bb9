"""How a worker that is told to stop stops, and what it does while little comes."""

import signal
import time
from pathlib import Path

import pytest

from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, Publishing, check_log, keyed, real_events, send, wait_until

LONG_SESSION_S = 120
"""Longer than a test may take: who does not leave the group keeps its partitions that long."""


@pytest.mark.timeout(150)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_told_to_stop_finishes_and_leaves(tmp_path: Path, quick: Broker, number: signal.Signals) -> None:
    """SIGTERM and Ctrl-C end a worker with exit 0 after what it has; the next of its group gets the partitions at once."""
    topic = quick.topic(2)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    group = f"group-{topic}"
    options = ("--session-timeout", str(LONG_SESSION_S), "--batch-records", "50")
    with ledger.worker(quick, *options, group=group, idle_s=None) as worker:
        worker.wait_ready()
        with Publishing(quick, topic) as publishing:
            wait_until(lambda: ledger.segments() >= 5, 60)
            worker.signal(number)
            assert worker.wait() == 0, worker.stderr()
        stopped_at = ledger.size()
        assert f"stopped after {stopped_at} records" in worker.stderr()
        assert "Traceback" not in worker.stderr()
    started = time.monotonic()
    ledger.run(quick, group=group)
    assert time.monotonic() - started < LONG_SESSION_S / 2
    check_log(ledger, publishing.sent)


@pytest.mark.timeout(120)
def test_a_single_event_is_committed_while_the_worker_runs(tmp_path: Path, tansu: Broker) -> None:
    """A batch does not wait to be full: one event alone, then another, each is committed, and the worker goes on."""
    topic = tansu.topic(2)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    with ledger.worker(tansu, idle_s=None) as worker:
        worker.wait_ready()
        for number, message in enumerate(keyed(real_events(3)), 1):
            send(tansu, topic, [message])
            wait_until(lambda number=number: ledger.size() == number, 30)  # type: ignore[misc]
            assert worker.process.poll() is None
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
    check_log(ledger, 3)
