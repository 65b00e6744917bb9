"""Sees to it that nothing hangs silently: says which step takes long, gives up on one that hangs, and bounds the worker's end."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Final

from consumers.operation import Operation
from consumers.settings import Settings
from consumers.steps import BOUNDED, Step
from ledger.errors import EXIT_UNAVAILABLE, LedgerError, StoreError
from ledger.logs import Log

__all__ = ["LEAVING_S", "Watchdog", "end_after", "hanging"]

_LOOK_S: Final = 0.5
_STOOD_STILL_S: Final = 5.0
_SAYING_S: Final = 1.0
"""Whoever reads stderr may have stopped to."""
LEAVING_S: Final = 10.0
"""What the worker may take to leave its group, after it has finished or given up its batches: 5 s each for offsets and the group."""


class Watchdog:
    """Looks at the steps under way, on the event loop, which no store can block.

    Args:
        settings: the worker's.
        seen: where steps are known, and where slow ones are told.
        give_up: stops the worker without waiting for what hangs.
    """

    def __init__(self, settings: Settings, seen: Operation, give_up: Callable[[LedgerError], None]) -> None:
        self._settings = settings
        self._seen = seen
        self._give_up = give_up
        self._told: dict[tuple[str, int, float], float] = {}
        """Steps that were told, and their age when they were."""
        self._summary = time.monotonic()
        self._resumed = 0.0
        """When this process last stood still (SIGSTOP, a machine asleep) and went on: no store is to blame for that time."""

    async def run(self, stopped: asyncio.Event) -> None:
        """Look until the worker stops."""
        while not stopped.is_set():
            self.look()
            try:
                await asyncio.wait_for(stopped.wait(), _LOOK_S)
            except TimeoutError:
                continue

    def look(self) -> None:
        """Look once."""
        now = time.monotonic()
        if now - self._seen.pulse > _STOOD_STILL_S:
            self._resumed = now
        self._seen.pulse = now
        running = self._seen.steps.running()
        keys = {(step.kind, step.partition, step.since) for step in running}
        self._told = {key: age for key, age in self._told.items() if key in keys}
        for step in running:
            self._tell(step)
            if step.kind in BOUNDED and now - max(step.since, self._resumed) > self._settings.hung_step_s:
                self._give_up(hanging(step))
        if self._seen.pulse - self._summary >= self._settings.summary_s:
            self._summary = self._seen.pulse
            self._seen.summary()

    def _tell(self, step: Step) -> None:
        """Say that a step is slow, and again when it has taken twice as long."""
        key, age = (step.kind, step.partition, step.since), step.age_s
        if age > max(self._settings.slow_step_s, 2 * self._told.get(key, 0.0)):
            self._told[key] = age
            bound = f"; the worker stops after {self._settings.hung_step_s:g} s" if step.kind in BOUNDED else ""
            message = f"the {step} has taken {age:.0f} s{bound}"
            self._seen.slow(message, step.partition, step.kind, age)


def hanging(step: Step | None) -> StoreError:
    """The error for a store that does not answer in time."""
    what = "finishing" if step is None else f"the {step}"
    since = "too long" if step is None else f"{step.age_s:.0f} s"
    return StoreError(
        "store_hangs",
        f"the store does not answer: {what} has taken {since}",
        "look at the disk or object store, then start the worker again: what was not committed is read again",
    )


def end_after(seconds: float, log: Log, seen: Operation) -> threading.Timer:
    """End the process after so many seconds, whatever hangs. Safe at any instruction: what counts is on storage or is read again."""

    def end() -> None:
        running = seen.steps.running()
        error = hanging(running[0] if running else None)
        teller = threading.Thread(target=log.failed, args=(error,), daemon=True)
        teller.start()
        teller.join(_SAYING_S)
        os._exit(EXIT_UNAVAILABLE)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    return timer
