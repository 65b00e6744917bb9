"""What the tests of the HTTP API share: a server as a process, requests as clients make them and as no client would."""

import asyncio
import io
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import pytest
from litestar import Router
from litestar.handlers import HTTPRouteHandler

from ledger.api import app
from ledger.api.context import Context
from ledger.api.registry import Registry
from ledger.api.server import ApiServer, listening_socket, make_server
from ledger.api.settings import Settings
from ledger.api.tokens import Scope, Wish, create_token, token_store
from ledger.api.trail import Trail, trail_directory
from ledger.live.view import open_live
from ledger.logs import Log
from ledger.storage.local import LocalStore
from tests.log.rig import Log as MadeLog
from tests.log.rig import append, story
from tests.processes import ROOT, TIMEOUT_S, started
from tests.processes import environment as clean_environment

__all__ = ["ROOT", "TIMEOUT_S", "Answer", "Server", "answering", "make_token", "said", "serving", "write_ledger"]

_OWN_ROUTES: Final = app.all_routes


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class Server:
    """A running `ledger serve`."""

    def __init__(self, running: "subprocess.Popen[str] | ApiServer", url: str) -> None:
        self._running = running
        self.url = url
        host, _, port = url.removeprefix("http://").rpartition(":")
        self.host, self.port = host, int(port)

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        token: str | None = None,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """One request on a connection of its own."""
        shown = {"Authorization": f"Bearer {token}"} if token else {}
        connection = HTTPConnection(self.host, self.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body=body, headers=shown | (headers or {}))
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection((self.host, self.port), timeout=TIMEOUT_S)

    @property
    def process(self) -> "subprocess.Popen[str]":
        """Where it is a process of its own."""
        assert isinstance(self._running, subprocess.Popen)
        return self._running

    def tell_to_stop(self) -> None:
        """Where it is in this process: as a signal would."""
        assert isinstance(self._running, ApiServer)
        self._running.stop()

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Tell it to stop; exit code and what it said on stderr."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=TIMEOUT_S)
        return self.process.returncode, err


@contextmanager
def serving(ledger: Path, *arguments: str, at_most_s: float = 20 * TIMEOUT_S, **environment: str) -> Iterator[Server]:
    """`ledger serve` as a process at a free port; killed after so many seconds, lest a test that hangs leave it behind."""
    command = [sys.executable, "-m", "cli", "serve", "--ledger", str(ledger), "--port", "0", *arguments]
    with started(command, clean_environment(**environment), at_most_s=at_most_s) as running:
        assert running.stdout is not None
        url = running.stdout.readline().strip()
        assert url.startswith("http://"), running.communicate(timeout=TIMEOUT_S)
        yield Server(running, url)


@contextmanager
def answering(
    ledger: Path, handlers: Sequence[HTTPRouteHandler] = (), **settings: Any
) -> Iterator[tuple[Server, Context]]:
    """A server in this process, with handlers besides its own."""
    log = Log(stream=io.StringIO())
    chosen = Settings(ledger=str(ledger), cluster=None, api_port=0, **settings)
    store = token_store(str(ledger))
    registry, trail = Registry(store, chosen.token_check_s, log), Trail(trail_directory(str(ledger), None), log)
    with (
        pytest.MonkeyPatch.context() as patched,
        open_live(str(ledger)) as live,
        listening_socket(chosen) as listener,
    ):
        patched.setattr(app, "all_routes", lambda: [*_OWN_ROUTES(), Router("/", route_handlers=[*handlers])])
        registry.start()
        context = Context(store=store, settings=chosen, registry=registry, trail=trail, log=log, live=live, sender=None)
        ready = threading.Event()
        server = make_server(context, ready.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        try:
            assert ready.wait(TIMEOUT_S)
            yield Server(server, "http://{}:{}".format(*listener.getsockname())), context
        finally:
            server.should_exit = True
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()
            context.close()
            registry.stop()
            trail.close()


def said(context: Context) -> str:
    """What a server in this process has written to its log."""
    stream = context.log._stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def write_ledger(root: Path, records: int = 200) -> Path:
    """A ledger of one shard with entries of every outcome, its keys below it."""
    log = MadeLog(LocalStore(root), LocalStore(root / "keys", file_mode=0o600, dir_mode=0o700))
    append(log.open(), story(records), 50)
    return root


def make_token(ledger: Path, name: str = "all", *scopes: Scope, account: str = "*", **more: Any) -> str:
    """A token; with all scopes where none is given."""
    wish = Wish(name=name, accounts=(account,), scopes=scopes or (Scope.admin,), **more)
    return create_token(token_store(str(ledger)), wish, datetime.now(UTC) - timedelta(milliseconds=1))[1]
