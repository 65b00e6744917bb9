"""Connections: how many, and how long and large what comes before a body may be. On uvicorn's own protocol, whose parser is httptools."""

import asyncio
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from ledger.api.metrics import Metrics
from ledger.api.problems import Failure, encode_failure
from ledger.api.settings import Settings

__all__ = ["protocol_within"]

_DRAINED_BYTES: Final = 4 << 20
_DRAINED_S: Final = 2.0
"""Of a body that nobody wants, so much is read and dropped: a client that still writes would not see the answer."""
_READ_BYTES: Final = 256 << 10
"""What asyncio reads at once, at most."""


def protocol_within(settings: Settings, metrics: Metrics) -> type[asyncio.Protocol]:
    """The protocol of a server with these limits."""

    class Limited(_LimitedProtocol):
        limits = settings
        counted = metrics

    return Limited


class _LimitedProtocol(HttpToolsProtocol):
    """uvicorn's, within limits."""

    limits: Settings
    counted: Metrics
    _raw = 0
    """Bytes that came since the headers that are awaited began."""
    _head = 0
    """Bytes of a request's line and headers, as the parser told of them."""
    _is_head = True
    """Whether headers are awaited, not a body."""
    _drained: int | None = None
    """Where the answer was given before the body had come: bytes that came since."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        self.counted.connections(len(self.connections))
        if len(self.connections) > self.limits.max_connections:
            self.counted.turned_away()
            self._reject(503, "too_many_connections", "too many connections; try again in a while")
        else:
            self._within(self.limits.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._no_timer()
        super().connection_lost(exc)
        self.counted.connections(len(self.connections))

    def data_received(self, data: bytes) -> None:
        """Take what comes, unless it is too much."""
        if self.transport.is_closing():
            return
        if self._drained is not None:
            self._drained += len(data)
            if self._drained > _DRAINED_BYTES:
                self.transport.close()
                return
        elif self._is_head:
            if self._timer is None or self._raw == 0:
                self._within(self.limits.header_timeout_s)
            # The parser keeps what is no whole header yet: it must not get more and more of it.
            self._raw += len(data)
            if self._raw > self.limits.max_header_bytes + _READ_BYTES:
                self._reject(431, "headers_too_large", "the headers are too large")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the request's line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The headers are whole: what comes now is the body."""
        self._is_head = False
        self._raw = 0
        self._no_timer()
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._is_head = True
        if self.transport.is_closing():
            return
        if self._drained is not None:  # all of it has come after all: the connection can be kept
            self._drained = None
            self._no_timer()
            self._timer = self.loop.call_later(self.limits.idle_timeout_s, self.transport.close)
            return
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer was given. Where its request has not come whole, the connection ends when it has, or soon."""
        super().on_response_complete()
        if not self._is_head and not self.pipeline and not self.transport.is_closing():
            self._drained = 0
            self._no_timer()
            self._timer = self.loop.call_later(_DRAINED_S, self.transport.close)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (uvicorn's; it is for people)
        """What is no request at all."""
        self._reject(400, "bad_request", "this is no HTTP request")

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > self.limits.max_header_bytes:
            self._reject(431, "headers_too_large", "the headers are too large")

    def _reject(self, status: int, code: str, message: str) -> None:
        """Answer and close; where an answer to an earlier request is under way, only close after it."""
        if self.transport.is_closing():
            return
        running: RequestResponseCycle | None = self.cycle  # None before the first request, whatever its type says
        if running is not None and not running.response_complete:
            if self._is_head or running.response_started or self.pipeline:
                running.keep_alive = False
                self.flow.pause_reading()
                return
            running.disconnected = (
                True  # its body is what is wrong: whoever waits for the rest of it is told that none comes
            )
            running.message_event.set()
        body, content_type = encode_failure(Failure(status=status, code=code, message=message), "/")
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _within(self, seconds: float) -> None:
        self._no_timer()
        self._timer = self.loop.call_later(seconds, self._too_slow)

    def _no_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        self._timer = None
        self._reject(408, "request_too_slow", "the headers took too long to arrive")
