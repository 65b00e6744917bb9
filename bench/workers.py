"""The real worker as a process, and its log watched from outside: what is there, since when, and what it has cost."""

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, NamedTuple, Self
from uuid import uuid4

from bench.brokers import PARTITIONS
from ledger.log.ledgerfile import create_ledger
from ledger.log.segments import SKIPPABLE_MAGIC
from ledger.proof.checkpoints import read_unverified
from ledger.storage import layout
from ledger.storage.local import LocalStore

__all__ = ["ROOT", "LogWatcher", "Sighting", "WorkerProcess", "cpu_s", "environment"]

ROOT: Final = Path(__file__).resolve().parent.parent
"""Of the repository."""

_TAIL_BYTES: Final = 4096
"""More than a checkpoint and its frame's header take."""
_STOP_TIMEOUT_S: Final = 30.0
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


class Sighting(NamedTuple):
    """A segment that was seen for the first time."""

    name: str
    entries: int
    seen_at: float
    """`time.perf_counter`."""


class LogWatcher:
    """Sees segments appear. A segment is named by its first index, so looking for the next one is one `stat` a shard."""

    def __init__(self, root: Path, shards: int = PARTITIONS) -> None:
        self._root = root
        self._sizes = [0] * shards

    @property
    def size(self) -> int:
        """Entries seen, of all shards."""
        return sum(self._sizes)

    def look(self) -> list[Sighting]:
        """The segments that have appeared since the last look."""
        found = []
        for shard in range(len(self._sizes)):
            while (path := self._root / (name := layout.segment(shard, self._sizes[shard]))).exists():
                seen_at = time.perf_counter()
                size = _size_after(path)
                found.append(Sighting(name, size - self._sizes[shard], seen_at))
                self._sizes[shard] = size
        return found


def _size_after(segment: Path) -> int:
    """The size of the log after a segment, as its checkpoint says."""
    with segment.open("rb") as file:
        file.seek(max(0, segment.stat().st_size - _TAIL_BYTES))
        tail = file.read()
    frame = tail.rindex(struct.pack("<I", SKIPPABLE_MAGIC))
    return read_unverified(tail[frame + 8 :]).size


class WorkerProcess:
    """`python -m consumers` on a new ledger, one process or several that share its partitions."""

    def __init__(self, bootstrap: str, topic: str, directory: Path, processes: int = 1) -> None:
        """Make the ledger and start the worker.

        Args:
            bootstrap: the broker.
            topic: which exists.
            directory: an empty one; the ledger is made in it.
            processes: how many.
        """
        self.root = directory / "ledger"
        keys = self.root / "keys"
        create_ledger(
            LocalStore(self.root),
            LocalStore(keys, file_mode=0o600, dir_mode=0o700),
            name="bench",
            topic=topic,
            shards=PARTITIONS,
        )
        where = ["--ledger", str(self.root), "--keys", str(keys), "--cache", str(self.root / "cache")]
        command = [sys.executable, "-m", "consumers", *where, "--bootstrap", bootstrap, "--group", f"bench-{uuid4()}"]
        self._logs = [(directory / f"worker-{number}.log").open("w+b") for number in range(processes)]
        self._processes = [
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment())
            for log in self._logs
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.kill()
        for process, log in zip(self._processes, self._logs, strict=True):
            process.wait()
            log.close()

    @property
    def pids(self) -> list[int]:
        """Of its processes."""
        return [process.pid for process in self._processes]

    def cpu_s(self) -> float:
        """User and system time of all its processes so far, all threads, ended ones included; to 10 ms, as the kernel tells it."""
        return sum(self.cpu_each_s())

    def cpu_each_s(self) -> list[float]:
        """The same of each process."""
        return [cpu_s(process.pid) for process in self._processes]

    def check(self) -> None:
        """Raise RuntimeError where one of its processes has ended."""
        for process, said in zip(self._processes, self._said(), strict=True):
            if process.poll() is not None:
                raise RuntimeError(f"the worker ended with {process.returncode}: {said}")

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Return once all its processes say that they are ready."""
        deadline = time.monotonic() + timeout_s
        while not all("ready" in said for said in self._said()):
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the worker is not ready after {timeout_s:g} s")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to stop, and make sure that it does so cleanly."""
        self.check()
        for process in self._processes:
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            if process.wait(_STOP_TIMEOUT_S) != 0:
                self.check()

    def _said(self) -> list[str]:
        return [Path(log.name).read_text(errors="replace") for log in self._logs]


def cpu_s(pid: int) -> float:
    """User and system time of a process so far, all threads, ended ones included; to 10 ms, as the kernel tells it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def environment() -> dict[str, str]:
    """The environment of child processes: `-m bench...` and `-m consumers` are this repository's."""
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
