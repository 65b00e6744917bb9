"""Naive trees to test against: straight from the definition in RFC 6962 section 2.1, nothing in common with the code tested."""

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from ledger.proof.merkle import SubtreeHash

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "vectors" / "c2sp.json").read_bytes())


@cache
def leaf(index: int) -> bytes:
    """The hash of the vectors' leaf: the decimal of its index."""
    return hashlib.sha256(b"\x00" + str(index).encode()).digest()


def leaves(size: int) -> list[bytes]:
    """The leaf hashes of the vectors' tree of this size."""
    return [leaf(index) for index in range(size)]


@cache
def subtree(lo: int, hi: int) -> bytes:
    """MTH(D[lo:hi]) of the vectors' leaves."""
    if lo == hi:
        return hashlib.sha256(b"").digest()
    if hi - lo == 1:
        return leaf(lo)
    k = 1
    while 2 * k < hi - lo:
        k *= 2
    return hashlib.sha256(b"\x01" + subtree(lo, lo + k) + subtree(lo + k, hi)).digest()


def path(m: int, lo: int, hi: int) -> list[bytes]:
    """PATH(m, D[lo:hi]) of RFC 6962 section 2.1.1, m counted from lo."""
    if hi - lo == 1:
        return []
    k = 1
    while 2 * k < hi - lo:
        k *= 2
    if m < k:
        return [*path(m, lo, lo + k), subtree(lo + k, hi)]
    return [*path(m - k, lo + k, hi), subtree(lo, lo + k)]


def subproof(m: int, lo: int, hi: int, *, known: bool) -> list[bytes]:
    """SUBPROOF(m, D[lo:hi], known) of RFC 6962 section 2.1.2."""
    if m == hi - lo:
        return [] if known else [subtree(lo, hi)]
    k = 1
    while 2 * k < hi - lo:
        k *= 2
    if m <= k:
        return [*subproof(m, lo, lo + k, known=known), subtree(lo + k, hi)]
    return [*subproof(m - k, lo + k, hi, known=False), subtree(lo, lo + k)]


def random_access(size: int) -> SubtreeHash:
    """Subtree hashes for a large tree: complete subtrees are made level by level, the right edge from them."""
    levels = [leaves(size)]
    while len(levels[-1]) > 1:
        row = levels[-1]
        levels.append(
            [hashlib.sha256(b"\x01" + row[i] + row[i + 1]).digest() for i in range(0, len(row) - len(row) % 2, 2)]
        )

    def hash_of(lo: int, hi: int) -> bytes:
        width = hi - lo
        if width & (width - 1) == 0 and lo % width == 0:
            return levels[width.bit_length() - 1][lo // width]
        k = 1
        while 2 * k < width:
            k *= 2
        return hashlib.sha256(b"\x01" + hash_of(lo, lo + k) + hash_of(lo + k, hi)).digest()

    return hash_of
