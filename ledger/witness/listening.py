"""A listening socket whose connections are limited in time and number."""

import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Final

from ledger.errors import StoreError
from ledger.witness.watchdog import cut_after

__all__ = ["MAX_CONNECTIONS", "ListeningServer"]

MAX_CONNECTIONS: Final = 64
"""At once; more are closed unheard, and their clients try again."""


class ListeningServer(ThreadingHTTPServer):
    """The server's socket, bound and listening once this is made.

    Args:
        host: address to listen at.
        port: 0 takes a free one.
        handler: who answers.
        seconds: how long a connection may live.
        options: the options that name host and port, for the error's hint.

    Raises:
        StoreError: `cannot_listen`.
    """

    daemon_threads = False  # closing waits for what is being answered; no connection lives longer than `seconds`
    request_queue_size = MAX_CONNECTIONS

    def __init__(
        self, host: str, port: int, handler: type[BaseHTTPRequestHandler], seconds: float, options: tuple[str, str]
    ) -> None:
        self.seconds = seconds
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._open: set[socket.socket] = set()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), handler)
        except (OSError, OverflowError) as error:
            message = f"cannot listen at {host} port {port}: {getattr(error, 'strerror', None) or error}"
            raise StoreError("cannot_listen", message, f"give another {options[0]} or {options[1]}") from error

    @property
    def url(self) -> str:
        """Where it listens; what clients take as its prefix."""
        host, port = self.server_address[:2]
        name = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{name}:{port}"

    def server_bind(self) -> None:
        """Bind without asking the DNS for a name, as the base class would."""
        TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, unless there are too many."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer within the time that a connection has."""
        self._open.add(request)
        try:
            with cut_after(request, self.seconds):
                super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)
            self._free.release()

    def server_close(self) -> None:
        """Hear no more of requests that are not complete, finish those that are, and close."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        super().server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is no news, and no traceback."""
