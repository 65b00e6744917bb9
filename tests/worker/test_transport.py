"""The batch transport: what was fetched around a seek is not taken for what follows it."""

import asyncio
from collections import defaultdict
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, patch

from aiokafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.types import TP

from consumers.transport import BatchConsumer

PARTITION = TP("topic", 0)


class Kafka:
    """Stands in for Faust's consumer: a position, moved by fetches and seeks; a fetch can be held up half way."""

    def __init__(self) -> None:
        self.position = 0
        self.hold: asyncio.Event | None = None
        self.consumer: Any = object.__new__(BatchConsumer)
        self.consumer._ends = {}
        self.consumer._acked, self.consumer._committed_offset = defaultdict(list), {}
        self.consumer.transport = SimpleNamespace(next_offsets=AsyncMock(return_value={0: 3}))
        self.failures = 0
        self.error: Exception | None = None
        """What the next fetch raises."""

    async def getmany(self) -> Any:
        """Five records from the position on; handed over late where `hold` says so."""
        error, self.error = self.error, None
        if error is not None:
            raise error
        fetched = {PARTITION: [SimpleNamespace(offset=self.position + place) for place in range(5)]}
        self.position += 5
        if self.hold is not None:
            await self.hold.wait()
        return fetched

    async def next_batch(self) -> tuple[int, list[int]]:
        """From where the consumer asks next, and the offsets that it gets."""
        [batch] = (await self.consumer._getmany(None, 1))[PARTITION]
        return batch.start, [record.offset for record in batch.records]

    def seek_to_committed(self) -> None:
        """What Faust does first: go to the group's offset, which may be ahead of the ledger's."""
        if self.failures:
            self.failures -= 1
            raise RuntimeError("rebalancing")
        self.position = 5

    def patched(self) -> Any:
        """Faust's methods replaced."""

        async def getmany(_: Any, active: Any, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's
            return await self.getmany()

        async def perform_seek(_: Any) -> None:
            self.seek_to_committed()

        async def seek(_: Any, partition: TP, offset: int) -> None:
            self.position = offset

        driver = "faust.transport.drivers.aiokafka.Consumer"
        return patch.multiple(
            driver, _getmany=getmany, perform_seek=perform_seek, seek=seek, assignment=lambda _: {PARTITION}
        )


def test_a_fetch_that_a_seek_overtook_is_thrown_away() -> None:
    """Records from beyond the ledger's next offset, fetched before the seek and handed over after it, do not count; none is lost."""

    async def story() -> None:
        kafka = Kafka()
        with kafka.patched():
            kafka.position = 5
            kafka.hold = asyncio.Event()
            fetching = asyncio.create_task(kafka.consumer._getmany(None, 1))
            await asyncio.sleep(0)
            await kafka.consumer.perform_seek()
            kafka.hold.set()
            assert await fetching == {}
            kafka.failures = 1
            assert await kafka.consumer._getmany(None, 1) == {}
            assert await kafka.next_batch() == (3, [3, 4, 5, 6, 7])
            kafka.position = 9  # the broker holds no 8
            assert await kafka.next_batch() == (8, [9, 10, 11, 12, 13])

    asyncio.run(story())


def test_a_fetch_within_a_seek_is_thrown_away() -> None:
    """A fetch that begins and ends while a seek goes on may come from before it or after it: it does not count, and none is lost."""

    async def story() -> None:
        kafka = Kafka()
        opened = asyncio.Event()

        async def next_offsets(_: frozenset[int]) -> dict[int, int]:
            await opened.wait()
            return {0: 3}

        kafka.consumer.transport.next_offsets = next_offsets
        with kafka.patched():
            seeking = asyncio.create_task(kafka.consumer.perform_seek())
            await asyncio.sleep(0)
            assert await kafka.consumer._getmany(None, 1) == {}
            opened.set()
            await seeking
            assert await kafka.next_batch() == (3, [3, 4, 5, 6, 7])

    asyncio.run(story())


def test_an_offset_that_the_broker_did_not_take_is_committed_later() -> None:
    """A failed commit is made up for although nothing new comes; one of a partition that is another worker's now is not."""

    async def story() -> None:
        kafka = Kafka()
        other = TP("topic", 1)
        answers = [False, True]

        async def commit(_: Any, offsets: Any, start_new_transaction: bool) -> bool:
            kafka.consumer._committed_offset.update(offsets)
            return answers.pop(0)

        with kafka.patched(), patch("faust.transport.drivers.aiokafka.Consumer._commit_offsets", commit):
            assert not await kafka.consumer._commit_offsets({PARTITION: 7, other: 5})
            assert kafka.consumer._acked == {PARTITION: [6]}
            kafka.consumer._acked_index = defaultdict(set)
            offsets = kafka.consumer._filter_committable_offsets([PARTITION])
            assert offsets == {PARTITION: 7}
            assert await kafka.consumer._commit_offsets(offsets)
            assert kafka.consumer._filter_committable_offsets([PARTITION, other]) == {}

    asyncio.run(story())


def test_an_offset_out_of_range_is_for_the_shards_to_decide() -> None:
    """They are told what was asked for; where they say, reading goes on, and what comes still counts from there. Or they say nothing."""

    async def story() -> None:
        kafka = Kafka()
        asked = kafka.consumer.transport.out_of_range = AsyncMock(return_value=7)
        with kafka.patched():
            await kafka.consumer.perform_seek()
            kafka.error = OffsetOutOfRangeError({PARTITION: 3})
            assert await kafka.consumer._getmany(None, 1) == {}
            asked.assert_awaited_once_with(0, 3)
            assert await kafka.next_batch() == (3, [7, 8, 9, 10, 11])
            asked.return_value = None
            kafka.error = OffsetOutOfRangeError({PARTITION: 13})  # beyond a record that is a marker
            assert await kafka.consumer._getmany(None, 1) == {}
            asked.assert_awaited_with(0, 12)
            assert kafka.position == 12

    asyncio.run(story())


def test_what_the_group_had_committed_is_nobodys_concern() -> None:
    """An answer about an offset from before the seek to the ledger's, and a group that has committed none, are passed over."""

    async def story() -> None:
        kafka = Kafka()
        asked = kafka.consumer.transport.out_of_range = AsyncMock(return_value=7)
        with kafka.patched():
            for error in (OffsetOutOfRangeError({PARTITION: 0}), NoOffsetForPartitionError(PARTITION)):
                kafka.error = error
                assert await kafka.consumer._getmany(None, 1) == {}
            await kafka.consumer.perform_seek()
            kafka.error = OffsetOutOfRangeError({PARTITION: 2})
            assert await kafka.consumer._getmany(None, 1) == {}
            assert await kafka.next_batch() == (3, [3, 4, 5, 6, 7])
        asked.assert_not_awaited()

    asyncio.run(story())
