"""How a contender measures itself: from the first batch that is done to the last one, start-up and shutdown excluded."""

import argparse
import os
import time
from pathlib import Path
from typing import Final

import msgspec

__all__ = ["RESULT", "Measured", "Options", "Stopwatch", "read_options"]

RESULT: Final = "measured.json"
"""The file, in the contender's directory, in which it leaves what it measured: stdout is for frameworks to chat on."""


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What consuming cost."""

    events: int
    """Between the first batch and the last: the first one is not counted, for it was paid for before the clock ran."""
    seconds: float
    """Of wall time."""
    cpu_s: float
    """User and system time of the consumer's process, all its threads."""

    @property
    def events_per_s(self) -> float:
        """Throughput."""
        return self.events / self.seconds

    @property
    def cpu_us_per_event(self) -> float:
        """Cost."""
        return self.cpu_s * 1e6 / self.events


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What every contender is told."""

    bootstrap: str
    topic: str
    group: str
    events: int
    """It stops after so many; the topic holds at least these."""
    directory: str
    """An empty one, for what it writes."""
    take: int
    """How many events at a time; 1 is one at a time."""


def read_options() -> Options:
    """The options from the command line."""
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "topic", "group", "directory"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--take", type=int, default=1)
    return msgspec.convert(vars(parser.parse_args()), Options)


class Stopwatch:
    """Starts at the first call of `done`; at the call that reaches the number of events it reports and ends the process."""

    def __init__(self, options: Options) -> None:
        self._wanted = options.events
        self._result = Path(options.directory) / RESULT
        self._count = 0
        self._first = 0
        self._time = self._cpu = 0.0

    def done(self, events: int) -> None:
        """So many more events are done."""
        if not self._count:
            self._first, self._time, self._cpu = events, time.perf_counter(), time.process_time()
        self._count += events
        if self._count >= self._wanted:
            self._report()

    def _report(self) -> None:
        measured = Measured(
            events=self._count - self._first,
            seconds=time.perf_counter() - self._time,
            cpu_s=time.process_time() - self._cpu,
        )
        self._result.write_bytes(msgspec.json.encode(measured))
        # No goodbye to the broker: how long a client takes to stop is not what is measured.
        os._exit(0)
