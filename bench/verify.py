"""Verifying: a ledger made by the real writer, verified by processes of their own; set against bare SHA-256 of the same entries."""

import argparse
import hashlib
import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from bench.children import measured_by
from bench.ledgers import begin_ledger, records_of, write_until
from bench.load import Load
from bench.places import new_place
from ledger.log.ledgerfile import read_ledger_file
from ledger.log.segments import parse_segment
from ledger.storage.local import LocalStore
from ledger.verify.api import LAST, verify
from ledger.verify.pool import cores, without_collector
from ledger.verify.reading import claimed_entries
from ledger.verify.remembered import Memory
from ledger.verify.replay import replay_shard

__all__ = ["Run", "Verified", "measure_verify"]

_TIMEOUT_S: Final = 3600.0
_NEW: Final = 0.01
"""The part of the log that is new for `--since`."""
_SMALL: Final = 0.25
"""Of the log, at which memory is measured first."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a process of its own, its start not counted."""

    entries: int
    wall_s: float
    cpu_s: float
    """Of the process and those that it started."""
    peak_bytes: int
    """Resident, of the largest of them."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What verifying costs."""

    entries: int
    entry_bytes: float
    cores: int
    bare: Run
    """SHA-256 of the entries and nothing else, one process."""
    full: Run
    small: Run
    """The same at a quarter of the size."""
    since: Run
    """Only the last hundredth, after a run that saw the rest."""
    replay: Run
    """The events folded again, one process."""

    @property
    def of_bare(self) -> float:
        """Entries a second, of those of bare SHA-256 in one process."""
        return self.bare.wall_s / self.full.wall_s

    @property
    def since_of_full(self) -> float:
        """Time for what is new, of the time for everything."""
        return self.since.wall_s / self.full.wall_s

    @property
    def replayed_per_s(self) -> float:
        """Entries folded again in a second of CPU time."""
        return self.replay.entries / self.replay.cpu_s

    @property
    def memory_growth(self) -> float:
        """Peak memory, of that at a quarter of the size."""
        return self.full.peak_bytes / self.small.peak_bytes


def measure_verify(load: Load, entries: int, rounds: int, work: Path) -> Verified:
    """Make a ledger and verify it.

    Args:
        load: the events.
        entries: how many.
        rounds: how often each part is measured; the quickest counts.
        work: a directory on disk: 300 bytes an entry, and three files for each person.
    """
    place = new_place(work)
    ledger, state = place / "ledger", place / "state"
    _, writer = begin_ledger(ledger)
    records = records_of(load, entries)
    write_until(writer, records, int(entries * _SMALL))
    small = _best(ledger, state, "full", 1)
    write_until(writer, records, entries - int(entries * _NEW))
    _best(ledger, state, "remember", 1)
    write_until(writer, records, entries)
    return Verified(
        entries=entries,
        entry_bytes=_entry_bytes(ledger),
        cores=cores(),
        small=small,
        since=_best(ledger, state, "since", rounds),
        bare=_best(ledger, state, "bare", rounds),
        full=_best(ledger, state, "full", rounds),
        replay=_best(ledger, state, "replay", 1),
    )


def _entry_bytes(directory: Path) -> float:
    lines = [len(line) for _, line in zip(range(20_000), _lines(LocalStore(directory)), strict=False)]
    return sum(lines) / len(lines)


def _lines(store: LocalStore) -> Iterator[bytes]:
    for name in store.list("log/"):
        yield from parse_segment(store.get(name), name).lines


def _best(ledger: Path, state: Path, mode: str, rounds: int) -> Run:
    """The quickest of some runs in a new process each."""
    where = mode, ledger, state
    runs = [measured_by("bench.verify", Run, *where, timeout_s=_TIMEOUT_S) for _ in range(rounds)]
    return min(runs, key=lambda run: run.wall_s)


# --- the child -------------------------------------------------------------------------------------------------------------------------


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("bare", "full", "remember", "since", "replay"))
    parser.add_argument("ledger", type=Path)
    parser.add_argument("state", type=Path)
    options = parser.parse_args()
    os.write(1, msgspec.json.encode(_run(options.mode, options.ledger, options.state)))


def _run(mode: str, ledger: Path, state: Path) -> Run:
    store = LocalStore(ledger)
    if mode == "bare":
        return _bare(store)
    work: dict[str, Callable[[], int]] = {
        "full": lambda: _verified(store, None, since=False),
        "remember": lambda: _verified(store, Memory(state, "bench"), since=False),
        "since": lambda: _verified(store, Memory(state, "bench"), since=True),
        "replay": lambda: _replayed(store),
    }
    kept = {
        path: path.read_bytes() for path in state.rglob("*.bin")
    }  # each round of `since` begins where the first did
    started, cpu = time.perf_counter(), _cpu_s()
    entries = work[mode]()
    run = Run(entries=entries, wall_s=time.perf_counter() - started, cpu_s=_cpu_s() - cpu, peak_bytes=_peak_bytes())
    for path, content in kept.items():
        path.write_bytes(content)
    return run


def _bare(store: LocalStore) -> Run:
    """Only the hashing is timed; the entries are read a segment at a time."""
    wall = cpu = 0.0
    entries = 0
    for name in store.list("log/"):
        lines = parse_segment(store.get(name), name).lines
        started, used = time.perf_counter(), time.process_time()
        for line in lines:
            hashlib.sha256(line).digest()
        wall, cpu = wall + time.perf_counter() - started, cpu + time.process_time() - used
        entries += len(lines)
    return Run(entries=entries, wall_s=wall, cpu_s=cpu, peak_bytes=_peak_bytes())


def _verified(store: LocalStore, memory: Memory | None, *, since: bool) -> int:
    report = verify(store, memory=memory, since=[LAST] if since else [])
    if not report.ok or any(bool(shard.since) != since for shard in report.shards):
        raise RuntimeError(f"not verified: {report.problems}")
    return report.entries


def _replayed(store: LocalStore) -> int:
    with without_collector():
        entries, problem = replay_shard(store, read_ledger_file(store), 0, claimed_entries(store, 1), lambda _: None)
    if problem is not None:
        raise RuntimeError(f"not the same: {problem}")
    return entries


def _cpu_s() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _peak_bytes() -> int:
    """The peak of this process, and of those that it started (of which the system counts what this one had when it started them)."""
    status = Path("/proc/self/status").read_text()
    own = int(status.partition("VmHWM:")[2].split()[0])
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) * 1024


if __name__ == "__main__":
    _main()
