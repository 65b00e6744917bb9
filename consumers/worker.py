"""A worker process: starts the app, stops it cleanly, and ends with the documented exit code."""

import asyncio
import gc
import logging
import sys
import tempfile
from pathlib import Path
from typing import Final, cast

import faust
from faust.worker import Worker

from consumers.app import build_app
from consumers.compaction import Compaction
from consumers.records import check_aiokafka, install
from consumers.settings import Settings
from consumers.shards import Shards, known_topic
from consumers.transport import check_faust
from ledger.broker.connection import describe_topic
from ledger.errors import BrokerError, LedgerError
from ledger.log.ledgerfile import read_ledger_file
from ledger.storage.keys import KeyStore
from ledger.storage.opening import open_store
from ledger.storage.store import Store

__all__ = ["run"]

_QUIET: Final = ("faust", "mode", "aiokafka", "kafka", "asyncio")
_IDLE_CHECK_S: Final = 0.1
_SWITCH_S: Final = 0.001
"""How long folding may keep the interpreter from the threads that fetch and commit; a fetch takes several turns of theirs."""
_COLLECT: Final = (50_000, 50, 100)
"""Thresholds of the garbage collector: folding makes objects by the thousand and hardly a cycle, so that it looks in vain."""


def run(settings: Settings) -> int:
    """Run a worker until it is told to stop (SIGTERM, SIGINT), is idle for long enough, or fails.

    Returns:
        How many records it committed.

    Raises:
        LedgerError: why it stopped.
    """
    check_faust()
    check_aiokafka()
    install()
    gc.set_threshold(*_COLLECT)
    sys.setswitchinterval(_SWITCH_S)
    store = open_store(settings.ledger)
    file = read_ledger_file(store)
    keys = KeyStore.open(open_store(settings.keys, file_mode=0o600, dir_mode=0o700), file.name)
    described = describe_topic(settings.bootstrap, file.topic)
    topic_id = known_topic(store, file, described.topic_id, described.partitions)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    _silence()
    with tempfile.TemporaryDirectory(prefix="ledger-worker-") as data:
        shards = Shards(settings, store, keys, file, topic_id)
        app = build_app(settings, file, shards, Path(data))
        worker = _LedgerWorker(app, settings, shards, store, loop)
        crash = worker.execute()
        shards.close()
    if shards.failure is not None:
        raise shards.failure  # ours: an error that says what to do, or a bug, which ends with the exit code of one
    if isinstance(crash, LedgerError):
        raise crash
    if crash is not None:
        raise BrokerError(
            "consumer_crashed",
            f"the consumer stopped: {type(crash).__name__}: {crash}",
            "look at the broker, then start the worker again; it goes on where the log ends",
        ) from crash
    return shards.entries


class _LedgerWorker(Worker):
    """Faust's worker, told to stop from inside as well."""

    def __init__(
        self, app: faust.App, settings: Settings, shards: Shards, store: Store, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(app, loop=loop, loglevel="CRITICAL", quiet=True, redirect_stdouts=False)
        self.spinner = None
        self._settings = settings
        self._shards = shards
        self._compaction = Compaction(settings, store, shards.numbers, _say)

    def execute(self) -> BaseException | None:
        """Run to the end; what Faust crashed of, or None."""
        self.add_future(self._shards.watch())
        self.add_future(self._compaction.run(self._shards.stopped))
        self.add_future(self._stop_when_told())
        try:
            self.execute_from_commandline()
        except SystemExit:
            return cast(BaseException | None, self.crash_reason)
        except Exception as error:  # noqa: BLE001 - whatever ends Faust ends the worker, with an exit code
            return error
        return None

    def carp(self, msg: str) -> None:
        """Faust's way of printing on signals; a worker says what it has to say itself."""

    def _setup_logging(self) -> None:
        """Logging is set up by the process, not by Faust."""

    async def on_startup_finished(self) -> None:
        """Say that the worker is ready."""
        _say("ready")

    async def _stop_when_told(self) -> None:
        limit = self._settings.until_idle_s
        while not self._shards.stopped.is_set():
            try:
                await asyncio.wait_for(self._shards.stopped.wait(), _IDLE_CHECK_S)
            except TimeoutError:
                if limit is not None and self._shards.idle_s >= limit:
                    break
        await self.stop()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _silence() -> None:
    """What brokers' clients log is not for people; what matters comes out as an error with a hint."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
