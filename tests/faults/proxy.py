"""A network that fails: a proxy of TCP connections whose connections can be cut in the ways in which networks cut them."""

import socket
import struct
from contextlib import suppress
from threading import Lock, Thread
from typing import Final, Self

__all__ = ["Proxy"]

_CHUNK_BYTES: Final = 1 << 16
_RESET: Final = struct.pack("ii", 1, 0)
"""Of SO_LINGER: close with a reset."""


class Proxy:
    """Forwards connections to an address; a context manager. Its threads end with their connections."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._target = ("", 0)
        self._lock = Lock()
        self._open: list[socket.socket] = []
        self._silent: set[socket.socket] = set()
        self.is_dark = False
        """Whether connections made now are taken and never answered."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listening.close()
        self.reset()

    @property
    def port(self) -> int:
        """Where it listens, at 127.0.0.1."""
        port: int = self._listening.getsockname()[1]
        return port

    def forward(self, target: tuple[str, int]) -> None:
        """Begin to forward to an address."""
        self._target = target
        Thread(target=self._accept, daemon=True).start()

    def silence(self) -> None:
        """Lose whatever is sent over the connections that there are, for ever and without a word, as a router that forgot them does."""
        with self._lock:
            self._silent.update(self._open)

    def reset(self) -> None:
        """Reset all connections."""
        with self._lock:
            for each in self._open:
                with suppress(OSError):
                    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
            self._open.clear()
            self._silent.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target, timeout=10)
                server.settimeout(None)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open += [client, server]
                if self.is_dark:
                    self._silent.update((client, server))
            for source, sink in ((client, server), (server, client)):
                Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                if source not in self._silent:
                    sink.sendall(data)
        with suppress(OSError):
            if source not in self._silent:
                sink.shutdown(socket.SHUT_WR)
