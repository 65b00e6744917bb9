"""Which packs a reader sees of a shard, and what is asked of them without the database of the views."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct, structs

from ledger.log.packs import pack_names, parts_of
from ledger.storage.local import LocalStore

__all__ = ["Packed", "boundaries", "entry_in", "reaches", "read_packs", "recorded_by"]


class Packed(Struct, frozen=True, kw_only=True):
    """What a reader takes of a pack: its file, and the entries from `first` to below `size`."""

    path: str
    name: str
    first: int
    size: int
    whole: bool
    """Whether those are all its entries."""


def read_packs(root: Path, shard: int) -> tuple[Packed, ...]:
    """What is read of the packs below `root`, up to the first hole between them."""
    found: list[Packed] = []
    for part in parts_of(pack_names(LocalStore(root), shard)):
        if part.start != (found[-1].size if found else 0):
            break
        is_whole = part.start == part.pack.first
        path = str(root / part.name)
        found.append(Packed(path=path, name=part.name, first=part.start, size=part.end, whole=is_whole))
    return tuple(found)


def reaches(root: Path, shard: int) -> int:
    """The index after the last entry that any pack holds."""
    parts = parts_of(pack_names(LocalStore(root), shard))
    return parts[-1].end if parts else 0


def boundaries(packs: Sequence[Packed]) -> list[tuple[int, bytes]]:
    """The first index after each segment in packs, and its checkpoint; raises IntegrityError `bad_pack`."""
    if not packs:
        return []
    from ledger.log.packfile import PackFile

    found: list[tuple[int, bytes]] = []
    for pack in packs:
        file = PackFile(Path(pack.path), pack.name)
        try:
            found += [(end, note) for end, note in file.boundaries() if pack.first < end <= pack.size]
        finally:
            file.close()
    return found


def recorded_by(packs: Sequence[Packed], moment: datetime) -> tuple[Packed, ...]:
    """What of these packs was recorded at a time or before; raises IntegrityError `bad_pack`."""
    from ledger.log.packfile import PackFile

    seen: list[Packed] = []
    for pack in packs:
        file = PackFile(Path(pack.path), pack.name)
        try:
            count = file.recorded_by(moment, pack.first, pack.size)
        finally:
            file.close()
        if count:
            seen.append(structs.replace(pack, size=pack.first + count))
        if pack.first + count < pack.size:
            break
    return tuple(seen)


def entry_in(packs: Sequence[Packed], index: int) -> bytes | None:
    """The bytes of an entry that is in a pack, or None; raises IntegrityError `bad_pack`."""
    pack = next((pack for pack in packs if pack.first <= index < pack.size), None)
    if pack is None:
        return None
    from ledger.log.packfile import PackFile

    file = PackFile(Path(pack.path), pack.name)
    try:
        return file.entry(index)
    finally:
        file.close()
