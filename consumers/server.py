"""`/metrics`, `/healthz` and `/readyz` over HTTP, answered by threads of their own: also while all else hangs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any, Final, NamedTuple

from ledger.witness.listening import ListeningServer

__all__ = ["Answer", "OperationServer", "serving"]

_CONNECTION_S: Final = 10.0
"""How long a connection may live."""


class Answer(NamedTuple):
    """What is sent."""

    status: int
    content_type: str
    body: bytes


class OperationServer(ListeningServer):
    """The socket, bound and listening once this is made.

    Args:
        host: address to listen at.
        port: 0 takes a free one.
        pages: who answers, by path.

    Raises:
        StoreError: `cannot_listen`.
    """

    daemon_threads = True
    block_on_close = False  # whoever still reads an answer does not keep the worker from ending

    def __init__(self, host: str, port: int, pages: dict[str, Callable[[], Answer]]) -> None:
        self.pages = pages
        super().__init__(host, port, _Handler, _CONNECTION_S, ("--metrics-host", "--metrics-port"))


class _Handler(BaseHTTPRequestHandler):
    server: OperationServer
    server_version = "ledger-worker"
    sys_version = ""

    def do_HEAD(self) -> None:
        """Answer a question without the body."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer a question."""
        page = self.server.pages.get(self.path.partition("?")[0])
        if page is None:
            known = ", ".join(self.server.pages)
            self._send(Answer(404, "text/plain; charset=utf-8", f"there is {known}\n".encode()))
        else:
            self._send(page())

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds: no line for each."""

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)


@contextmanager
def serving(server: OperationServer) -> Iterator[None]:
    """Answer while the block runs."""
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="operation", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
