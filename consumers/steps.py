"""What the worker's threads are busy with: a store that hangs is seen from outside the thread that waits for it."""

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

__all__ = ["BOUNDED", "Step", "Steps"]

T = TypeVar("T")
BOUNDED: Final = frozenset(("fold", "commit", "snapshot", "forget"))
"""Steps that end soon unless something is wrong. Loading a shard without a snapshot takes as long as its log is."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step that is under way."""

    kind: str
    """`fold`, `commit`, `load`, `snapshot` or `forget`."""
    partition: int
    since: float
    """By the monotonic clock, in seconds."""

    @property
    def age_s(self) -> float:
        """For how long it has been."""
        return time.monotonic() - self.since

    def __str__(self) -> str:
        return f"{self.kind} of partition {self.partition}"


class Steps:
    """The steps under way, one a thread. For any thread.

    Args:
        took: told the kind of a step and its seconds when it has ended.
    """

    def __init__(self, took: Callable[[str, float], None]) -> None:
        self._took = took
        self._running: dict[int, Step] = {}

    def run(self, kind: str, partition: int, work: Callable[[], T]) -> T:
        """Do a step in this thread."""
        thread = threading.get_ident()
        started = time.monotonic()
        self._running[thread] = Step(kind=kind, partition=partition, since=started)
        try:
            return work()
        finally:
            del self._running[thread]
            self._took(kind, time.monotonic() - started)

    def running(self) -> list[Step]:
        """What is under way, the oldest first."""
        return sorted(list(self._running.values()), key=lambda step: step.since)  # noqa: C414 - other threads add and remove
