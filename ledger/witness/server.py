"""A witness's HTTP: one request a connection, limited in size, time and number."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any, Final

from ledger.proof.witnessing import BAD_REQUEST, MAX_REQUEST_BYTES, NOT_FOUND
from ledger.witness.listening import ListeningServer
from ledger.witness.service import Response, WitnessService

__all__ = ["REQUEST_S", "WitnessServer", "serving"]

REQUEST_S: Final = 10.0
"""How long a connection may live, from its first byte to the last of the answer."""
_DRAINED_BYTES: Final = 4 * MAX_REQUEST_BYTES
"""Of a body that is too large, so many are read and dropped: a client that still writes would not see the answer."""
_CHUNK: Final = 64 * 1024


class WitnessServer(ListeningServer):
    """The server's socket, bound and listening once this is made.

    Args:
        service: who answers.
        host: address to listen at.
        port: 0 takes a free one.
        tell: gets one line for each submission.
        seconds: how long a connection may live.

    Raises:
        StoreError: `cannot_listen`.
    """

    def __init__(
        self, service: WitnessService, host: str, port: int, tell: Callable[[str], None], seconds: float = REQUEST_S
    ) -> None:
        self.service = service
        self.tell = tell
        super().__init__(host, port, _Handler, seconds, ("--host", "--port"))


class _Handler(BaseHTTPRequestHandler):
    """One request; then the connection is closed."""

    server: WitnessServer
    protocol_version = "HTTP/1.1"
    server_version = "deployment-ledger-witness"
    sys_version = ""

    def do_POST(self) -> None:
        """Take a submission."""
        if self.path != "/add-checkpoint":
            self._answer(Response(status=NOT_FOUND, body=b"there is only /add-checkpoint\n"))
            return
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()) or len(length) > 18:
            self._answer(Response(status=411, body=b"a body needs a Content-Length\n"))
            return
        size = int(length)
        if size > MAX_REQUEST_BYTES:
            self._drain(min(size, _DRAINED_BYTES))
            self._answer(Response(status=413, body=b"the body is too large\n", said=f"refused: {size} bytes"))
            return
        body = self.rfile.read(size)
        if len(body) == size:
            self._answer(self.server.service.add_checkpoint(body))

    def do_GET(self) -> None:
        """Serve the last checkpoint cosigned of a log: `/<hex SHA-256 of its origin>/checkpoint`."""
        _, _, rest = self.path.partition("/")
        key, _, name = rest.partition("/")
        if name != "checkpoint":
            self._answer(Response(status=NOT_FOUND, body=b"there is nothing here\n"))
            return
        self._answer(self.server.service.last(key))

    def _answer(self, response: Response) -> None:
        self.close_connection = True
        if response.said:
            self.server.tell(f"{response.status} {response.said}")
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(response.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)

    def _drain(self, size: int) -> None:
        while size > 0 and (chunk := self.rfile.read(min(size, _CHUNK))):
            size -= len(chunk)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What is no request at all, said in one line."""
        self._answer(Response(status=code or BAD_REQUEST, body=f"{message or explain or 'bad request'}\n".encode()))

    def log_message(self, format: str, *args: Any) -> None:
        """The base class's log; ours is told in `_answer`."""


@contextmanager
def serving(server: WitnessServer) -> Iterator[WitnessServer]:
    """Answer requests within the block; on leaving it finish those under way and close the socket."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="witness")
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
