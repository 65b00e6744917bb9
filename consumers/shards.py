"""The shards that this worker writes: opened as partitions are assigned, finished as they are revoked, stopped when one breaks."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from consumers.partition import Fetched, Partition, Tools
from consumers.settings import Settings
from ledger.broker.connection import TopicIdProbe
from ledger.errors import BrokerError, LedgerError
from ledger.log.ledgerfile import LedgerFile, accept_topic, accepted_topics
from ledger.log.writer import ShardWriter, open_writer
from ledger.storage.keys import KeyStore
from ledger.storage.store import Store

__all__ = ["Shards", "check_topic"]

_BROKER_PATIENCE_S: Final = 60.0
_BROKER_PAUSE_S: Final = 0.5

LogStart = Callable[[int], Awaitable[int]]
"""Given a partition, the offset of the first record that the broker still holds."""


class Shards:
    """All shards of a worker.

    Nothing raises out of here into Faust, which would acknowledge what was lost: the first failure is kept in `failure` and
    `stopped` is set; from then on nothing is folded, committed or acknowledged.
    """

    def __init__(self, settings: Settings, store: Store, keys: KeyStore, file: LedgerFile, topic_id: str) -> None:
        self._settings = settings
        self._store = store
        self._keys = keys
        self._file = file
        self._topic_id = topic_id
        self._folding = ThreadPoolExecutor(1, thread_name_prefix="fold")
        self._committing = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="topic")
        self._probe = TopicIdProbe(settings.bootstrap, file.topic)
        self._tools = Tools(settings, self._folding, self._committing, self._open, self._check_origin, self._count)
        self._running: dict[int, tuple[Partition, asyncio.Task[None]]] = {}
        self._changing = asyncio.Lock()
        """Held while shards are opened or let go: Faust may seek twice after one rebalance, and each shard is to be opened once."""
        self.log_start: LogStart | None = None
        self.failure: BaseException | None = None
        self.stopped = asyncio.Event()
        self.entries = 0
        """Records committed by this worker."""
        self.last_activity = time.monotonic()
        self.is_assigned = False
        self.is_stopping = False
        """Whether the worker was told to stop: then there is no patience with a broker that does not answer."""

    async def next_offsets(self, partitions: frozenset[int]) -> dict[int, int]:
        """Open the shards of these partitions where they are not open, and tell where to go on reading each."""
        self.last_activity = time.monotonic()
        offsets: dict[int, int] = {}
        try:
            async with self._changing:
                for number in sorted(partitions):
                    if number not in self._running and self.failure is None:
                        writer = await self._in_folding(number)
                        partition = Partition(number, writer, self._tools)
                        self._running[number] = (partition, asyncio.create_task(self._run(partition)))
                    if number in self._running:
                        offsets[number] = self._running[number][0].next_offset
        except Exception as error:  # noqa: BLE001 - any failure stops the worker; none may reach Faust
            self.fail(error)
        self.is_assigned = True
        self.last_activity = time.monotonic()
        return offsets

    async def offer(self, partition: int, fetched: Fetched) -> None:
        """Hand over a fetched batch; one of a partition that is not (or no longer) ours is dropped unacknowledged."""
        self.last_activity = time.monotonic()
        running = self._running.get(partition)
        if running is not None and self.failure is None:
            await running[0].offer(fetched)

    async def finish(self) -> None:
        """Commit what is queued of every partition, and let go of them all."""
        async with self._changing:
            running, self._running = self._running, {}
            for partition, task in running.values():
                if not task.done():
                    await _put_or_end(partition, task)
            for partition, task in running.values():
                await asyncio.gather(task, return_exceptions=True)
                if self.failure is None:
                    try:
                        await partition.save()
                    except (LedgerError, OSError) as error:
                        self.fail(error)

    def numbers(self) -> list[int]:
        """The shards that this worker writes now."""
        return sorted(self._running)

    @property
    def idle_s(self) -> float:
        """For how many seconds there has been nothing to do; 0 before the first assignment."""
        if not self.is_assigned or not all(partition.is_idle for partition, _ in self._running.values()):
            return 0.0
        return time.monotonic() - self.last_activity

    async def watch(self) -> None:
        """Ask now and then whether the topic is still the same one, also while no records come."""
        while not self.stopped.is_set():
            try:
                await self._check_topic()
            except Exception as error:  # noqa: BLE001 - as above
                if self.is_stopping:  # what is queued still asks for itself
                    return
                self.fail(error)
            try:
                await asyncio.wait_for(self.stopped.wait(), self._settings.topic_check_s)
            except TimeoutError:
                continue

    def fail(self, error: BaseException) -> None:
        """Keep the first failure and stop."""
        if self.failure is None:
            self.failure = error
        self.stopped.set()

    def close(self) -> None:
        """End the threads and the probe's connection."""
        for executor in (self._folding, self._committing):
            executor.shutdown(wait=True)
        self._asking.shutdown(wait=False)  # nobody wants the answer any more, and it may take its time
        self._probe.close()

    async def _run(self, partition: Partition) -> None:
        try:
            await partition.run()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            self.fail(error)

    async def _in_folding(self, number: int) -> ShardWriter:
        return await asyncio.get_running_loop().run_in_executor(self._folding, self._open, number)

    def _open(self, number: int) -> ShardWriter:
        writer = open_writer(self._store, self._file, self._keys, number, self._topic_id, self._settings.cache)
        gc.freeze()  # what was loaded lives as long as the worker: no collection need look at it again
        return writer

    def _count(self, records: int) -> None:
        self.entries += records
        self.last_activity = time.monotonic()

    async def _check_origin(self, partition: int, expected: int, start: int, first: int) -> None:
        """Make sure that fetched records are of the topic that the ledger knows, and that none before them is lost.

        The topic's id is asked for after they were fetched. Ids never return, so the answer holds for the moment of the fetch as well.
        """
        await self._check_topic()
        if first > expected and start > expected:
            raise BrokerError(
                "records_missed",
                f"partition {partition}: the ledger's next offset is {expected}, but the consumer had gone on to {start}",
                "start the worker again: it goes on where the log ends",
            )
        if first > expected and self.log_start is not None:
            start = await self.log_start(partition)
            if start > expected:
                raise BrokerError(
                    "records_expired",
                    f"partition {partition}: the ledger's next offset is {expected}, but the topic begins at {start}: "
                    f"{start - expected} records expired before they were read",
                    "restore the records, or begin a new ledger; a loss is never passed over silently",
                )

    async def _check_topic(self) -> None:
        deadline = time.monotonic() + _BROKER_PATIENCE_S
        while True:
            try:
                loop = asyncio.get_running_loop()
                described = await loop.run_in_executor(self._asking, self._probe.describe)
            except BrokerError as error:
                is_over = self.stopped.is_set() or self.is_stopping or time.monotonic() >= deadline
                if error.code == "topic_missing" or is_over:
                    raise
                await asyncio.sleep(_BROKER_PAUSE_S)
                continue
            check_topic(self._file, described.topic_id, described.partitions, frozenset((self._topic_id,)))
            return


