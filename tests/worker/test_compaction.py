"""Compaction beside a worker: a process of its own that compacts what is enough, and whose failure is said once."""

import asyncio
from pathlib import Path

from consumers.compaction import Compaction, enough
from consumers.settings import Settings
from ledger.broker.cluster import Cluster
from ledger.log.reader import ShardReader
from ledger.log.segments import encode_segment, parse_segment
from ledger.storage import layout
from ledger.storage.local import LocalStore
from ledger.storage.memory import MemoryStore
from ledger.verify.api import verify
from tests.log.rig import SHARD, Log, append, story

_TIMEOUT_S = 60.0


def _settings(ledger: str, entries: int) -> Settings:
    return Settings(
        ledger=ledger,
        keys=f"{ledger}/keys",
        cluster=Cluster(bootstrap="localhost:1"),
        group="g",
        cache=None,
        compact_entries=entries,
        compact_age_s=0,
        compact_check_s=0.01,
    )


def _log(root: Path) -> Log:
    log = Log(LocalStore(root), MemoryStore())
    append(log.open(), story(100))
    return log


async def _until(done: asyncio.Event, compaction: Compaction) -> None:
    stopped = asyncio.Event()
    task = asyncio.create_task(compaction.run(stopped))
    await asyncio.wait_for(done.wait(), _TIMEOUT_S)
    stopped.set()
    await asyncio.wait_for(task, _TIMEOUT_S)


def test_a_shard_with_enough_entries_is_compacted(tmp_path: Path) -> None:
    """Full packs only; the log verifies and nothing is said."""
    log = _log(tmp_path)
    lines = log.lines()
    said: list[str] = []

    async def run() -> None:
        done = asyncio.Event()

        def shards() -> list[int]:
            if not enough(log.store, SHARD, 40):
                done.set()
            return [SHARD]

        await _until(done, Compaction(_settings(str(tmp_path), 40), log.store, shards, said.append))

    asyncio.run(run())
    assert said == []
    assert len(list(log.store.list(layout.PACKS))) == 2
    assert [line for _, _, part in ShardReader(log.store, SHARD).segments() for line in part.lines] == lines
    assert verify(log.store, processes=1).ok


def test_a_failure_is_said_once_and_harms_nothing(tmp_path: Path) -> None:
    """A damaged log is not compacted, however often it is tried."""
    log = _log(tmp_path)
    name = layout.segment(SHARD, 7)
    segment = parse_segment(log.store.get(name), name)
    log.store.delete(name)
    log.store.put(name, encode_segment([segment.lines[0] + b" ", *segment.lines[1:]], segment.note))
    said: list[str] = []

    async def run() -> None:
        done, looks = asyncio.Event(), 0

        def shards() -> list[int]:
            nonlocal looks
            looks += 1
            if looks > 2:
                done.set()
            return [SHARD]

        await _until(done, Compaction(_settings(str(tmp_path), 40), log.store, shards, said.append))

    asyncio.run(run())
    assert len(said) == 1
    assert "the worker goes on without it" in said[0]
    assert "does not fit" in said[0]
    assert not list(log.store.list(layout.PACKS))


def test_it_can_be_turned_off(tmp_path: Path) -> None:
    """With 0 entries it ends at once and has looked at nothing."""

    def shards() -> list[int]:
        raise AssertionError

    compaction = Compaction(_settings(str(tmp_path), 0), LocalStore(tmp_path), shards, print)
    asyncio.run(asyncio.wait_for(compaction.run(asyncio.Event()), _TIMEOUT_S))


def test_too_few_entries_are_left_alone(tmp_path: Path) -> None:
    """The last segment does not count: its name does not say how many it holds."""
    log = _log(tmp_path)
    assert enough(log.store, SHARD, 98)
    assert not enough(log.store, SHARD, 99)
    assert not enough(MemoryStore(), SHARD, 1)
