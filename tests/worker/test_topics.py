"""What only a real topic shows: one that was deleted and made again, records that expired, transactions, the broker's clock."""

import asyncio
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from kafka.admin import KafkaAdminClient

from ledger.broker.connection import describe_topic
from ledger.log.ledgerfile import accept_topic, accepted_topics
from ledger.verify.api import verify
from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, Message, check_log, check_refusal, keyed, real_events, send, wait_until
from tests.worker.test_lost_records import expire


def replace_topic(broker: Broker, topic: str, partitions: int) -> None:
    """Delete a topic and make another of the same name."""
    broker.delete(topic)
    broker.ensure(topic, partitions)


@pytest.mark.timeout(200)
@pytest.mark.parametrize("records", [30, 300])
def test_a_topic_made_anew_is_not_mistaken_for_the_old(tmp_path: Path, kafka: Broker, records: int) -> None:
    """Under a running worker and before one starts: exit 5, nothing of it in the log; accepted by an operator, it is consumed."""
    topic = kafka.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    messages = keyed(real_events(100 + records))
    with ledger.worker(kafka, idle_s=None) as worker:
        worker.wait_ready()
        send(kafka, topic, messages[:100])
        wait_until(lambda: ledger.size() == 100, 30)
        before = ledger.lines()
        replace_topic(kafka, topic, 1)
        send(kafka, topic, messages[100:])
        assert worker.wait() == 5, worker.stderr()
        said = worker.stderr()
        assert "ledger accept-topic" in said or "has no topic" in said, (
            said
        )  # asked in the moment between, it says that
        assert len(said.splitlines()) == 3
    assert ledger.lines() == before
    with ledger.worker(kafka) as worker:
        check_refusal(worker, 5, f"ledger accept-topic {describe_topic(kafka.bootstrap, topic).topic_id}")
    assert ledger.lines() == before
    assert len(list((ledger.root / "topics").iterdir())) == 1

    accept_topic(ledger.store, topic, describe_topic(kafka.bootstrap, topic).topic_id)
    ledger.run(kafka)
    entries = check_log(ledger, 100 + records, topics=2)[0]
    assert [entry["origin"]["offset"] for entry in entries] == [*range(100), *range(records)]
    named = {entry["index"]: entry["origin"]["topic_id"] for entry in entries if "topic_id" in entry["origin"]}
    assert set(named) == {0, 100}
    assert set(named.values()) == accepted_topics(ledger.store)


@pytest.mark.timeout(120)
def test_a_topic_made_anew_while_nobody_looks_is_refused(tmp_path: Path, kafka: Broker) -> None:
    """Garbage in a topic made anew leaves neither an entry nor quarantined bytes, however much longer it is."""
    topic = kafka.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    send(kafka, topic, keyed(real_events(50)))
    with ledger.worker(kafka, idle_s=None) as worker:
        wait_until(lambda: ledger.root.joinpath("log").exists() and ledger.size() == 50, 60)
        replace_topic(kafka, topic, 1)
        send(kafka, topic, [Message(value=b"garbage", key=b"k")] * 500)
        assert worker.wait() == 5, worker.stderr()
    assert ledger.size() == 50
    assert not (ledger.root / "quarantine").exists()


async def send_in_transactions(broker: Broker, topic: str, messages: list[Message], fates: str) -> None:
    """Send a record in each transaction; its letter in `fates` says whether that is committed or aborted."""
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, transactional_id=topic) as producer:
        for message, fate in zip(messages, fates, strict=True):
            await producer.begin_transaction()
            await producer.send_and_wait(topic, message.value, message.key)
            await (producer.commit_transaction() if fate == "c" else producer.abort_transaction())


def holes(ledger: Ledger) -> list[tuple[int, int]]:
    """Of the only shard: each entry's offset, and how many before it are said to be skipped."""
    origins = [entry["origin"] for entry in ledger.all_entries()]
    assert not any("gap" in origin for origin in origins)
    return [(origin["offset"], origin.get("skipped", 0)) for origin in origins]


@pytest.mark.timeout(120)
def test_records_of_aborted_transactions_are_skipped(tmp_path: Path, kafka: Broker) -> None:
    """Only what was committed is in the log; what it passes over, markers included, is counted, also at the start and over a restart."""
    topic = kafka.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    messages = keyed(real_events(8))
    asyncio.run(send_in_transactions(kafka, topic, messages[:6], "acaacc"))
    ledger.run(kafka, "--batch-records", "1")  # the last records of the partition are markers now
    expected = [(2, 2), (8, 5), (10, 1)]
    assert holes(ledger) == expected
    ledger.run(kafka)  # nothing more to read, and nothing to complain of
    asyncio.run(send_in_transactions(kafka, topic, messages[6:], "ac"))
    ledger.run(kafka)
    assert holes(ledger) == [*expected, (14, 3)]
    report = verify(ledger.store, replay=True)
    assert report.ok, report.problems
    twin = ledger.twin(tmp_path / "twin")
    twin.run(kafka, "--batch-records", "100")
    assert twin.lines() == ledger.lines()


@pytest.mark.timeout(60)
def test_a_marker_that_expired_after_it_was_passed_over_is_no_loss(tmp_path: Path, kafka: Broker) -> None:
    """The ledger's next offset is a marker's, and the topic begins after it: a worker that has seen it knows."""
    topic = kafka.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    messages = keyed(real_events(2))
    with ledger.worker(kafka, idle_s=None) as worker:
        worker.wait_ready()
        asyncio.run(send_in_transactions(kafka, topic, messages[:1], "c"))
        wait_until(lambda: ledger.root.joinpath("log").exists() and ledger.size() == 1, 30)
        expire(kafka, topic, 2)
        send(kafka, topic, messages[1:])
        wait_until(lambda: ledger.size() == 2 or worker.process.poll() is not None, 30)
        assert worker.process.poll() is None, worker.stderr()
    assert holes(ledger) == [(0, 0), (2, 1)]


