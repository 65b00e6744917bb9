"""What earlier runs saw, kept in the user's state directory: keys by place, and for each shard the newest checkpoint with its frontier.

It makes a later truncation, fork or changed key visible without anybody asking, and lets a run continue where the last one ended.
Losing it loses that and nothing else. A file that is damaged counts as absent: each begins with its own digest.
"""

import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from ledger.proof.merkle import Frontier
from ledger.proof.notes import Verifier
from ledger.verify.chain import Chain
from ledger.verify.findings import Lost

__all__ = ["Memory", "Seen", "SeenPlace", "state_directory", "thin"]

_FORMAT: Final = 1
_DIGEST_BYTES: Final = 32
_MAX_TRAIL: Final = 4096


class SeenPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger at a place."""

    format: int = _FORMAT
    location: str
    vkey: str
    ledger_file: str
    """SHA-256 of `ledger.json`, hex."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A shard's log as an earlier run verified it."""

    format: int = _FORMAT
    vkey: str
    """The shard's."""
    size: int
    root: bytes
    note: bytes
    """The signed checkpoint."""
    frontier: list[bytes]
    accounts: dict[str, tuple[int, str | None]]
    next_offset: int
    topic_id: str
    recorded: str
    lost: list[Lost] = []
    trail: list[tuple[int, bytes]]
    """Sizes and roots of checkpoints on the way, ascending: thinned where there are many."""

    def is_whole(self) -> bool:
        """Whether its parts fit its root."""
        return bool(
            len(self.frontier) == self.size.bit_count() and Frontier(self.size, self.frontier).root() == self.root
        )

    def resume(self, chain: Chain) -> Frontier:
        """Put a chain where this was; returns the frontier there."""
        chain.size, chain.next_offset, chain.topic_id, chain.recorded = (
            self.size,
            self.next_offset,
            self.topic_id,
            self.recorded,
        )
        chain.accounts.update(self.accounts)
        chain.lost += self.lost
        return Frontier(self.size, self.frontier)


class Memory:
    """What is known of the ledger at one place. Reading never fails; writing raises OSError.

    Args:
        directory: the state directory; made where it is missing.
        location: the place: a path without links, or a URL.
    """

    def __init__(self, directory: Path, location: str) -> None:
        self.directory = directory
        self.location = location

    def place(self) -> SeenPlace | None:
        """Which ledger was seen here."""
        found: SeenPlace | None = self._read("places", self.location, SeenPlace)
        return found if found is not None and found.location == self.location else None

    def shard(self, verifier: Verifier) -> Seen | None:
        """What was seen of the log that this key signs."""
        found: Seen | None = self._read("logs", verifier.vkey, Seen)
        return found if found is not None and found.vkey == verifier.vkey and found.is_whole() else None

    def keep(self, *what: SeenPlace | Seen) -> None:
        """Remember; raises OSError."""
        for one in what:
            folder, key = ("places", one.location) if isinstance(one, SeenPlace) else ("logs", one.vkey)
            path = self._path(folder, key)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = msgspec.msgpack.encode(one)
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(sha256(content).digest() + content)
            temporary.replace(path)

    def forget(self) -> None:
        """Forget which ledger was here: another one is made on purpose."""
        with suppress(OSError):
            self._path("places", self.location).unlink(missing_ok=True)

    def _read(self, folder: str, key: str, kind: type[Any]) -> Any:
        with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
            raw = self._path(folder, key).read_bytes()
            content = raw[_DIGEST_BYTES:]
            if sha256(content).digest() == raw[:_DIGEST_BYTES]:
                found = msgspec.msgpack.decode(content, type=kind)
                return found if found.format == _FORMAT else None
        return None

    def _path(self, folder: str, key: str) -> Path:
        return self.directory / folder / f"{sha256(key.encode()).hexdigest()[:32]}.bin"


def thin(trail: list[tuple[int, bytes]]) -> None:
    """Keep a trail from growing without end: of its older half every second checkpoint goes, again and again."""
    if len(trail) > _MAX_TRAIL:
        del trail[: len(trail) // 2 : 2]


def state_directory(environment: Mapping[str, str]) -> Path:
    """Where programs of this user keep what they remember (XDG Base Directory Specification)."""
    base = environment.get("XDG_STATE_HOME", "")
    root = Path(base) if base.startswith("/") else Path("~/.local/state").expanduser()
    return root / "deployment-ledger"
