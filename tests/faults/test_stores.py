"""Stores that refuse, are full, hang; clocks that jump. The worker stops with one clear line, or goes on; the log shows nothing of it."""

import os
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.faults.oracle import check_against_topic
from tests.faults.points import Fault
from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, check_log, check_refusal, keyed, real_events, send, wait_until

DISK_KIB: Final = 512
SESSION_S: Final = 6
HANG_S: Final = 8
"""Longer than a session."""


@contextmanager
def mounted(directory: Path, *arguments: str, then: str | None = None) -> Iterator[None]:
    """Something mounted at a directory; skips the test where that is not allowed."""
    mount = ["mount", *arguments, str(directory)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        if then is not None:
            subprocess.run(["mount", "-o", then, str(directory)], check=True, capture_output=True)
        yield
    finally:
        subprocess.run(["umount", str(directory)], check=True)


@pytest.mark.timeout(120)
def test_a_worker_stops_where_it_cannot_write(tmp_path: Path, quick: Broker) -> None:
    """A read-only ledger ends the worker with exit 5 and acknowledges nothing; made writable, the log goes on."""
    topic = quick.topic(2)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    messages = keyed(real_events(300))
    send(quick, topic, messages[:100])
    ledger.run(quick)
    send(quick, topic, messages[100:])
    root = str(ledger.root)
    with (
        mounted(ledger.root, "--bind", root, then="remount,bind,ro"),
        ledger.worker(quick, group="reader", idle_s=None) as worker,
    ):
        check_refusal(worker, 5, "read-only")
    check_log(ledger, 100)
    ledger.run(quick, group="reader")
    check_against_topic(ledger, quick, len(messages))


@pytest.mark.timeout(120)
def test_a_worker_stops_when_files_cannot_grow(tmp_path: Path, quick: Broker) -> None:
    """A limit on the size of files ends a running worker with exit 5; what was committed stands, and the next one goes on after it."""
    topic = quick.topic(2)
    messages = keyed(real_events(3000))
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    with ledger.worker(quick, idle_s=None) as worker:
        worker.wait_ready()
        send(quick, topic, messages[:50])
        wait_until(lambda: ledger.size() == 50, 30)
        resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        send(quick, topic, messages[50:])
        check_refusal(worker, 5, "ulimit -f")
    assert ledger.size() < len(messages)
    ledger.run(quick)
    check_against_topic(ledger, quick, len(messages))


@pytest.mark.timeout(120)
def test_a_worker_stops_when_the_disk_is_full(tmp_path: Path, quick: Broker) -> None:
    """A file system without room ends a running worker with exit 5, wherever it was; with room again the log goes on after what stood."""
    topic = quick.topic(2)
    messages = keyed(real_events(3000))
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted(disk, "-t", "tmpfs", "-o", f"size={DISK_KIB}k", "tmpfs"):
        ledger = Ledger.create(disk / "ledger", topic, shards=2)
        send(quick, topic, messages)
        with ledger.worker(quick, "--batch-records", "50", logs=tmp_path, idle_s=None) as worker:
            check_refusal(worker, 5, "No space left")
        stood = ledger.lines()
        assert 0 < ledger.size() < len(messages)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        ledger.run(quick)
        assert all(ledger.lines()[shard][: len(lines)] == lines for shard, lines in stood.items())
        check_against_topic(ledger, quick, len(messages))


@pytest.mark.timeout(150)
@pytest.mark.parametrize("point", ["fsync", "fold", "keys"] if os.environ.get("LEDGER_LONG") else ["fsync"])
def test_a_store_that_hangs_for_a_while_delays_and_does_no_more(tmp_path: Path, quick: Broker, point: str) -> None:
    """Longer than a session, and while another worker joins and takes partitions over: both go on, and each record has its one entry."""
    topic = quick.topic(4)
    messages = keyed(real_events(1000))
    ledger = Ledger.create(tmp_path / "ledger", topic)
    options = ("--session-timeout", str(SESSION_S), "--batch-records", "20")
    hang = Fault(point=point, how="hangs", nth=1, seconds=HANG_S)
    with ledger.worker(quick, *options, group=topic, idle_s=None, faults=[hang]) as worker:
        send(quick, topic, messages[:500])
        wait_until(lambda: bool(worker.happened()), 60)
        with ledger.worker(quick, *options, group=topic, idle_s=None) as second:
            send(quick, topic, messages[500:])
            wait_until(lambda: ledger.size() == len(messages), HANG_S + 40)
            for each in (worker, second):
                each.terminate()
    check_against_topic(ledger, quick, len(messages))


@pytest.mark.timeout(120)
def test_the_wall_clock_does_not_matter(tmp_path: Path, quick: Broker) -> None:
    """A clock that jumps by months, both ways, at every look changes no byte, and keeps no worker from its work or its end."""
    topic = quick.topic(2)
    messages = keyed(real_events(300))
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    with ledger.worker(quick, faults=[Fault(point="clock")]) as worker:
        for start in range(0, 300, 100):
            send(quick, topic, messages[start : start + 100])
            time.sleep(0.5)
        assert worker.wait(60) == 0, worker.stderr()
        assert worker.stderr() == "ready\nstopped after 300 records\n"
    check_against_topic(ledger, quick, len(messages))
