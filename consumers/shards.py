"""The shards that this worker writes: opened as partitions are assigned, finished as they are revoked, stopped when one breaks."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

from aiokafka.errors import KafkaError

from consumers.lost import Beyond, expired, truncated
from consumers.operation import Operation, ShardFacts
from consumers.partition import Fetched, Partition, Tools
from consumers.settings import Settings
from consumers.topic import BROKER_PATIENCE_S, BROKER_PAUSE_S, Topic
from consumers.watchdog import hanging
from ledger.errors import BrokerError, LedgerError, StoreError
from ledger.log.gaps import Accepted, first_not_accepted
from ledger.log.ledgerfile import LedgerFile
from ledger.log.writer import ShardWriter, open_writer
from ledger.storage.keys import KeyStore
from ledger.storage.store import Store

__all__ = ["Shards"]

_SETTLED_POLL_S: Final = 0.05

T = TypeVar("T")

LogRange = Callable[[int], Awaitable[tuple[int, int]]]
"""Given a partition, the offset of the first record that the broker still holds, and the one after the last as far as it tells."""


class Shards:
    """All shards of a worker.

    Nothing raises out of here into Faust, which would acknowledge what was lost: the first failure is kept in `failure` and
    `stopped` is set; from then on nothing is folded, committed or acknowledged.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        keys: KeyStore,
        file: LedgerFile,
        topic_id: str,
        seen: Operation | None = None,
    ) -> None:
        self._settings = settings
        self._seen = seen or Operation()
        self._store = store
        self._keys = keys
        self._file = file
        self._folding = ThreadPoolExecutor(1, thread_name_prefix="fold")
        self._committing = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="topic")
        self._topic = Topic(settings.cluster, store, file, topic_id, self._asking, self._seen)
        self._tools = Tools(
            settings, self._folding, self._committing, self._open, self._check_origin, self._count, self._seen
        )
        self._running: dict[int, tuple[Partition, asyncio.Task[None]]] = {}
        self._changing = asyncio.Lock()
        """Held while shards are opened or let go: Faust may seek twice after one rebalance, and each shard is to be opened once."""
        self._gaps: dict[int, Accepted] = {}
        """Of each shard that was opened, what its writer knows to be accepted."""
        self._beyond = Beyond()
        self.log_range: LogRange | None = None
        self.failure: BaseException | None = None
        self.stopped = asyncio.Event()
        self._given_up = asyncio.Event()
        """Set where something hangs: from then on nobody waits for the threads."""
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
                        await self._take(number)
                    if number in self._running:
                        offsets[number] = self._running[number][0].next_offset
        except Exception as error:  # noqa: BLE001 - any failure stops the worker; none may reach Faust
            self.fail(error)
        self.is_assigned = True
        self._seen.settled()
        self.last_activity = time.monotonic()
        return offsets

    async def _take(self, number: int) -> None:
        """Open a shard and begin working on it."""
        started = time.monotonic()
        writer = await self._unless_given_up(self._in_folding(number))
        partition = Partition(number, writer, self._tools)
        facts = ShardFacts(partition.next_offset, writer.size, writer.recorded_at, partition.extent)
        self._seen.assigned(number, facts, time.monotonic() - started)
        self._running[number] = (partition, asyncio.create_task(self._run(partition)))

    async def offer(self, partition: int, fetched: Fetched) -> None:
        """Hand over a fetched batch; one of a partition that is not (or no longer) ours is dropped unacknowledged."""
        self.last_activity = time.monotonic()
        running = self._running.get(partition)
        if running is not None and self.failure is None:
            await running[0].offer(fetched)

    async def finish(self) -> None:
        """Commit what is queued of every partition, and let go of them all; once the worker was told to stop, within `stop_timeout_s`."""
        finishing = asyncio.create_task(self._finish())
        given_up = asyncio.create_task(self._given_up.wait())
        limit = self._settings.stop_timeout_s if self.is_stopping else None
        await asyncio.wait({finishing, given_up}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        given_up.cancel()
        if finishing.done():
            await finishing
            return
        running = self._seen.steps.running()
        self.give_up(hanging(running[0] if running else None))
        finishing.cancel()
        await asyncio.wait({finishing})

    async def _finish(self) -> None:
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
            self._seen.revoked(sorted(running))

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
                await self._topic.check(self._is_over)
            except Exception as error:  # noqa: BLE001 - as above
                if self.is_stopping:  # what is queued still asks for itself
                    return
                self.fail(error)
            try:
                await asyncio.wait_for(self.stopped.wait(), self._settings.topic_check_s)
            except TimeoutError:
                continue

    async def watch_people(self) -> None:
        """Forget now and then whose keys were deleted: an erased person is not written about any further."""
        while not self.stopped.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopped.wait(), self._settings.people_check_s)
                return
            try:
                loop = asyncio.get_running_loop()
                stored = await loop.run_in_executor(self._asking, self._keys.stored_people)
                for partition, _ in list(self._running.values()):
                    await partition.forget_erased(stored)
            except StoreError:
                continue  # whoever needs a new key says so; next time it may work
            except Exception as error:  # noqa: BLE001 - as above
                self.fail(error)

    def fail(self, error: BaseException) -> None:
        """Keep the first failure and stop."""
        if self.failure is None:
            self.failure = error
            self._seen.failure = f"{type(error).__name__}: {error}"
            self._seen.stopping("something went wrong, see below")
        self.stopped.set()

    def give_up(self, error: LedgerError) -> None:
        """Stop without waiting for what hangs: what its threads still write is whole, and the next start finds it."""
        self.fail(error)
        self._given_up.set()

    async def check_lag(self, end_offsets: Callable[[Iterable[int]], Awaitable[dict[int, int]]]) -> None:
        """Ask the broker now and then where the partitions end; what it does not tell stays unknown."""
        while not self.stopped.is_set():
            try:
                async with asyncio.timeout(self._settings.lag_check_s):
                    ends = await end_offsets(tuple(self._running))
            except Exception:  # noqa: BLE001 - the assignment is changing, or the broker is away: others say so
                ends = {}
            for number, end in ends.items():
                if number in self._seen.shards:
                    self._seen.shards[number].reaches(end)
            try:
                await asyncio.wait_for(self.stopped.wait(), self._settings.lag_check_s)
            except TimeoutError:
                continue

    def close(self) -> None:
        """End the threads and the probe's connection."""
        for executor in (self._folding, self._committing):
            executor.shutdown(wait=not self._given_up.is_set(), cancel_futures=True)
        self._asking.shutdown(wait=False)  # nobody wants the answer any more, and it may take its time
        self._topic.close()

    async def _run(self, partition: Partition) -> None:
        try:
            await partition.run()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - as above
            self.fail(error)

    async def _in_folding(self, number: int) -> ShardWriter:
        steps = self._seen.steps
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._folding, steps.run, "load", number, lambda: self._open(number))

    async def _unless_given_up(self, work: Awaitable[T]) -> T:
        """The result of some work; raises the failure where the worker gives up meanwhile."""
        task = asyncio.ensure_future(work)
        given_up = asyncio.create_task(self._given_up.wait())
        await asyncio.wait({task, given_up}, return_when=asyncio.FIRST_COMPLETED)
        given_up.cancel()
        if not task.done() and self.failure is not None:
            task.cancel()
            raise self.failure
        return await task

    def _open(self, number: int) -> ShardWriter:
        writer = open_writer(self._store, self._file, self._keys, number, self._topic.id, self._settings.cache)
        self._gaps[number] = writer.gaps
        gc.freeze()  # what was loaded lives as long as the worker: no collection need look at it again
        return writer

    def _is_over(self) -> bool:
        return self.stopped.is_set() or self.is_stopping

    def _count(self, records: int) -> None:
        self.entries += records
        self.last_activity = time.monotonic()

    async def _check_origin(self, partition: int, expected: int, start: int, first: int) -> None:
        """Make sure that fetched records are of the topic that the ledger knows, and that none before them is lost.

        The topic's id is asked for after they were fetched. Ids never return, so the answer holds for the moment of the fetch as well.
        Where the fetch began at the ledger's next offset, what it does not hold before its first record the broker has no record for, or
        it would have said that the offset is out of range.
        """
        await self._topic.check(self._is_over)
        if first > expected and start > expected:
            raise BrokerError(
                "records_missed",
                f"partition {partition}: the ledger's next offset is {expected}, but the consumer had gone on to {start}",
                "start the worker again: it goes on where the log ends",
            )

    async def out_of_range(self, partition: int, asked: int) -> int | None:
        """Where to go on reading a partition of which the broker says that it has not the offset that was asked for; None: nowhere.

        It has expired, and then the loss must have been accepted; or the topic ends before it.
        """
        try:
            await self._topic.check(self._is_over)  # one that was made anew has other offsets
            if self.log_range is None:
                return None
            start, end = await self.log_range(partition)
            if start > asked:
                first = first_not_accepted(self._gaps.get(partition, {}), asked)
                if first >= start:
                    return start
                if await self._settled(partition, asked):
                    self.fail(expired(partition, first, start, self._topic.id, self._settings.ledger))
            elif end < asked and self._beyond.insisted(partition, asked):
                if await self._settled(partition, asked):
                    self.fail(truncated(partition, asked, end))
            else:
                await asyncio.sleep(BROKER_PAUSE_S)
                return asked
        except KafkaError:  # no answer: what was out of range is so at the next fetch too
            await asyncio.sleep(BROKER_PAUSE_S)
        except Exception as error:  # noqa: BLE001 - as above
            self.fail(error)
        return None

    async def _settled(self, partition: int, asked: int) -> bool:
        """Wait, within limits, until all before the offset is in the log: what is lost is to be said once and for good.

        False where the partition is not ours any more: then it is for others to say.
        """
        deadline = time.monotonic() + BROKER_PATIENCE_S
        while self.failure is None and not self.is_stopping and time.monotonic() < deadline:
            running = self._running.get(partition)
            if running is None:
                return False
            if running[0].is_idle and running[0].next_offset >= asked:
                break
            await asyncio.sleep(_SETTLED_POLL_S)
        return True


async def _put_or_end(partition: Partition, task: asyncio.Task[None]) -> None:
    """Ask a partition to finish; its queue may be full, and its task may end of a failure meanwhile."""
    asked = asyncio.create_task(partition.finish())
    await asyncio.wait({asked, task}, return_when=asyncio.FIRST_COMPLETED)
    if not asked.done():
        asked.cancel()