def check_topic(file: LedgerFile, topic_id: str, partitions: int, accepted: frozenset[str]) -> None:
    """Refuse a topic that is not the ledger's.

    Raises:
        BrokerError: `topic_replaced`, or `partition_mismatch`.
    """
    if topic_id not in accepted:
        raise BrokerError(
            "topic_replaced",
            f"the topic {file.topic} has the id {topic_id}, which this ledger does not know: it was deleted and made anew",
            f"if that was meant, accept it: ledger accept-topic {topic_id}",
        )
    if partitions != file.shards:
        raise BrokerError(
            "partition_mismatch",
            f"the topic {file.topic} has {partitions} partitions, the ledger has {file.shards} shards",
            "a ledger's number of shards never changes: restore the topic, or begin a new ledger",
        )


def known_topic(store: Store, file: LedgerFile, topic_id: str, partitions: int) -> str:
    """The topic's id, once it is one that the ledger accepts; a ledger without any accepts the first it meets.

    Raises:
        BrokerError: `topic_replaced`, or `partition_mismatch`.
    """
    accepted = accepted_topics(store)
    check_topic(file, topic_id, partitions, accepted or frozenset((topic_id,)))
    if not accepted:
        accept_topic(store, file.topic, topic_id)
    return topic_id


async def _put_or_end(partition: Partition, task: asyncio.Task[None]) -> None:
    """Ask a partition to finish; its queue may be full, and its task may end of a failure meanwhile."""
    asked = asyncio.create_task(partition.finish())
    await asyncio.wait({asked, task}, return_when=asyncio.FIRST_COMPLETED)
    if not asked.done():
        asked.cancel()
