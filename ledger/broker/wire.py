"""Frames of Kafka's protocol over a socket, one question at a time."""

import socket
import time
from typing import Any, Final

__all__ = ["ClosedError", "OtherProtocolError", "TlsSpokenError", "exchange", "frame", "left"]

_CORRELATION_ID: Final = 1
"""Questions are answered one at a time on a connection, so one number will do, and equal answers are equal bytes."""
_MAX_ANSWER_BYTES: Final = 16 << 20
_TLS_ALERT: Final = b"\x15\x03"


class ClosedError(ConnectionResetError):
    """The other side closed the connection instead of answering."""


class OtherProtocolError(OSError):
    """What came back is not Kafka's protocol."""


class TlsSpokenError(OtherProtocolError):
    """What came back is TLS."""


def left(deadline: float) -> float:
    """Seconds until a moment of the monotonic clock; raises `TimeoutError` where it is over."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds


def frame(request: Any, client_id: str) -> bytes:
    """One of kafka-python's requests as it goes over the wire."""
    request.with_header(correlation_id=_CORRELATION_ID, client_id=client_id)
    framed: bytes = request.encode(header=True, framed=True)
    return framed


def exchange(connection: socket.socket, question: bytes, deadline: float) -> bytes:
    """Send one framed request and return the answer without its length.

    Raises:
        OSError: whatever became of the connection; of the classes above where that tells more.
    """
    connection.settimeout(left(deadline))
    connection.sendall(question)
    prefix = _receive(connection, 4, deadline)
    size = int.from_bytes(prefix, "big")
    if prefix.startswith(_TLS_ALERT):
        raise TlsSpokenError("what listens there speaks TLS")
    if not 4 <= size <= _MAX_ANSWER_BYTES:
        raise OtherProtocolError("what listens there does not speak Kafka's protocol")
    answer = _receive(connection, size, deadline)
    if int.from_bytes(answer[:4], "big") != _CORRELATION_ID:
        raise OtherProtocolError("what listens there answered something else than it was asked")
    return answer


def _receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    data = b""
    while len(data) < size:
        connection.settimeout(left(deadline))
        more = connection.recv(size - len(data))
        if not more:
            raise ClosedError("the connection was closed")
        data += more
    return data
