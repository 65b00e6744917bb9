"""Records that a real topic lost: expired before they were read, or cut off its end under the same id."""

import shlex
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from kafka import TopicPartition
from kafka.admin import KafkaAdminClient

from ledger.broker.connection import describe_topic
from ledger.log.gaps import AcceptedGap, accept_gap
from ledger.verify.api import verify
from tests.kafka.brokers import Broker, missing_for_kafka, run_kafka
from tests.kafka.rig import require
from tests.worker.rig import Ledger, Worker, check_log, check_refusal, keyed, real_events, send, wait_until

MESSAGES = keyed(real_events(120))


def expire(broker: Broker, topic: str, offset: int) -> None:
    """Let the records before an offset of the only partition be gone."""
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    try:
        admin.delete_records({TopicPartition(topic, 0): offset})
    finally:
        admin.close()


def run_hinted(worker: Worker, *more: str) -> str:
    """Run the command that the worker's hint names, as a shell takes it apart; what it says."""
    hinted = shlex.split(worker.stderr().rpartition("accept the loss: ledger ")[2])
    done = subprocess.run(
        [sys.executable, "-m", "cli", *hinted, *more], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    return done.stderr


@pytest.mark.timeout(180)
def test_expired_records_stop_the_worker_until_their_loss_is_accepted(tmp_path: Path, kafka: Broker) -> None:
    """The hint's command accepts it as it stands; the next entry carries it, and every verification says so; twins have the same bytes."""
    topic = kafka.topic(1)
    ledger = Ledger.create(tmp_path / "a ledger", topic, shards=1)
    send(kafka, topic, MESSAGES[:50])
    ledger.run(kafka)
    send(kafka, topic, MESSAGES[50:])
    expire(kafka, topic, 70)
    with ledger.worker(kafka, idle_s=None) as worker:
        check_refusal(worker, 5, "50, but the topic begins at 70", "20 records expired", "--from 50 --to 69")
    check_log(ledger, 50)

    said = run_hinted(worker, "--by", "ana", "--reason", "retention", "--bootstrap", kafka.bootstrap)
    assert "lost: 20 records of partition 0" in said
    with ledger.worker(kafka, "--batch-records", "3", idle_s=None) as worker:  # killed wherever it is, another goes on
        wait_until(lambda: ledger.size() > 50, 60)
    ledger.run(kafka)
    entries = ledger.all_entries()
    assert [entry["origin"]["offset"] for entry in entries] == [*range(50), *range(70, 120)]
    gaps = {entry["index"]: entry["origin"]["gap"] for entry in entries if "gap" in entry["origin"]}
    assert gaps == {50: {"from": 50, "to": 69, "accepted_by": "ana"}}
    assert not any("skipped" in entry["origin"] for entry in entries)
    report = verify(ledger.store, replay=True)
    assert report.ok, report.problems
    assert [lost.message for lost in report.lost] == [
        "20 records of partition 0, offsets 50 to 69, were lost; accepted by ana"
    ]


@pytest.mark.timeout(120)
def test_a_topic_of_which_everything_expired_stops_the_worker_too(tmp_path: Path, kafka: Broker) -> None:
    """Although no record comes that would show it; once accepted, the worker waits, and the first record that comes carries it."""
    topic = kafka.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    send(kafka, topic, MESSAGES[:30])
    expire(kafka, topic, 30)
    with ledger.worker(kafka, idle_s=None) as worker:
        check_refusal(worker, 5, "0, but the topic begins at 30", "--from 0 --to 29")
    topic_id = describe_topic(kafka.bootstrap, topic).topic_id
    for start, to in ((0, 9), (10, 29)):
        accept_gap(
            ledger.store, AcceptedGap(topic_id=topic_id, partition=0, from_=start, to=to, accepted_by=f"ana {start}")
        )
    with ledger.worker(kafka, idle_s=None) as worker:
        worker.wait_ready()
        send(kafka, topic, MESSAGES[30:40])
        wait_until(lambda: ledger.root.joinpath("log").exists() and ledger.size() == 10, 60)
    assert ledger.all_entries()[0]["origin"]["gap"] == {"from": 0, "to": 29, "accepted_by": "ana 0, ana 10"}
    assert verify(ledger.store, replay=True).ok


def cut(segment: Path, records: int) -> None:
    """Cut a partition's file off after so many records; its indexes go, for the broker makes them anew."""
    data = segment.read_bytes()
    end = 0
    while end < len(data):
        base, length = struct.unpack_from(">qi", data, end)
        if base >= records:
            break
        end += 12 + length
    assert 0 < end < len(data)
    segment.write_bytes(data[:end])
    for other in segment.parent.iterdir():
        if other.suffix in {".index", ".timeindex", ".snapshot"}:
            other.unlink()


@pytest.mark.timeout(180)
def test_a_topic_that_was_cut_off_under_the_same_id_stops_the_worker(tmp_path: Path) -> None:
    """As an unclean election does it: offsets that the ledger has would be given to other records, and those passed over."""
    missing = missing_for_kafka()
    if missing:
        require(missing)
    place = tmp_path / "broker"
    place.mkdir()
    with run_kafka(place) as broker:
        topic = broker.topic(1)
        ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
        for start in range(0, 100, 20):
            send(broker, topic, MESSAGES[start : start + 20])
        ledger.run(broker)
        topic_id = describe_topic(broker.bootstrap, topic).topic_id
    check_log(ledger, 100)
    cut(place / "data" / f"{topic}-0" / f"{0:020d}.log", 60)
    with run_kafka(place) as broker:
        assert describe_topic(broker.bootstrap, topic).topic_id == topic_id
        with ledger.worker(broker, idle_s=None) as worker:
            check_refusal(worker, 5, "next offset is 100, but the topic ends at", "gone from it")
    check_log(ledger, 100)
