"""The Merkle tree of RFC 6962 section 2: hashes, the frontier for appending, inclusion and consistency proofs.

Pure: no IO. A leaf hash is `SHA-256(0x00 || entry)`, a node `SHA-256(0x01 || left || right)`; a tree of n > 1 leaves splits
after the largest power of two that is less than n. Hashes are 32 raw bytes everywhere in this module.

Proofs are made by functions that ask the caller for the hash of a subtree, and checked by functions that raise
`IntegrityError`s: what is checked comes from somebody else.
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, NewType

from ledger.errors import IntegrityError

__all__ = [
    "EMPTY_ROOT",
    "HASH_BYTES",
    "MAX_SIZE",
    "Frontier",
    "Hash",
    "Index",
    "RollbackError",
    "RootMismatchError",
    "Size",
    "SubtreeHash",
    "consistency_proof",
    "inclusion_proof",
    "is_consistent",
    "leaf_hash",
    "node_hash",
    "root_from_inclusion",
    "split",
    "verify_consistency",
    "verify_inclusion",
]

Index = NewType("Index", int)
"""The 0-based place of an entry in its shard."""
Size = NewType("Size", int)
"""A count of entries: the size of a tree."""
Hash = NewType("Hash", bytes)
"""32 bytes of SHA-256: a leaf hash, a node hash or a root."""
SubtreeHash = Callable[[int, int], bytes]
"""`subtree(lo, hi)` is the Merkle tree hash over the leaves `[lo, hi)`; it is asked only for 0 <= lo < hi <= size."""

HASH_BYTES: Final = 32
MAX_SIZE: Final = 2**63 - 1
_AT_ONCE: Final = 2046
"""Bytes. From 2,048 on hashlib lets other threads run meanwhile, and a thread that hashes entry after entry then waits for them."""
EMPTY_ROOT: Final = Hash(sha256(b"").digest())


class RootMismatchError(IntegrityError):
    """Two roots that must be equal are not.

    Args:
        code: `root_mismatch`, `bad_proof` or `fork` (two trees of one size).
        what: what was compared, for the message.
        expected: the root that was trusted.
        found: the root that was computed or shown.
    """

    def __init__(self, code: str, what: str, *, expected: bytes, found: bytes, hint: str = "") -> None:
        super().__init__(code, f"{what}: expected {expected.hex()}, found {found.hex()}", hint)
        self.expected = expected
        self.found = found


class RollbackError(IntegrityError):
    """A tree is smaller than one that was seen before: the log was cut off. No proof of that can exist.

    Args:
        expected: the size that was seen before; the tree has to be at least as large.
        found: the size that is shown now.
    """

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(
            "rollback",
            f"the log was cut off: {expected} entries were there before, now there are {found}",
            "keep both checkpoints as evidence, and restore the log from a copy that has all entries",
        )
        self.expected = expected
        self.found = found


def leaf_hash(entry: bytes) -> Hash:
    """The hash of a leaf (RFC 6962 section 2.1). `entry` is the line without its newline."""
    state = sha256(b"\x00" + entry[:_AT_ONCE])
    for start in range(_AT_ONCE, len(entry), _AT_ONCE):
        state.update(entry[start : start + _AT_ONCE])
    return Hash(state.digest())


def node_hash(left: bytes, right: bytes) -> Hash:
    """The hash of an inner node (RFC 6962 section 2.1)."""
    return Hash(sha256(b"\x01" + left + right).digest())


class Frontier:
    """All that appending to a tree needs: the roots of its complete subtrees, side by side, largest first.

    A tree of `size` leaves has `size.bit_count()` of them. Mutable; `copy` it before appending what may be dropped again.

    Args:
        size: how many leaves the tree has.
        hashes: the stored roots of its complete subtrees, largest first.

    Raises:
        IntegrityError: `malformed_frontier`, where the hashes can't be those of a tree of that size. Whether they hash to the
            checkpoint's root is the caller's check.
    """

    __slots__ = ("_hashes", "_size")

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self._size = size
        self._hashes = [Hash(h) for h in hashes]
        if not 0 <= size <= MAX_SIZE or len(self._hashes) != size.bit_count():
            raise IntegrityError(
                "malformed_frontier", f"{len(self._hashes)} hashes can't be the frontier of size {size}"
            )
        if any(len(h) != HASH_BYTES for h in self._hashes):
            raise IntegrityError(
                "malformed_frontier", f"a hash in the frontier of size {size} has not {HASH_BYTES} bytes"
            )

    @property
    def size(self) -> Size:
        """How many leaves the tree has."""
        return Size(self._size)

    @property
    def hashes(self) -> tuple[Hash, ...]:
        """The roots of the complete subtrees, largest first."""
        return tuple(self._hashes)

    def copy(self) -> "Frontier":
        """An independent frontier of the same tree."""
        return Frontier(self._size, self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        size, node = self._size, Hash(leaf)
        while size & 1:  # one merge for each trailing one bit: that subtree is now half of a larger one
            node, size = node_hash(self._hashes.pop(), node), size >> 1
        self._hashes.append(node)
        self._size += 1

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Add many leaf hashes in order: the same as appending each, level by level and so without a loop for each leaf."""
        hashes, row, level, left_over = self._hashes, list(leaves), self._size, list[Hash]()
        self._size += len(row)
        while row:
            if level & 1:  # the last subtree of this level waits for its right sibling
                row.insert(0, hashes.pop())
            if len(row) & 1:
                left_over.append(Hash(row.pop()))
            pairs = iter(row)
            row = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
            level >>= 1
        hashes.extend(reversed(left_over))

    def root(self) -> Hash:
        """The Merkle tree hash; costs one node hash for each subtree but one, so make it once a batch."""
        if not self._hashes:
            return EMPTY_ROOT
        root = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):  # from the right: the smallest subtrees are deepest in the tree
            root = node_hash(left, root)
        return root


