"""The indexes of a shard's packs: which there are, and making those that are not."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ledger.compact.indexing import Earlier, MadeIndex, make_index
from ledger.errors import StoreConflictError
from ledger.log.indexes import Indexed, index_names, indexes_of, since_full
from ledger.log.packs import Part
from ledger.log.whole import WholeStore
from ledger.storage import layout
from ledger.storage.layout import PackName

__all__ = ["Indexes", "earlier_of"]


class Indexes:
    """What is derived of the packs of a shard.

    Args:
        store: the ledger's objects.
        shard: which shard.
        threads: how many a database may use.
    """

    def __init__(self, store: WholeStore, shard: int, threads: int) -> None:
        self._store = store
        self._threads = threads
        self._there = indexes_of(index_names(store.inner, shard))

    def has(self, pack: PackName) -> bool:
        """Whether a pack has an index."""
        return pack in self._there

    def make(self, path: Path, pack: PackName, before: Sequence[Part], directory: Path) -> MadeIndex:
        """Make the index of a pack's file; `before` are the parts before it. Raises as `make_index`."""
        since, older = earlier_of(self._store, before, self._there)
        return make_index(path, pack, since, older, directory, self._threads)

    def put(self, made: MadeIndex) -> int:
        """Keep an index that was made; how many bytes it has."""
        name = Indexed(layout.index(made.said), layout.index_ids(made.said.pack), made.said)
        size = 0
        for to, path in ((name.rows, made.rows), (name.ids, made.ids)):
            data = path.read_bytes()
            size += len(data)
            # Who was first has made the same. Crash between the two: the index is not there yet.
            with suppress(StoreConflictError):
                self._store.inner.put(to, data)
        self._there[made.said.pack] = name
        return size


def earlier_of(
    store: WholeStore, before: Sequence[Part], indexes: dict[PackName, Indexed]
) -> tuple[list[Earlier], list[Earlier]]:
    """Of the packs before one those from the last full index on, and those before them; as `make_index` takes them."""
    found = [
        Earlier(str(store.path(indexes[part.pack].rows)), indexed=True)
        if part.pack in indexes
        else Earlier(str(store.path(part.name)), indexed=False)
        for part in before
    ]
    full = since_full(before, indexes)
    return found[full:], found[:full]
