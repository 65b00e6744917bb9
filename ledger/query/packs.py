"""Which packs a reader sees of a shard, and what is asked of them without the database of the views."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct, structs

from ledger.log.indexes import index_names, indexes_of
from ledger.log.packs import pack_names, parts_of
from ledger.storage.local import LocalStore

__all__ = ["Packed", "boundaries", "reaches", "read_packs", "recorded_by"]


class Packed(Struct, frozen=True, kw_only=True):
    """What a reader takes of a pack: its file, and the entries from `first` to below `size`."""

    path: str
    name: str
    first: int
    size: int
    whole: bool
    """Whether those are all its entries."""
    cut: bool = False
    """Whether some at its end do not count, because they were recorded later than the reader asks about."""
    rows: str = ""
    """The rows of its index, a file; empty where it has no index."""
    ids: str = ""
    """The ids of its index."""
    least_us: int = 0
    """The least effective time in its index, in microseconds since the beginning of the year 1,"""
    most_us: int = 0
    """and the greatest."""
    full: bool = False
    """Whether its index holds the state before it too."""


def read_packs(root: Path, shard: int) -> tuple[Packed, ...]:
    """What is read of the packs below `root`, up to the first hole between them."""
    found: list[Packed] = []
    parts = parts_of(pack_names(LocalStore(root), shard))
    # After the packs: what has an index when it is listed here is listed there.
    indexes = indexes_of(index_names(LocalStore(root), shard)) if parts else {}
    for part in parts:
        if part.start != (found[-1].size if found else 0):
            break
        is_whole = part.start == part.pack.first
        path = str(root / part.name)
        pack = Packed(path=path, name=part.name, first=part.start, size=part.end, whole=is_whole)
        if (index := indexes.get(part.pack)) is not None:
            least, most, full = index.said.least_us, index.said.most_us, index.said.full
            rows, ids = str(root / index.rows), str(root / index.ids)
            pack = structs.replace(pack, rows=rows, ids=ids, least_us=least, most_us=most, full=full)
        found.append(pack)
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
            seen.append(structs.replace(pack, size=pack.first + count, cut=pack.first + count < pack.size))
        if pack.first + count < pack.size:
            break
    return tuple(seen)