def split(size: int) -> int:
    """How many leaves the left half of a tree has: the largest power of two below `size` (requires size > 1)."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_proof(index: Index, size: Size, subtree: SubtreeHash) -> list[Hash]:
    """The proof that the leaf `index` is in the tree of `size` (RFC 6962 section 2.1.1), from the leaf's sibling upwards.

    Raises:
        ValueError: unless 0 <= index < size.
    """
    if not 0 <= index < size:
        raise ValueError(f"index {index} is not in a tree of size {size}")
    lo, hi, path = 0, int(size), list[Hash]()
    while hi - lo > 1:
        mid = lo + split(hi - lo)
        if index < mid:
            path.append(Hash(subtree(mid, hi)))
            hi = mid
        else:
            path.append(Hash(subtree(lo, mid)))
            lo = mid
    return path[::-1]


def root_from_inclusion(index: Index, size: Size, leaf: bytes, path: Sequence[bytes]) -> Hash:
    """The root that an inclusion proof leads to (RFC 9162 section 2.1.3.2); the proof holds iff it is the checkpoint's.

    Args:
        index: the leaf's place.
        size: of a checkpoint whose signature was verified, never from beside the proof.
        leaf: the leaf hash, made from the entry by the one who checks: a given one could be an inner node.
        path: the proof.

    Raises:
        IntegrityError: `malformed_proof`, where index, size and number of hashes don't fit together.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise IntegrityError("malformed_proof", f"index {index} is not in a tree of size {size}")
    # Levels below the point where the paths to this leaf and to the last one part.
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()  # above it every sibling is on the left
    _check_hashes([leaf, *path], 1 + inner + border)
    node = Hash(leaf)
    for level, sibling in enumerate(path[:inner]):
        node = node_hash(sibling, node) if index >> level & 1 else node_hash(node, sibling)
    for sibling in path[inner:]:
        node = node_hash(sibling, node)
    return node


