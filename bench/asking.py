"""`python -m bench.asking URL TOKEN PATHS CONNECTIONS SECONDS`: asks over kept connections, one request after the other on each."""

import asyncio
import itertools
import sys
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from bench.percentiles import percentile

__all__ = ["Asked", "Connection", "request_of"]

_END: Final = b"\r\n\r\n"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    requests: int
    failed: int
    """Answers other than 200."""
    seconds: float
    p50_ms: float
    p99_ms: float
    bytes_each: float
    """Of an answer's body, on average."""


class Connection(asyncio.Protocol):
    """One connection on which one request is answered before the next is sent. Answers must say their length."""

    def __init__(self) -> None:
        self._got = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    @classmethod
    async def open(cls, url: str) -> "Connection":
        """A connection to where the URL says."""
        at = urlsplit(url)
        _, made = await asyncio.get_running_loop().create_connection(cls, at.hostname or "", at.port or 80)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever waits for an answer is told."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("closed without an answer"))

    def data_received(self, data: bytes) -> None:
        """Hand over the answer when it is whole."""
        self._got += data
        end = self._got.find(_END)
        if end < 0:
            return
        head = bytes(self._got[:end]).lower()
        start = head.index(b"content-length:") + 15
        length = int(head[start:].split(b"\r\n", 1)[0])
        if len(self._got) >= end + 4 + length and self._answer is not None:
            body = bytes(self._got[end + 4 : end + 4 + length])
            del self._got[: end + 4 + length]
            self._answer.set_result((int(head[9:12]), body))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """The status and body that a request is answered with."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close it."""
        self._transport.close()


def request_of(method: str, path: str, token: str, body: bytes = b"", content_type: str = "application/json") -> bytes:
    """A request's bytes."""
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nUser-Agent: bench\r\n"
    if body:
        head += f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def _ask(url: str, requests: list[bytes], connections: int, seconds: float) -> Asked:
    turn = itertools.cycle(requests)
    waits: list[float] = []
    sizes = failed = 0
    started = time.perf_counter()
    until = started + seconds

    async def run() -> None:
        nonlocal sizes, failed
        connection = await Connection.open(url)
        while (begun := time.perf_counter()) < until:
            status, body = await connection.ask(next(turn))
            waits.append(time.perf_counter() - begun)
            sizes += len(body)
            failed += status != 200
        connection.close()

    await asyncio.gather(*(run() for _ in range(connections)))
    took = time.perf_counter() - started
    waits.sort()
    return Asked(
        requests=len(waits),
        failed=failed,
        seconds=took,
        p50_ms=percentile(waits, 50) * 1e3,
        p99_ms=percentile(waits, 99) * 1e3,
        bytes_each=sizes / len(waits),
    )


def main(url: str, token: str, paths: str, connections: str, seconds: str) -> None:
    """Ask for the paths of a file, a line each, and print what came of it as JSON."""
    requests = [request_of("GET", path, token) for path in Path(paths).read_text().split()]
    asked = asyncio.run(_ask(url, requests, int(connections), float(seconds)))
    sys.stdout.buffer.write(msgspec.json.encode(asked))


if __name__ == "__main__":
    main(*sys.argv[1:])
