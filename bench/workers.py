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

__all__ = ["ROOT", "LogWatcher", "Sighting", "WorkerProcess", "environment"]

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
    """`python -m consumers` on a new ledger."""

    def __init__(self, bootstrap: str, topic: str, directory: Path) -> None:
        """Make the ledger and start the worker.

        Args:
            bootstrap: the broker.
            topic: which exists.
            directory: an empty one; the ledger is made in it.
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
        self._log = (directory / "worker.log").open("w+b")
        where = ["--ledger", str(self.root), "--keys", str(keys), "--cache", str(self.root / "cache")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "consumers", *where, "--bootstrap", bootstrap, "--group", f"bench-{uuid4()}"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=environment(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._log.close()

    def cpu_s(self) -> float:
        """User and system time of the process so far, all threads, ended ones included; to 10 ms, as the kernel tells it."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def check(self) -> None:
        """Raise RuntimeError where it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the worker ended with {self._process.returncode}: {self._said()}")

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Return once it says that it is ready."""
        deadline = time.monotonic() + timeout_s
        while "ready" not in self._said():
            self.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"the worker is not ready after {timeout_s:g} s")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to stop, and make sure that it does so cleanly."""
        self.check()
        self._process.send_signal(signal.SIGTERM)
        if self._process.wait(_STOP_TIMEOUT_S) != 0:
            self.check()

    def _said(self) -> str:
        return Path(self._log.name).read_text(errors="replace")


def environment() -> dict[str, str]:
    """The environment of child processes: `-m bench...` and `-m consumers` are this repository's."""
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
