"""Compaction: a ledger made by the real writer, its segments turned into packs, every hash checked before one is removed."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from bench.ledgers import make_ledger
from bench.load import Load
from bench.machine import json_us
from bench.places import new_place
from ledger.compact.compacting import Policy, compact_shard
from ledger.storage.local import LocalStore
from ledger.verify.pool import cores

__all__ = ["Compaction", "measure_compaction"]


class Compaction(msgspec.Struct, frozen=True, kw_only=True):
    """What compaction costs, and how large packs are."""

    entries: int
    cores: int
    json_us: float
    """What `json.loads` of an event cost before."""
    wall_s: float
    cpu_s: float
    """Of this process, in all its threads."""
    segment_bytes: int
    pack_bytes: int
    """Their indexes included."""

    @property
    def entries_per_s(self) -> float:
        """How many entries are compacted in a second."""
        return self.entries / self.wall_s

    @property
    def of_segments(self) -> float:
        """The size of packs and their indexes over that of the segments."""
        return self.pack_bytes / self.segment_bytes


def measure_compaction(load: Load, entries: int, work: Path) -> Compaction:
    """Compact a ledger of so many entries.

    Args:
        load: the events.
        entries: of the ledger, in one shard.
        work: where ledgers are made.
    """
    root = new_place(work) / "ledger"
    file = make_ledger(load, entries, root)
    quickness = json_us(load)
    policy = Policy(least_entries=1, older_than=timedelta(0), threads=cores())
    wall, cpu = time.perf_counter(), time.process_time()
    done = compact_shard(LocalStore(root), file, 0, policy, datetime.now(UTC))
    return Compaction(
        entries=done.entries,
        cores=cores(),
        json_us=quickness,
        wall_s=time.perf_counter() - wall,
        cpu_s=time.process_time() - cpu,
        segment_bytes=done.segment_bytes,
        pack_bytes=done.pack_bytes + done.index_bytes,
    )
