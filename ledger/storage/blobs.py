"""Blobs: bytes found by their SHA-256 (modules of Workers, manifests too large for an entry)."""

import re
from collections.abc import Iterable
from contextlib import suppress
from hashlib import sha256
from typing import Final

from ledger.errors import InputError, IntegrityError, StoreConflictError
from ledger.storage import layout
from ledger.storage.store import Store

__all__ = ["BlobStore"]

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class BlobStore:
    """Bytes by content in `blobs/` of a store. Digests are SHA-256 as 64 lower-case hex digits."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, data: bytes) -> str:
        """Keep the bytes (durable on return; no error where they are kept already) and return their digest."""
        digest = sha256(data).hexdigest()
        with suppress(StoreConflictError):  # the same digest, so the same bytes; `get` checks that
            self._store.put(layout.blob(digest), data)
        return digest

    def put_many(self, blobs: Iterable[bytes]) -> list[str]:
        """Keep many, durable together on return; their digests in the order given."""
        by_digest = [(sha256(data).hexdigest(), data) for data in blobs]
        self._store.put_many([(layout.blob(digest), data) for digest, data in dict(by_digest).items()])
        return [digest for digest, _ in by_digest]

    def get(self, digest: str) -> bytes:
        """The bytes with this digest.

        Raises:
            InputError: `bad_digest`.
            NotFoundError: `object_not_found`.
            IntegrityError: `blob_changed`, where what is stored under the digest has another one.
        """
        if not _DIGEST.fullmatch(digest):
            raise InputError("bad_digest", f"not a SHA-256 in lower-case hex: {digest!r}")
        data = self._store.get(layout.blob(digest))
        found = sha256(data).hexdigest()
        if found != digest:
            message = f"the bytes stored as blob {digest} have the digest {found}"
            raise IntegrityError(
                "blob_changed", message, "restore the blob from a copy; the log itself is not affected"
            )
        return data
