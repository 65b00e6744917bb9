"""Compact ranges: the complete subtrees over any run of leaves, so that a tree can be hashed in pieces. Pure.

A range [first, end) is covered by the fewest complete subtrees of RFC 6962, left to right. What several processes hash apart is joined
to a frontier with one merge for each subtree that becomes complete.
"""

from collections.abc import Sequence
from hashlib import sha256

from ledger.proof.merkle import Frontier, Hash, node_hash

__all__ = ["Node", "joined", "range_of"]

Node = tuple[int, bytes]
"""A complete subtree: its height (0 is a leaf) and its hash."""


def range_of(first: int, leaves: Sequence[bytes]) -> list[Node]:
    """The subtrees that cover the leaves from index `first` on, left to right."""
    left: list[Node] = []
    right: list[Node] = []
    row, start, height = list(leaves), first, 0
    while row:
        if start & 1:
            left.append((height, row[0]))
            del row[0]
            start += 1
        if len(row) & 1:
            right.append((height, row.pop()))
        pairs = iter(row)
        row = [sha256(b"\x01" + one + other).digest() for one, other in zip(pairs, pairs, strict=True)]
        start >>= 1
        height += 1
    return left + right[::-1]


def joined(frontier: Frontier, nodes: Sequence[Node]) -> Frontier:
    """The frontier after the leaves that the nodes cover (requires that they are the range that begins at its size)."""
    size, hashes = int(frontier.size), list(frontier.hashes)
    for height, node in nodes:
        place, whole = size >> height, Hash(node)
        while place & 1:
            whole, place = node_hash(hashes.pop(), whole), place >> 1
        hashes.append(whole)
        size += 1 << height
    return Frontier(size, hashes)
