"""Multipart bodies, read from memory: parts may hold secrets, so nothing of them is ever spooled to a file."""

import re
from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct
from multipart import MultipartError, PushMultipartParser, parse_options_header

from ledger.gateway.refusals import refuse

__all__ = ["FILES", "MAX_NAME", "MAX_PARTS", "Part", "check_name", "read_parts"]

MAX_PARTS: Final = 4096
MAX_NAME: Final = 1024
FILES: Final = "files"
"""The name that the platform's Python client gives to every module of an upload; theirs is the file name then."""
_PIECE_BYTES: Final = 1 << 20
_MAX_HEADER_BYTES: Final = 8192
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]")
_SEPARATORS: Final = re.compile(r"[/\\]")


class Part(Struct, frozen=True):
    """One part of a body."""

    name: str
    content_type: str | None
    """Lower case, without parameters; None where the part has no such header."""
    data: bytes
    filename: str | None = None
    """On the machine that sent it: it may say anything."""

    def __repr__(self) -> str:
        return f"Part({self.name!r}, {self.content_type!r}, {len(self.data)} bytes)"


def read_parts(content_type: str, body: bytes) -> list[Part]:
    """The parts of a multipart/form-data body, in order; none is without a name, and no two have one (but for `FILES`).

    Args:
        content_type: the request's header.
        body: all of it.

    Raises:
        GatewayError: it is none, or is cut off, or has more than `MAX_PARTS` parts.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if kind != "multipart/form-data" or not boundary:
        raise refuse("this path takes multipart/form-data with a boundary", 415)
    try:
        parts = _parse(boundary, body)
    except (MultipartError, UnicodeError, LookupError, ValueError):
        # The parser's own words may quote the body.
        raise refuse(
            "the body is no multipart/form-data with the boundary that its header names, or it is cut off"
        ) from None
    names = [part.name for part in parts if part.name != FILES]
    if len(set(names)) != len(names):
        raise refuse("two parts of the body have one name")
    return parts


def _parse(boundary: str, body: bytes) -> list[Part]:
    parts: list[Part] = []
    pieces: list[bytes] = []
    head = Part("", None, b"")
    with PushMultipartParser(
        boundary, max_header_size=_MAX_HEADER_BYTES, max_segment_count=MAX_PARTS, strict=True
    ) as parser:
        for event in _events(parser, body):
            if event is None:
                parts.append(Part(head.name, head.content_type, b"".join(pieces), head.filename))
            elif isinstance(event, bytes | bytearray):
                pieces.append(bytes(event))
            else:
                if event.disposition != "form-data" or not event.name:
                    raise ValueError("a part without a name")
                head, pieces = Part(event.name, event.content_type, b"", event.filename), []
    return parts


def _events(parser: Any, body: bytes) -> Iterator[Any]:
    """What the parser finds; it is fed in pieces, for it copies what it is given."""
    for start in range(0, len(body), _PIECE_BYTES):
        yield from parser.parse(body[start : start + _PIECE_BYTES])


def check_name(name: str) -> None:
    """Refuse a name of a module that some program could take for a way out of where it puts the module.

    Raises:
        GatewayError: too long, control characters, absolute, or with a `..` in it.
    """
    steps = _SEPARATORS.split(name)
    if not name or len(name) > MAX_NAME or _CONTROL.search(name) or ".." in steps or not steps[0]:
        raise refuse(
            "a module has a name that none can have: relative, without `..` and control characters, and not too long"
        )
