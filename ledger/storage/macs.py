"""HMAC-SHA256 with the key's work done once (RFC 2104)."""

from hashlib import sha256
from typing import Final

__all__ = ["Mac"]

_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class Mac:
    """HMAC-SHA256 under one key: `mac(data)` is the MAC in lower-case hex.

    Both hash states after the padded key are kept and copied, which costs about half of what `hmac.digest` does.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = (key if len(key) <= _BLOCK_BYTES else sha256(key).digest()).ljust(_BLOCK_BYTES, b"\0")
        self._inner = sha256(padded.translate(_INNER))
        self._outer = sha256(padded.translate(_OUTER))

    def __call__(self, data: bytes) -> str:
        """The MAC of the data, 64 lower-case hex digits."""
        inner = self._inner.copy()
        inner.update(data)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()

    def __repr__(self) -> str:
        return "Mac()"
