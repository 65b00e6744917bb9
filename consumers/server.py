"""`/metrics`, `/healthz` and `/readyz` over HTTP, answered by threads of their own: also while all else hangs."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final, NamedTuple

from ledger.errors import StoreError
from ledger.witness.watchdog import cut_after

__all__ = ["Answer", "OperationServer", "serving"]

_CONNECTION_S: Final = 10.0
"""How long a connection may live."""


class Answer(NamedTuple):
    """What is sent."""

    status: int
    content_type: str
    body: bytes


class OperationServer(ThreadingHTTPServer):
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
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            message = f"cannot serve metrics at {host} port {port}: {getattr(error, 'strerror', None) or error}"
            raise StoreError("cannot_listen", message, "give another --metrics-port or --metrics-host") from error

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{name}:{port}"

    def server_bind(self) -> None:
        """Bind without asking the DNS for a name, as the base class would."""
        TCPServer.server_bind(self)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer within the time that a connection has."""
        with cut_after(request, _CONNECTION_S):
            super().process_request_thread(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's concern."""


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
