"""Two workers on one ledger at once: the segment's name is the lock."""

import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.oracle import check_against_topic
from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, Publishing, Worker, keyed, real_events, send, wait_until

SESSION_S = 6


@pytest.mark.timeout(200)
def test_a_worker_that_was_stopped_for_a_while_does_no_harm(tmp_path: Path, quick: Broker) -> None:
    """A worker that the group gave up, and that then goes on where it stood, forks nothing, loses nothing, doubles nothing."""
    topic = quick.topic(4)
    ledger = Ledger.create(tmp_path / "ledger", topic)
    options = ("--session-timeout", str(SESSION_S), "--batch-records", "25")
    with (
        ledger.worker(quick, *options, group="pair", idle_s=None) as first,
        ledger.worker(quick, *options, group="pair", idle_s=None) as second,
    ):
        first.wait_ready()
        second.wait_ready()
        sent = 0
        for stopped in (first, second):
            with Publishing(quick, topic) as publishing:
                time.sleep(2)
                before = ledger.size()
                stopped.signal(signal.SIGSTOP)
                time.sleep(SESSION_S + 2)
                assert ledger.size() > before
                stopped.signal(signal.SIGCONT)
                time.sleep(3)
            sent += publishing.sent
            wait_until(lambda sent=sent: ledger.size() == sent, 30)  # type: ignore[misc]
        for worker in (first, second):
            worker.terminate()
            assert [line.split()[0] for line in worker.stderr().splitlines()] == ["ready", "stopped"], worker.stderr()
    check_against_topic(ledger, quick, sent)


@pytest.mark.timeout(120)
def test_two_workers_on_the_same_partitions_write_each_record_once(tmp_path: Path, quick: Broker) -> None:
    """Workers of different groups, so both of every partition, race for every segment; the log is that of one alone."""
    topic = quick.topic(2)
    messages = keyed(real_events(1500))
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    with (
        ledger.worker(quick, "--batch-records", "30", "--cache", str(tmp_path / "cache-1"), idle_s=4) as first,
        ledger.worker(quick, "--batch-records", "40", "--cache", str(tmp_path / "cache-2"), idle_s=4) as second,
    ):
        first.wait_ready()
        second.wait_ready()
        send(quick, topic, messages)
        for worker in (first, second):
            assert worker.wait() == 0, worker.stderr()
    check_against_topic(ledger, quick, len(messages))


@pytest.mark.timeout(200)
def test_workers_that_come_and_go_leave_nothing_undone(tmp_path: Path, quick: Broker) -> None:
    """While events keep coming, workers of one group join, are told to stop, and die: what was sent is in the log soon after, once each."""
    topic = quick.topic(4)
    ledger = Ledger.create(tmp_path / "ledger", topic)
    with ExitStack() as stack:
        publishing = stack.enter_context(Publishing(quick, topic))

        def join() -> Worker:
            options = ("--session-timeout", str(SESSION_S), "--batch-records", "25")
            return stack.enter_context(ledger.worker(quick, *options, group=topic, idle_s=None))

        staying = join()
        staying.wait_ready()
        for leaves_by in (Worker.terminate, Worker.kill, Worker.terminate):
            passing = join()
            passing.wait_ready()
            stood_at = ledger.size()
            wait_until(lambda stood_at=stood_at: ledger.size() > stood_at, 30)  # type: ignore[misc]
            leaves_by(passing)
        publishing.stop()
        wait_until(lambda: ledger.size() == publishing.sent, 30)
        staying.terminate()
    check_against_topic(ledger, quick, publishing.sent)