def verify_inclusion(index: Index, size: Size, leaf: bytes, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf is at `index` in the tree of `size` and `root`; the arguments are those of `root_from_inclusion`.

    Raises:
        RootMismatchError: `bad_proof`.
        IntegrityError: `malformed_proof`.
    """
    found = root_from_inclusion(index, size, leaf, path)
    if found != root:
        what = f"the inclusion proof of index {index} leads to another root of size {size}"
        raise RootMismatchError("bad_proof", what, expected=root, found=found)


def consistency_proof(old: Size, size: Size, subtree: SubtreeHash) -> list[Hash]:
    """The proof that the tree of `size` begins with the tree of `old` (RFC 6962 section 2.1.2); empty where old is 0.

    Raises:
        ValueError: unless 0 <= old <= size.
    """
    if not 0 <= old <= size:
        raise ValueError(f"a tree of size {size} can't begin with one of size {old}")
    if old == 0:
        return []
    lo, hi, path = 0, int(size), list[Hash]()
    while hi != old:
        mid = lo + split(hi - lo)
        if old <= mid:
            path.append(Hash(subtree(mid, hi)))
            hi = mid
        else:
            path.append(Hash(subtree(lo, mid)))
            lo = mid
    if lo > 0:  # the one who checks has the old root only where it is itself this subtree
        path.append(Hash(subtree(lo, hi)))
    return path[::-1]


def is_consistent(old: Size, size: Size, path: Sequence[bytes], old_root: bytes, root: bytes) -> bool:
    """Whether the proof shows that the tree of `size` begins with the tree of `old` (RFC 9162 section 2.1.4.2).

    Raises:
        RollbackError: old > size.
        IntegrityError: `malformed_proof`, where the sizes and the number of hashes don't fit together.
    """
    try:
        verify_consistency(old, size, path, old_root, root)
    except RootMismatchError:
        return False
    return True


def verify_consistency(old: Size, size: Size, path: Sequence[bytes], old_root: bytes, root: bytes) -> None:
    """Check that the tree of `size` and `root` begins with the tree of `old` and `old_root`.

    Raises:
        RollbackError: old > size: the log was cut off.
        RootMismatchError: `fork`, where the sizes are equal and the roots are not; else `bad_proof`.
        IntegrityError: `malformed_proof`.
    """
    if old < 0 or not 0 <= size <= MAX_SIZE:
        raise IntegrityError("malformed_proof", f"there is no tree of size {old if old < 0 else size}")
    if old > size:
        raise RollbackError(expected=old, found=size)
    _check_hashes([old_root, root], 2)
    if old == size:
        _check_hashes(path, 0)
        _check_roots("fork", f"two trees of size {size}", old_root, root)
    if old == 0:
        _check_hashes(path, 0)
        _check_roots("bad_proof", "the root of the empty tree", EMPTY_ROOT, old_root)
    if old in {0, size}:
        return
    was, now = _roots_from_consistency(old, size, path, old_root)
    # Both must be compared: checking the new root alone accepts any old one.
    _check_roots("bad_proof", f"the consistency proof leads to another root of size {old}", old_root, was)
    _check_roots("bad_proof", f"the consistency proof leads to another root of size {size}", root, now)


def _roots_from_consistency(old: int, size: int, path: Sequence[bytes], old_root: bytes) -> tuple[Hash, Hash]:
    """The old and the new root that a consistency proof leads to (requires 0 < old < size)."""
    shift = (old & -old).bit_length() - 1  # trailing zero bits: the height of the last complete subtree of the old tree
    inner = ((old - 1) ^ (size - 1)).bit_length() - shift
    border = ((old - 1) >> (inner + shift)).bit_count()
    is_subtree = old == 1 << shift  # then the old root is the first subtree itself and not in the proof
    _check_hashes(path, inner + border + (not is_subtree))
    seed, rest = (old_root, path) if is_subtree else (path[0], path[1:])
    was = now = Hash(seed)
    bits = (old - 1) >> shift
    for level, sibling in enumerate(rest[:inner]):
        if bits >> level & 1:
            was, now = node_hash(sibling, was), node_hash(sibling, now)
        else:
            now = node_hash(now, sibling)
    for sibling in rest[inner:]:
        was, now = node_hash(sibling, was), node_hash(sibling, now)
    return was, now


def _check_hashes(hashes: Sequence[bytes], count: int) -> None:
    if len(hashes) != count:
        raise IntegrityError("malformed_proof", f"the proof has {len(hashes)} hashes where {count} are needed")
    if any(len(h) != HASH_BYTES for h in hashes):
        raise IntegrityError("malformed_proof", f"a hash in the proof has not {HASH_BYTES} bytes")


def _check_roots(code: str, what: str, expected: bytes, found: bytes) -> None:
    if expected != found:
        raise RootMismatchError(code, what, expected=expected, found=found)
