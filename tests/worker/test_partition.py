"""One partition, and the shards of a worker, without a broker: nothing blocks, nothing is opened twice, failures stay inside."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Final
from unittest.mock import AsyncMock, patch

import msgspec
import pytest
from aiokafka.errors import KafkaConnectionError

from consumers.partition import Fetched, Partition, Tools
from consumers.settings import Settings
from consumers.shards import Shards
from ledger.broker.connection import TopicDescription
from ledger.errors import BrokerError, LedgerError, StoreConflictError, StoreError
from ledger.log.gaps import AcceptedGap, accept_gap
from ledger.log.ledgerfile import LedgerFile, accept_topic, create_ledger
from ledger.log.records import Record
from ledger.log.report import Committed
from ledger.log.writer import Draft, ShardWriter, open_writer
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore
from tests.worker.rig import Ledger, real_events

TIMEOUT_S: Final = 20


def settings(root: Path, **more: int) -> Settings:
    """A worker's settings, with small batches."""
    paths = {"ledger": str(root), "keys": str(root / "keys"), "cache": root / "cache"}
    return msgspec.convert(
        {"cluster": {"bootstrap": "127.0.0.1:1"}, "group": "g", "batch_records": 5, "retry_pause_s": 0.01}
        | paths
        | more,
        Settings,
    )


def records(count: int, start: int = 0) -> list[Record]:
    """Real events as the records of one partition."""
    events = real_events(start + count)[start:]
    return [
        Record(start + place, 1_800_000_000_000, msgspec.json.decode(value)["accountid"].encode(), value)
        for place, value in enumerate(events)
    ]


class Rig:
    """A partition with real writers, and what became of what it was offered."""

    def __init__(self, root: Path, **more: int) -> None:
        self.ledger = Ledger.create(root, "topic", shards=1)
        self.file = msgspec.json.decode((root / "ledger.json").read_bytes(), type=LedgerFile)
        self.acknowledged: list[int] = []
        self.checked: list[tuple[int, int, int]] = []
        self.opened = 0
        self.refusals: list[Exception] = []
        """What the next commits raise, instead of committing."""
        self.executor = ThreadPoolExecutor(1)
        self.tools = Tools(settings(root, **more), self.executor, self.executor, self.open, self._check, lambda _: None)
        self.partition = Partition(0, self.open(0), self.tools)

    def open(self, shard: int) -> ShardWriter:
        """Open the shard's writer."""
        self.opened += 1
        keys = KeyStore.open(LocalStore(self.ledger.root / "keys"), self.file.name)
        writer = open_writer(self.ledger.store, self.file, keys, shard, "id", None)
        commit = writer.commit

        def refusing(draft: Draft) -> Committed:
            if self.refusals:
                raise self.refusals.pop(0)
            return commit(draft)

        writer.commit = refusing  # type: ignore[method-assign]
        return writer

    def fetched(self, of: Sequence[Record]) -> Fetched:
        """Records as one fetched batch."""
        return Fetched(of, lambda: self.acknowledged.append(of[-1].offset), of[0].offset)

    async def _check(self, partition: int, expected: int, start: int, first: int) -> None:
        self.checked.append((expected, start, first))


def run(story: Callable[[], Awaitable[None]]) -> None:
    """Run a story, which must come to its end in time."""

    async def limited() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            await story()

    asyncio.run(limited())


def test_all_that_is_queued_is_committed_before_the_end(tmp_path: Path) -> None:
    """A partition that is told to finish commits what it was offered, acknowledges it in order, and ends."""

    async def story() -> None:
        rig = Rig(tmp_path / "ledger")
        task = asyncio.create_task(rig.partition.run())
        for start in range(0, 40, 10):
            await rig.partition.offer(rig.fetched(records(10, start)))
        await rig.partition.finish()
        await task
        assert rig.ledger.size() == 40
        assert rig.acknowledged == [9, 19, 29, 39]

    run(story)


def test_who_offers_is_let_go_when_the_partition_finishes(tmp_path: Path) -> None:
    """A fetch in more parts than the queue holds does not block the agent for ever when the partition is revoked meanwhile."""

    async def story() -> None:
        rig = Rig(tmp_path / "ledger", batch_records=1, queued_fetches=2)
        offering = asyncio.create_task(rig.partition.offer(rig.fetched(records(100))))
        await asyncio.sleep(0)
        task = asyncio.create_task(rig.partition.run())
        await rig.partition.finish()
        await task
        await offering
        assert rig.ledger.size() < 100
        assert rig.acknowledged == []

    run(story)


