"""What a wrangler sent and printed, step by step, and the file that keeps it."""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard

__all__ = ["FIXTURES", "Exchange", "Step", "body_of", "exchange", "read", "write"]

FIXTURES: Final = Path(__file__).parent / "fixtures"
_KEPT_HEADERS: Final = (
    "cloudflare-workers-script-api-date",
    "content-type",
    "transfer-encoding",
    "user-agent",
)
_LEVEL: Final = 19


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One request as it arrived, and what the stub answered."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = {}
    """Those that matter, names in lower case; never the token."""
    text: str | None = None
    """The body where it is UTF-8,"""
    base64: str | None = None
    """or where it is not."""
    status: int = 200
    answer: Any = None
    """The body of the answer: JSON, or text."""


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One command."""

    name: str
    arguments: list[str]
    exit_code: int = 0
    output: str = ""
    exchanges: list[Exchange] = []


def exchange(
    method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes, status: int, answer: Any
) -> Exchange:
    """A request and its answer in the form in which they are kept."""
    path, _, query = target.partition("?")
    try:
        text, base64 = body.decode() or None, None
    except UnicodeDecodeError:
        text, base64 = None, b64encode(body).decode()
    kept = {name.lower(): value for name, value in headers if name.lower() in _KEPT_HEADERS}
    return Exchange(
        method=method, path=path, query=query, headers=kept, text=text, base64=base64, status=status, answer=answer
    )


def body_of(kept: Exchange) -> bytes:
    """The body of a request, byte for byte."""
    return b64decode(kept.base64) if kept.base64 is not None else (kept.text or "").encode()


def write(path: Path, steps: Iterable[Step]) -> None:
    """Keep steps, a line of JSON each, as one zstd frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = b"".join(msgspec.json.encode(step) + b"\n" for step in steps)
    path.write_bytes(zstandard.ZstdCompressor(level=_LEVEL).compress(lines))


def read(path: Path) -> Iterator[Step]:
    """The steps of a file."""
    lines = zstandard.ZstdDecompressor().decompress(path.read_bytes())
    return (msgspec.json.decode(line, type=Step) for line in lines.splitlines())