def compact(broker: Broker, topic: str, timeout_s: float = 60) -> list[int]:
    """Make a compacted topic of one partition; once compaction has left the last record of each key, the offsets that are left.

    Before that it may take more away while somebody reads.
    """
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    configs = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.0"}
    try:
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1, "configs": configs}})
    finally:
        admin.close()
    messages = keyed(real_events(400))
    keys = (b"a", b"b", b"c")
    for start in range(0, 400, 100):
        send(broker, topic, [Message(value=one.value, key=keys[start % 3]) for one in messages[start : start + 100]])
        time.sleep(0.2)  # the next record begins a new segment, and only old ones are compacted
    send(broker, topic, messages[:3])
    deadline = time.monotonic() + timeout_s
    while True:
        left = [record.offset for record in broker.read(topic, 6)]
        if left[:3] == [199, 299, 399] and left[-1] == 402:
            return left
        assert time.monotonic() < deadline, left[:10]
        time.sleep(0.3)


@pytest.mark.timeout(150)
def test_a_compacted_topic_has_holes_that_are_skipped(tmp_path: Path, kafka: Broker) -> None:
    """The first record is gone too; nothing expired, and nothing is said to be lost. Batches and restarts make no difference."""
    topic = f"compacted-{tmp_path.name}"
    left = compact(kafka, topic)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    ledger.run(kafka, "--batch-records", "1")
    send(kafka, topic, keyed(real_events(402))[400:])
    ledger.run(kafka)
    found = holes(ledger)
    assert [offset for offset, _ in found] == [*left, 403, 404]
    assert sum(1 + skipped for _, skipped in found) == 405
    report = verify(ledger.store, replay=True)
    assert report.ok, report.problems


@pytest.mark.timeout(120)
def test_partitions_that_are_added_stop_the_worker(tmp_path: Path, kafka: Broker) -> None:
    """While it runs and before it starts: what they bring would be at home in no shard, and accounts would move."""
    topic = kafka.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    messages = keyed(real_events(60))
    with ledger.worker(kafka, idle_s=None) as worker:
        worker.wait_ready()
        send(kafka, topic, messages[:30])
        wait_until(lambda: ledger.root.joinpath("log").exists() and ledger.size() == 30, 30)
        admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
        try:
            admin.create_partitions({topic: 3})
        finally:
            admin.close()
        check_refusal(worker, 5, "3 partitions", "1 shards")
    send(kafka, topic, messages[30:])
    with ledger.worker(kafka, idle_s=None) as worker:
        check_refusal(worker, 5, "3 partitions", "1 shards")
    check_log(ledger, 30)


async def send_compressed(broker: Broker, topic: str, messages: list[Message], codec: str) -> None:
    """Send records in one batch of this compression, also those that have neither key nor value."""
    options = {"compression_type": codec, "max_batch_size": 1 << 20, "max_request_size": 2 << 20}
    async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap, **options) as producer:
        batch = producer.create_batch()
        for one in messages:
            added = batch.append(key=one.key, value=one.value, timestamp=one.timestamp_ms, headers=list(one.headers))
            assert added is not None
        batch.close()
        await (await producer.send_batch(batch, topic, partition=0))


@pytest.mark.timeout(120)
def test_compressed_batches_are_read_like_any_others(tmp_path: Path, broker: Broker) -> None:
    """Odd headers, no value and another's key among them, times far off: each record has its one entry, and the log verifies."""
    topic = broker.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    good = keyed(real_events(40), start_ms=1_800_000_000_000)
    binary = (("", b""), ("\u20ac \n", bytes(range(256))), ("ce", b"\xff"))
    odd = [
        Message(value=None, key=good[0].key, timestamp_ms=0),
        Message(value=None, key=None, timestamp_ms=1),
        Message(value=good[0].value, key=b"another", timestamp_ms=253_402_300_799_999),
        Message(value=good[1].value, key=good[1].key, headers=tuple((f"h{n}", b"x" * 1000) for n in range(300))),
        Message(value=good[2].value, key=good[2].key, headers=binary),
    ]
    for place, codec in enumerate(("gzip", "snappy", "lz4", "zstd")):
        asyncio.run(send_compressed(broker, topic, [*good[10 * place : 10 * place + 10], *odd], codec))
    ledger.run(broker, "--batch-records", "7")
    entries = check_log(ledger, 60)[0]
    for start in range(0, 60, 15):
        found = [entry.get("reason", {}).get("code", entry["outcome"]) for entry in entries[start : start + 15]]
        assert found[10:] == ["malformed_json", "malformed_json", "key_mismatch", "duplicate", "duplicate"]
        assert set(found[:10]) <= {"deployed", "changed", "unchanged"}
    assert verify(ledger.store, replay=True).ok


@pytest.mark.timeout(60)
def test_recorded_time_is_the_brokers(tmp_path: Path, kafka: Broker) -> None:
    """Where the broker stamps records as they arrive, a producer's clock does not matter."""
    topic = kafka.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    send(kafka, topic, keyed(real_events(20), start_ms=4_000_000_000_000))
    ledger.run(kafka)
    entries = check_log(ledger, 20)[0]
    assert all(entry["recorded_at"] < "2096" and "skew" not in entry for entry in entries)
