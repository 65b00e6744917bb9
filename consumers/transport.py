"""The batch transport: Faust hands the agent one message for each fetched record batch instead of one for each record.

Faust's path for a message costs about 80 us whatever the agent does; a record batch holds hundreds of records. Assignment,
rebalance, flow control, commits and supervision stay Faust's. What is overridden, and why it holds:

- `_getmany` gives, for each partition, a list with one element: the fetched records as one `RecordBatch`.
- `_to_message` makes one message of it, with the offset of the last record and the records as its value.
- `_add_gap` does nothing: the offsets between two messages are those of the records inside, not holes.
- `_new_offset` is the highest acknowledged offset plus one: batches of a partition are acknowledged in order, each when its records
  are on stable storage.
- `_commit_offsets` tries again what the broker did not take.
- `_new_consumer_thread` makes one whose fetches come back soon, so that an event need not wait, and that reads only what was committed.
- `perform_seek` starts every partition at the ledger's own next offset, whatever the group has committed, and has the group told.
- Where the broker says that an offset is out of range nothing is read from elsewhere quietly: the shards are asked where to go on, and
  may have none. So whatever is not in a fetch that followed the one before, the broker held no record for.

What the records of a fetch are unpacked to is in `consumers.records`. These are internals of Faust: `check_faust` refuses to start on a
version that was not tested, rather than lose records quietly.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import faust
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from ledger.errors import UsageError

__all__ = ["BatchConsumer", "BatchTransport", "check_faust"]

TESTED: Final = ("0.15.",)
_PATIENCE_S: Final = 5.0
"""How long the broker has for what a worker could do without: to take a last offset, to let go of a member of the group."""
_SEEK_PAUSE_S: Final = 0.1
_FETCH_WAIT_MS: Final = 100
_NO_TIMESTAMP_TYPE: Final = 0
"""Nobody asks a batch whose clock its last timestamp is of."""
_OVERRIDDEN: Final = (
    "_getmany",
    "_to_message",
    "_add_gap",
    "_new_offset",
    "_commit_offsets",
    "_new_consumer_thread",
    "perform_seek",
)

NextOffsets = Callable[[frozenset[int]], Awaitable[dict[int, int]]]
"""Given the partitions assigned, opens their shards and tells where to go on reading each."""
OutOfRange = Callable[[int, int], Awaitable[int | None]]
"""Given a partition and the offset that was asked for, which the broker says is out of range, tells where to go on; None: nowhere."""


def check_faust() -> None:
    """Refuse a Faust whose internals are not known to be those that the batch transport builds on.

    Raises:
        UsageError: `untested_faust`.
    """
    version = faust.__version__
    missing = [name for name in _OVERRIDDEN if not callable(getattr(driver.Consumer, name, None))]
    if not version.startswith(TESTED) or missing:
        raise UsageError(
            "untested_faust",
            f"faust-streaming {version} is not one that the batch transport was tested with",
            f"install faust-streaming {' or '.join(TESTED)}x",
        )


class RecordBatch:
    """What was fetched of a partition at once: the value of a message."""

    __slots__ = ("epoch", "records", "start")

    def __init__(self, records: Sequence[Any], epoch: int, start: int) -> None:
        self.records = records
        self.epoch = epoch
        """The consumer's, when they were fetched."""
        self.start = start
        """The offset from which they were asked for: the broker holds none between it and the first."""


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's, but it does not let the broker keep a fetch for 1.5 s: the embedded one does so even where records have arrived.

    And it passes over the records of aborted transactions, which Faust reads: for Kafka they never were. And it does not wait for ever for
    a broker that is gone, neither when it commits an offset nor before it stops. And an offset that the broker does not take is no reason
    to stop, as it is for Faust: it is a hint for monitors, and the next one makes up for it.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Both are read when the consumer starts; Faust has no settings for them.
        consumer._fetch_max_wait_ms = _FETCH_WAIT_MS
        consumer._isolation_level = "read_committed"
        return consumer

    async def _commit(self, offsets: Any) -> bool:
        ours = self.assignment()
        hints = {
            driver.ensure_aiokafka_TP(partition): OffsetAndMetadata(offset, "")
            for partition, offset in offsets.items()
            if partition in ours
        }
        try:
            await asyncio.wait_for(self._ensure_consumer().commit(hints), _PATIENCE_S)
        except (TimeoutError, KafkaError):
            return False
        return True

    async def on_thread_stop(self) -> None:
        """Leave the group, where the broker lets us."""
        await asyncio.wait({asyncio.ensure_future(super().on_thread_stop())}, timeout=_PATIENCE_S)


