"""An end to every exchange: a time-out for the whole of it, where a socket's own only limits each wait."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["cut_after"]


@contextmanager
def cut_after(connection: socket.socket, seconds: float) -> Iterator[threading.Event]:
    """Within the block the connection lives so long and no longer: then both ends read an end, and the event is set."""
    expired = threading.Event()

    def cut() -> None:
        expired.set()
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()
