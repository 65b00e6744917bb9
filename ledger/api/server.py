"""The process: opens the ledger, listens, answers until it is told to stop, and ends in bounded time."""

import asyncio
import ipaddress
import logging
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import uvicorn

from ledger.api.app import create_app
from ledger.api.context import Context
from ledger.api.limits import Limited
from ledger.api.protocol import protocol_within
from ledger.api.registry import Registry
from ledger.api.settings import Settings
from ledger.api.tokenfiles import token_store
from ledger.api.trail import Trail, trail_directory
from ledger.errors import EXIT_UNAVAILABLE, LedgerError, StoreError, UsageError
from ledger.live.sending import Sender, open_sender
from ledger.live.view import LiveLedger, open_live
from ledger.log.tree import default_cache
from ledger.logs import Log

__all__ = ["ApiServer", "listening_socket", "make_server", "serve"]

_BACKLOG: Final = 256
_SAY_S: Final = 5.0
_LEAVING_S: Final = 10.0
"""How long closing may take after the time to finish; then the process ends whatever hangs."""
_QUIET: Final = ("uvicorn.error", "uvicorn.access", "litestar")


def serve(settings: Settings, log: Log, listening: Callable[[str], None]) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is being answered, within `finish_timeout_s`.

    Args:
        settings: what the server is told.
        log: where it says what happens.
        listening: gets its URL once it answers.

    Raises:
        LedgerError: `not_loopback`, `cannot_listen`, `no_audit_dir`, and why the ledger cannot be opened.
    """
    # What is in memory while a request is read (secrets, tokens) is to lie in no file, however the process ends.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    directory = trail_directory(settings.ledger, settings.audit_dir)
    if not _is_loopback(settings.api_host):
        log.caution(
            "no_tls", f"{settings.api_host} is not this machine alone, and tokens come as they are: put TLS before it"
        )
    with ExitStack() as stack:
        cut = threading.Timer(settings.finish_timeout_s + _LEAVING_S, _end, [log])
        cut.daemon = True
        stack.callback(cut.cancel)
        listener = stack.enter_context(listening_socket(settings))
        context = _open(settings, directory, log, stack)
        asyncio.run(_answer(context, listener, listening, cut))


def _open(settings: Settings, directory: Path, log: Log, stack: ExitStack) -> Context:
    # Loads the log as it is now: a minute for a million entries, unless a cache makes it quick.
    live = stack.enter_context(
        open_live(
            settings.ledger, keys=settings.keys, cache=default_cache(), progress=_Loading(log), on_problem=_behind(log)
        )
    )
    store = token_store(settings.ledger)
    registry = Registry(store, settings.token_check_s, log)
    registry.start()
    stack.callback(registry.stop)
    trail = Trail(directory, log)
    stack.callback(trail.close)
    context = Context(
        store=store,
        settings=settings,
        registry=registry,
        trail=trail,
        log=log,
        live=live,
        sender=_sender(settings, live, stack),
    )
    stack.callback(context.close)
    return context


class _Loading:
    """Says now and then how far the log has been read, so that nobody takes a long start for one that hangs."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._said_at = time.monotonic()

    def __call__(self, entries: int) -> None:
        now = time.monotonic()
        if now - self._said_at >= _SAY_S:
            self._said_at = now
            self._log.tell("loading", f"{entries} entries of the log are read", entries=entries)


def _behind(log: Log) -> Callable[[LedgerError | None], None]:
    def tell(problem: LedgerError | None) -> None:
        if problem is None:
            log.tell("caught_up", "what is shown is the log again")
        else:
            log.caution("behind", problem.message, code=problem.code, hint=problem.hint)

    return tell


def _sender(settings: Settings, live: LiveLedger, stack: ExitStack) -> Sender | None:
    """What sends changes; its broker need not be there yet."""
    if settings.cluster is None:
        return None
    return stack.enter_context(open_sender(live.store, live.about, settings.cluster))


async def _answer(
    context: Context, listener: socket.socket, listening: Callable[[str], None], cut: threading.Timer
) -> None:
    server = make_server(context, lambda: listening(_url(listener)))
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, failed: _tell(context.log, failed))

    def stop() -> None:
        if not context.stopping.is_set():
            cut.start()
        server.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await server.serve(sockets=[listener])


def _end(log: Log) -> None:
    """End the process here: a thread hangs, in a store that does not answer, and nothing can be done about it."""
    log.caution("cut_off", "something hangs, and the server ends without it")
    os._exit(EXIT_UNAVAILABLE)


def _tell(log: Log, failed: dict[str, Any]) -> None:
    """What went wrong in the event loop; not the exception's text, which may quote a request."""
    error = failed.get("exception")
    named = f" ({type(error).__name__})" if error is not None else ""
    log.caution("internal", f"{failed.get('message', 'a task failed')}{named}")


def make_server(context: Context, ready: Callable[[], None]) -> "ApiServer":
    """The server of a context; `serve` it on sockets that listen. `ready` is called once it answers."""
    settings = context.settings
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)  # tracebacks, and nothing that is not told otherwise
    return ApiServer(
        uvicorn.Config(
            Limited(create_app(context), settings, context.metrics, context.log),
            http=protocol_within(settings, context.metrics),
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=settings.trusted_proxies is not None,
            forwarded_allow_ips=settings.trusted_proxies,
            server_header=False,
            timeout_keep_alive=max(1, round(settings.idle_timeout_s)),
            timeout_graceful_shutdown=max(1, round(settings.finish_timeout_s)),
        ),
        context,
        ready,
    )


class ApiServer(uvicorn.Server):
    """uvicorn's, told to stop by us."""

    def __init__(self, config: uvicorn.Config, context: Context, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._context = context
        self._ready = ready

    def stop(self) -> None:
        """Stop: the second time without waiting for anything."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._context.stopping.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer."""
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: uvicorn would end by the signal, and we end with exit code 0."""
        yield


@contextmanager
def listening_socket(settings: Settings) -> Iterator[socket.socket]:
    """A socket, bound and listening.

    Raises:
        UsageError: `not_loopback`.
        StoreError: `cannot_listen`.
    """
    host, port = settings.api_host, settings.api_port
    if settings.insecure and not _is_loopback(host):
        raise UsageError(
            "not_loopback",
            f"--insecure lets everybody do everything, and {host} is not this machine alone",
            "listen at 127.0.0.1, or make tokens: ledger tokens create",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, or asyncio leaves Nagle's algorithm on, and each answer waits 40 ms for its second packet.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
            listener.listen(_BACKLOG)
        except (OSError, OverflowError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or error
            raise StoreError(
                "cannot_listen", f"cannot listen at {host} port {port}: {why}", "give another --host or --port"
            ) from error
        yield listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
