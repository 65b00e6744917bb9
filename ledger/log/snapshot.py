"""Snapshots of a shard's state: a cache beside the log, never a truth.

A snapshot says what the fold remembers after `size` entries, so that a worker starts without reading the whole log. It is used only
if its digest fits and its frontier hashes to the root in the checkpoint of that size. Delete the cache, and the same comes from the log.
"""

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from ledger.log.lookup import RunFile
from ledger.model.state import Account, Script

__all__ = ["AccountPart", "PackedSnapshot", "Snapshot", "SnapshotFiles", "packed", "unpacked"]

_FORMAT: Final = 1
_DIGEST_BYTES: Final = 32


class AccountPart(msgspec.Struct, frozen=True, array_like=True):
    """An account in a snapshot."""

    name: str
    entries: int
    last: str
    scripts: dict[str, Script]
    routes: dict[str, str]
    domains: dict[str, str]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a shard after `size` entries."""

    format: int = _FORMAT
    shard: int
    size: int
    next_offset: int
    topic_id: str
    recorded_at: str
    frontier: list[bytes]
    accounts: list[AccountPart]
    events: list[RunFile]
    ids: list[RunFile]


class PackedSnapshot(msgspec.Struct, frozen=True):
    """A snapshot as bytes: packed when it was taken, since the state moves on."""

    name: str
    content: bytes
    named: frozenset[str]
    """All files that belong to it."""


_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Snapshot).decode


def packed(accounts: dict[str, Account]) -> list[AccountPart]:
    """Accounts in the form of a snapshot."""
    return [
        AccountPart(account.name, account.entries, account.last, account.scripts, account.routes, account.domains)
        for account in accounts.values()
    ]


def _shared(script: Script) -> Script:
    """The same script, with one version where two are equal: most scripts serve their newest."""
    return replace(script, serving=script.newest) if script.newest == script.serving else script


def unpacked(parts: list[AccountPart]) -> dict[str, Account]:
    """Accounts from a snapshot."""
    return {
        part.name: Account(
            name=part.name,
            entries=part.entries,
            last=part.last,
            scripts={name: _shared(script) for name, script in part.scripts.items()},
            routes=part.routes,
            domains=part.domains,
        )
        for part in parts
    }


class SnapshotFiles:
    """The snapshots of one shard in a local cache directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def pack(self, snapshot: Snapshot) -> PackedSnapshot:
        """The snapshot as it is written."""
        return self.pack_content(_pack(snapshot), snapshot.size, (*snapshot.events, *snapshot.ids))

    @staticmethod
    def pack_content(content: bytes, size: int, runs: Iterable[RunFile]) -> PackedSnapshot:
        """The bytes of a snapshot after `size` entries, of whatever form, that names these runs."""
        name = f"state-{size:016d}.bin"
        return PackedSnapshot(name, sha256(content).digest() + content, frozenset((name, *(run.name for run in runs))))

    def write(self, snapshot: PackedSnapshot) -> None:
        """Write a snapshot and remove what older ones left. Not synced: what a crash tears is found by its digest."""
        temporary = self.directory / f".{snapshot.name}.{secrets.token_hex(4)}.tmp"
        temporary.write_bytes(snapshot.content)
        temporary.replace(self.directory / snapshot.name)
        for path in self.directory.iterdir():
            if path.name not in snapshot.named:
                path.unlink(missing_ok=True)

    def newest(self) -> Snapshot | None:
        """The newest snapshot that is whole, or None."""
        for content in self.contents():
            with contextlib.suppress(msgspec.MsgspecError):
                snapshot = _unpack(content)
                if snapshot.format == _FORMAT:
                    return snapshot
        return None

    def contents(self) -> Iterator[bytes]:
        """The bytes of the snapshots that are whole, the newest first."""
        paths: list[Path] = []
        with contextlib.suppress(OSError):  # a directory that cannot be read holds none
            paths = sorted(self.directory.glob("state-*.bin"), reverse=True) if self.directory.is_dir() else []
        for path in paths:
            raw = b""
            with contextlib.suppress(OSError):
                raw = path.read_bytes()
            content = raw[_DIGEST_BYTES:]
            if sha256(content).digest() == raw[:_DIGEST_BYTES]:
                yield content
