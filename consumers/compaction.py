"""Compaction in the background: a child process of low priority, so that folding never waits for it and its memory is its own.

Which shards have enough old segments is asked from names alone. A child that dies, however it does, has harmed nothing; that it failed
is said once, and the worker goes on.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from consumers.settings import Settings
from ledger.errors import LedgerError
from ledger.log.packs import pack_names, parts_of
from ledger.log.reader import raw_segment_names
from ledger.storage.store import Store

__all__ = ["Compaction", "enough"]

_SHOWN: Final = 500


class Compaction:
    """Compacts the shards of a worker as they grow.

    Args:
        settings: the worker's.
        store: the ledger's objects.
        shards: called for the numbers of the shards that the worker writes now.
        say: called with what a person should know.
    """

    def __init__(
        self, settings: Settings, store: Store, shards: Callable[[], Iterable[int]], say: Callable[[str], None]
    ) -> None:
        self._settings = settings
        self._store = store
        self._shards = shards
        self._say = say
        self._failed = False

    async def run(self, stopped: asyncio.Event) -> None:
        """Look and compact now and then, until the event is set. Raises nothing of its own."""
        if not self._settings.compact_entries:
            return
        while not stopped.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), self._settings.compact_check_s)
                return
            try:
                await self._once(stopped)
            except (LedgerError, OSError) as error:
                self._tell(str(error))

    async def _once(self, stopped: asyncio.Event) -> None:
        numbers = list(self._shards())
        limit = self._settings.compact_entries
        waiting = await asyncio.to_thread(lambda: [shard for shard in numbers if enough(self._store, shard, limit)])
        if not waiting:
            return
        chosen = [argument for shard in waiting for argument in ("--shard", str(shard))]
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ledger.compact",
            *("--ledger", self._settings.ledger, "--pack-entries", str(limit)),
            *("--older-than-s", str(self._settings.compact_age_s), *chosen),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        ended = asyncio.create_task(child.communicate())
        stop = asyncio.create_task(stopped.wait())
        try:
            await asyncio.wait((ended, stop), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                return
            _, said = ended.result()
            if child.returncode:
                self._tell(said.decode(errors="replace").strip()[-_SHOWN:] or f"it ended with {child.returncode}")
            else:
                self._failed = False
        finally:
            stop.cancel()
            # Crash here, or there: whatever it was doing, the next compaction finishes it.
            with suppress(ProcessLookupError):
                if child.returncode is None:
                    child.kill()
            await asyncio.gather(ended, return_exceptions=True)

    def _tell(self, why: str) -> None:
        if not self._failed:
            self._say(f"compaction failed, the worker goes on without it: {why}")
        self._failed = True


def enough(store: Store, shard: int, entries: int) -> bool:
    """Whether a shard has so many entries in segments, but for the last one, whose size its name does not say."""
    parts = parts_of(pack_names(store, shard))
    packed = parts[-1].end if parts else 0
    newest = max((first for first, _ in raw_segment_names(store, shard)), default=0)
    return newest - packed >= entries
