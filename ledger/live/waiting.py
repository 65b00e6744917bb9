"""Who waits for what the log gets next: for the entry of one event, or for anything. Told by the thread that follows."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress

from ledger.live.shard import Seen

__all__ = ["Signal", "Waiter", "Waiters"]


class Signal:
    """Wakes one coroutine of this thread's event loop, from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def set(self) -> None:
        """Wake it, or let its next wait end at once."""
        with suppress(RuntimeError):  # its loop has ended, and nobody waits any more
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait to be woken; False where that took too long."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True


class Waiter(Signal):
    """Waits for entries with one event."""

    def __init__(self, source: str, event_id: str) -> None:
        super().__init__()
        self.key = source, event_id
        self.seen: list[tuple[int, bytes]] = []
        """Shard and entry of those that came since; emptied by who waits."""


class Waiters:
    """All who wait. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiters: dict[tuple[str, str], list[Waiter]] = {}
        self._signals: set[Signal] = set()

    def __len__(self) -> int:
        return len(self._waiters)

    def add(self, waiter: Waiter) -> None:
        """From now on it is told."""
        with self._lock:
            self._waiters.setdefault(waiter.key, []).append(waiter)

    def remove(self, waiter: Waiter) -> None:
        """It is told no more."""
        with self._lock:
            left = [other for other in self._waiters[waiter.key] if other is not waiter]
            if left:
                self._waiters[waiter.key] = left
            else:
                del self._waiters[waiter.key]

    def subscribe(self, signal: Signal) -> None:
        """From now on it is woken whenever there is something new."""
        with self._lock:
            self._signals.add(signal)

    def unsubscribe(self, signal: Signal) -> None:
        """No more."""
        with self._lock:
            self._signals.discard(signal)

    def tell(self, shard: int, seen: Sequence[Seen]) -> None:
        """There are new entries, visible already."""
        with self._lock:
            for entry in seen if self._waiters else ():
                for waiter in self._waiters.get((entry.source or "", entry.id or ""), ()):
                    waiter.seen.append((shard, entry.line))
                    waiter.set()
        self.wake()

    def wake(self) -> None:
        """Let all look again."""
        with self._lock:
            for signal in self._signals:
                signal.set()

    def wake_all(self) -> None:
        """The same for those who wait for one event, too."""
        with self._lock:
            for waiters in self._waiters.values():
                for waiter in waiters:
                    waiter.set()
        self.wake()
