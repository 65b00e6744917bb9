"""Which packs of a shard count, and for which entries: decided from their names alone.

A pack holds the entries and checkpoints of consecutive segments (docs/FORMAT.md, Pack). Two compactors may have made packs that
overlap. Whatever there is, readers take for each index the pack that reaches farthest, so they see no gap and nothing twice.
"""

from collections.abc import Iterable
from typing import NamedTuple

from ledger.storage import layout
from ledger.storage.layout import PackName
from ledger.storage.store import Store

__all__ = ["Part", "covers", "pack_names", "parts_of", "reach_beyond"]


class Part(NamedTuple):
    """The entries from `start` to below `end` are read from this pack."""

    name: str
    pack: PackName
    start: int

    @property
    def end(self) -> int:
        """The index after its last entry."""
        return self.pack.end


def pack_names(store: Store, shard: int) -> list[str]:
    """The names of a shard's packs, by first index."""
    return [name for name in store.list(layout.packs_prefix(shard)) if layout.parse_pack(name) is not None]


def parts_of(names: Iterable[str]) -> list[Part]:
    """What to read of which pack, in the order of the log; a pack that adds nothing does not appear."""
    known = {name: pack for name in names if (pack := layout.parse_pack(name)) is not None}
    parts: list[Part] = []
    reached = 0
    while True:
        ahead = [(name, pack) for name, pack in known.items() if pack.end > reached]
        if not ahead:
            return parts
        # Where packs are missing, the log goes on with the first one after the hole; `verify` says what is not there.
        reached = max(reached, min(pack.first for _, pack in ahead))
        name, pack = max(
            ((name, pack) for name, pack in ahead if pack.first <= reached), key=lambda one: (one[1].end, one[0])
        )
        parts.append(Part(name, pack, reached))
        reached = pack.end


def reach_beyond(store: Store, shard: int, index: int) -> bool:
    """Whether a pack of a shard holds the entry at an index, or one after it."""
    packs = map(layout.parse_pack, pack_names(store, shard))
    return any(pack is not None and pack.end > index for pack in packs)


def covers(parts: Iterable[Part], index: int) -> Part | None:
    """The part that holds an entry, or None."""
    return next((part for part in parts if part.start <= index < part.end), None)
