"""A shard's newest checkpoint and its tree, in memory: what a consistency proof is made from."""

from collections.abc import Sequence

from msgspec import Struct

from ledger.errors import IntegrityError
from ledger.log.ledgerfile import LedgerFile
from ledger.log.reader import ShardReader
from ledger.proof.checkpoints import Checkpoint, open_checkpoint
from ledger.proof.merkle import RootMismatchError, SubtreeHash, leaf_hash, node_hash, split
from ledger.storage.store import Store

__all__ = ["ShardTree", "read_tree", "subtree_of"]


class ShardTree(Struct, frozen=True, kw_only=True):
    """A shard as it was when it was read."""

    note: bytes
    """The newest signed checkpoint,"""
    checkpoint: Checkpoint
    """the same read and verified,"""
    subtree: SubtreeHash
    """and the hashes of the tree that it commits to."""


def read_tree(store: Store, about: LedgerFile, shard: int) -> ShardTree | None:
    """Read a shard and check that its newest checkpoint commits to its entries; None where it has none.

    Raises:
        IntegrityError: `bad_segment`, `segment_missing`, what `open_checkpoint` raises, `size_mismatch`, `root_mismatch`. Such a
            checkpoint must be shown to nobody.
    """
    leaves: list[bytes] = []
    note = b""
    for _, _, segment in ShardReader(store, shard).segments():
        leaves.extend(map(leaf_hash, segment.lines))
        note = segment.note
    if not leaves:
        return None
    checkpoint, subtree = open_checkpoint(note, about.verifier(shard)), subtree_of(leaves)
    if checkpoint.size != len(leaves):
        message = f"the checkpoint of {checkpoint.origin} has size {checkpoint.size}, the log {len(leaves)} entries"
        raise IntegrityError("size_mismatch", message, "run: ledger verify")
    root = subtree(0, len(leaves))
    if root != checkpoint.root:
        what = f"the checkpoint of {checkpoint.origin} at size {checkpoint.size}"
        raise RootMismatchError("root_mismatch", what, expected=checkpoint.root, found=root, hint="run: ledger verify")
    return ShardTree(note=note, checkpoint=checkpoint, subtree=subtree)


def subtree_of(leaves: Sequence[bytes]) -> SubtreeHash:
    """The hash over any range of these leaf hashes that a proof asks for: complete subtrees are made once, level by level."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        pairs = iter(levels[-1])
        levels.append([node_hash(left, right) for left, right in zip(pairs, pairs, strict=False)])

    def subtree(lo: int, hi: int) -> bytes:
        width = hi - lo
        if width.bit_count() == 1 and lo % width == 0:
            return levels[width.bit_length() - 1][lo // width]
        middle = lo + split(width)
        return node_hash(subtree(lo, middle), subtree(middle, hi))

    return subtree