def test_who_offers_is_let_go_when_the_partition_fails(tmp_path: Path) -> None:
    """A store that goes on failing ends the partition, acknowledges nothing, and blocks nobody."""

    async def story() -> None:
        rig = Rig(tmp_path / "ledger", batch_records=1, queued_fetches=2, retries=1)
        rig.refusals = [StoreError("disk_full", "full")] * 10
        offering = asyncio.create_task(rig.partition.offer(rig.fetched(records(100))))
        with pytest.raises(StoreError, match="full"):
            await rig.partition.run()
        await offering
        assert rig.acknowledged == []
        assert rig.ledger.size() == 0

    run(story)


def test_a_hole_inside_a_batch_is_asked_about(tmp_path: Path) -> None:
    """Records may be missing before the first fetch that a batch was gathered from, and before any other of them."""

    async def story() -> None:
        rig = Rig(tmp_path / "ledger", batch_records=20)
        for start in (0, 4, 10, 14):
            await rig.partition.offer(rig.fetched(records(4, start)))
        task = asyncio.create_task(rig.partition.run())
        await rig.partition.finish()
        await task
        assert rig.checked == [(0, 0, 0), (8, 10, 10)]
        assert rig.ledger.segments() == 1

    run(story)


def test_a_hole_is_believed_only_where_the_fetch_began_at_the_next_offset(tmp_path: Path) -> None:
    """What was fetched and never arrived stops the worker; what the broker passed over itself does not."""

    async def story(shards: Shards) -> None:
        await shards._check_origin(0, 4, 4, 10)
        with pytest.raises(BrokerError) as raised:
            await shards._check_origin(0, 4, 10, 10)
        assert raised.value.code == "records_missed"

    with_shards(tmp_path / "ledger", story)


def with_shards(root: Path, story: Callable[[Shards], Awaitable[None]], *, start: int = 0, end: int = 100) -> None:
    """Run a story with the shards of a ledger with one partition, of which the broker holds the records from `start` to before `end`."""
    keys = LocalStore(root / "keys", file_mode=0o600)
    file = create_ledger(LocalStore(root), keys, name="test", topic="topic", shards=1)

    async def log_range(_: int) -> tuple[int, int]:
        return start, end

    async def with_them() -> None:
        shards = Shards(settings(root), LocalStore(root), KeyStore.open(keys, "test"), file, "id")
        shards.log_range = log_range
        with patch.object(shards._topic, "check", AsyncMock()):
            assert await shards.next_offsets(frozenset((0,))) == {0: 0}
            await story(shards)
        await shards.finish()
        shards.close()

    run(with_them)


@pytest.mark.parametrize(
    ("accepted", "said"),
    [
        ([], "--from 0 --to 9"),
        ([(0, 9)], None),
        ([(0, 20)], None),
        ([(0, 4), (5, 9)], None),
        ([(0, 4)], "--from 5 --to 9"),
        ([(1, 9)], "--from 0 --to 9"),
    ],
)
def test_what_expired_is_passed_over_only_where_all_of_it_was_accepted(
    tmp_path: Path, accepted: list[tuple[int, int]], said: str | None
) -> None:
    """Else the worker stops and names the command that accepts what still has to be."""
    for start, to in accepted:
        accept_gap(
            LocalStore(tmp_path / "ledger"),
            AcceptedGap(topic_id="id", partition=0, from_=start, to=to, accepted_by="ana"),
        )

    async def story(shards: Shards) -> None:
        found = await shards.out_of_range(0, 0)
        if said is None:
            assert (found, shards.failure) == (10, None)
        else:
            assert isinstance(shards.failure, BrokerError)
            assert (found, shards.failure.code) == (None, "records_expired")
            assert f"--partition 0 {said} --topic-id id" in shards.failure.hint

    with_shards(tmp_path / "ledger", story, start=10)


def test_a_topic_that_was_accepted_while_the_worker_runs_takes_a_restart(tmp_path: Path) -> None:
    """The worker reads the old one: it stops all the same, and does not ask for what was done already."""
    found = TopicDescription(topic_id="new", partitions=1)

    async def story() -> None:
        root = tmp_path / "ledger"
        keys = LocalStore(root / "keys", file_mode=0o600)
        file = create_ledger(LocalStore(root), keys, name="test", topic="topic", shards=1)
        shards = Shards(settings(root), LocalStore(root), KeyStore.open(keys, "test"), file, "old")
        with patch.object(shards._topic._probe, "describe", lambda: found):
            for hint in ("ledger accept-topic new", "start the worker again"):
                with pytest.raises(BrokerError) as raised:
                    await shards._check_origin(0, 0, 0, 0)
                assert raised.value.code == "topic_replaced"
                assert hint in raised.value.hint
                accept_topic(LocalStore(root), "topic", "new")
        shards.close()

    run(story)


