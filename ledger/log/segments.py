"""Segments: one committed batch of entries and the checkpoint after it, as bytes. No IO.

A segment is one zstd frame (entries, each followed by a line feed) and one skippable frame that holds the signed checkpoint.
Any zstd reader skips the latter, so `zstd -dc` shows the entries and DuckDB reads them.
"""

import struct
import threading
from collections.abc import Sequence
from typing import Final

import zstandard

from ledger.errors import IntegrityError

__all__ = ["MAX_SEGMENT_BYTES", "Segment", "encode_segment", "parse_segment"]

SKIPPABLE_MAGIC: Final = 0x184D2A50
_SKIPPABLE: Final = SKIPPABLE_MAGIC.to_bytes(4, "little")
FRAME_MAGIC: Final = b"\x28\xb5\x2f\xfd"
MAX_SEGMENT_BYTES: Final = 1 << 30
"""Of the entries; a frame that says it holds more is not one of ours."""
_HEADER = struct.Struct("<II")
_LEVEL: Final = 1
_of_thread = threading.local()


class Segment:
    """A segment that was read: its entries' lines and its signed checkpoint, neither verified yet."""

    __slots__ = ("lines", "note")

    def __init__(self, lines: list[bytes], note: bytes) -> None:
        self.lines = lines
        self.note = note


def encode_segment(lines: Sequence[bytes], note: bytes) -> bytes:
    """The bytes of a segment (requires at least one line; no line holds a line feed)."""
    text = b"\n".join((*lines, b""))
    frame = _compressor().compress(text)
    return frame + _HEADER.pack(SKIPPABLE_MAGIC, len(note)) + note


def parse_segment(data: bytes, name: str) -> Segment:
    """Take a segment apart.

    Raises:
        IntegrityError: `bad_segment`: not one zstd frame followed by one skippable frame with nothing behind, or no whole lines.
    """
    # The checkpoint's frame is the last one: no signed note holds these four bytes, for 0x18 is a control character.
    end = data.rfind(_SKIPPABLE)
    if end < 0:
        raise _bad(name, "it has no checkpoint")
    magic, length = _HEADER.unpack_from(data.ljust(end + _HEADER.size, b"\0"), end)
    if magic != SKIPPABLE_MAGIC or len(data) != end + _HEADER.size + length:
        raise _bad(name, "what follows its entries is not exactly one checkpoint")
    try:
        content_size = zstandard.get_frame_parameters(data).content_size
        if data[:4] != FRAME_MAGIC or not 0 < content_size <= MAX_SEGMENT_BYTES:
            raise _bad(name, "it does not begin with a zstd frame that says its size")
        text = _decompressor().decompress(data[:end], allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise _bad(name, f"it does not decompress ({error})") from None
    if len(text) != content_size:
        raise _bad(name, "its zstd frame is not complete")
    lines = text.split(b"\n")
    if lines.pop() or not lines:
        raise _bad(name, "its last entry is not complete")
    return Segment(lines, data[end + _HEADER.size :])


def _decompressor() -> zstandard.ZstdDecompressor:
    """This thread's."""
    found: zstandard.ZstdDecompressor | None = getattr(_of_thread, "decompressor", None)
    if found is None:
        found = _of_thread.decompressor = zstandard.ZstdDecompressor()
    return found


def _compressor() -> zstandard.ZstdCompressor:
    """This thread's: its tables are megabytes, which are not to be made for each segment."""
    found: zstandard.ZstdCompressor | None = getattr(_of_thread, "compressor", None)
    if found is None:
        found = _of_thread.compressor = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True)
    return found


def _bad(name: str, why: str) -> IntegrityError:
    return IntegrityError(
        "bad_segment", f"{name} is damaged: {why}", "restore it from a copy; the ledger never repairs itself"
    )
