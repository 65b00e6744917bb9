"""Starting again: how long a new process needs until it can append to a log that is there, from a snapshot and without one."""

import argparse
import os
import shutil
import time
from pathlib import Path
from typing import Final

import msgspec

from bench.children import measured_by, resident_bytes
from bench.ledgers import TOPIC_ID, begin_ledger, write_until
from bench.places import new_place
from bench.uploads import upload

__all__ = ["Restart", "measure_restart"]

_ENTRIES_PER_SCRIPT: Final = 10
_TIMEOUT_S: Final = 900.0
_UNSAVED: Final = 1000
"""Entries after the last snapshot, as after a kill: fewer than the writer lets come together, more than none."""


class Restart(msgspec.Struct, frozen=True, kw_only=True):
    """From the start of a process to a shard that is open for appending, in seconds."""

    entries: int
    scripts: int
    with_snapshot_s: float
    without_s: float
    imports_s: float
    """The part of both in which Python and the worker's modules are loaded."""
    resident_bytes: int
    """Of the process that had a snapshot, once it can append."""


class _Opened(msgspec.Struct, frozen=True):
    """What the child says."""

    imported_at: float
    """`time.time`, like `opened_at`."""
    opened_at: float
    resident_bytes: int


def measure_restart(entries: int, work: Path) -> Restart:
    """Write a log of so many entries, ten to a script, and open it in new processes."""
    place = new_place(work)
    ledger, cache = place / "ledger", place / "cache"
    scripts = max(1, entries // _ENTRIES_PER_SCRIPT)
    _, writer = begin_ledger(ledger, cache)
    records = (upload(number, number % scripts).record for number in range(entries))
    write_until(writer, records, max(1, entries - _UNSAVED))
    writer.save_snapshot()
    write_until(writer, records, entries)
    started, opened = _open(ledger, cache)
    shutil.rmtree(cache)
    started_bare, bare = _open(ledger, cache)
    return Restart(
        entries=entries,
        scripts=scripts,
        with_snapshot_s=opened.opened_at - started,
        without_s=bare.opened_at - started_bare,
        imports_s=opened.imported_at - started,
        resident_bytes=opened.resident_bytes,
    )


def _open(ledger: Path, cache: Path) -> tuple[float, _Opened]:
    """When a process was started (`time.time`), and what it said."""
    started = time.time()
    return started, measured_by("bench.restart", _Opened, "--ledger", ledger, "--cache", cache, timeout_s=_TIMEOUT_S)


def _main() -> None:
    """The child: what a worker does before it can append, but for the broker."""
    import consumers.worker  # noqa: F401 (as a worker loads it)
    from ledger.log.ledgerfile import read_ledger_file
    from ledger.log.writer import open_writer
    from ledger.storage.keys import KeyStore
    from ledger.storage.local import LocalStore

    imported_at = time.time()
    parser = argparse.ArgumentParser()
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    options = parser.parse_args()
    store = LocalStore(options.ledger)
    file = read_ledger_file(store)
    keys = KeyStore.open(LocalStore(options.ledger / "keys", file_mode=0o600, dir_mode=0o700), file.name)
    open_writer(store, file, keys, 0, TOPIC_ID, options.cache)
    opened_at = time.time()
    os.write(1, msgspec.json.encode(_Opened(imported_at, opened_at, resident_bytes())))


if __name__ == "__main__":
    _main()
