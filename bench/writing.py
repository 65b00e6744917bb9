"""`python -m bench.writing URL TOKEN WRITERS ACCOUNTS SECONDS IDS`: many writers, each uploading its own script again and again."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from bench.asking import Connection, request_of
from bench.percentiles import percentile

__all__ = ["Wrote", "account_of", "script_of"]

_BOUNDARY: Final = "bench-3b1d"


class Wrote(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    answered: int
    """Uploads that were answered with an id; the ids are in the file."""
    refused: dict[str, int]
    """Other answers, by status."""
    seconds: float
    p50_ms: float
    p99_ms: float


def account_of(writer: int, accounts: int) -> str:
    """The account of a writer."""
    return f"bench-{writer % accounts}"


def script_of(writer: int) -> str:
    """The script of a writer; nobody else's."""
    return f"writer-{writer}"


def _upload(account: str, script: str, number: int, token: str) -> bytes:
    metadata = b'{"main_module":"index.js","bindings":[],"compatibility_date":"2026-01-01"}'
    source = f"export default {{ fetch() {{ return new Response('{script} {number}'); }} }};\n".encode()
    parts = (
        (b'name="metadata"', metadata),
        (b'name="index.js"; filename="index.js"\r\nContent-Type: application/javascript+module', source),
    )
    body = b"".join(
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (_BOUNDARY.encode(), head, content)
        for head, content in parts
    )
    return request_of(
        "PUT",
        f"/accounts/{account}/workers/scripts/{script}?excludeScript=true",
        token,
        body + b"--%b--\r\n" % _BOUNDARY.encode(),
        f"multipart/form-data; boundary={_BOUNDARY}",
    )


async def _write(url: str, token: str, writers: int, accounts: int, seconds: float) -> tuple[Wrote, list[str]]:
    waits: list[float] = []
    ids: list[str] = []
    refused: dict[str, int] = {}
    started = time.perf_counter()
    until = started + seconds

    async def run(writer: int) -> None:
        connection = await Connection.open(url)
        number = 0
        while (begun := time.perf_counter()) < until:
            request = _upload(account_of(writer, accounts), script_of(writer), number, token)
            status, body = await connection.ask(request)
            if status == 200:
                waits.append(time.perf_counter() - begun)
                ids.append(msgspec.json.decode(body)["result"]["deployment_id"].replace("-", ""))
            else:
                refused[str(status)] = refused.get(str(status), 0) + 1
            number += 1
        connection.close()

    await asyncio.gather(*(run(writer) for writer in range(writers)))
    took = time.perf_counter() - started
    waits.sort()
    wrote = Wrote(
        answered=len(ids),
        refused=refused,
        seconds=took,
        p50_ms=percentile(waits, 50) * 1e3,
        p99_ms=percentile(waits, 99) * 1e3,
    )
    return wrote, ids


def main(url: str, token: str, writers: str, accounts: str, seconds: str, path: str) -> None:
    """Write, keep the ids that were answered in a file, a line each, and print what came of it as JSON."""
    wrote, ids = asyncio.run(_write(url, token, int(writers), int(accounts), float(seconds)))
    Path(path).write_text("".join(f"{name}\n" for name in ids))
    sys.stdout.buffer.write(msgspec.json.encode(wrote))


if __name__ == "__main__":
    main(*sys.argv[1:])
