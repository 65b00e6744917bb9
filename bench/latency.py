"""Latency: from the moment an event is sent to the moment its entry is on disk, at a steady rate, with the real worker."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.brokers import Broker, Producer, open_producer
from bench.load import Load, Sent
from bench.percentiles import percentile
from bench.places import new_place
from bench.workers import LogWatcher, Sighting, WorkerProcess
from ledger.log.segments import parse_segment

__all__ = ["Latency", "measure_latency"]

_LINGER_MS: Final = 5
"""librdkafka's default."""
_WARM_UP: Final = 500
_LOOK_EVERY_S: Final = 0.001
_PATIENCE_S: Final = 60.0


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long events took from being sent to being on disk, in milliseconds."""

    broker: str
    events: int
    rate_per_s: float
    """At which they were really sent."""
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    events_per_segment: float
    """How many shared a segment, and so an fsync."""
    resolution_ms: float
    """How often the disk was looked at: 99 of 100 looks came within so much of the one before."""
    worker_cpu_us_per_event: float
    """At this rate, where batches are small."""


class _EventPart(msgspec.Struct):
    id: str


class _EntryPart(msgspec.Struct):
    """All that is read of an entry here."""

    event: _EventPart


def measure_latency(broker: Broker, load: Load, rate: int, seconds: float, work: Path) -> Latency:
    """Send at a rate for so long, watching the log meanwhile.

    An entry counts as durable when its segment's name is there: its bytes are synced before, its directory at once after.
    """
    count = int(rate * seconds)
    events = list(load.events(_WARM_UP + count))
    with (
        broker.topic() as topic,
        WorkerProcess(broker.bootstrap, topic, new_place(work)) as worker,
    ):
        worker.wait_until_ready()
        producer = open_producer(broker.bootstrap, topic, _LINGER_MS)
        run = _Run(worker, producer)
        run.send(events[:_WARM_UP], rate)
        run.wait_for(_WARM_UP)
        cpu = worker.cpu_s()
        run.start()
        run.send(events[_WARM_UP:], rate)
        took_s = run.sent_for_s
        run.wait_for(_WARM_UP + count)
        cpu = worker.cpu_s() - cpu
        producer.close()
        worker.stop()
        waits = sorted(run.waits_s(events[_WARM_UP:]))
    return Latency(
        broker=broker.name,
        events=count,
        rate_per_s=count / took_s,
        p50_ms=percentile(waits, 50) * 1e3,
        p90_ms=percentile(waits, 90) * 1e3,
        p99_ms=percentile(waits, 99) * 1e3,
        max_ms=waits[-1] * 1e3,
        events_per_segment=count / run.segments,
        resolution_ms=percentile(sorted(run.gaps_s), 99) * 1e3,
        worker_cpu_us_per_event=cpu * 1e6 / count,
    )


class _Run:
    """Sends and watches, in one thread, so that neither waits for the other."""

    def __init__(self, worker: WorkerProcess, producer: Producer) -> None:
        self._worker = worker
        self._producer = producer
        self._watcher = LogWatcher(worker.root)
        self._looked_at = time.perf_counter()
        self.start()

    def start(self) -> None:
        """Forget what was seen and sent so far."""
        self._sightings: list[Sighting] = []
        self._sent: list[float] = []
        self.gaps_s: list[float] = []

    @property
    def sent_for_s(self) -> float:
        """From the first event sent to the last."""
        return self._sent[-1] - self._sent[0]

    @property
    def segments(self) -> int:
        """How many appeared since `start`."""
        return len(self._sightings)

    def send(self, events: Sequence[Sent], rate: int) -> None:
        """Send events, each when it is due."""
        started = time.perf_counter()
        for number, event in enumerate(events):
            while time.perf_counter() < started + number / rate:
                self._look()
            self._sent.append(time.perf_counter())
            self._producer.send(event)

    def wait_for(self, entries: int) -> None:
        """Return once the log holds so many entries."""
        deadline = time.perf_counter() + _PATIENCE_S
        while self._watcher.size < entries:
            if time.perf_counter() > deadline:
                raise TimeoutError(f"{self._watcher.size} of {entries} entries after {_PATIENCE_S:g} s")
            self._look()

    def waits_s(self, events: Sequence[Sent]) -> list[float]:
        """How long each event took; the events are those sent since `start`, in their order."""
        decode = msgspec.json.Decoder(_EntryPart).decode
        sent = {_id(event): at for event, at in zip(events, self._sent, strict=True)}
        seen: dict[str, float] = {}
        for sighting in self._sightings:
            segment: Any = parse_segment((self._worker.root / sighting.name).read_bytes(), sighting.name)
            seen |= {decode(line).event.id: sighting.seen_at for line in segment.lines}
        return [seen[identifier] - at for identifier, at in sent.items()]

    def _look(self) -> None:
        self._sightings += self._watcher.look()
        now = time.perf_counter()
        self.gaps_s.append(now - self._looked_at)
        self._looked_at = now
        self._worker.check()
        time.sleep(_LOOK_EVERY_S)


def _id(event: Sent) -> str:
    return msgspec.json.decode(event.value, type=_EventPart).id
