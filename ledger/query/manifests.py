"""The manifests of versions, read from the entries that made them."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from ledger.errors import IntegrityError
from ledger.query.lines import Place, entry_lines
from ledger.query.opened import OpenLedger
from ledger.storage.blobs import BlobStore

__all__ = ["Made", "manifests_of"]


class Made(Struct, frozen=True):
    """Which version: the entry that made it (`shard/index`), and its manifest's SHA-256."""

    entry: str
    sha256: str

    @property
    def place(self) -> Place:
        """Where the entry is."""
        shard, _, index = self.entry.partition("/")
        return int(shard), int(index)


class _Version(Struct, frozen=True):
    manifest: dict[str, dict[str, Any]] | None = None


class _Entry(Struct, frozen=True):
    version: _Version | None = None


_entry: Final = msgspec.json.Decoder(_Entry)


def manifests_of(ledger: OpenLedger, versions: Iterable[Made]) -> dict[Made, dict[str, dict[str, Any]]]:
    """The manifests of these versions; those of oversized entries from the blob store.

    Raises:
        IntegrityError: `segment_unreadable`, where an entry is not what the index of its pack says; `blob_changed`.
        NotFoundError: a blob is not there.
    """
    wanted = list(versions)
    lines = entry_lines(ledger, (one.place for one in wanted))
    found: dict[Made, dict[str, dict[str, Any]]] = {}
    for one in wanted:
        try:
            version = _entry.decode(lines[one.place]).version
        except (msgspec.MsgspecError, UnicodeDecodeError, KeyError):
            version = None
        if version is None:
            message = f"the entry {one.entry} does not hold the version that it should have made"
            raise IntegrityError("segment_unreadable", message, "run `ledger verify` to see what differs")
        if version.manifest is not None:
            found[one] = version.manifest
        else:
            found[one] = msgspec.json.decode(BlobStore(ledger.store).get(one.sha256))
    return found
