"""Scaling: one worker process and two on the same topic, measured while all of them are at work."""

import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from bench.brokers import PARTITIONS, Broker
from bench.contenders.stopwatch import Measured
from bench.load import Load
from bench.places import new_place
from bench.workers import LogWatcher, WorkerProcess

__all__ = ["Look", "Scaling", "measure_scaling", "while_busy"]

_LOOK_EVERY_S: Final = 0.25
_BUSY: Final = 0.5
"""Of a core, between two looks: what a process that is at work takes at least."""
_TIMEOUT_S: Final = 900.0


class Scaling(msgspec.Struct, frozen=True, kw_only=True):
    """What a second worker process adds."""

    broker: str
    partitions: int
    one: Measured
    two: Measured
    """Both together."""

    @property
    def gain(self) -> float:
        """Events/s of two, of those of one."""
        return self.two.events_per_s / self.one.events_per_s


class Look(NamedTuple):
    """What was seen at one time: entries in the log, and the CPU time that each process had used."""

    at: float
    entries: int
    cpu_s: list[float]


def measure_scaling(broker: Broker, load: Load, events: int, rounds: int, work: Path) -> Scaling:
    """Let one process and two consume the same topic, in turns; the best round of each counts."""
    with broker.topic() as topic:
        broker.fill(topic, load.events(events), load.partitions(events, PARTITIONS))
        runs: dict[int, list[Measured]] = {1: [], 2: []}
        for _ in range(rounds):
            for processes, measured in runs.items():
                measured.append(_run(broker, topic, events, processes, new_place(work)))
    best = {number: max(measured, key=lambda run: run.events_per_s) for number, measured in runs.items()}
    return Scaling(broker=broker.name, partitions=PARTITIONS, one=best[1], two=best[2])


def _run(broker: Broker, topic: str, events: int, processes: int, place: Path) -> Measured:
    with WorkerProcess(broker.bootstrap, topic, place, processes) as worker:
        watcher = LogWatcher(worker.root)
        deadline = time.monotonic() + _TIMEOUT_S
        looks: list[Look] = []
        while watcher.size < events:
            watcher.look()
            looks.append(Look(time.perf_counter(), watcher.size, worker.cpu_each_s()))
            worker.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{watcher.size} of {events} entries after {_TIMEOUT_S:g} s")
            time.sleep(_LOOK_EVERY_S)
        worker.stop()
    return while_busy(looks)


def while_busy(looks: Sequence[Look]) -> Measured:
    """The longest time in which entries came and every process was at work.

    Processes join one after the other, and a broker may serve one partition to its end before it begins with the next: what two can do
    is seen while both have something to do.

    Raises:
        RuntimeError: there was no such time; there were too few events for it.
    """
    longest: list[Look] = []
    current = list(looks[:1])
    for before, look in pairwise(looks):
        took = look.at - before.at
        is_busy = all(now - then >= _BUSY * took for then, now in zip(before.cpu_s, look.cpu_s, strict=True))
        current = [*current, look] if is_busy and look.entries > before.entries else [look]
        longest = max(longest, current, key=len)
    if len(longest) < 2:
        raise RuntimeError("the processes were never at work together: measure with more events")
    first, last = longest[0], longest[-1]
    return Measured(
        events=last.entries - first.entries, seconds=last.at - first.at, cpu_s=sum(last.cpu_s) - sum(first.cpu_s)
    )
