"""Consuming: the worker beside what it could have been, on the same topic, broker and machine, in turns."""

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

from bench.brokers import PARTITIONS, Broker
from bench.contenders.stopwatch import RESULT, Measured
from bench.load import Load
from bench.machine import json_us
from bench.places import new_place
from bench.workers import ROOT, LogWatcher, WorkerProcess, environment

__all__ = ["Consumed", "Contender", "consume"]

_TIMEOUT_S: Final = 900.0
_LOOK_EVERY_S: Final = 0.005

Say = Callable[[str], None]


class Contender(msgspec.Struct, kw_only=True):
    """One way to consume the topic, and what it cost each round."""

    key: str
    """The letter it goes by: `a` to `e`."""
    name: str
    rounds: list[Measured] = []
    skipped: str | None = None
    """Why it was not measured."""
    events_per_s: float | None = None
    """Of the best round: disturbance only ever takes away."""
    cpu_us_per_event: float | None = None
    """Of the best round: user and system time of the process, in microseconds."""


class Consumed(msgspec.Struct, kw_only=True):
    """What consuming cost."""

    broker: str
    events: int
    """In the topic: c, d and e consume them all."""
    slow_events: int
    """How many of them a and b consume."""
    event_bytes: float
    """The mean size of a record's value."""
    contenders: list[Contender]
    ratios: dict[str, float]
    """`x/y`: events/s of x over those of y."""
    json_us: list[float]
    """What `json.loads` of an event cost before each round."""


def consume(broker: Broker, load: Load, events: int, slow_events: int, rounds: int, work: Path, say: Say) -> Consumed:
    """Fill a topic and let each contender consume it, every round all of them one after the other.

    Args:
        broker: to measure on.
        load: the events.
        events: how many to publish.
        slow_events: how many of them the no-op Faust agents consume, which take long.
        rounds: how often everything is measured.
        work: a directory on the disk whose fsync is to count.
        say: told what goes on.
    """
    slow_events = min(events, slow_events)
    contenders = _contenders()
    with broker.topic() as topic:
        say(f"publishing {events:,} events")
        broker.fill(topic, load.events(events), load.partitions(events, PARTITIONS))
        size = sum(len(event.value) for event in load.events(events))
        runs: dict[str, Callable[[Path], Measured]] = {
            "a": lambda place: _run("faust_noop", broker, topic, slow_events, place),
            "b": lambda place: _run("faust_noop", broker, topic, slow_events, place, "--take", "1000"),
            "c": lambda place: _run_worker(broker, topic, events, place),
            "d": lambda place: _run("quix_noop", broker, topic, events, place),
            "e": lambda place: _run("plain", broker, topic, events, place),
        }
        quickness = []
        for number in range(rounds):
            quickness.append(json_us(load))
            for contender in contenders:
                if contender.skipped is None:
                    say(f"round {number + 1} of {rounds}: ({contender.key}) {contender.name}")
                    contender.rounds.append(runs[contender.key](new_place(work)))
    _sum_up(contenders)
    return Consumed(
        broker=broker.name,
        events=events,
        slow_events=slow_events,
        event_bytes=size / events,
        contenders=contenders,
        ratios=_ratios(contenders),
        json_us=quickness,
    )


def _contenders() -> list[Contender]:
    has_quix = importlib.util.find_spec("quixstreams") is not None
    return [
        Contender(key="a", name="Faust agent, no-op, message at a time"),
        Contender(key="b", name="Faust agent, no-op, take(1000)"),
        Contender(key="c", name="this worker, to durable segments"),
        Contender(
            key="d",
            name="Quix Streams app, no-op, JSON decoded",
            skipped=None if has_quix else "quixstreams is not installed: pip install -e '.[bench]'",
        ),
        Contender(key="e", name="kafka-python, SHA-256 chain, fsync a poll"),
    ]


def _run(module: str, broker: Broker, topic: str, events: int, place: Path, *more: str) -> Measured:
    """Run a contender in a process of its own, which measures itself."""
    where = [
        "--bootstrap",
        broker.bootstrap,
        "--topic",
        topic,
        "--group",
        f"bench-{uuid4()}",
        "--directory",
        str(place),
    ]
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            f"bench.contenders.{module}",
            *where,
            "--events",
            str(events),
            *more,
        ],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_TIMEOUT_S,
        check=False,
    )
    result = place / RESULT
    if ended.returncode or not result.exists():
        raise RuntimeError(f"{module} ended with {ended.returncode}: {ended.stderr.decode(errors='replace')[-2000:]}")
    return msgspec.json.decode(result.read_bytes(), type=Measured)


def _run_worker(broker: Broker, topic: str, events: int, place: Path) -> Measured:
    """Run the worker and measure it from outside, between a tenth and nine tenths of the events on disk.

    Batches are folded before they are on disk: where the clock starts and where it stops as many are under way, so that as much work
    is measured as events are counted.
    """
    with WorkerProcess(broker.bootstrap, topic, place) as worker:
        watcher = LogWatcher(worker.root)
        deadline = time.monotonic() + _TIMEOUT_S
        first = _wait_for(max(1, events // 10), watcher, worker, deadline)
        cpu, started = worker.cpu_s(), time.perf_counter()
        last = _wait_for(max(first + 1, events * 9 // 10), watcher, worker, deadline)
        measured = Measured(events=last - first, seconds=time.perf_counter() - started, cpu_s=worker.cpu_s() - cpu)
        _wait_for(events, watcher, worker, deadline)
        if watcher.size != events:
            raise RuntimeError(f"the log holds {watcher.size} entries for {events} records")
        worker.stop()
    return measured


def _wait_for(entries: int, watcher: LogWatcher, worker: WorkerProcess, deadline: float) -> int:
    """Return the size of the log, all shards, once it holds so many entries."""
    while True:
        watcher.look()
        if watcher.size >= entries:
            return watcher.size
        worker.check()
        if time.monotonic() > deadline:
            raise TimeoutError(f"{watcher.size} of {entries} entries after {_TIMEOUT_S:g} s")
        time.sleep(_LOOK_EVERY_S)


def _sum_up(contenders: Sequence[Contender]) -> None:
    for contender in contenders:
        if contender.rounds:
            contender.events_per_s = max(measured.events_per_s for measured in contender.rounds)
            contender.cpu_us_per_event = min(measured.cpu_us_per_event for measured in contender.rounds)


def _ratios(contenders: Sequence[Contender]) -> dict[str, float]:
    speeds = {contender.key: contender.events_per_s for contender in contenders if contender.events_per_s is not None}
    return {f"{one}/{other}": speeds[one] / speeds[other] for one in speeds for other in speeds if one != other}