class BatchConsumer(driver.Consumer):
    """A consumer whose messages are record batches.

    Within one epoch, from a seek to the next, a partition's batches follow one another without holes. What was fetched before a
    seek and delivered after it would look like a hole, so a batch of an earlier epoch is of no use any more.

    A fetch that overlaps a seek, or lies within one, may come from either side of it: from before, and it is no use; from after, and
    dropping it alone would make a hole, for the consumer has moved past it. So it is dropped, and the partitions are sought once more
    before anything is fetched.
    """

    epoch = 0
    """Counts the beginnings and ends of seeks."""
    _seeks = 0
    """How many seeks are under way."""
    _is_adrift = False
    """Whether a fetch was dropped and its partitions were not sought since."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ends: dict[TP, int] = {}
        """Where the next fetch of a partition begins."""

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Any:  # noqa: ASYNC109 - Faust's
        if self._is_adrift:
            try:
                await self.perform_seek()
            except Exception:  # noqa: BLE001 - the assignment is changing; until it has settled nothing is fetched
                await asyncio.sleep(_SEEK_PAUSE_S)
                return {}
            self._is_adrift = False
        epoch = self.epoch
        try:
            fetched = await super()._getmany(active_partitions, timeout)
        except NoOffsetForPartitionError:  # of the moment between an assignment and its seek
            return {}
        except OffsetOutOfRangeError as error:
            if epoch == self.epoch and not self._seeks:
                await self._go_on(error)
            return {}
        if epoch != self.epoch or self._seeks:
            self._is_adrift = True
            return {}
        batches: dict[TP, list[RecordBatch]] = {}
        for partition, records in fetched.items():
            if records:
                batches[partition] = [RecordBatch(records, epoch, self._ends.get(partition, 0))]
                self._ends[partition] = records[-1].offset + 1
        return batches

    async def _go_on(self, error: OffsetOutOfRangeError) -> None:
        """Seek where the shards say, if they do; what is asked for next is still what follows the last fetch."""
        transport: Any = self.transport
        for found, refused in error.args[0].items():
            partition = TP(found.topic, found.partition)
            asked = self._ends.get(partition)
            if asked is None or refused < asked:  # a fetch from before the seek, where the group had committed
                continue
            offset = await transport.out_of_range(partition.partition, asked)
            if offset is not None and partition in self.assignment():
                await self.seek(partition, offset)

    def _to_message(self, tp: TP, record: Any) -> ConsumerMessage:
        last = record.records[-1]
        return ConsumerMessage(
            tp.topic,
            tp.partition,
            last.offset,
            last.timestamp / 1000.0,
            _NO_TIMESTAMP_TYPE,
            (),
            None,
            record,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        pass

    def _new_offset(self, tp: TP) -> int | None:
        acked = self._acked[tp]
        if not acked:
            return None
        highest: int = max(acked)
        acked.clear()
        self._acked_index[tp].clear()
        return highest + 1

    async def _commit_offsets(self, offsets: Any, start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002 - Faust's
        """Commit offsets; those that the broker did not take are committed again next time, although nothing new has come by then."""
        is_done: bool = await super()._commit_offsets(offsets, start_new_transaction)
        if not is_done:
            for partition in offsets.keys() & self.assignment():
                self._to_be_committed(partition, offsets[partition])
        return is_done

    def _to_be_committed(self, partition: TP, offset: int) -> None:
        self._committed_offset[partition] = None
        if offset:
            self._acked[partition].append(offset - 1)

    async def perform_seek(self) -> None:
        """Seek every assigned partition to the ledger's next offset."""
        self.epoch += 1
        self._seeks += 1
        try:
            await super().perform_seek()
            partitions: dict[int, TP] = {tp.partition: tp for tp in self.assignment()}
            transport: Any = self.transport
            offsets = await transport.next_offsets(frozenset(partitions))
            for partition, offset in offsets.items():
                self._ends[partitions[partition]] = offset
                await self.seek(partitions[partition], offset)
                # The worker before may have died between its segment and the offset; and the group's may be that of a topic since replaced.
                self._to_be_committed(partitions[partition], offset)
        finally:
            self._seeks -= 1
            self.epoch += 1


class BatchTransport(driver.Transport):
    """The transport that makes `BatchConsumer`s; install it on `app.transport` before the worker starts."""

    Consumer = BatchConsumer

    def __init__(self, *args: Any, next_offsets: NextOffsets, out_of_range: OutOfRange, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.next_offsets = next_offsets
        self.out_of_range = out_of_range
