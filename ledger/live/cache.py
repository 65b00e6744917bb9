"""What a reader keeps on disk so that it starts quickly: its own snapshots, never the writer's files.

Only one process at a time keeps snapshots in a directory; others read what is there, and put what they must write aside into a
temporary one that ends with them.
"""

import fcntl
import os
import shutil
import tempfile
import weakref
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from ledger.errors import StoreError
from ledger.live.rings import Kept, Ring
from ledger.log.ledgerfile import LedgerFile
from ledger.log.lookup import RunFile
from ledger.log.snapshot import AccountPart, Snapshot
from ledger.model.said import SealedActor
from ledger.model.state import Account

__all__ = [
    "FORMAT",
    "LiveCache",
    "LiveSnapshot",
    "RingPart",
    "decode_snapshot",
    "encode_snapshot",
    "packed",
    "unpacked",
]

FORMAT = 1


class RingPart(Struct, frozen=True, array_like=True):
    """A ring without the script's state."""

    serial: int
    stamp: str
    same: int
    first_version: int
    first_deployment: int
    created_on: str
    modified_on: str
    kept: list[tuple[bytes, int]]
    """What was made, and its actor's place in `actors` (-1: none);"""
    versions: list[int]
    """places in `kept`,"""
    deployments: list[int]
    """likewise."""


class LiveSnapshot(Struct, frozen=True, kw_only=True):
    """All that is known of a shard after `state.size` entries."""

    format: int
    state: Snapshot
    """Its accounts apart:"""
    accounts: list[bytes]
    """`AccountPart` as MessagePack, and"""
    marks: list[RunFile]
    actors: list[SealedActor]
    rings: dict[str, bytes]
    """by account, `RingPart` by script, likewise: so that no step of writing it takes long, and requests are answered meanwhile."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LiveSnapshot).decode
_decode_account = msgspec.msgpack.Decoder(AccountPart).decode
_decode_parts = msgspec.msgpack.Decoder(dict[str, RingPart]).decode


class LiveCache:
    """The directory of a ledger's snapshots for readers.

    Args:
        root: the user's cache directory of the program; None: keep nothing.
        file: which ledger.
    """

    def __init__(self, root: Path | None, file: LedgerFile) -> None:
        self._temporary: Path | None = None
        self._lock: int | None = None
        name = sha256(file.vkey.encode()).hexdigest()[:32]
        self._directory = None if root is None else root / f"live-{name}"
        if self._directory is not None:
            with suppress(OSError):
                self._directory.mkdir(parents=True, exist_ok=True)
                self._lock = _locked(self._directory / "lock")

    @property
    def keeps(self) -> bool:
        """Whether snapshots are written."""
        return self._lock is not None

    def snapshots(self, shard: int) -> Path | None:
        """Where the snapshots of a shard are; None where there is no place for any."""
        return None if self._directory is None else self._directory / f"{shard:04d}"

    def aside(self, shard: int) -> Path:
        """Where a shard's indexes are put: beside the snapshots, or into a temporary directory.

        Raises:
            StoreError: `no_space_for_cache`.
        """
        directory = self.snapshots(shard) if self.keeps else None
        try:
            if directory is None:
                if self._temporary is None:
                    self._temporary = Path(tempfile.mkdtemp(prefix="ledger-live-"))
                    weakref.finalize(self, shutil.rmtree, self._temporary, ignore_errors=True)
                directory = self._temporary / f"{shard:04d}"
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                "no_space_for_cache", f"cannot write to {directory or tempfile.gettempdir()}: {error.strerror}"
            ) from error
        return directory

    def close(self) -> None:
        """Let another process keep snapshots here."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _locked(path: Path) -> int | None:
    """The lock's descriptor, or None where another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def encode_snapshot(state: Snapshot, marks: list[RunFile], rings: dict[str, dict[str, Ring]]) -> bytes:
    """A snapshot's bytes."""
    actors: dict[int, int] = {}
    listed: list[SealedActor] = []
    parts = {
        account: _encode({name: packed(ring, actors, listed) for name, ring in of_account.items()})
        for account, of_account in rings.items()
    }
    accounts = [_encode(account) for account in state.accounts]
    bare = replace(state, accounts=[])
    return _encode(LiveSnapshot(format=FORMAT, state=bare, accounts=accounts, marks=marks, actors=listed, rings=parts))


def decode_snapshot(content: bytes) -> LiveSnapshot | None:
    """The snapshot in bytes, or None where it is not one of this form."""
    with suppress(msgspec.MsgspecError):
        snapshot = _decode(content)
        if snapshot.format == FORMAT:
            state = replace(snapshot.state, accounts=[_decode_account(account) for account in snapshot.accounts])
            return replace(snapshot, state=state, accounts=[])
    return None


def packed(ring: Ring, actors: dict[int, int], listed: list[SealedActor]) -> RingPart:
    """A ring for a snapshot.

    Args:
        ring: the ring.
        actors: places in `listed` of those met already, by identity; moved forward.
        listed: those actors.
    """
    kept = {id(one): one for one in (*ring.versions, *ring.deployments)}
    places = {identity: place for place, identity in enumerate(kept)}
    for one in kept.values():
        if one.actor is not None and id(one.actor) not in actors:
            actors[id(one.actor)] = len(listed)
            listed.append(one.actor)
    return RingPart(
        ring.serial,
        ring.stamp,
        ring.same,
        ring.first_version,
        ring.first_deployment,
        ring.created_on,
        ring.modified_on,
        [(one.packed, -1 if one.actor is None else actors[id(one.actor)]) for one in kept.values()],
        [places[id(one)] for one in ring.versions],
        [places[id(one)] for one in ring.deployments],
    )


def unpacked(content: bytes, account: Account, actors: list[SealedActor]) -> dict[str, Ring]:
    """The rings of an account from a snapshot.

    Raises:
        LookupError, ValueError: they do not belong to the account's state.
    """
    return {name: _unpacked(part, account, name, actors) for name, part in _decode_parts(content).items()}


def _unpacked(part: RingPart, account: Account, name: str, actors: list[SealedActor]) -> Ring:
    kept = [Kept(content, None if actor < 0 else actors[actor]) for content, actor in part.kept]
    return Ring(
        script=account.scripts[name],
        serial=part.serial,
        stamp=part.stamp,
        same=part.same,
        first_version=part.first_version,
        first_deployment=part.first_deployment,
        created_on=part.created_on,
        modified_on=part.modified_on,
        versions=tuple(kept[place] for place in part.versions),
        deployments=tuple(kept[place] for place in part.deployments),
    )
