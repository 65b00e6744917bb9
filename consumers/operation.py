"""What a worker knows of its own running: facts for health and metrics, and the lines of its log. Told once a batch, never once a record."""

import io
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from consumers.steps import Steps
from ledger.errors import StoreError
from ledger.log.report import Committed, Extent
from ledger.logs import Log

__all__ = ["Listener", "Operation", "ShardFacts"]


class Listener(Protocol):
    """Who counts what happens. Called from several threads; must be quick and must not raise."""

    def started(self, seconds: float) -> None:
        """The worker is ready, so many seconds after its process began."""

    def assigned(self, partition: int) -> None:
        """A partition is this worker's now."""

    def took(self, step: str, seconds: float) -> None:
        """A step has ended."""

    def committed(self, partition: int, records: int, size: int, report: Committed | None) -> None:
        """A batch of so many records and bytes is on stable storage; without a report where all of it was in the log already."""

    def conflict(self, partition: int) -> None:
        """A race with another worker was lost."""

    def retry(self, partition: int) -> None:
        """The store is tried again."""


class ShardFacts:
    """What is known of a shard that is this worker's. Read from other threads; each member is replaced whole."""

    def __init__(self, next_offset: int, size: int, recorded_at: str, extent: Callable[[], Extent]) -> None:
        self.next_offset = next_offset
        """Of the ledger: all before it is on stable storage."""
        self.size = size
        """Of the last checkpoint."""
        self.recorded_s = _seconds(recorded_at) if size else time.time()
        """Recorded time of the last entry; in an empty shard, when it was opened."""
        self.checkpoint_s = self.recorded_s
        """When the last checkpoint was written; one of an earlier worker, when its last entry was recorded."""
        self.end_offset: int | None = None
        """The broker's, once it has told it."""
        self.caught_up_s = 0.0
        """When the worker was last seen to have everything, by its own clock."""
        self.extent = extent

    @property
    def lag_records(self) -> int | None:
        """By how many records the log is behind the topic; None where the broker hasn't told."""
        return None if self.end_offset is None else max(0, self.end_offset - self.next_offset)

    @property
    def lag_s(self) -> float | None:
        """For how long records have waited at most: since the last entry's recorded time, or since nothing waited."""
        lag = self.lag_records
        if not lag:
            return None if lag is None else 0.0
        return max(0.0, time.time() - max(self.recorded_s, self.caught_up_s))

    def reaches(self, end_offset: int) -> None:
        """The broker says where the partition ends. Tansu's answer lags: never before what the ledger has."""
        self.end_offset = end_offset
        if end_offset <= self.next_offset:
            self.caught_up_s = time.time()


