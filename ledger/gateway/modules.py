"""Modules of Workers: content types of parts, and the types that a version's code has."""

from hashlib import sha256
from typing import Any, Final

__all__ = ["content_type_of", "described", "module_type"]

_TYPES: Final = {
    "application/javascript+module": "esm",
    "application/javascript": "cjs",
    "application/wasm": "wasm",
    "application/octet-stream": "data",
    "text/plain": "text",
    "text/x-python": "python",
    "text/x-python-requirement": "python-requirement",
    "application/source-map": "sourcemap",
}
_CONTENT_TYPES: Final = {
    **{kind: content_type for content_type, kind in _TYPES.items()},
    "service-worker": "application/javascript",
    "json": "application/json",
}


def module_type(content_type: str | None, *, is_body: bool) -> str:
    """A module's type.

    Args:
        content_type: of its part; None where it says none (RFC 7578: text).
        is_body: whether the metadata names it as `body_part`: the script of a service worker.
    """
    if is_body and content_type == "application/javascript":
        return "service-worker"
    found = content_type or "text/plain"
    return _TYPES.get(found, found)


def content_type_of(module: str) -> str:
    """The content type in which a module of this type is handed out: the one it came with, as far as the type says it."""
    return _CONTENT_TYPES.get(module) or (module if "/" in module else "application/octet-stream")


def described(kind: str, data: bytes) -> dict[str, Any]:
    """A module as an event describes it; its bytes go to the blob store."""
    return {"type": kind, "size": len(data), "sha256": sha256(data).hexdigest()}
