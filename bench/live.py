"""A server's view of the ledger: how long it takes to open, what it holds for a script, how soon an entry is seen, what an answer costs."""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from bench.children import measured_by, own_bytes
from bench.ledgers import TOPIC_ID, begin_ledger, write_until
from bench.places import new_place
from bench.uploads import upload
from ledger.log.records import Record

__all__ = ["Live", "measure_live"]

VERSIONS_PER_SCRIPT: Final = 50
_SEGMENTS: Final = 50
"""Of one entry, written while it follows."""
_READS: Final = 5000
_TIMEOUT_S: Final = 1800.0


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What it costs to keep a ledger in memory."""

    entries: int
    scripts: int
    first_open_s: float
    """The whole log read; modules of Python were loaded before, as for `open_s`:"""
    open_s: float
    """from a snapshot."""
    own_bytes: int
    """By how much the process that began with the snapshot grew, without pages of mapped files."""
    deployments_us: float
    """For the newest ten deployments of a script, drawn at random."""
    seen_ms: float
    """From a segment that was just made durable to its entry being visible; median of 50."""
    seen_max_ms: float


class _Opened(msgspec.Struct, frozen=True):
    """What a child says."""

    seconds: float
    own_bytes: int
    deployments_us: float
    seen_ms: list[float]


def measure_live(entries: int, work: Path) -> Live:
    """Write a log of so many entries, fifty to a script, and follow it in new processes."""
    place = new_place(work)
    ledger, cache = place / "ledger", place / "cache"
    scripts = max(1, entries // VERSIONS_PER_SCRIPT)
    _, writer = begin_ledger(ledger, place / "worker")
    write_until(writer, _records(scripts, 0, entries), entries)
    writer.save_snapshot()
    first = _open(ledger, cache, place / "worker", scripts, entries)
    again = _open(ledger, cache, place / "worker", scripts, entries + _SEGMENTS)
    return Live(
        entries=entries,
        scripts=scripts,
        first_open_s=first.seconds,
        open_s=again.seconds,
        own_bytes=again.own_bytes,
        deployments_us=again.deployments_us,
        seen_ms=median(again.seen_ms),
        seen_max_ms=max(again.seen_ms),
    )


def _records(scripts: int, start: int, end: int) -> Iterator[Record]:
    return (upload(number, number % scripts).record for number in range(start, end))


def _open(ledger: Path, cache: Path, worker: Path, scripts: int, size: int) -> _Opened:
    arguments = (
        "--ledger",
        ledger,
        "--cache",
        cache,
        "--worker",
        worker,
        "--scripts",
        str(scripts),
        "--size",
        str(size),
    )
    return measured_by("bench.live", _Opened, *arguments, timeout_s=_TIMEOUT_S)


def _main() -> None:
    """The child: opens the view, reads from it, and writes segments that it has to see."""
    from ledger.live.view import open_live
    from ledger.log.ledgerfile import read_ledger_file
    from ledger.log.writer import open_writer
    from ledger.storage.keys import KeyStore
    from ledger.storage.local import LocalStore

    parser = argparse.ArgumentParser()
    for name in ("--ledger", "--cache", "--worker"):
        parser.add_argument(name, type=Path, required=True)
    for name in ("--scripts", "--size"):
        parser.add_argument(name, type=int, required=True)
    options = parser.parse_args()
    before, started = own_bytes(), time.perf_counter()
    with open_live(str(options.ledger), cache=options.cache) as live:
        seconds, own = time.perf_counter() - started, own_bytes() - before
        accounts = live.accounts()
        started = time.perf_counter()
        for number in range(_READS):
            name = accounts[number * 7919 % len(accounts)]
            script = live.script(name, "script-0")
            if script is None or not script.deployments:
                raise RuntimeError("a script is missing")
        read_us = (time.perf_counter() - started) / _READS * 1e6
        store = LocalStore(options.ledger)
        file = read_ledger_file(store)
        keys = KeyStore.open(LocalStore(options.ledger / "keys", file_mode=0o600, dir_mode=0o700), file.name)
        writer = open_writer(store, file, keys, 0, TOPIC_ID, options.worker)
        seen = []
        for number in range(options.size, options.size + _SEGMENTS):
            write_until(writer, _records(options.scripts, number, number + 1), number + 1)
            written = time.perf_counter()
            while live.sizes()[0] <= number:
                time.sleep(0.0002)
            seen.append((time.perf_counter() - written) * 1e3)
    os.write(1, msgspec.json.encode(_Opened(seconds, own, read_us, seen)))


if __name__ == "__main__":
    _main()
