"""Segments that cannot be read and checkpoints that are not signed: what was done to the bytes, and which entry it hit first."""

from collections.abc import Sequence
from typing import Final

import zstandard
from msgspec.structs import replace

from ledger.errors import IntegrityError
from ledger.log.segments import SKIPPABLE_MAGIC, Segment, encode_segment
from ledger.proof.checkpoints import Checkpoint, open_checkpoint
from ledger.proof.notes import Verifier
from ledger.verify.content import read_exactly
from ledger.verify.findings import BadError
from ledger.verify.locate import Suspect, judged, unflipped

__all__ = ["damaged", "frame_flip", "unsigned"]

_SKIPPABLE: Final = SKIPPABLE_MAGIC.to_bytes(4, "little")
_STEP_BYTES: Final = 512
_CHECKSUM_FLAG: Final = 0x04
"""In a zstd frame's header descriptor (RFC 8878, section 3.1.1.1.1): four bytes of checksum end the frame."""
_CHECKSUM_BYTES: Final = 4
_HEADER_BYTES: Final = 8
_MAX_COMPARED_BYTES: Final = 64 << 10
"""Of a segment that is compressed again to compare. In a larger one such a bit stays unseen; the entries in it are what they were."""
_MAX_NOTE_BYTES: Final = 2048
"""A checkpoint of ours has 300; of a much longer one not every bit is tried."""


def damaged(error: IntegrityError, data: bytes, suspect: Suspect, verifier: Verifier) -> BadError:
    """The problem of a segment that cannot be read.

    Args:
        error: why not.
        data: its bytes.
        suspect: the segment, without lines.
        verifier: the shard's key.
    """
    first = suspect.first
    *lines, rest = _salvaged(data)
    if _is_cut(data):
        message = f"{error.message}: the file ends too soon, after {len(lines)} whole entries"
        return BadError("truncated", message, index=first + len(lines))
    end = data.rfind(_SKIPPABLE)
    note = data[end + _HEADER_BYTES :]
    length = int.from_bytes(data[end + 4 : end + _HEADER_BYTES], "little")
    if length < len(note) and _opens(note[:length], verifier) is not None:
        return BadError(
            "bad_segment", f"{error.message}: {len(note) - length} bytes follow its checkpoint", index=first
        )
    salvaged = replace(suspect, lines=lines, checkpoint=_opens(note, verifier))
    if lines and not rest and salvaged.fits():
        message = f"{error.message}; what was damaged is not the entries, which are those that were signed"
        return BadError("bit_flip", message, index=first, exact=False)
    broken = _first_broken(lines, first)
    if lines and not rest and salvaged.checkpoint is not None:
        told = judged(salvaged, broken, bit_by_bit=False)
        return BadError("bit_flip", f"{error.message}; {told.message}", index=told.index, exact=told.exact)
    if broken is not None:
        message = f"{error.message}; the first entry that it hit is {broken.index}: {broken.message}"
        return BadError("bit_flip", message, index=broken.index)
    at = first if not rest else first + len(lines)
    return BadError("bit_flip", f"{error.message}; {len(lines)} entries before that can be read", index=at, exact=False)


def _first_broken(lines: Sequence[bytes], first: int) -> BadError | None:
    """The first rule that lines break, each looked at by itself."""
    for index, line in enumerate(lines, first):
        try:
            found = read_exactly(line).index
        except BadError as bad:
            return BadError(bad.kind, bad.message, index=index)
        if found != index:
            return BadError("reordered", f"entry {found} stands where entry {index} belongs", index=index)
    return None


def frame_flip(segment: Segment, data: bytes) -> BadError | None:
    """The problem of a bit that was flipped where it changes nothing of what is decompressed: padding, bits that nobody uses.

    Another release of zstd may write other frames of the same lines, so only what is exactly one bit away from our own is told.
    """
    if len(data) > _MAX_COMPARED_BYTES:
        return None
    ours = encode_segment(segment.lines, segment.note)
    if ours == data or len(ours) != len(data):
        return None
    difference = int.from_bytes(ours, "big") ^ int.from_bytes(data, "big")
    if difference.bit_count() != 1:
        return None
    place = next(place for place, (one, other) in enumerate(zip(ours, data, strict=True)) if one != other)
    message = f"one bit of the frame around the entries was flipped: byte {place} of the file is {data[place]:#04x}, not {ours[place]:#04x}"
    return BadError("bit_flip", message, exact=False, expected=f"{ours[place]:#04x}", found=f"{data[place]:#04x}")


def unsigned(error: IntegrityError, note: bytes, verifier: Verifier, expected: Checkpoint, first: int) -> BadError:
    """The problem of a checkpoint that does not verify, after entries that are good as far as they go.

    Args:
        error: why it does not.
        note: its bytes.
        verifier: the shard's key.
        expected: what it should say.
        first: the index of the segment's first entry.
    """
    where = f"the checkpoint after entry {expected.size - 1}"
    for place, other in unflipped(note) if len(note) <= _MAX_NOTE_BYTES else ():
        # Only where the bytes look right: verifying a signature is dear.
        if b"\n\n" in other and _opens(other, verifier) == expected:
            byte = place >> 3
            message = f"one bit of {where} was flipped: its byte {byte} is {note[byte]:#04x}, it was {other[byte]:#04x}"
            return BadError(
                "bit_flip", message, index=first, expected=f"{other[byte]:#04x}", found=f"{note[byte]:#04x}"
            )
    return BadError(error.code, f"{where}: {error.message}", index=first)


def _opens(note: bytes, verifier: Verifier) -> Checkpoint | None:
    try:
        return open_checkpoint(note, verifier)
    except IntegrityError:
        return None


def _is_cut(data: bytes) -> bool:
    """Whether the bytes are the beginning of a segment, and nothing of what is there is wrong."""
    reader = zstandard.ZstdDecompressor().decompressobj()
    try:
        reader.decompress(data)
    except zstandard.ZstdError:
        return False
    if not reader.eof:
        return data[:4] == b"\x28\xb5\x2f\xfd"[: len(data)]
    rest = reader.unused_data
    length = int.from_bytes(rest[4:_HEADER_BYTES], "little")
    return _SKIPPABLE.startswith(rest[:4]) and (
        len(rest) < _HEADER_BYTES or len(rest) < _HEADER_BYTES + length < 1 << 20
    )


def _salvaged(data: bytes) -> list[bytes]:
    """What can be decompressed, split at line feeds (the last part is not a whole line); the frame's checksum left aside."""
    end = data.rfind(_SKIPPABLE)
    frame = data if end < 0 else data[:end]
    if len(frame) > _HEADER_BYTES and frame[4] & _CHECKSUM_FLAG:
        frame = frame[:4] + bytes([frame[4] & ~_CHECKSUM_FLAG]) + frame[5:]
    reader = zstandard.ZstdDecompressor().decompressobj()
    text = b""
    try:
        for start in range(0, len(frame), _STEP_BYTES):
            if reader.eof:
                break
            text += reader.decompress(frame[start : start + _STEP_BYTES])
    except zstandard.ZstdError:
        pass
    return text.split(b"\n")
