"""Segments are read strictly: one zstd frame, one skippable frame, nothing else."""

import struct
from typing import Final

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import IntegrityError
from ledger.log.segments import SKIPPABLE_MAGIC, encode_segment, parse_segment

LINES: Final = [b'{"v":1,"index":%d,"text":"%s"}' % (number, b"x" * number) for number in range(40)]
NOTE: Final = "test/0000\n40\nAAAA\n\n— test/0000 AAAA\n".encode()
WHOLE: Final = encode_segment(LINES, NOTE)
FRAME: Final = WHOLE[: -len(NOTE) - 8]


@given(
    lines=st.lists(st.binary(max_size=50).map(lambda raw: raw.replace(b"\n", b"")), min_size=1),
    note=st.binary(max_size=90),
)
@settings(deadline=None)
def test_what_is_encoded_is_read_back(lines: list[bytes], note: bytes) -> None:
    """Lines and note come back as they were."""
    segment = parse_segment(encode_segment(lines, note), "s")
    assert (segment.lines, segment.note) == (lines, note)


def test_any_zstd_reader_sees_the_entries_alone() -> None:
    """A reader that knows nothing of checkpoints skips them."""
    with zstandard.ZstdDecompressor().stream_reader(WHOLE, read_across_frames=True) as reader:
        assert reader.read() == b"".join(line + b"\n" for line in LINES)


@pytest.mark.parametrize("place", range(len(WHOLE)))
def test_a_flipped_bit_is_noticed(place: int) -> None:
    """Any flipped bit is refused, or leaves the entries as they were (in the note, whose signature is not checked here)."""
    for bit in range(8):
        raw = bytearray(WHOLE)
        raw[place] ^= 1 << bit
        try:
            segment = parse_segment(bytes(raw), "s")
        except IntegrityError:
            continue
        else:
            assert segment.lines == LINES
            assert segment.note != NOTE or place < len(FRAME)


@pytest.mark.parametrize("size", range(len(WHOLE)))
def test_a_cut_segment_is_refused(size: int) -> None:
    """Cut short anywhere, it is refused."""
    with pytest.raises(IntegrityError, match="s is damaged"):
        parse_segment(WHOLE[:size], "s")


def skippable(content: bytes, magic: int = SKIPPABLE_MAGIC) -> bytes:
    """A skippable frame."""
    return struct.pack("<II", magic, len(content)) + content


BAD: Final = {
    "nothing": b"",
    "one more byte": WHOLE + b"\0",
    "a line feed": WHOLE + b"\n",
    "another checkpoint": WHOLE + skippable(NOTE),
    "another segment": WHOLE + WHOLE,
    "another frame of entries": FRAME + FRAME + skippable(NOTE),
    "no checkpoint": FRAME,
    "another kind of skippable frame": FRAME + skippable(NOTE, SKIPPABLE_MAGIC + 1),
    "a checkpoint before the entries": skippable(NOTE) + FRAME,
    "a frame instead of a checkpoint": FRAME + zstandard.compress(NOTE),
    "no last line feed": zstandard.ZstdCompressor(write_checksum=True).compress(b"entry") + skippable(NOTE),
    "no entries": zstandard.ZstdCompressor().compress(b"") + skippable(NOTE),
    "no size": zstandard.ZstdCompressor(write_content_size=False).compress(b"entry\n") + skippable(NOTE),
    "not compressed": b'{"v":1}\n' + skippable(NOTE),
    "a length beyond the end": FRAME + struct.pack("<II", SKIPPABLE_MAGIC, len(NOTE) + 1) + NOTE,
    "a length that wraps": FRAME + struct.pack("<II", SKIPPABLE_MAGIC, 2**32 - 1) + NOTE,
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_exactly_a_segment_is_refused(name: str) -> None:
    """Anything before, between, behind or missing is refused."""
    with pytest.raises(IntegrityError) as caught:
        parse_segment(BAD[name], "log/0000/x")
    assert caught.value.code == "bad_segment"
    assert caught.value.message.startswith("log/0000/x is damaged: ")
    assert caught.value.hint


def test_a_frame_that_says_it_is_huge_is_refused_unread() -> None:
    """A frame of a gigabyte and more is refused by its header, not by running out of memory."""
    header = bytes.fromhex("28b52ffd") + b"\xe0" + struct.pack("<Q", 1 << 40)
    with pytest.raises(IntegrityError):
        parse_segment(header + b"\0" * 64 + skippable(NOTE), "s")
