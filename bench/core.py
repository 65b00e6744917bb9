"""The core in this process, without Kafka: the whole writer in memory and on disk, and what its parts have in it.

Everything is set against bare SHA-256 of the same entries' bytes, which says how fast the machine was meanwhile.
"""

import gc
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.load import HEADERS, Load
from bench.machine import json_us
from bench.places import new_place
from bench.probe import Function, probed
from ledger.log.ledgerfile import create_ledger
from ledger.log.records import Record
from ledger.log.segments import parse_segment
from ledger.log.writer import open_writer
from ledger.model import entries
from ledger.model.decoding import decode
from ledger.model.fold import fold
from ledger.model.quick import fold_code_change, read_code_change
from ledger.proof.merkle import Frontier, leaf_hash
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore
from ledger.storage.memory import MemoryStore
from ledger.storage.store import Store

__all__ = ["Core", "Part", "measure_core", "write_to"]

_BATCH: Final = 1000
_TOPIC_ID: Final = "bench"
_SENT_AT_MS: Final = 1_800_000_000_000
_SHARD: Final = 0

_BARE: Final = "bare SHA-256 of the entries"
_ENCODERS: Final[tuple[Function, ...]] = tuple(
    getattr(entries, name) for name in entries.__all__ if name.startswith("encode_")
)
_INSIDE: Final[dict[str, tuple[Function, ...]]] = {
    "in it: decode": (read_code_change, decode),
    "in it: fold": (fold_code_change, fold),
    "in it: encode entries": _ENCODERS,
}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a part costs an event, in its cheapest repetition."""

    name: str
    cpu_us_per_event: float
    wall_us_per_event: float | None
    """None where only CPU time was measured."""
    times_sha256: float
    """CPU time over that of bare SHA-256 of the same entries."""


class Core(msgspec.Struct, frozen=True, kw_only=True):
    """What the core costs."""

    events: int
    event_bytes: float
    entry_bytes: float
    batch: int
    json_us: list[float]
    """What `json.loads` of an event cost before each repetition."""
    parts: list[Part]


class _Costs:
    """CPU and wall seconds of each part, from the repetition where it was least: disturbance only ever adds."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}
        self.wall_s: dict[str, float] = {}

    def run(self, name: str, work: Callable[[], object]) -> None:
        """Run a part and measure it."""
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        self.take(name, time.process_time() - cpu, time.perf_counter() - wall)

    def take(self, name: str, cpu_s: float, wall_s: float | None = None) -> None:
        """Take note of a repetition."""
        self.cpu_s[name] = min(cpu_s, self.cpu_s.get(name, cpu_s))
        if wall_s is not None:
            self.wall_s[name] = min(wall_s, self.wall_s.get(name, wall_s))

    def parts(self, events: int) -> list[Part]:
        """The costs of an event, in the order in which they were first taken note of."""
        return [
            Part(
                name=name,
                cpu_us_per_event=cpu * 1e6 / events,
                wall_us_per_event=self.wall_s[name] * 1e6 / events if name in self.wall_s else None,
                times_sha256=cpu / self.cpu_s[_BARE],
            )
            for name, cpu in self.cpu_s.items()
        ]


def measure_core(load: Load, events: int, repeats: int, work: Path) -> Core:
    """Measure every part on the same events, each `repeats` times, in turns.

    Args:
        load: the events.
        events: how many; they and their entries are held in memory.
        repeats: how often each part is measured.
        work: a directory on the disk whose fsync is to count.
    """
    records = [
        Record(offset, _SENT_AT_MS + offset, event.key, event.value, HEADERS)
        for offset, event in enumerate(load.events(events))
    ]
    lines = _entries(records)
    costs = _Costs()
    quickness = []
    # The worker keeps the collector away from its state by settings of its own process, which (c) of the contenders measures.
    gc.collect()
    gc.disable()
    for _ in range(repeats):
        gc.collect()
        quickness.append(json_us(load))
        costs.run(_BARE, lambda: _digest(lines))
        costs.run("leaf hashes and Merkle tree", lambda: _hash(lines))
        costs.run("whole writer, store in memory", lambda: _write(records, MemoryStore(), MemoryStore()))
        with probed(_INSIDE) as spent:
            _write(records, MemoryStore(), MemoryStore())
        for name, nanoseconds in spent.items():
            costs.take(name, nanoseconds / 1e9)
        costs.take("in it: decode and fold", (spent["in it: decode"] + spent["in it: fold"]) / 1e9)
        costs.run("whole writer, local store with fsync", lambda: write_to(records, new_place(work)))
    gc.enable()
    return Core(
        events=events,
        event_bytes=sum(len(record.value or b"") for record in records) / events,
        entry_bytes=sum(map(len, lines)) / events,
        batch=_BATCH,
        json_us=quickness,
        parts=costs.parts(events),
    )


def _digest(lines: Sequence[bytes]) -> None:
    for line in lines:
        hashlib.sha256(line).digest()


def _hash(lines: Sequence[bytes]) -> None:
    """Leaf hashes, the frontier, and a root for each batch."""
    frontier = Frontier()
    for start in range(0, len(lines), _BATCH):
        frontier.extend([leaf_hash(line) for line in lines[start : start + _BATCH]])
        frontier.root()


def _write(records: Sequence[Record], store: Store, keys: Store) -> None:
    """Fold and commit everything, one batch after the other in one thread."""
    file = create_ledger(store, keys, name="bench", topic="ledger.changes", shards=1)
    writer = open_writer(store, file, KeyStore.open(keys, file.name), _SHARD, _TOPIC_ID)
    for start in range(0, len(records), _BATCH):
        draft = writer.fold(records[start : start + _BATCH])
        if draft is None:
            raise RuntimeError("the writer found nothing new")
        writer.commit(draft)


def write_to(records: Sequence[Record], directory: Path) -> None:
    """Write a new ledger of one shard to a directory: `log`, and `keys` beside it."""
    log, keys = directory / "log", directory / "keys"
    _write(records, LocalStore(log), LocalStore(keys, file_mode=0o600, dir_mode=0o700))


def _entries(records: Sequence[Record]) -> list[bytes]:
    """The entries' bytes, as the writer makes them; none of them may be a refusal."""
    store = MemoryStore()
    _write(records, store, MemoryStore())
    lines = [line for name in store.list("log/") for line in parse_segment(store.get(name), name).lines]
    if len(lines) != len(records) or any(True for _ in store.list("quarantine/")):
        raise RuntimeError("the load holds events that are refused")
    return lines
