"""One assigned partition: record batches in, durable segments out, acknowledged in order."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor
from time import perf_counter
from typing import TypeVar

from consumers.operation import Operation
from consumers.settings import Settings
from ledger.errors import StoreConflictError, StoreError
from ledger.log.records import RecordLike
from ledger.log.report import Committed, Extent
from ledger.log.writer import Draft, ShardWriter

__all__ = ["Fetched", "Partition", "Tools"]

T = TypeVar("T")
_MAX_IN_FLIGHT = 2
_FULL_ENOUGH = 4
"""A batch that is full to one part in so many does not wait for more: waiting is for few records, lest each have a segment."""


class Fetched:
    """A fetched record batch, how to acknowledge it, and the offset from which it was asked for."""

    __slots__ = ("acknowledge", "records", "size", "start")

    def __init__(self, records: Sequence[RecordLike], acknowledge: Callable[[], None], start: int) -> None:
        self.records = records
        self.acknowledge = acknowledge
        self.start = start
        self.size = sum(len(record.value or b"") for record in records)

    def parts(self, records: int) -> "list[Fetched]":
        """The same in parts of so many records at most; the last one acknowledges the whole."""
        if len(self.records) <= records:
            return [self]
        pieces = [self.records[start : start + records] for start in range(0, len(self.records), records)]
        starts = [self.start, *(piece[-1].offset + 1 for piece in pieces)]
        parts = [Fetched(piece, _nothing, start) for piece, start in zip(pieces, starts, strict=False)]
        parts[-1].acknowledge = self.acknowledge
        return parts


def _nothing() -> None:
    """A part that is not the last acknowledges nothing."""


class Tools:
    """What the partitions of a worker share. Folding has one thread and committing another, so that both keep their order."""

    def __init__(
        self,
        settings: Settings,
        folding: Executor,
        committing: Executor,
        open_shard: Callable[[int], ShardWriter],
        check_origin: Callable[[int, int, int, int], Coroutine[None, None, None]],
        committed: Callable[[int], None],
        seen: Operation | None = None,
    ) -> None:
        self.settings = settings
        self.folding = folding
        self.committing = committing
        self.open_shard = open_shard
        """Loads a shard's state (in the folding thread)."""
        self.check_origin = check_origin
        """Given partition, the ledger's next offset, the one asked for and the first fetched: raises unless the records are what they seem."""
        self.committed = committed
        """Told the number of records after each batch."""
        self.seen = seen or Operation()
        """Told what happens."""


