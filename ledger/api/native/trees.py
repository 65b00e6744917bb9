"""The trees of the shards, for tiles and proofs: opened once, and again when somebody asks for more than they reach."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ledger.log.tree import ShardTree
from ledger.query.opened import OpenLedger
from ledger.query.proofs import tree_of

__all__ = ["Trees"]


class Trees:
    """For any thread: of each shard one tree, which one thread has at a time."""

    def __init__(self, shards: int) -> None:
        self._locks = [threading.Lock() for _ in range(shards)]
        self._trees: dict[int, ShardTree] = {}

    @contextmanager
    def of(self, ledger: OpenLedger, shard: int, size: int | None = None) -> Iterator[ShardTree]:
        """The tree of a shard.

        Args:
            ledger: that has it.
            shard: which one (requires that there is one).
            size: how many entries are needed at least; default: all that the log has now.

        Raises:
            IntegrityError, StoreError: as `ledger.log.tree.open_tree`.
        """
        with self._locks[shard]:
            wanted = ledger.shards[shard].size if size is None else size
            tree = self._trees.get(shard)
            if tree is None or tree.size < wanted:
                tree = self._trees[shard] = tree_of(ledger, shard, ledger.go_on)
            yield tree
