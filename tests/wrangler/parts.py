"""Multipart bodies as wrangler sends and reads them."""

from email.parser import BytesParser
from email.policy import HTTP

import msgspec

__all__ = ["Part", "joined", "parts_of"]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of a body."""

    name: str
    content_type: str | None
    """None where the part has no such header."""
    body: bytes


def parts_of(body: bytes, content_type: str) -> list[Part]:
    """The parts of a body, in their order; of a well-formed one, for nothing else reaches a test."""
    boundary = b"--" + content_type.partition("boundary=")[2].strip('"').encode()
    found = []
    for piece in body.split(boundary)[1:-1]:
        head, _, rest = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        headers = BytesParser(policy=HTTP).parsebytes(head + b"\r\n\r\n", headersonly=True)
        name = headers["content-disposition"].params["name"]
        type_ = headers["content-type"]
        found.append(Part(name=name, content_type=str(type_) if type_ else None, body=rest.removesuffix(b"\r\n")))
    return found


def joined(parts: list[Part], boundary: str) -> bytes:
    """A body of these parts, each with its name as its file's name."""
    pieces = []
    for part in parts:
        name = part.name.replace('"', "%22")
        pieces.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'.encode())
        if part.content_type is not None:
            pieces.append(f'; filename="{name}"\r\nContent-Type: {part.content_type}'.encode())
        pieces += [b"\r\n\r\n", part.body, b"\r\n"]
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()])
