"""Cursors: where the next page of a list begins. Pure.

A cursor holds the sizes of the shards that the first page was answered from, so that all pages are of one prefix of the log, whatever
is recorded meanwhile. It gives no right to anything: what its bearer may see is decided by their token each time. Its check, over the
question and over what the caller sees, refuses a cursor that was changed or belongs to another question or another caller.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from hashlib import sha256
from typing import Final

import msgspec

from ledger.errors import InputError

__all__ = ["Cursor", "decode_cursor", "encode_cursor"]

_CHECK_BYTES: Final = 12
_MAX_CHARACTERS: Final = 64 << 10
_ALPHABET: Final = re.compile(r"[A-Za-z0-9_-]+")
_MAX_SIZE: Final = 1 << 53


class Cursor(msgspec.Struct, frozen=True, kw_only=True, array_like=True, forbid_unknown_fields=True):
    """Where a page begins."""

    start: int
    """How many rows came before."""
    now: datetime
    """What `now` and `2h ago` mean on all pages."""
    sizes: tuple[int, ...]
    """Of all shards, in order."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Cursor).decode


def encode_cursor(cursor: Cursor, question: str) -> str:
    """The text of a cursor.

    Args:
        cursor: where the page begins.
        question: all that decides the answer, but for the prefix of the log.
    """
    body = _encode(cursor)
    return urlsafe_b64encode(_check(body, question) + body).rstrip(b"=").decode()


def decode_cursor(text: str, question: str, shards: int) -> Cursor:
    """The cursor that a text is.

    Args:
        text: as it was given.
        question: as when it was made.
        shards: how many the ledger has.

    Raises:
        InputError: `bad_cursor`.
    """
    if len(text) > _MAX_CHARACTERS or not _ALPHABET.fullmatch(text):
        raise _bad()
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        check, body = data[:_CHECK_BYTES], data[_CHECK_BYTES:]
        cursor = _decode(body)
    except (ValueError, OverflowError):  # msgspec's errors are ValueErrors
        raise _bad() from None
    # One cursor has one text: what decodes to the same in another way was not made here.
    if check != _check(body, question) or encode_cursor(cursor, question) != text:
        raise _bad()
    numbers = (cursor.start, *cursor.sizes)
    if len(cursor.sizes) != shards or any(not 0 <= number <= _MAX_SIZE for number in numbers):
        raise _bad()
    return cursor


def _check(body: bytes, question: str) -> bytes:
    return sha256(b"cursor\x00" + question.encode("utf-8", "surrogatepass") + b"\x00" + body).digest()[:_CHECK_BYTES]


def _bad() -> InputError:
    return InputError(
        "bad_cursor",
        "the cursor is none of this question's",
        "take it as it stands in the Link header of the page before, and change nothing else of the request",
    )
