"""The same fault points in a real worker: those where it dies, and those that it has to get over by itself."""

import os
from itertools import count, cycle
from pathlib import Path
from typing import Final

import pytest
from kafka import KafkaConsumer, TopicPartition

from tests.faults.oracle import check_against_topic
from tests.faults.points import CRASHED, HALVES, OFFSETS, STEPS, Fault
from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, Message, keyed, real_events, send, wait_until

DEATHS: Final = ("dies before", "dies half", "dies after")
EACH: Final = 60
"""Records that come before each death."""
ROUNDS: Final = 16
SMALL_BATCHES: Final = ("--batch-records", "20", "--batch-age-ms", "20")


def deaths() -> list[Fault]:
    """Each step, dying in one way after the other; where `LEDGER_LONG` is set, in every way."""
    if os.environ.get("LEDGER_LONG"):
        ways = [(step, how) for step in (*STEPS, OFFSETS) for how in DEATHS]
    else:
        ways = list(zip((*STEPS, OFFSETS), cycle(DEATHS), strict=False))
    return [Fault(point=step, how=how if step in HALVES else how.replace("half", "after")) for step, how in ways]


def committed(broker: Broker, group: str, topic: str, partitions: int) -> int:
    """The sum of the offsets that a group has committed."""
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, group_id=group, enable_auto_commit=False)
    try:
        return sum(consumer.committed(TopicPartition(topic, number)) or 0 for number in range(partitions))
    finally:
        consumer.close()


def new_accounts(number: int) -> list[Message]:
    """Real events of accounts that nobody has seen yet, some of them garbage, so that a batch needs keys and all else."""
    values = [value.replace(b'"accountid":"', b'"accountid":"n%d-' % number) for value in real_events(EACH)]
    messages = keyed(values)
    return messages + [Message(value=b"garbage", key=message.key) for message in messages[:5]]


@pytest.mark.timeout(600)
def test_a_worker_that_dies_at_any_step_loses_and_doubles_nothing(tmp_path: Path, quick: Broker) -> None:
    """One death after the other, each at another step: the log is in the end that of a worker which nobody disturbed."""
    topic = quick.topic(2)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    sent = 0
    for number, fault in zip(count(), deaths(), strict=False):
        sent += send(quick, topic, new_accounts(number))
        with ledger.worker(quick, *SMALL_BATCHES, idle_s=0.5, faults=[fault]) as worker:
            assert worker.wait() == CRASHED, (fault, worker.stderr())
    ledger.run(quick)
    check_against_topic(ledger, quick, sent)


def failures() -> list[Fault]:
    """Each step failing in each way, apart from one another: a store that fails time after time would end the worker."""
    steps = [step for step in STEPS if step != "snapshot"]  # which there is but one of
    ways = [(step, how) for how in ("lost", "half", "kept") for step in steps if step in HALVES or how != "half"]
    spread = [Fault(point=step, how=how, nth=place) for place, (step, how) in enumerate(ways)]
    return [
        *spread,
        Fault(point="snapshot", how="lost"),
        Fault(point=OFFSETS, how="lost"),
        Fault(point=OFFSETS, how="kept", nth=2),
    ]


@pytest.mark.timeout(120)
def test_a_worker_gets_over_failures_of_every_step(tmp_path: Path, quick: Broker) -> None:
    """What is lost, done by half, or done and reported failed, at each step in turn: one worker goes through it all and says nothing."""
    topic = quick.topic(2)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    sent = 0
    with ledger.worker(quick, *SMALL_BATCHES, idle_s=None, faults=failures()) as worker:
        worker.wait_ready()
        for number in range(ROUNDS):
            sent += send(quick, topic, new_accounts(number))
            wait_until(lambda sent=sent: ledger.size() == sent or worker.process.poll() is not None, 30)  # type: ignore[misc]
        worker.terminate()
        assert worker.stderr() == f"ready\nstopped after {sent} records\n"
        happened = worker.happened()
    assert {fault for fault in failures() if fault not in happened} == set()
    check_against_topic(ledger, quick, sent)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("how", ["lost", "kept"])
def test_an_offset_that_could_not_be_committed_is_committed_later(tmp_path: Path, quick: Broker, how: str) -> None:
    """A broker that does not take offsets stops no worker; once it takes them the group's stand at the end, though nothing new came."""
    topic = quick.topic(2)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    sent = send(quick, topic, keyed(real_events(100)))
    fault = Fault(point=OFFSETS, how=how, times=3)
    with ledger.worker(quick, group=topic, idle_s=None, faults=[fault]) as worker:
        wait_until(lambda: committed(quick, topic, topic, 2) == sent, 60)
        worker.terminate()
    check_against_topic(ledger, quick, sent)


@pytest.mark.timeout(120)
def test_an_offset_that_a_death_kept_back_is_committed_by_the_next_worker(tmp_path: Path, quick: Broker) -> None:
    """A worker that died between its segment and the offset leaves a lag that is none; the next one sets it right, though nothing new came."""
    topic = quick.topic(2)
    ledger = Ledger.create(tmp_path / "ledger", topic, shards=2)
    sent = send(quick, topic, keyed(real_events(100)))
    with ledger.worker(quick, idle_s=None, group=topic, faults=[Fault(point=OFFSETS, how="dies before")]) as worker:
        assert worker.wait() == CRASHED
    wait_until(lambda: ledger.size() == sent, 5)
    assert committed(quick, topic, topic, 2) == 0
    ledger.run(quick, "--session-timeout", "6", group=topic)
    assert committed(quick, topic, topic, 2) == sent
