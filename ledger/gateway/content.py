"""A version's modules as the platform hands them out, so that its tools send them back unchanged."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct
from multipart import content_disposition_quote

from ledger.gateway.modules import content_type_of
from ledger.gateway.parts import check_name

__all__ = ["Content", "content", "digests"]

_BODY: Final = "service-worker"


class Content(Struct, frozen=True):
    """A body and its headers."""

    body: bytes
    content_type: str
    headers: dict[str, str]


def digests(code: Mapping[str, Any]) -> dict[str, str]:
    """The blobs that the modules of a version are, by name."""
    return {name: module["sha256"] for name, module in code.get("modules", {}).items()}


def content(code: Mapping[str, Any], blobs: Mapping[str, bytes]) -> Content:
    """The modules of a version as multipart/form-data; a service worker's script is its bytes alone.

    Args:
        code: of the version.
        blobs: the bytes of its modules, by name.

    Raises:
        GatewayError: its main module has a name that no header can say (another producer gave it).
    """
    modules, main = code.get("modules", {}), code.get("main")
    if main is not None and modules[main]["type"] == _BODY:
        return Content(blobs[main], content_type_of(_BODY), {})
    # Of the content and nothing else: the same version gives the same bytes, and no module can hold the boundary by accident.
    boundary = sha256(b"".join(sha256(blobs[name]).digest() for name in sorted(modules))).hexdigest()
    pieces: list[bytes] = []
    for name, module in modules.items():
        quoted = content_disposition_quote(name)
        head = f"--{boundary}\r\nContent-Disposition: form-data; name={quoted}; filename={quoted}\r\n"
        pieces += (
            head.encode(),
            f"Content-Type: {content_type_of(module['type'])}\r\n\r\n".encode(),
            blobs[name],
            b"\r\n",
        )
    pieces.append(f"--{boundary}--\r\n".encode())
    headers = {} if main is None else {"cf-entrypoint": _header_value(main)}
    return Content(b"".join(pieces), f"multipart/form-data; boundary={boundary}", headers)


def _header_value(name: str) -> str:
    """A module's name for a header: its UTF-8 bytes, each as a character (as ASGI servers write headers)."""
    check_name(name)
    return name.encode().decode("latin-1")
