"""`ledger lag`: both brokers, without a worker; what is on the topic and not in the log, and when it came."""

import json
from pathlib import Path

import pytest

from cli.main import main
from ledger.broker.lag import State, lag_of, measure_lag
from ledger.broker.reach import Reach, topic_reach
from ledger.log.ledgerfile import accept_topic, read_ledger_file
from ledger.log.records import Record
from ledger.log.tail import ShardEnd, shard_end
from ledger.log.writer import open_writer
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore
from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger

START_MS = 1_800_000_000_000


def write(ledger: Ledger, topic_id: str, broker: Broker, topic: str, count: int) -> None:
    """Fold the first records of partition 0 without a worker."""
    file = read_ledger_file(ledger.store)
    writer = open_writer(ledger.store, file, KeyStore.open(LocalStore(ledger.root / "keys"), file.name), 0, topic_id)
    found = [record for record in broker.read(topic, count) if record.partition == 0][:count]
    draft = writer.fold([Record(item.offset, item.timestamp_ms, item.key, item.value) for item in found])
    assert draft is not None
    writer.commit(draft)


@pytest.mark.timeout(90)
def test_lag_is_what_waits_on_the_topic(tmp_path: Path, broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    """By records and seconds, of a ledger that has nothing, then something, then all; the other partition is empty."""
    topic = broker.topic(2)
    topic_id = broker.ensure(topic, 2).topic_id
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    file = read_ledger_file(ledger.store)
    accept_topic(ledger.store, topic, topic_id)
    broker.produce(topic, [b"{%d" % number for number in range(30)], key=b"acme", partition=0)
    first, empty = measure_lag(ledger.store, file, broker.bootstrap)
    assert (first.state, first.log_start, first.log_end, first.next_offset, first.behind) == ("ok", 0, 30, 0, 30)
    assert first.behind_s is not None
    assert (empty.state, empty.log_end, empty.behind, empty.behind_s, empty.newest_at) == ("ok", 0, 0, 0.0, None)
    write(ledger, topic_id, broker, topic, 20)
    first = measure_lag(ledger.store, file, broker.bootstrap)[0]
    assert (first.log_end, first.next_offset, first.behind, first.size) == (30, 20, 10, 20)
    assert first.behind_s is not None
    assert 0 <= first.behind_s < 60
    write(ledger, topic_id, broker, topic, 30)
    place = ["--ledger", str(ledger.root), "--bootstrap", broker.bootstrap]
    assert main(["lag", "--json", *place]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["state"], row["behind"], row["behind_s"]) for row in rows] == [("ok", 0, 0), ("ok", 0, 0)]
    assert rows[0]["recorded_at"] == rows[0]["newest_at"]
    assert main(["lag", *place]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[:2] == ["partition", "state"]


@pytest.mark.timeout(90)
def test_a_topic_made_anew_is_told(tmp_path: Path, broker: Broker) -> None:
    """Its offsets are not compared with those of the old one; once it is accepted the ledger goes on at its start."""
    topic = broker.topic(1)
    old = broker.ensure(topic, 1).topic_id
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    file = read_ledger_file(ledger.store)
    accept_topic(ledger.store, topic, old)
    broker.produce(topic, [b"{"] * 5, key=b"a", partition=0)
    write(ledger, old, broker, topic, 5)
    broker.delete(topic)
    new = broker.ensure(topic, 1).topic_id
    broker.produce(topic, [b"{"] * 3, key=b"a", partition=0)
    [found] = measure_lag(ledger.store, file, broker.bootstrap)
    assert (found.state, found.next_offset, found.behind, found.behind_s, found.log_end) == (
        "replaced",
        None,
        None,
        None,
        3,
    )
    accept_topic(ledger.store, topic, new)
    [found] = measure_lag(ledger.store, file, broker.bootstrap)
    assert (found.state, found.next_offset, found.behind, found.size) == ("ok", 0, 3, 5)
    assert shard_end(ledger.store, 0).topic_id == old


@pytest.mark.parametrize(
    ("offset", "start", "end", "state", "behind"),
    [(5, 0, 9, "ok", 4), (5, 6, 9, "gap", 4), (5, 5, 5, "ok", 0), (5, 0, 4, "ahead", 0)],
)
def test_the_state_of_a_partition(offset: int, start: int, end: int, state: State, behind: int) -> None:
    """Behind is never negative; a gap and a broker that lost records are named."""
    reach = Reach(start=start, end=end, next_ms=START_MS, newest_ms=START_MS + 1500)
    last = ShardEnd(size=5, next_offset=offset, topic_id="t", recorded_at="2027-01-15T08:00:00.000Z")
    [found] = lag_of([last], [offset], [reach], is_known=True)
    assert (found.state, found.behind) == (state, behind)
    assert found.behind_s == (1.5 if behind else 0.0)


def test_a_newest_record_that_cannot_be_read_is_not_guessed() -> None:
    """Where an aborted transaction is the last, there is no timestamp."""
    reach = Reach(start=0, end=9, next_ms=None, newest_ms=None)
    [found] = lag_of([ShardEnd()], [0], [reach], is_known=True)
    assert (found.behind, found.behind_s, found.newest_at) == (9, None, None)


def test_without_a_broker_or_a_ledger_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 5 and 4."""
    ledger = Ledger.create(tmp_path / "ledger", "topic")
    assert main(["lag", "--ledger", str(ledger.root), "--bootstrap", "127.0.0.1:1"]) == 5
    assert main(["lag", "--ledger", str(tmp_path / "none"), "--bootstrap", "127.0.0.1:1"]) == 4
    assert capsys.readouterr().out == ""


@pytest.mark.timeout(60)
def test_the_embedded_brokers_end_is_found_by_reading(tansu: Broker) -> None:
    """Right after they were acknowledged all records are seen, whatever the broker says of its end."""
    topic = tansu.topic(1)
    for count in (1, 40, 400):
        tansu.produce(topic, [b"x"] * count, partition=0)
    found = topic_reach(tansu.bootstrap, topic, {0: 0})[0]
    assert (found.start, found.end) == (0, 441)
    assert found.next_ms is not None
    assert found.newest_ms is not None
    assert found.next_ms <= found.newest_ms
