"""kill -9 of the worker at random instants, while events keep coming."""

import os
import random
import time
from itertools import count
from pathlib import Path

import pytest

from tests.faults.oracle import check_against_topic
from tests.kafka.brokers import Broker
from tests.worker.rig import POLL_S, Ledger, Publishing, keyed, real_events, send, wait_until

KILLS = 30 if os.environ.get("LEDGER_LONG") else 6
SMALL_BATCHES = ("--batch-records", "25", "--batch-age-ms", "5")


@pytest.mark.timeout(400)
def test_a_killed_worker_loses_and_doubles_nothing(tmp_path: Path, quick: Broker) -> None:
    """However often the worker is killed, the log is in the end, byte for byte, that of a worker which nobody disturbed."""
    instants = random.Random(3)
    topic = quick.topic(4)
    ledger = Ledger.create(tmp_path / "ledger", topic)
    interrupted = 0
    with Publishing(quick, topic) as publishing:
        for _ in range(KILLS):
            before = ledger.segments()
            with ledger.worker(quick, *SMALL_BATCHES, idle_s=None) as worker:
                worker.wait_ready()
                time.sleep(instants.uniform(0, 1.5))
                worker.kill()
            interrupted += ledger.segments() > before
    assert interrupted >= KILLS // 3, "the kills came when nothing was being written"
    ledger.run(quick)
    check_against_topic(ledger, quick, publishing.sent)


@pytest.mark.timeout(120)
def test_a_worker_killed_inside_a_batch_leaves_a_log_that_goes_on(tmp_path: Path, quick: Broker) -> None:
    """Killed as soon as the first keys, registrations or segments appear, it leaves what the next run completes."""
    topic = quick.topic(2)
    messages = keyed(real_events(1000))
    send(quick, topic, messages)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    for number, place in zip(count(1), ("keys/people", "accounts", "log"), strict=False):
        with ledger.worker(quick, *SMALL_BATCHES, idle_s=None) as worker:
            found = ledger.root / place
            wait_until(lambda found=found, number=number: len(list(found.rglob("*.*"))) >= number, 60)  # type: ignore[misc]
            time.sleep(POLL_S * number)
            worker.kill()
    ledger.run(quick)
    check_against_topic(ledger, quick, len(messages))
