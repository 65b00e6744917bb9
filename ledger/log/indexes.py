"""Which packs of a shard have an index, from names alone (docs/FORMAT.md, Index). An index is derived: without it answers are the same."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ledger.log.packs import Part
from ledger.storage import layout
from ledger.storage.layout import IndexName, PackName
from ledger.storage.store import Store

__all__ = ["Indexed", "index_names", "indexes_of", "since_full"]


class Indexed(NamedTuple):
    """The two objects that make up the index of a pack."""

    rows: str
    ids: str
    said: IndexName
    """What the name of `rows` says."""


def index_names(store: Store, shard: int) -> list[str]:
    """The names of all that lies among the indexes of a shard, sorted."""
    return list(store.list(layout.index_prefix(shard)))


def indexes_of(names: Iterable[str]) -> dict[PackName, Indexed]:
    """The indexes that are there whole, by pack."""
    rows: dict[PackName, tuple[str, IndexName]] = {}
    ids: dict[PackName, str] = {}
    for name in names:
        if (said := layout.parse_index(name)) is not None:
            rows.setdefault(said.pack, (name, said))
        elif (pack := layout.parse_index_ids(name)) is not None:
            ids[pack] = name
    return {pack: Indexed(name, ids[pack], said) for pack, (name, said) in rows.items() if pack in ids}


def since_full(parts: Sequence[Part], indexes: dict[PackName, Indexed]) -> int:
    """The place among parts of the last whose index is full, from which on all that still matters after them is told; else 0."""
    found = (place for place in reversed(range(len(parts))) if parts[place].pack in indexes)
    return next((place for place in found if indexes[parts[place].pack].said.full), 0)
