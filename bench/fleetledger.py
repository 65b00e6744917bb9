"""Ledgers of a whole fleet, made once and kept: its segments as the real writer leaves them, and the same compacted by the real compaction.

`<name>-segments` holds segments alone; `<name>` the same files (hard links), then compacted but for a tail, as a worker that compacts
now and then leaves it; `<name>.json` says that both are whole. Made anew where it is missing.
"""

import argparse
import gc
import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from bench.fleetload import Fleet, FleetLoad
from bench.ledgers import create_shards, open_shard, write_until
from ledger.compact.compacting import Compacted, Policy, compact_shard
from ledger.log.ledgerfile import read_ledger_file
from ledger.storage.local import LocalStore
from ledger.verify.pool import cores

__all__ = ["FleetLedger", "fleet_ledger", "fleet_name"]

T = TypeVar("T")

_TAIL: Final = 5000
"""Entries of a shard that are not compacted: half of what the policy lets come together, as at a moment that nobody chose."""


class FleetLedger(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger of a fleet, twice."""

    fleet: Fleet
    compact_until: list[str]
    """Of each shard, when the last entry that is to be compacted was recorded."""
    segment_bytes: int
    """Of all segments before compaction,"""
    packed_bytes: int
    """of what compaction made, derived objects included, and of the tail."""
    tail: int
    """Entries in segments still."""

    def segments(self, cache: Path) -> Path:
        """The ledger of segments alone."""
        return cache / f"{fleet_name(self.fleet)}-segments"

    def packed(self, cache: Path) -> Path:
        """The compacted one."""
        return cache / fleet_name(self.fleet)


def fleet_name(fleet: Fleet) -> str:
    """What a fleet's ledgers are called: 1m, 10m, 2500-40-5-4."""
    if fleet == Fleet(entries=fleet.entries) and fleet.entries % 1_000_000 == 0:
        return f"{fleet.entries // 1_000_000}m"
    return f"{fleet.entries}-{fleet.scripts}-{fleet.accounts}-{fleet.shards}"


def fleet_ledger(fleet: Fleet, cache: Path) -> FleetLedger:
    """The ledgers of a fleet: those that are there, or new ones (10,000,000 entries take half an hour on two cores)."""
    cache.mkdir(parents=True, exist_ok=True)
    about = cache / f"{fleet_name(fleet)}.json"
    if about.exists():
        found = msgspec.json.decode(about.read_bytes(), type=FleetLedger)
        if found.fleet == fleet and found.packed(cache).is_dir() and found.segments(cache).is_dir():
            return found
        about.unlink()
    segments, packed = cache / f"{fleet_name(fleet)}-segments", cache / fleet_name(fleet)
    unfinished = cache / f"{segments.name}.unfinished"
    if not segments.is_dir():
        shutil.rmtree(unfinished, ignore_errors=True)
        until = _write(fleet, unfinished)
        (cache / f"{segments.name}.json").write_bytes(msgspec.json.encode(until))
        unfinished.rename(segments)
    until = msgspec.json.decode((cache / f"{segments.name}.json").read_bytes(), type=list[str])
    shutil.rmtree(packed, ignore_errors=True)
    shutil.copytree(segments, packed, copy_function=os.link)
    tail = fleet.entries - sum(
        done.until for done in _each(partial(_compact_shard, fleet, packed), list(enumerate(until)))
    )
    made = FleetLedger(
        fleet=fleet,
        compact_until=until,
        segment_bytes=_size(segments),
        packed_bytes=_size(packed),
        tail=tail,
    )
    about.write_bytes(msgspec.json.format(msgspec.json.encode(made)) + b"\n")
    return made


def _write(fleet: Fleet, root: Path) -> list[str]:
    create_shards(root, fleet.shards)
    return _each(partial(_write_shard, fleet, root), range(fleet.shards))


def _write_shard(fleet: Fleet, root: Path, shard: int) -> str:
    """Write a shard; returns when the last entry that is to be compacted was recorded."""
    writer = open_shard(root, shard)
    load = FleetLoad(fleet)
    size = load.size(shard)
    gc.freeze()
    gc.disable()  # as the worker does inside of a batch; nothing here makes cycles
    records = load.records(shard)
    write_until(writer, records, size - min(_TAIL, size // 10))
    until = writer.recorded_at
    write_until(writer, records, size)
    return until


def _compact_shard(fleet: Fleet, root: Path, shard: tuple[int, str]) -> Compacted:
    number, until = shard
    store = LocalStore(root)
    now = datetime.fromisoformat(until).astimezone(UTC) + Policy().older_than
    return compact_shard(store, read_ledger_file(store), number, _policy(fleet), now)


def _policy(fleet: Fleet) -> Policy:
    """The usual one; for a fleet of less than a million entries in proportion, so that it has packs too."""
    usual = Policy()
    pack_entries = min(usual.pack_entries, max(1, fleet.entries // 5))
    return Policy(pack_entries=pack_entries, least_entries=min(usual.least_entries, max(1, pack_entries // 20)))


def _each(work: "partial[T]", items: Sequence[object]) -> list[T]:
    """What each piece of work gives, in order, done by as many processes as there are cores."""
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool:
        return list(pool.map(work, items))


def _size(root: Path) -> int:
    """The bytes of a ledger's log, in whatever form."""
    parts = (root / "log", *(path for path in root.iterdir() if path.name not in {"log", "keys", "accounts", "topics"}))
    return sum(
        path.stat().st_size
        for part in parts
        for path in ([part] if part.is_file() else part.rglob("*"))
        if path.is_file()
    )


def main() -> None:
    """`python -m bench.fleetledger CACHE ENTRIES`: make a fleet's ledgers."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleetledger", description=__doc__)
    parser.add_argument("cache", type=Path)
    parser.add_argument("entries", type=int)
    chosen = parser.parse_args()
    made = fleet_ledger(Fleet(entries=chosen.entries), chosen.cache)
    sys.stdout.write(f"{made.packed(chosen.cache)}\n")


if __name__ == "__main__":
    main()
