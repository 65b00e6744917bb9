"""Requests' bodies as the platform's tools write them."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from hmac import digest
from typing import Any

__all__ = [
    "BOUNDARY",
    "CONTENT_TYPE",
    "ESM",
    "KEY",
    "Sent",
    "metadata_part",
    "multipart_body",
    "part",
    "seal",
    "upload_body",
]

BOUNDARY = "----formdata-test-0123456789"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"
ESM = "application/javascript+module"
KEY = b"k" * 32

Sent = tuple[str, str | None, bytes]
"""Name, content type, content."""


def seal(value: bytes) -> str:
    """The MAC of a secret's value, by a key of the tests."""
    return digest(KEY, value, sha256).hex()


def part(name: str, data: bytes | str, content_type: str | None = ESM) -> Sent:
    """A module."""
    return name, content_type, data.encode() if isinstance(data, str) else data


def metadata_part(metadata: Mapping[str, Any]) -> Sent:
    """The part without a content type and file name."""
    return "metadata", None, json.dumps(metadata).encode()


def multipart_body(parts: Sequence[Sent]) -> bytes:
    """The body that undici and form-data write."""
    pieces = []
    for name, content_type, data in parts:
        quoted = name.replace('"', "%22")
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{quoted}"'
        if content_type is not None:
            head += f'; filename="/home/dev/{quoted}"\r\nContent-Type: {content_type}'
        pieces.append(head.encode() + b"\r\n\r\n" + data + b"\r\n")
    return b"".join(pieces) + f"--{BOUNDARY}--\r\n".encode()


def upload_body(metadata: Mapping[str, Any], *modules: Sent) -> bytes:
    """An upload."""
    return multipart_body([metadata_part(metadata), *modules])
