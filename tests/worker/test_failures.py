"""What a worker cannot work with: one line that says so, one that says what to do, and the documented exit code."""

import resource
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from tests.kafka.brokers import Broker, run_tansu
from tests.worker.rig import Ledger, Worker, check_log, keyed, real_events, send, wait_until

NO_BROKER = "127.0.0.1:1"
Spoil = Callable[[Ledger], object]


def check_refusal(worker: Worker, code: int, *words: str) -> None:
    """It ended with that code, an error and a hint, each on one line, and no traceback."""
    assert worker.wait() == code, worker.stderr()
    said = [line for line in worker.stderr().splitlines() if line != "ready"]
    assert [line.partition(":")[0] for line in said] == ["error", "hint"], worker.stderr()
    assert all(len(line) < 400 for line in said)
    assert all(word in worker.stderr() for word in words), worker.stderr()


def about(ledger: Ledger, **members: object) -> None:
    """Rewrite `ledger.json` with other members."""
    path = ledger.root / "ledger.json"
    path.write_bytes(msgspec.json.encode(msgspec.json.decode(path.read_bytes()) | members))


BEFORE_THE_BROKER: dict[str, tuple[Spoil, int, str]] = {
    "no ledger": (lambda ledger: (ledger.root / "ledger.json").unlink(), 4, "ledger init"),
    "no directory": (lambda ledger: shutil.rmtree(ledger.root), 4, "ledger init"),
    "newer format": (lambda ledger: about(ledger, format=2), 2, "newer release"),
    "damaged": (lambda ledger: (ledger.root / "ledger.json").write_bytes(b'{"format":1'), 3, "copy"),
    "unknown member": (lambda ledger: about(ledger, colour="red"), 3, "copy"),
    "no keys": (lambda ledger: shutil.rmtree(ledger.root / "keys"), 4, "key"),
    "no ledger key": (lambda ledger: (ledger.root / "keys" / "ledger.json").unlink(), 4, "key"),
    "another's keys": (lambda ledger: about(ledger, name="other"), 2, "keys"),
    "no broker": (lambda _: None, 5, "--bootstrap"),
}


@pytest.mark.parametrize("name", BEFORE_THE_BROKER)
def test_a_worker_says_what_it_lacks(tmp_path: Path, name: str) -> None:
    """Without a ledger, with a newer or damaged one, without its keys or a broker it ends at once."""
    spoil, code, word = BEFORE_THE_BROKER[name]
    ledger = Ledger.create(tmp_path / "ledger", "topic")
    spoil(ledger)
    with Worker(ledger.root, NO_BROKER, "group", []) as worker:
        check_refusal(worker, code, word)


def test_a_worker_refuses_a_topic_that_does_not_fit(tmp_path: Path, tansu: Broker) -> None:
    """A topic with another number of partitions, and one that does not exist, end the worker with exit 5."""
    ledger = Ledger.create(tmp_path / "ledger", tansu.topic(3), shards=4)
    missing = Ledger.create(tmp_path / "missing", "no-such-topic")
    with ledger.worker(tansu) as worker, missing.worker(tansu) as other:
        check_refusal(worker, 5, "3 partitions", "4 shards")
        check_refusal(other, 5, "no topic")
    assert not (ledger.root / "topics").exists()


@pytest.mark.timeout(120)
def test_a_worker_whose_broker_is_gone_stops_when_told(tmp_path: Path) -> None:
    """SIGTERM ends a worker within seconds, although the broker takes no offset any more and lets nobody leave the group."""
    (tmp_path / "broker").mkdir()
    with run_tansu(tmp_path / "broker") as broker:
        topic = broker.topic(2)
        ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
        send(broker, topic, keyed(real_events(20)))
        worker = ledger.worker(broker, idle_s=None)
        wait_until(lambda: ledger.root.joinpath("log").exists() and ledger.size() == 20, 60)
    with worker:
        worker.signal(signal.SIGTERM)
        assert worker.wait(20) == 0, worker.stderr()
        assert worker.stderr() == "ready\nstopped after 20 records\n"
    check_log(ledger, 20)


@contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """The directory mounted over itself, read-only; skips the test where that is not allowed."""
    mount = ["mount", "--bind", "-o", "ro", str(directory), str(directory)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(directory)], check=True, capture_output=True)
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
    with read_only(ledger.root), ledger.worker(quick, group="reader", idle_s=None) as worker:
        check_refusal(worker, 5, "read-only")
    check_log(ledger, 100)
    ledger.run(quick, group="reader")
    check_log(ledger, 300)


@pytest.mark.timeout(120)
def test_a_worker_stops_when_the_disk_is_full(tmp_path: Path, quick: Broker) -> None:
    """Files that cannot grow end a running worker with exit 5; what was committed stands, and the next one goes on after it."""
    topic = quick.topic(2)
    messages = keyed(real_events(3000))
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    with ledger.worker(quick, idle_s=None) as worker:
        worker.wait_ready()
        send(quick, topic, messages[:50])
        wait_until(lambda: ledger.size() == 50, 30)
        resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
        send(quick, topic, messages[50:])
        check_refusal(worker, 5)
    assert ledger.size() < len(messages)
    ledger.run(quick)
    check_log(ledger, len(messages))


@pytest.mark.timeout(120)
def test_a_worker_stops_at_a_damaged_log(tmp_path: Path, quick: Broker) -> None:
    """A last segment with one bit flipped, or cut short, ends the worker with exit 3; nothing is added after it."""
    topic = quick.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    messages = keyed(real_events(200))
    send(quick, topic, messages[:100])
    ledger.run(quick, "--batch-records", "40")
    send(quick, topic, messages[100:])
    names = sorted(path.name for path in (ledger.root / "log/0000").iterdir())
    last = ledger.root / "log/0000" / names[-1]
    whole = last.read_bytes()
    for number, damaged in enumerate((whole[:60] + bytes([whole[60] ^ 1]) + whole[61:], whole[:-1])):
        last.write_bytes(damaged)
        with ledger.worker(quick, group=f"{topic}-{number}", idle_s=None) as worker:
            check_refusal(worker, 3, names[-1], "damaged")
        assert sorted(path.name for path in last.parent.iterdir()) == names
    last.write_bytes(whole)
    ledger.run(quick)
    check_log(ledger, len(messages))
