"""The Merkle tree against the published vectors: roots, frontiers, proofs, tiles."""

from hashlib import sha256
from typing import Any

import pytest

from ledger.proof.merkle import (
    EMPTY_ROOT,
    Frontier,
    Index,
    Size,
    SubtreeHash,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    node_hash,
    root_from_inclusion,
)
from tests.proof.trees import VECTORS, leaf, leaves, random_access, subtree

LARGEST = 70_000


@pytest.fixture(scope="module")
def large() -> SubtreeHash:
    """Subtree hashes of the largest tree of the vectors."""
    return random_access(LARGEST)


@pytest.fixture(scope="module")
def roots() -> dict[int, bytes]:
    """The vectors' roots by size."""
    return {row["size"]: bytes.fromhex(row["root"]) for row in VECTORS["roots"]}


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    """The root of size 0 is SHA-256 of the empty string."""
    assert sha256(b"").digest() == EMPTY_ROOT == Frontier().root()


def test_leaf_and_node_hashes_are_separated_by_their_prefix() -> None:
    """A leaf's hash starts from 0x00 and a node's from 0x01, so no entry can pass for a node."""
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert left == sha256(b"\x00a").digest()
    assert node_hash(left, right) == sha256(b"\x01" + left + right).digest()
    assert leaf_hash(left + right) != node_hash(left, right)


@pytest.mark.parametrize("row", VECTORS["roots"], ids=lambda row: str(row["size"]))
def test_a_tree_has_the_published_root(row: dict[str, Any]) -> None:
    """Extending a frontier by the vectors' leaves gives the vectors' root."""
    frontier = Frontier()
    frontier.extend(leaves(row["size"]))
    assert frontier.root().hex() == row["root"]
    assert frontier.size == row["size"]


@pytest.mark.parametrize("row", VECTORS["frontiers"], ids=lambda row: str(row["size"]))
def test_a_frontier_has_the_published_hashes(row: dict[str, Any]) -> None:
    """A frontier holds the roots of the complete subtrees, largest first."""
    frontier = Frontier()
    frontier.extend(leaves(row["size"]))
    assert [h.hex() for h in frontier.hashes] == row["hashes_largest_first"]


@pytest.mark.parametrize("row", VECTORS["inclusion"], ids=lambda row: f"{row['index']}-of-{row['size']}")
def test_an_inclusion_proof_is_the_published_one(
    row: dict[str, Any], large: SubtreeHash, roots: dict[int, bytes]
) -> None:
    """The proof made is the vector's, byte by byte, and leads to the published root."""
    index, size = Index(row["index"]), Size(row["size"])
    proof = inclusion_proof(index, size, large)
    assert [h.hex() for h in proof] == row["proof"]
    assert sha256(b"".join(proof)).hexdigest() == row["sha256_of_concatenation"]
    assert root_from_inclusion(index, size, leaf(index), proof) == roots.get(size, large(0, size))


@pytest.mark.parametrize("row", VECTORS["consistency"], ids=lambda row: f"{row['old']}-to-{row['size']}")
def test_a_consistency_proof_is_the_published_one(row: dict[str, Any], large: SubtreeHash) -> None:
    """The proof made is the vector's, byte by byte, and shows the old tree to be the beginning of the new."""
    old, size = Size(row["old"]), Size(row["size"])
    proof = consistency_proof(old, size, large)
    assert [h.hex() for h in proof] == row["proof"]
    assert sha256(b"".join(proof)).hexdigest() == row["sha256_of_concatenation"]
    assert is_consistent(old, size, proof, large(0, old), large(0, size))


@pytest.mark.parametrize(
    "row",
    [row for row in VECTORS["files_of_size_70000"] if row["path"].startswith("tile/") and "entries" not in row["path"]],
    ids=lambda row: str(row["path"]),
)
def test_a_tile_has_the_published_digest(row: dict[str, Any], large: SubtreeHash) -> None:
    """The hashes of the tree, cut into tiles of 256, have the vectors' digests."""
    _, level, *rest = row["path"].split("/")
    number, _, width = "/".join(rest).partition(".p/")
    first, span = 256 * int(number), 256 ** int(level)
    hashes = [large((first + i) * span, (first + i + 1) * span) for i in range(int(width or 256))]
    assert sha256(b"".join(hashes)).hexdigest() == row["sha256"]
    assert 32 * len(hashes) == row["bytes"]


def test_the_roots_of_sizes_0_to_300_have_the_pinned_digest() -> None:
    """One digest pins 301 roots, each made by appending to the one before."""
    frontier, digest = Frontier(), sha256(EMPTY_ROOT)
    for index in range(300):
        frontier.append(leaf(index))
        digest.update(frontier.root())
    assert digest.hexdigest() == VECTORS["rolling_roots_0_to_300"]


def test_all_inclusion_proofs_up_to_size_130_have_the_pinned_digest() -> None:
    """One digest pins every inclusion proof of every tree up to size 130."""
    digest = sha256()
    for size in range(1, 131):
        for index in range(size):
            proof = inclusion_proof(Index(index), Size(size), subtree)
            digest.update(bytes([len(proof)]) + b"".join(proof))
    assert digest.hexdigest() == VECTORS["rolling_inclusion_1_to_130"]


def test_all_consistency_proofs_up_to_size_130_have_the_pinned_digest() -> None:
    """One digest pins every consistency proof of every pair of sizes up to 130."""
    digest = sha256()
    for size in range(1, 131):
        for old in range(1, size + 1):
            proof = consistency_proof(Size(old), Size(size), subtree)
            digest.update(bytes([len(proof)]) + b"".join(proof))
    assert digest.hexdigest() == VECTORS["rolling_consistency_1_to_130"]