class Partition:
    """Gathers fetched batches, folds them, commits them while the next ones fold, and acknowledges what is durable."""

    def __init__(self, number: int, writer: ShardWriter, tools: Tools) -> None:
        self.number = number
        self._writer = writer
        self._tools = tools
        self._queue: asyncio.Queue[Fetched | None] = asyncio.Queue(tools.settings.queued_fetches)
        self._in_flight: deque[tuple[list[Fetched], asyncio.Task[Committed | None]]] = deque()
        self._takes_more = True
        self.is_idle = True
        """Whether all that was offered is committed."""

    @property
    def next_offset(self) -> int:
        """The ledger's next offset, drafts included."""
        return self._writer.next_offset

    def extent(self) -> Extent:
        """How large the state is."""
        return self._writer.extent()

    async def offer(self, fetched: Fetched) -> None:
        """Queue a fetched batch; waits while too many wait already. Once `finish` is called, what is not queued is dropped unacknowledged."""
        self.is_idle = False
        for part in fetched.parts(self._tools.settings.batch_records):
            if self._takes_more:
                await self._queue.put(part)

    async def run(self) -> None:
        """Work until `finish` is called (what is queued then is still committed).

        Raises:
            LedgerError: the log or the store is broken beyond retries; what was not committed is not acknowledged.
        """
        last = False
        try:
            while not last:
                batch, last = await self._gather()
                if batch:
                    await self._write(batch)
            await self._settle()
        finally:
            for _, task in self._in_flight:
                task.cancel()
            # Nobody takes from the queue any more: whoever waits for a place in it must not wait for ever.
            self._takes_more = False
            while not self._queue.empty():
                self._queue.get_nowait()

    async def finish(self) -> None:
        """Let `run` end after what is queued."""
        self._takes_more = False
        await self._queue.put(None)

    async def save(self) -> None:
        """Keep a snapshot (requires that `run` has ended without an error)."""
        await self._in("snapshot", self._tools.folding, self._writer.save_snapshot)

    async def forget_erased(self, stored: frozenset[str]) -> None:
        """Forget the people whose keys are no longer stored."""
        await self._in("forget", self._tools.folding, lambda: self._writer.forget_erased(stored))

    async def _gather(self) -> tuple[list[Fetched], bool]:
        """The next batch, bounded by count, bytes and age, and whether it is the last one."""
        settings = self._tools.settings
        first = await self._next()
        if first is None:
            return [], True
        started = perf_counter()
        batch, records, size = [first], len(first.records), first.size
        deadline = asyncio.get_running_loop().time() + settings.batch_age_ms / 1000
        while records < settings.batch_records and size < settings.batch_bytes:
            if self._queue.empty() and records * _FULL_ENOUGH >= settings.batch_records:
                break
            try:
                async with asyncio.timeout_at(deadline):
                    fetched = await self._queue.get()
            except TimeoutError:
                break
            if fetched is None:
                return batch, True
            batch.append(fetched)
            records += len(fetched.records)
            size += fetched.size
        self._tools.seen.took("gather", perf_counter() - started)
        return batch, False

    async def _next(self) -> Fetched | None:
        """The next fetched batch; while there is none, what is in flight is settled."""
        if self._queue.empty():
            await self._settle()
            self.is_idle = self._queue.empty()
        return await self._queue.get()

    async def _write(self, batch: list[Fetched]) -> None:
        """Fold a batch and start committing it."""
        await self._check(batch)
        try:
            draft = await self._fold(batch)
            while len(self._in_flight) >= _MAX_IN_FLIGHT:
                await self._settle_oldest()
        except StoreError as error:
            await self._recover(error, batch)
            return
        before = self._in_flight[-1][1] if self._in_flight else None
        self._in_flight.append((batch, asyncio.create_task(self._commit(draft, before))))

    async def _check(self, batch: list[Fetched]) -> None:
        """Before anything of a batch is written: are these records really of the topic that the ledger knows, and all of them?"""
        expected = self.next_offset
        for place, fetched in enumerate(batch):
            first = fetched.records[0].offset
            if place == 0 or first > expected:
                await self._tools.check_origin(self.number, expected, fetched.start, first)
            expected = max(expected, fetched.records[-1].offset + 1)

    async def _fold(self, batch: list[Fetched]) -> Draft | None:
        records = [record for fetched in batch for record in fetched.records]
        return await self._in("fold", self._tools.folding, lambda: self._writer.fold(records))

    async def _commit(self, draft: Draft | None, before: asyncio.Task[Committed | None] | None) -> Committed | None:
        if before is not None:
            await before  # a segment is never written before those that it follows
        if draft is None:
            return None
        return await self._in("commit", self._tools.committing, lambda: self._writer.commit(draft))

    async def _settle(self) -> None:
        """Wait until nothing is in flight."""
        try:
            while self._in_flight:
                await self._settle_oldest()
        except StoreError as error:
            await self._recover(error, [])

    async def _settle_oldest(self) -> None:
        batch, task = self._in_flight[0]
        report = await task
        self._in_flight.popleft()
        self._acknowledge(batch, report)

    def _acknowledge(self, batch: list[Fetched], report: Committed | None) -> None:
        started = perf_counter()
        for fetched in batch:
            fetched.acknowledge()
        records = sum(len(fetched.records) for fetched in batch)
        self._tools.committed(records)
        if batch:
            seen = self._tools.seen
            seen.took("acknowledge", perf_counter() - started)
            size = sum(fetched.size for fetched in batch)
            seen.committed(self.number, records, size, batch[-1].records[-1].offset + 1, report)

    async def _recover(self, error: StoreError, batch: list[Fetched]) -> None:
        """After a lost race or a failing store: read what is really there, and go on after it with all that is not acknowledged.

        A put that failed may have persisted: opening the shard again finds that out, for it reads the log.

        Raises:
            StoreError: the store goes on failing.
        """
        settings, seen = self._tools.settings, self._tools.seen
        waiting = [fetched for gathered, _ in self._in_flight for fetched in gathered] + batch
        await asyncio.gather(*(task for _, task in self._in_flight), return_exceptions=True)
        self._in_flight.clear()
        failures = 0
        while True:
            if not isinstance(error, StoreConflictError):
                failures += 1
                if failures > settings.retries:
                    raise error
                pause_s = settings.retry_pause_s * 2 ** (failures - 1)
                seen.retry(self.number, error, failures, pause_s)
                await asyncio.sleep(pause_s)
            else:
                seen.conflict(self.number, error)
            try:
                self._writer = await self._in("load", self._tools.folding, lambda: self._tools.open_shard(self.number))
                draft = await self._fold(waiting) if waiting else None
                report = await self._commit(draft, None)
            except StoreError as again:
                error = again
                continue
            self._acknowledge(waiting, report)
            seen.recovered(self.number, self.next_offset, self._writer.size, self._writer.recorded_at)
            return

    async def _in(self, step: str, executor: Executor, work: Callable[[], T]) -> T:
        steps = self._tools.seen.steps
        return await asyncio.get_running_loop().run_in_executor(executor, steps.run, step, self.number, work)
