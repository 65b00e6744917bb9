"""An HTTP server before the stand-in, or before a real API, that keeps what was asked and answered."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from tests.wrangler import answers
from tests.wrangler.recording import Exchange, exchange
from tests.wrangler.standin import Answer, Platform

__all__ = ["Answerer", "Recorder", "forwarding", "recorder", "standing_in"]

_TIMEOUT_S: Final = 60
_HOP: Final = frozenset(("connection", "content-length", "transfer-encoding", "host", "date", "server"))

Headers = list[tuple[str, str]]
Answerer = Callable[[str, str, Headers, bytes], tuple[int, Headers, bytes]]
"""From method, target, headers and body to status, headers and body."""


class Recorder:
    """Where the server listens, and what has arrived since the last look."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._lock = Lock()
        self._kept: list[Exchange] = []

    def keep(self, item: Exchange) -> None:
        """Add one."""
        with self._lock:
            self._kept.append(item)

    def taken(self) -> list[Exchange]:
        """All since the last call, in the order in which they were answered."""
        with self._lock:
            kept, self._kept = self._kept, []
        return kept


def standing_in(first: int = 0) -> Answerer:
    """A stand-in of its own, as an answerer; its ids are numbered from `first` on."""
    assert answers is not None  # importing it fills the stand-in's table of paths
    platform, lock = Platform(first), Lock()

    def answer(method: str, target: str, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        content_type = {name.lower(): value for name, value in headers}.get("content-type", "")
        with lock:
            status, said = platform.answer(method, target, content_type, body)
        if isinstance(said, Answer):
            return status, list(said.headers.items()), said.body
        return status, [("content-type", "application/json")], msgspec.json.encode(said)

    return answer


def forwarding(url: str) -> Answerer:
    """An answerer that asks the API at `url`."""
    at = urlsplit(url)
    assert at.hostname is not None

    def answer(method: str, target: str, headers: Headers, body: bytes) -> tuple[int, Headers, bytes]:
        connection = HTTPConnection(at.hostname or "", at.port, timeout=_TIMEOUT_S)
        try:
            passed = {name: value for name, value in headers if name.lower() not in _HOP}
            connection.request(method, target, body or None, passed)
            said = connection.getresponse()
            kept = [(name, value) for name, value in said.getheaders() if name.lower() not in _HOP]
            return said.status, kept, said.read()
        finally:
            connection.close()

    return answer


@contextmanager
def recorder(answer: Answerer) -> Iterator[Recorder]:
    """A server on a free port of 127.0.0.1, until the block ends."""
    server = _Server(answer)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.recorder
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answer: Answerer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.recorder = Recorder(f"http://127.0.0.1:{self.server_address[1]}")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together, or a client that delays its acknowledgements waits for each
    server: _Server

    def handle_one_request(self) -> None:
        """Any method is answered alike."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        headers = list(self.headers.items())
        body = self._body()
        status, said_headers, said = self.server.answer(self.command, self.path, headers, body)
        self.server.recorder.keep(exchange(self.command, self.path, headers, body, status, _readable(said)))
        self.send_response(status)
        for name, value in [*said_headers, ("Content-Length", str(len(said)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)
        self.wfile.flush()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while (size := int(self.rfile.readline().partition(b";")[0], 16)) > 0:
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def _readable(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return body.decode(errors="replace")
