"""The topic, on both brokers."""

import time
from uuid import UUID, uuid4

import pytest

from ledger.broker.connection import TopicIdProbe, describe_topic
from ledger.broker.topics import end_offsets, ensure_topic
from ledger.errors import BrokerError, UsageError
from tests.kafka.brokers import Broker


def test_a_missing_topic_is_made_with_the_partitions_asked_for(broker: Broker) -> None:
    """A topic that does not exist is made, and has an id."""
    made = ensure_topic(broker.bootstrap, f"t-{uuid4()}", 3)
    assert made.partitions == 3
    assert str(UUID(made.topic_id)) == made.topic_id


def test_a_topic_that_exists_is_left_as_it_is(broker: Broker) -> None:
    """Making a topic twice gives the same topic."""
    name = f"t-{uuid4()}"
    assert ensure_topic(broker.bootstrap, name, 2) == ensure_topic(broker.bootstrap, name, 2)


def test_another_number_of_partitions_is_an_error(broker: Broker) -> None:
    """A topic whose partitions are not the ledger's shards is refused, and not changed."""
    name = broker.topic(2)
    with pytest.raises(BrokerError) as caught:
        ensure_topic(broker.bootstrap, name, 3)
    assert caught.value.code == "partition_mismatch"
    assert describe_topic(broker.bootstrap, name).partitions == 2


def test_a_missing_topic_is_said_to_be_missing(broker: Broker) -> None:
    """Describing a topic that does not exist neither makes it nor waits."""
    started = time.monotonic()
    for _ in range(2):
        with pytest.raises(BrokerError) as caught:
            describe_topic(broker.bootstrap, f"t-{uuid4()}")
        assert caught.value.code == "topic_missing"
        # `ledger init` refuses a ledger that is there: it cannot be what its owner is sent to.
        assert "as many partitions as the ledger has shards" in caught.value.hint
    assert time.monotonic() - started < 5


def test_apache_kafka_stamps_records_with_its_own_clock(kafka: Broker) -> None:
    """On Apache Kafka a record's time is when the broker appended it."""
    name = kafka.topic(1)
    before = time.time()
    kafka.produce(name, [b"x"])
    (record,) = kafka.read(name, 1)
    assert before - 1 <= record.timestamp_ms / 1000 <= time.time() + 1


def test_an_event_of_the_largest_size_fits_into_the_topic(broker: Broker) -> None:
    """A value of 1 MiB is taken, key and headers besides."""
    name = broker.topic(1)
    largest = b"x" * (1 << 20)
    broker.produce(name, [largest], key=b"k" * 255, headers=[("content-type", b"application/cloudevents+json")])
    assert broker.read(name, 1)[0].value == largest


def test_end_offsets_count_the_records_of_each_partition(kafka: Broker) -> None:
    """The end offset of a partition is the offset after its last record."""
    name = kafka.topic(2)
    kafka.produce(name, [b"x"] * 5, partition=1)
    assert end_offsets(kafka.bootstrap, name) == {0: 0, 1: 5}


def test_end_offsets_are_given_for_every_partition(broker: Broker) -> None:
    """A new topic ends where it starts."""
    assert end_offsets(broker.bootstrap, broker.topic(3)) == {0: 0, 1: 0, 2: 0}


def test_a_topic_made_again_has_another_id(broker: Broker) -> None:
    """A probe that goes on asking sees the topic go and another come under its name."""
    name = broker.topic(2)
    with TopicIdProbe(broker.bootstrap, name) as probe:
        first = probe.topic_id()
        assert probe.topic_id() == first
        broker.delete(name)
        with pytest.raises(BrokerError) as caught:
            probe.topic_id()
        assert caught.value.code == "topic_missing"
        second = broker.ensure(name, 2).topic_id
        assert probe.topic_id() == second != first


def test_a_name_that_kafka_refuses_is_the_users_error(kafka: Broker) -> None:
    """A topic's name with a blank in it cannot be used, and the error says so."""
    with pytest.raises(UsageError) as caught:
        ensure_topic(kafka.bootstrap, "in valid", 1)
    assert caught.value.code == "bad_topic"