class Operation:
    """A worker in operation. Written on the event loop (steps, on their threads), read from any thread."""

    def __init__(self, log: Log | None = None) -> None:
        self.log = log or Log(level="error", stream=io.StringIO())
        self.steps = Steps(self._took)
        self.listeners: list[Listener] = []
        self.shards: dict[int, ShardFacts] = {}
        self.is_ready = False
        """Whether it has started."""
        self.is_assigned = False
        """Whether the group has told it its partitions (which may be none)."""
        self.is_stopping = False
        self.failure = ""
        """Why it stops."""
        self.pulse = time.monotonic()
        """When the event loop last showed that it turns."""
        self.broker_answered = time.monotonic()
        self.records = 0
        """Committed, those included that were in the log already."""
        self._told = (0, time.monotonic())
        """Records at the last summary, and when that was."""

    # --- partitions ------------------------------------------------------------------------------------------------------------------

    def assigned(self, partition: int, facts: ShardFacts, seconds: float) -> None:
        """A shard was opened."""
        self.shards[partition] = facts
        for listener in self.listeners:
            listener.assigned(partition)
        self.log.tell(
            "assigned",
            f"partition {partition} from offset {facts.next_offset} on; loaded {facts.size} entries in {seconds:.2f} s",
            partition=partition,
            next_offset=facts.next_offset,
            size=facts.size,
            seconds=round(seconds, 3),
        )

    def settled(self) -> None:
        """The group has told which partitions are this worker's."""
        if not self.is_assigned and not self.shards:
            self.log.tell("standing_by", "no partition yet: others of the group have them all")
        self.is_assigned = True

    def revoked(self, partitions: list[int]) -> None:
        """These are finished, and another's from now on."""
        for partition in partitions:
            self.shards.pop(partition, None)
        if partitions:
            named = ", ".join(map(str, partitions))
            self.log.tell("revoked", f"let go of the partitions {named}", partitions=partitions)

    # --- batches ---------------------------------------------------------------------------------------------------------------------

    def _took(self, step: str, seconds: float) -> None:
        for listener in self.listeners:
            listener.took(step, seconds)

    took = _took

    def committed(self, partition: int, records: int, size: int, next_offset: int, report: Committed | None) -> None:
        """A batch is on stable storage and acknowledged."""
        facts = self.shards.get(partition)
        if facts is not None:
            facts.next_offset = max(facts.next_offset, next_offset)
            if report is not None:
                facts.size = report.size
                facts.checkpoint_s = time.time()
                facts.recorded_s = _seconds(report.recorded_at)
        for listener in self.listeners:
            listener.committed(partition, records, size, report)
        if not self.records:
            message = f"the first batch: {records} records of partition {partition}, up to offset {next_offset - 1}"
            self.log.tell("first_commit", message, partition=partition, records=records, next_offset=next_offset)
        self.records += records

    def conflict(self, partition: int, error: StoreError) -> None:
        """Another worker wrote first: its entries are read, and this one goes on after them."""
        for listener in self.listeners:
            listener.conflict(partition)
        message = f"partition {partition}: another worker was first ({error.message}); going on after it"
        self.log.caution("conflict_lost", message, partition=partition, code=error.code)

    def retry(self, partition: int, error: StoreError, tries: int, pause_s: float) -> None:
        """The store failed and is tried again after a pause."""
        for listener in self.listeners:
            listener.retry(partition)
        message = f"partition {partition}: {error.message}; trying again in {pause_s:g} s"
        self.log.caution("retry", message, partition=partition, code=error.code, tries=tries, pause_s=pause_s)

    def recovered(self, partition: int, next_offset: int, size: int, recorded_at: str) -> None:
        """It works again; what another worker wrote counts from now on."""
        facts = self.shards.get(partition)
        if facts is not None and size > facts.size:
            facts.next_offset, facts.size = next_offset, size
            facts.recorded_s = facts.checkpoint_s = _seconds(recorded_at)
        message = f"partition {partition}: read the log again, which goes on at offset {next_offset}"
        self.log.tell("recovered", message, partition=partition, next_offset=next_offset)

    def summary(self) -> None:
        """Say what was done since the last time, if anything was."""
        now = time.monotonic()
        records, since = self.records - self._told[0], now - self._told[1]
        self._told = self.records, now
        if records:
            lags = [shard.lag_records for shard in list(self.shards.values())]
            lag = None if not lags or None in lags else sum(lag or 0 for lag in lags)
            behind = "" if lag is None else f", {lag} behind"
            message = f"{records} records in {since:.0f} s ({records / since:.0f}/s){behind}"
            fields = {"records": records, "seconds": round(since, 1), "lag_records": lag}
            self.log.tell("summary", message, **fields, partitions=sorted(self.shards))

    # --- the end ---------------------------------------------------------------------------------------------------------------------

    def stopping(self, why: str) -> None:
        """It was told to stop, or has to. Said once."""
        if not self.is_stopping:
            self.is_stopping = True
            self.log.tell("stopping", why)

    def slow(self, message: str, partition: int, step: str, seconds: float) -> None:
        """A step takes long."""
        self.log.caution("step_slow", message, partition=partition, step=step, seconds=round(seconds, 1))


def _seconds(recorded_at: str) -> float:
    return datetime.fromisoformat(recorded_at).timestamp()
