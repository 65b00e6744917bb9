"""What only a real topic shows: one that was deleted and made again, records that expired, transactions, the broker's clock."""

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from ledger.broker.connection import describe_topic
from ledger.log.ledgerfile import accept_topic, accepted_topics
from ledger.verify.api import verify
from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, Message, check_log, keyed, real_events, send, wait_until
from tests.worker.test_failures import check_refusal


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


@pytest.mark.timeout(60)
def test_records_of_aborted_transactions_are_skipped(tmp_path: Path, kafka: Broker) -> None:
    """Only what was committed is in the log; what it passes over, markers included, is counted as skipped."""
    topic = kafka.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    asyncio.run(send_in_transactions(kafka, topic, keyed(real_events(5)), "caacc"))
    ledger.run(kafka)
    origins = [entry["origin"] for entry in ledger.all_entries()]
    assert [(origin["offset"], origin.get("skipped", 0)) for origin in origins] == [(0, 0), (6, 5), (8, 1)]
    assert verify(ledger.store).ok


@pytest.mark.timeout(60)
def test_recorded_time_is_the_brokers(tmp_path: Path, kafka: Broker) -> None:
    """Where the broker stamps records as they arrive, a producer's clock does not matter."""
    topic = kafka.topic(1)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=1)
    send(kafka, topic, keyed(real_events(20), start_ms=4_000_000_000_000))
    ledger.run(kafka)
    entries = check_log(ledger, 20)[0]
    assert all(entry["recorded_at"] < "2096" and "skew" not in entry for entry in entries)
