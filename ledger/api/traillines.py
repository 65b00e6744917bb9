"""Lines of the audit trail: their form, reading them, checking their chain."""

import re
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from ledger.storage.durable import store_errors

__all__ = ["FIRST", "End", "Line", "Read", "encode_line", "name_of_day", "names_in", "read_end", "read_lines"]

FIRST: Final = "0" * 64
"""What the first line of all has as the hash of the one before it."""
_TAIL_BYTES: Final = 64 << 10
_NAME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\.ndjson")


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line."""

    number: int = -1
    """From 0, over all days."""
    prev: str = ""
    """SHA-256 of the line before it, without its line feed, in hex."""
    kind: str
    """`use`: a token was used; `named`: people were named to whoever used it."""
    at: datetime
    token: str
    """Its id; `anonymous` where the server is open to all."""
    name: str = ""
    """Its name; none of one that does not count any more."""
    method: str = ""
    route: str
    """The template of the path."""
    account: str | None = None
    status: int = 0
    """HTTP's; 499 where the client had gone before there was an answer."""
    pseudonyms: tuple[str, ...] = ()
    """Whose names were shown."""


class Read(NamedTuple):
    """A line as it was read."""

    file: str
    line: Line | None
    """None where it is none: torn by a crash, or changed."""
    problem: str | None
    """What is wrong with it or its place in the chain."""


class End(NamedTuple):
    """The end of a trail."""

    number: int
    """That the next line has."""
    prev: str
    """The hash of the last line."""
    torn: Path | None
    """The file whose last line has no end."""


def encode_line(line: Line, number: int, prev: str) -> bytes:
    """The bytes of a line at its place, without the line feed."""
    return msgspec.json.encode(msgspec.structs.replace(line, number=number, prev=prev))


def name_of_day(at: datetime) -> str:
    """The file that a line of that time stands in."""
    return f"{at:%Y-%m-%d}.ndjson"


def names_in(directory: Path) -> list[str]:
    """The files of a trail, in order.

    Raises:
        StoreError: the directory cannot be read.
    """
    with store_errors("read", directory):
        return sorted(path.name for path in directory.iterdir() if _NAME.fullmatch(path.name))


def read_lines(directory: Path) -> Iterator[Read]:
    """All lines of a trail in order, each with what is wrong about it.

    Raises:
        StoreError: it cannot be read.
    """
    prev, number = FIRST, 0
    for name in names_in(directory):
        with store_errors("read", directory / name):
            data = (directory / name).read_bytes()
        for raw in data.split(b"\n"):
            if not raw:
                continue
            line = _decoded(raw)
            if line is None:
                yield Read(name, None, "a line is no line of a trail: torn by a crash, or changed")
            else:
                problem = None
                if line.prev != prev:
                    problem = f"line {line.number} does not follow the line that stands before it"
                elif line.number != number:
                    problem = f"line {line.number} stands where line {number} should"
                yield Read(name, line, problem)
                number = line.number + 1
            prev = sha256(raw).hexdigest()


def read_end(directory: Path, names: list[str]) -> End:
    """The end of a trail with these files; reads no more of them than it needs.

    Raises:
        StoreError: it cannot be read.
    """
    torn: Path | None = None
    for name in reversed(names):
        path = directory / name
        with store_errors("read", path):
            lines, is_torn = _last_lines(path)
        torn = path if is_torn and torn is None else torn
        if lines:
            number = next((line.number for raw in reversed(lines) if (line := _decoded(raw)) is not None), -1)
            return End(number + 1, sha256(lines[-1]).hexdigest(), torn)
    return End(0, FIRST, torn)


def _last_lines(path: Path) -> tuple[list[bytes], bool]:
    """The last lines of a file, with one among them that is whole where there is any; and whether the very last one has no end."""
    size, step = path.stat().st_size, _TAIL_BYTES
    while True:
        with path.open("rb") as file:
            file.seek(max(0, size - step))
            data = file.read(size)
        # What stands before the first line feed is no line, but for the file's beginning.
        lines = [line for line in data.split(b"\n")[int(step < size) :] if line]
        if step >= size or any(_decoded(line) is not None for line in lines):
            return lines, data[-1:] not in (b"", b"\n")
        step *= 8


def _decoded(raw: bytes) -> Line | None:
    try:
        return msgspec.json.decode(raw, type=Line)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
