"""Measuring in a process of its own, so that nothing else's memory or caches count: a module of the bench that prints its result."""

import gc
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.workers import ROOT, environment

__all__ = ["measured_by", "own_bytes", "printed_by", "resident_bytes"]

T = TypeVar("T")


def measured_by(module: str, result: type[T], *arguments: str | Path, timeout_s: float) -> T:
    """Run `python -m MODULE` and decode what it prints, JSON of this type.

    Raises:
        subprocess.SubprocessError: it failed, or took longer than `timeout_s` seconds.
    """
    return msgspec.json.decode(printed_by([sys.executable, "-m", module, *arguments], timeout_s), type=result)


def printed_by(command: Sequence[str | Path], timeout_s: float) -> bytes:
    """What a command prints; raises as `measured_by`."""
    ended = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=timeout_s,
        check=True,
    )
    return ended.stdout


def resident_bytes() -> int:
    """The resident memory of this process, garbage collected before."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def own_bytes() -> int:
    """What is resident and the process's own: pages of mapped files are the system's to take back."""
    gc.collect()
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) * 1024
