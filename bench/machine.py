"""The machine: what it is, and how quick it is at the moment."""

import json
import os
import platform
import subprocess
import timeit
from pathlib import Path
from typing import Final

import msgspec

from bench.load import Load

__all__ = ["Machine", "json_us", "machine"]

_SAMPLE: Final = 2000


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured."""

    cpus: int
    processor: str
    system: str
    python: str
    file_system: str
    """Of the directory that was written to."""
    load_before: float
    """The system's load average (1 minute) before the first measurement: what else was going on."""


def machine(work: Path) -> Machine:
    """What is known of this machine; `work` is the directory that is written to."""
    named = subprocess.run(["stat", "-f", "-c", "%T", work], capture_output=True, text=True, check=False)
    return Machine(
        cpus=len(os.sched_getaffinity(0)),
        processor=_processor(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        file_system=named.stdout.strip() or "unknown",
        load_before=round(os.getloadavg()[0], 2),
    )


def json_us(load: Load) -> float:
    """What `json.loads` of an event costs just now, in microseconds, the quickest of some passes.

    On a machine shared with others it varies by a factor of three and more, and CPU times with it, for caches and memory are shared
    too: by this one sees which runs compare.
    """
    values = [event.value for event in load.events(_SAMPLE)]
    timer = timeit.Timer(lambda: [json.loads(value) for value in values])
    return round(min(timer.repeat(repeat=10, number=1)) * 1e6 / len(values), 2)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
