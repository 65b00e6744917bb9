"""After an outage: a worker starts with a backlog, while new events come in."""

import threading
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from bench.brokers import PARTITIONS, Broker, open_producer
from bench.load import Load, Sent
from bench.places import new_place
from bench.workers import LogWatcher, WorkerProcess

__all__ = ["Outage", "measure_outage"]

_LINGER_MS: Final = 5
_LOOK_EVERY_S: Final = 0.02
_TICK_S: Final = 0.01
_BEHIND_S: Final = 0.5
"""Of live traffic: a log that is no further behind than this has caught up."""
_TIMEOUT_S: Final = 120.0
_HOUR_S: Final = 3600.0


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """How a backlog is worked off."""

    broker: str
    backlog: int
    """Events that waited."""
    live_per_s: float
    """New ones, really sent."""
    seconds: float
    """From the first entry to when the log had caught up."""
    entries: int
    """Written in that time."""

    @property
    def hour_s(self) -> float:
        """What an hour's outage at the same rate would take, at this speed: reckoned, not measured."""
        written_per_s = self.entries / self.seconds
        return _HOUR_S * self.live_per_s / max(written_per_s - self.live_per_s, 1e-9)


def measure_outage(broker: Broker, load: Load, backlog: int, rate: int, work: Path) -> Outage:
    """Let a backlog wait in a topic, start a worker and live traffic, and wait until the log is where the topic is."""
    events = backlog + int(rate * _TIMEOUT_S)
    partitions = load.partitions(events, PARTITIONS)
    live = islice(load.events(events), backlog, None)
    with broker.topic() as topic:
        broker.fill(topic, load.events(backlog), partitions)
        with WorkerProcess(broker.bootstrap, topic, new_place(work)) as worker:
            watcher = LogWatcher(worker.root)
            sender = _Sender(broker.bootstrap, topic, live, partitions, rate)
            deadline = time.monotonic() + _TIMEOUT_S
            while not watcher.look():
                _check(worker, deadline)
            started, first = time.perf_counter(), watcher.size
            sender.start()
            while watcher.size < backlog + sender.sent - _BEHIND_S * rate:
                watcher.look()
                _check(worker, deadline)
            seconds = time.perf_counter() - started
            entries = watcher.size - first
            sender.stop()
            worker.stop()
    return Outage(
        broker=broker.name, backlog=backlog, live_per_s=sender.sent / sender.seconds, seconds=seconds, entries=entries
    )


def _check(worker: WorkerProcess, deadline: float) -> None:
    worker.check()
    if time.monotonic() > deadline:
        raise TimeoutError(f"not caught up after {_TIMEOUT_S:g} s")
    time.sleep(_LOOK_EVERY_S)


class _Sender(threading.Thread):
    """Sends events at a rate until it is told to stop."""

    def __init__(
        self, bootstrap: str, topic: str, events: Iterator[Sent], partitions: Mapping[bytes, int], rate: int
    ) -> None:
        super().__init__(daemon=True)
        self._producer = open_producer(bootstrap, topic, _LINGER_MS)
        self._events = events
        self._partitions = partitions
        self._rate = rate
        self._over = threading.Event()
        self.sent = 0
        self.seconds = 0.0

    def run(self) -> None:
        """Send what is due, again and again."""
        started = time.perf_counter()
        while not self._over.wait(_TICK_S):
            due = int((time.perf_counter() - started) * self._rate)
            for event in islice(self._events, due - self.sent):
                self._producer.send(event, self._partitions[event.key])
            self.sent = due
            self.seconds = time.perf_counter() - started

    def stop(self) -> None:
        """End it, all that was sent delivered."""
        self._over.set()
        self.join(_TIMEOUT_S)
        self._producer.close()
