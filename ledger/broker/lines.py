"""Lines of a file or of standard input, plain, gzip or zstd (told by their first bytes), never the whole of it in memory."""

import io
import os
import stat
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Final, Protocol, cast

import msgspec
import zstandard

from ledger.errors import InputError, UsageError

__all__ = ["MAX_LINE_BYTES", "Line", "Source", "open_source"]

MAX_LINE_BYTES: Final = 8 << 20
"""What is longer is no event by far; only its start is kept."""

_CHUNK_BYTES: Final = 4096
"""Read at a time. zstd makes at most 128 KiB of 4 bytes, so this bounds what one chunk can become to 128 MiB."""
_MAGIC_BYTES: Final = 4
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_MAX_WINDOW_BYTES: Final = 1 << 27
_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_WINDOW_BITS: Final = 31


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line that is not blank."""

    number: int
    """Counted from 1, blank lines included."""
    value: bytes
    """Without its line end; where `is_cut`, only the start of it."""
    is_cut: bool
    """Whether it was longer than `MAX_LINE_BYTES`."""


class _Frame(Protocol):
    """What zlib and zstandard have in common: one frame (gzip: member) being decompressed."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class Source:
    """Bytes to read lines from, and how many of them have been read."""

    def __init__(self, stream: io.BufferedReader, name: str, total_bytes: int | None = None) -> None:
        self._stream = stream
        self.name = name
        """For messages: the file's name."""
        self.total_bytes = total_bytes
        """Size as stored, compressed or not; None where nobody knows, as for a pipe."""
        self.read_bytes = 0
        """How much of `total_bytes` has been read."""

    def lines(self) -> Iterator[Line]:
        """The lines that are not blank; can be asked for once.

        Raises:
            InputError: `bad_file`: reading failed, or what is compressed is damaged or cut short.
        """
        number, kept = 1, bytearray()
        for data in self._plain():
            *ended, rest = data.split(b"\n")
            for piece in ended:
                _keep(kept, piece)
                yield from _line(number, kept)
                number += 1
                kept.clear()
            _keep(kept, rest)
        yield from _line(number, kept)

    def _plain(self) -> Iterator[bytes]:
        chunks = self._chunks()
        first = b""
        while len(first) < _MAGIC_BYTES and (chunk := next(chunks, b"")):
            first += chunk
        data = chain((first,), chunks)
        if first.startswith(_ZSTD_MAGIC):
            return self._expand(data, zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW_BYTES).decompressobj)
        if first.startswith(_GZIP_MAGIC):
            return self._expand(data, lambda: zlib.decompressobj(_GZIP_WINDOW_BITS))
        return data

    def _chunks(self) -> Iterator[bytes]:
        try:
            # read1, not read: a line that comes through a pipe is not to wait for the ones after it.
            while chunk := self._stream.read1(_CHUNK_BYTES):
                self.read_bytes += len(chunk)
                yield chunk
        except OSError as error:
            raise InputError("bad_file", f"{self.name} cannot be read: {error.strerror or error}") from error

    def _expand(self, data: Iterator[bytes], make: Callable[[], _Frame]) -> Iterator[bytes]:
        """Decompress one frame after the other."""
        frame, is_inside = make(), False
        try:
            for chunk in data:
                rest = chunk
                while rest:
                    yield frame.decompress(rest)
                    rest, is_inside = frame.unused_data, not frame.eof
                    if frame.eof:
                        frame = make()
        except (zstandard.ZstdError, zlib.error) as error:
            raise InputError("bad_file", f"{self.name} is damaged: {error}", "fetch or write it again") from error
        if is_inside:
            raise InputError("bad_file", f"{self.name} is cut short", "fetch or write it again")


def _keep(kept: bytearray, piece: bytes) -> None:
    """Append, up to one byte more than a line may have: that one says that there was more."""
    kept += piece[: MAX_LINE_BYTES + 1 - len(kept)]


def _line(number: int, kept: bytearray) -> Iterator[Line]:
    value = bytes(kept).rstrip(b"\r")
    if value.strip():
        yield Line(number=number, value=value[:MAX_LINE_BYTES], is_cut=len(kept) > MAX_LINE_BYTES)


@contextmanager
def open_source(path: str) -> Iterator[Source]:
    """Open a file, or standard input for `-`.

    Raises:
        UsageError: `file_unreadable`.
    """
    if path == "-":
        yield Source(cast("io.BufferedReader", sys.stdin.buffer), "standard input")
        return
    with _open(path) as stream:
        found = os.fstat(stream.fileno())
        yield Source(stream, path, found.st_size if stat.S_ISREG(found.st_mode) else None)


def _open(path: str) -> io.BufferedReader:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise UsageError("file_unreadable", f"{path} cannot be read: {error.strerror or error}") from error
