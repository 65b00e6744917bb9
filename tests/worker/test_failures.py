"""What a worker cannot work with: one line that says so, one that says what to do, and the documented exit code."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from tests.kafka.brokers import Broker, run_tansu
from tests.worker.rig import Ledger, Worker, check_log, check_refusal, keyed, real_events, send, wait_until

NO_BROKER = "127.0.0.1:1"
Spoil = Callable[[Ledger], object]


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
