"""A shard's newest checkpoint beside the tree that it commits to: what is shown to a witness."""

from msgspec import Struct

from ledger.log.ledgerfile import LedgerFile
from ledger.log.tree import default_cache, open_tree
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.merkle import SubtreeHash
from ledger.storage.store import Store

__all__ = ["SignedTree", "read_tree"]


class SignedTree(Struct, frozen=True, kw_only=True):
    """A shard as it was when it was read; it is not empty."""

    note: bytes
    """The newest signed checkpoint,"""
    checkpoint: Checkpoint
    """the same read and verified,"""
    subtree: SubtreeHash
    """and the hashes of the tree that it commits to."""


def read_tree(store: Store, about: LedgerFile, shard: int) -> SignedTree | None:
    """Read a shard and check that its newest checkpoint commits to its entries; None where it has none.

    Raises:
        IntegrityError: what `open_tree` raises. Such a checkpoint must be shown to nobody.
    """
    tree = open_tree(store, about, shard, default_cache())
    if tree.checkpoint is None:
        return None
    return SignedTree(note=tree.note, checkpoint=tree.checkpoint, subtree=tree.subtree)