def test_a_broker_that_says_once_that_its_topic_ends_before_is_asked_again(tmp_path: Path) -> None:
    """One that is not the leader any more may say so; one that insists, without a pause, is believed, and the worker stops."""
    clock = iter((0.0, 3.0, 9.0, 12.0, 13.9, 14.1))

    async def story(shards: Shards) -> None:
        with (
            patch("consumers.lost.time", SimpleNamespace(monotonic=lambda: next(clock))),
            patch.object(shards, "_settled", AsyncMock(return_value=True)),
            patch("consumers.shards.BROKER_PAUSE_S", 0),
        ):
            assert [await shards.out_of_range(0, 120) for _ in range(6)] == [*[120] * 5, None]
        assert isinstance(shards.failure, BrokerError)
        assert shards.failure.code == "topic_truncated"
        assert "120" in shards.failure.message
        assert "ends at 100" in shards.failure.message

    with_shards(tmp_path / "ledger", story)


def test_an_offset_that_the_broker_has_again_is_read(tmp_path: Path) -> None:
    """Whatever it said before, however often: where its topic reaches that far nothing was cut off."""

    async def story(shards: Shards) -> None:
        clock = iter(range(0, 100, 10))
        with (
            patch("consumers.lost.time", SimpleNamespace(monotonic=lambda: next(clock))),
            patch("consumers.shards.BROKER_PAUSE_S", 0),
        ):
            assert [await shards.out_of_range(0, 100) for _ in range(5)] == [100] * 5
        assert shards.failure is None

    with_shards(tmp_path / "ledger", story)


def test_a_broker_that_stops_answering_meanwhile_is_no_failure(tmp_path: Path) -> None:
    """The next fetch says again that the offset is out of range, once there is a broker."""

    async def silent(_: int) -> tuple[int, int]:
        raise KafkaConnectionError

    async def story(shards: Shards) -> None:
        shards.log_range = silent
        assert await shards.out_of_range(0, 0) is None
        assert shards.failure is None

    with_shards(tmp_path / "ledger", story)


@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.parametrize("error", [StoreConflictError("object_exists", "there"), StoreError("store_io", "failed")])
def test_after_a_failed_commit_the_log_goes_on_where_it_ends(
    tmp_path: Path, error: LedgerError, persisted: bool
) -> None:
    """Whether or not the segment was written, and with more batches in flight, each record gets one entry and is acknowledged."""

    async def story() -> None:
        rig = Rig(tmp_path / "ledger")
        if persisted:  # another worker, or our own put before it reported a failure
            other = open_writer(
                rig.ledger.store,
                rig.file,
                KeyStore.open(LocalStore(rig.ledger.root / "keys"), rig.file.name),
                0,
                "id",
            )
            draft = other.fold(records(7))
            assert draft is not None
            other.commit(draft)
        rig.refusals = [error]
        task = asyncio.create_task(rig.partition.run())
        for start in range(0, 40, 10):
            await rig.partition.offer(rig.fetched(records(10, start)))
        await rig.partition.finish()
        await task
        lines = [msgspec.json.decode(line)["origin"]["offset"] for line in rig.ledger.lines()[0]]
        assert lines == list(range(40))
        assert rig.acknowledged == [9, 19, 29, 39]
        assert rig.opened > 1

    run(story)


def test_two_seeks_after_one_rebalance_open_each_shard_once(tmp_path: Path) -> None:
    """Faust may ask twice at once where to go on reading: both get the same answer, from one writer a shard."""
    root = tmp_path / "ledger"
    keys = LocalStore(root / "keys", file_mode=0o600)
    file = create_ledger(LocalStore(root), keys, name="test", topic="topic", shards=3)
    opened = []

    def counting(*arguments: object) -> ShardWriter:
        opened.append(arguments[3])
        return open_writer(*arguments)  # type: ignore[arg-type]

    async def story() -> None:
        shards = Shards(settings(root), LocalStore(root), KeyStore.open(keys, "test"), file, "id")
        partitions = frozenset(range(3))
        with patch("consumers.shards.open_writer", counting):
            answers = await asyncio.gather(shards.next_offsets(partitions), shards.next_offsets(partitions))
        assert list(answers) == [{0: 0, 1: 0, 2: 0}] * 2
        assert opened == [0, 1, 2]
        await shards.finish()
        assert shards.failure is None
        shards.close()

    run(story)
