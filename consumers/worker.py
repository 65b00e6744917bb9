"""A worker process: starts the app, stops it cleanly, and ends with the documented exit code."""

import asyncio
import gc
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, cast

import faust
import msgspec
from faust.worker import Worker

from consumers.app import build_app, end_offsets
from consumers.compaction import Compaction
from consumers.health import Verdict, alive, ready
from consumers.operation import Operation
from consumers.records import check_aiokafka, install
from consumers.server import Answer, OperationServer, serving
from consumers.settings import Settings
from consumers.shards import Shards
from consumers.topic import known_topic
from consumers.transport import check_faust
from consumers.watchdog import LEAVING_S, Watchdog, end_after
from ledger.broker.connection import describe_topic
from ledger.errors import BrokerError, LedgerError
from ledger.log.ledgerfile import read_ledger_file
from ledger.logs import Log, Stray
from ledger.storage.keys import KeyStore
from ledger.storage.opening import open_store
from ledger.storage.store import Store

__all__ = ["run"]

_IMPORTED: Final = time.time()
_QUIET: Final = ("faust", "mode", "aiokafka", "kafka", "asyncio", "consumers.transport")
_IDLE_CHECK_S: Final = 0.1
_SWITCH_S: Final = 0.001
"""How long folding may keep the interpreter from the threads that fetch and commit; a fetch takes several turns of theirs."""
_COLLECT: Final = (50_000, 50, 100)
"""Thresholds of the garbage collector: folding makes objects by the thousand and hardly a cycle, so that it looks in vain."""


def run(settings: Settings, log: Log) -> int:
    """Run a worker until it is told to stop (SIGTERM, SIGINT), is idle for long enough, or fails.

    Returns:
        How many records it committed.

    Raises:
        LedgerError: why it stopped.
    """
    _silence(log)
    check_faust()
    check_aiokafka()
    install()
    gc.set_threshold(*_COLLECT)
    sys.setswitchinterval(_SWITCH_S)
    seen = Operation(log)
    with _served(settings, seen):
        return _run(settings, seen)


@contextmanager
def _served(settings: Settings, seen: Operation) -> Iterator[None]:
    """Within the block metrics and health are served, where they are asked for: from the first moment, also while shards load."""
    if settings.metrics_port is None:
        yield
        return
    from consumers.metrics import CONTENT_TYPE, Metrics

    metrics = Metrics(seen)
    seen.listeners.append(metrics)
    pages: dict[str, Callable[[], Answer]] = {
        "/metrics": lambda: Answer(200, CONTENT_TYPE, metrics.text()),
        "/healthz": lambda: _verdict(alive(seen, settings)),
        "/readyz": lambda: _verdict(ready(seen, settings)),
    }
    server = OperationServer(settings.metrics_host, settings.metrics_port, pages)
    seen.log.tell("serving", f"metrics at {server.url}/metrics, health at /healthz and /readyz", url=server.url)
    with serving(server):
        yield


def _verdict(verdict: Verdict) -> Answer:
    return Answer(200 if verdict.is_ok else 503, "application/json", msgspec.json.encode(verdict) + b"\n")


def _run(settings: Settings, seen: Operation) -> int:
    store = open_store(settings.ledger)
    file = read_ledger_file(store)
    keys = KeyStore.open(open_store(settings.keys, file_mode=0o600, dir_mode=0o700), file.name)
    described = describe_topic(settings.cluster, file.topic)
    topic_id = known_topic(store, file, described.topic_id, described.partitions)
    message = f"{file.name}: the topic {file.topic} at {settings.cluster.bootstrap}, group {settings.group}"
    seen.log.tell("started", message, ledger=file.name, topic=file.topic, shards=file.shards, group=settings.group)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    with tempfile.TemporaryDirectory(prefix="ledger-worker-") as data:
        shards = Shards(settings, store, keys, file, topic_id, seen)
        app = build_app(settings, file, shards, Path(data))
        worker = _LedgerWorker(app, settings, shards, seen, store, loop)
        if settings.metrics_port is not None:
            worker.add_future(shards.check_lag(partial(end_offsets, app, file.topic)))
        crash = worker.execute()
        shards.close()
    worker.ended()
    seen.summary()
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
        self,
        app: faust.App,
        settings: Settings,
        shards: Shards,
        seen: Operation,
        store: Store,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(app, loop=loop, loglevel="CRITICAL", quiet=True, redirect_stdouts=False)
        self.spinner = None
        self._settings = settings
        self._shards = shards
        self._seen = seen
        self._end: threading.Timer | None = None
        self._compaction = Compaction(
            settings, store, shards.numbers, lambda why: seen.log.caution("compaction_failed", why)
        )

    def execute(self) -> BaseException | None:
        """Run to the end; what Faust crashed of, or None."""
        self.add_future(self._shards.watch())
        self.add_future(self._shards.watch_people())
        self.add_future(self._compaction.run(self._shards.stopped))
        self.add_future(self._stop_when_told())
        self.add_future(Watchdog(self._settings, self._seen, self._shards.give_up).run(self._shards.stopped))
        try:
            self.execute_from_commandline()
        except SystemExit:
            return cast(BaseException | None, self.crash_reason)
        except Exception as error:  # noqa: BLE001 - whatever ends Faust ends the worker, with an exit code
            return error
        return None

    def carp(self, msg: str) -> None:
        """Faust's way of printing on signals; a worker says what it has to say itself."""

    def _on_sigint(self) -> None:
        self._begin_to_stop("told to by SIGINT")
        super()._on_sigint()

    def _on_sigterm(self) -> None:
        self._begin_to_stop("told to by SIGTERM")
        super()._on_sigterm()

    def _begin_to_stop(self, why: str) -> None:
        """From here on the process ends in bounded time, whatever hangs."""
        self._seen.stopping(why)
        if self._end is None:
            self._end = end_after(self._settings.stop_timeout_s + LEAVING_S, self._seen.log, self._seen)

    def ended(self) -> None:
        """It has ended by itself."""
        if self._end is not None:
            self._end.cancel()

    def _setup_logging(self) -> None:
        """Logging is set up by the process, not by Faust."""

    async def on_startup_finished(self) -> None:
        """Say that the worker is ready."""
        self._seen.is_ready = True
        for listener in self._seen.listeners:
            listener.started(time.time() - _process_started())
        self._seen.log.ready()

    async def _stop_when_told(self) -> None:
        limit = self._settings.until_idle_s
        while not self._shards.stopped.is_set():
            try:
                await asyncio.wait_for(self._shards.stopped.wait(), _IDLE_CHECK_S)
            except TimeoutError:
                if limit is not None and self._shards.idle_s >= limit:
                    self._begin_to_stop(f"idle for {limit:g} s")
                    break
        self._begin_to_stop("it has to")
        await self.stop()


def _process_started() -> float:
    """When this process began, as Unix time to 10 ms: the interpreter's start and imports count."""
    try:
        after_boot = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
        booted = time.time() - float(Path("/proc/uptime").read_text().split()[0])
    except (OSError, ValueError, IndexError):  # no Linux
        return _IMPORTED
    return booted + after_boot


def _silence(log: Log) -> None:
    """What brokers' clients log is not for people; what matters comes out as an error with a hint."""
    logging.basicConfig(level=logging.WARNING, handlers=[Stray(log)])
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)
