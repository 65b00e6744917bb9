"""The Merkle tree against a naive reference and against mutated proofs."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityError
from ledger.proof.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    Frontier,
    Index,
    RollbackError,
    RootMismatchError,
    Size,
    consistency_proof,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    root_from_inclusion,
    split,
    verify_consistency,
    verify_inclusion,
)
from tests.proof.trees import leaf, leaves, path, subproof, subtree

REFERENCE_SIZE = 300


def test_every_root_and_inclusion_proof_up_to_300_agrees_with_the_definition() -> None:
    """For each size to 300 and each index, root and proof are the RFC's recursive definition's, and check."""
    frontier = Frontier()
    for size in range(1, REFERENCE_SIZE + 1):
        frontier.append(leaf(size - 1))
        root = subtree(0, size)
        assert frontier.root() == root
        for index in range(size):
            proof = inclusion_proof(Index(index), Size(size), subtree)
            assert proof == path(index, 0, size)
            assert root_from_inclusion(Index(index), Size(size), leaf(index), proof) == root


def test_every_consistency_proof_up_to_300_agrees_with_the_definition() -> None:
    """For each pair of sizes to 300 the proof is the RFC's recursive definition's, and checks."""
    for size in range(1, REFERENCE_SIZE + 1):
        for old in range(1, size + 1):
            proof = consistency_proof(Size(old), Size(size), subtree)
            assert proof == subproof(old, 0, size, known=True)
            assert is_consistent(Size(old), Size(size), proof, subtree(0, old), subtree(0, size))


@given(st.lists(st.integers(0, 40), max_size=12))
def test_extending_is_the_same_as_appending_one_by_one(batches: list[int]) -> None:
    """However leaves are cut into batches, the frontier's hashes and root are those of single appends."""
    extended, appended, start = Frontier(), Frontier(), 0
    for count in batches:
        batch = [leaf(index) for index in range(start, start + count)]
        extended.extend(batch)
        for hash_ in batch:
            appended.append(hash_)
        start += count
        assert (extended.size, extended.hashes, extended.root()) == (start, appended.hashes, appended.root())


def test_extending_leaves_the_given_list_alone() -> None:
    """The caller's sequence of leaf hashes is not changed."""
    batch = leaves(5)
    frontier = Frontier(1, [leaf(9)])
    frontier.extend(batch)
    assert batch == leaves(5)


def test_a_stored_frontier_goes_on_where_it_was() -> None:
    """Size and hashes are all that appending needs."""
    frontier = Frontier()
    frontier.extend(leaves(71))
    restored = Frontier(frontier.size, frontier.hashes)
    restored.extend([leaf(index) for index in range(71, 100)])
    assert restored.root() == subtree(0, 100)


def test_a_copied_frontier_is_independent() -> None:
    """What is appended to a copy does not reach the original."""
    frontier = Frontier()
    frontier.extend(leaves(7))
    frontier.copy().extend(leaves(3))
    assert (frontier.size, frontier.root()) == (7, subtree(0, 7))


@pytest.mark.parametrize(
    ("size", "hashes"),
    [(7, 2), (8, 3), (0, 1), (1, 0), (-1, 1), (MAX_SIZE + 1, 1)],
)
def test_a_frontier_whose_size_and_hashes_disagree_is_refused(size: int, hashes: int) -> None:
    """A frontier has as many hashes as its size has one bits."""
    with pytest.raises(IntegrityError) as caught:
        Frontier(size, leaves(hashes))
    assert caught.value.code == "malformed_frontier"


def test_a_frontier_with_a_short_hash_is_refused() -> None:
    """Each hash of a frontier has 32 bytes."""
    with pytest.raises(IntegrityError) as caught:
        Frontier(1, [b"short"])
    assert caught.value.code == "malformed_frontier"


@pytest.mark.parametrize(("size", "left"), [(2, 1), (3, 2), (4, 2), (5, 4), (8, 4), (9, 8), (2**62 + 1, 2**62)])
def test_a_tree_splits_strictly_below_its_size(size: int, left: int) -> None:
    """The left half has the largest power of two of leaves that is less than the size."""
    assert split(size) == left


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (-1, 3), (5, 5)])
def test_no_inclusion_proof_is_made_outside_the_tree(index: int, size: int) -> None:
    """Asking for the proof of a leaf that is not there is the caller's mistake."""
    with pytest.raises(ValueError, match="is not in a tree"):
        inclusion_proof(Index(index), Size(size), subtree)


@pytest.mark.parametrize(("old", "size"), [(-1, 3), (4, 3)])
def test_no_consistency_proof_is_made_to_a_smaller_tree(old: int, size: int) -> None:
    """No tree begins with a larger one."""
    with pytest.raises(ValueError, match="can't begin"):
        consistency_proof(Size(old), Size(size), subtree)


@pytest.mark.parametrize(
    ("index", "size", "change"),
    [(5, 5, 0), (-1, 5, 0), (0, MAX_SIZE + 1, 0), (2, 5, -1), (2, 5, 1)],
    ids=["index is the size", "index below zero", "size too large", "a hash too few", "a hash too many"],
)
def test_an_inclusion_proof_of_the_wrong_shape_is_malformed(index: int, size: int, change: int) -> None:
    """The exact number of hashes is part of the check."""
    proof: Sequence[bytes] = [*inclusion_proof(Index(2), Size(5), subtree), leaf(0)][: 3 + change]
    with pytest.raises(IntegrityError) as caught:
        root_from_inclusion(Index(index), Size(size), leaf(2), proof)
    assert caught.value.code == "malformed_proof"


def test_an_inner_node_is_no_leaf() -> None:
    """A proof for an inner node, shown as one for a leaf of a smaller tree, leads nowhere near the root."""
    forged = leaf_hash(leaf(0) + leaf(1))
    with pytest.raises(RootMismatchError):
        verify_inclusion(Index(0), Size(2), forged, [subtree(2, 4)], subtree(0, 4))


def test_a_wrong_root_is_reported_with_both_values() -> None:
    """The error of a proof that leads elsewhere carries the trusted root and the computed one."""
    proof = inclusion_proof(Index(3), Size(9), subtree)
    with pytest.raises(RootMismatchError) as caught:
        verify_inclusion(Index(3), Size(9), leaf(3), proof, leaf(0))
    assert (caught.value.code, caught.value.expected, caught.value.found) == ("bad_proof", leaf(0), subtree(0, 9))


def test_a_log_that_was_cut_off_is_a_rollback_and_not_a_bad_proof() -> None:
    """Where the old size is above the new one, the error says so and carries both sizes."""
    with pytest.raises(RollbackError) as caught:
        verify_consistency(Size(9), Size(8), [], subtree(0, 9), subtree(0, 8))
    assert (caught.value.code, caught.value.expected, caught.value.found) == ("rollback", 9, 8)


def test_two_roots_of_one_size_are_a_fork() -> None:
    """Two trees of one size with two roots are reported as a fork, with both roots."""
    with pytest.raises(RootMismatchError) as caught:
        verify_consistency(Size(8), Size(8), [], subtree(0, 8), leaf(1))
    assert (caught.value.code, caught.value.expected, caught.value.found) == ("fork", subtree(0, 8), leaf(1))


def test_every_tree_extends_the_empty_one() -> None:
    """From size 0 the proof is empty, and the old root must be the empty tree's."""
    assert consistency_proof(Size(0), Size(5), subtree) == []
    assert is_consistent(Size(0), Size(5), [], EMPTY_ROOT, subtree(0, 5))
    assert is_consistent(Size(0), Size(0), [], EMPTY_ROOT, EMPTY_ROOT)
    assert not is_consistent(Size(0), Size(5), [], leaf(0), subtree(0, 5))


@pytest.mark.parametrize(("old", "size"), [(0, 5), (5, 5), (4, 7), (6, 8)])
def test_a_consistency_proof_with_one_hash_more_is_malformed(old: int, size: int) -> None:
    """Hashes that the sizes don't call for are refused, where none are called for too."""
    proof = [*consistency_proof(Size(old), Size(size), subtree), leaf(0)]
    with pytest.raises(IntegrityError) as caught:
        is_consistent(Size(old), Size(size), proof, subtree(0, old), subtree(0, size))
    assert caught.value.code == "malformed_proof"


@pytest.mark.parametrize(("old", "size"), [(-1, 5), (3, MAX_SIZE + 1), (-2, -1)])
def test_sizes_that_no_tree_has_are_malformed(old: int, size: int) -> None:
    """Sizes are 0 to 2^63 - 1."""
    with pytest.raises(IntegrityError) as caught:
        is_consistent(Size(old), Size(size), [], EMPTY_ROOT, EMPTY_ROOT)
    assert caught.value.code == "malformed_proof"


def test_both_roots_are_compared() -> None:
    """A proof that leads to the new root but not to the old one is refused."""
    proof = consistency_proof(Size(6), Size(8), subtree)
    assert not is_consistent(Size(6), Size(8), proof, leaf(0), subtree(0, 8))
    assert not is_consistent(Size(6), Size(8), proof, subtree(0, 6), leaf(0))


def mutations(data: st.DataObject, proof: Sequence[bytes]) -> list[bytes]:
    """The proof with one bit flipped, a hash dropped, doubled or shortened, or two swapped."""
    changed = [bytes(h) for h in proof]
    at = data.draw(st.integers(0, len(changed) - 1))
    match data.draw(st.sampled_from(["flip", "drop", "double", "shorten", "swap"])):
        case "flip":
            bit = data.draw(st.integers(0, 255))
            changed[at] = (int.from_bytes(changed[at]) ^ 1 << bit).to_bytes(32)
        case "drop":
            del changed[at]
        case "double":
            changed.insert(at, changed[at])
        case "shorten":
            changed[at] = changed[at][:-1]
        case _:
            changed[at], changed[at - 1] = changed[at - 1], changed[at]
    return changed


@given(st.data())
def test_a_changed_inclusion_proof_is_refused(data: st.DataObject) -> None:
    """What is proved checks; with the proof, the leaf, the index or the root changed it does not."""
    size = data.draw(st.integers(2, 400))
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(Index(index), Size(size), subtree), subtree(0, size)
    verify_inclusion(Index(index), Size(size), leaf(index), proof, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda value: value != index))
    changed = mutations(data, proof)
    attempts = [
        (other, leaf(index), proof, root),
        (index, leaf(other), proof, root),
        (index, leaf(index), proof, leaf(0)),
    ]
    attempts += [(index, leaf(index), changed, root)] if changed != proof else []  # type: ignore[list-item]
    for at, hash_, hashes, trusted in attempts:
        with pytest.raises(IntegrityError):
            verify_inclusion(Index(at), Size(size), hash_, hashes, trusted)


@given(st.data())
def test_a_changed_consistency_proof_is_refused(data: st.DataObject) -> None:
    """What is proved checks; with the proof, the old size or a root changed it does not."""
    size = data.draw(st.integers(2, 400))
    old = data.draw(st.integers(1, size - 1))
    proof = consistency_proof(Size(old), Size(size), subtree)
    verify_consistency(Size(old), Size(size), proof, subtree(0, old), subtree(0, size))
    changed = mutations(data, proof)
    other = data.draw(st.integers(1, size - 1).filter(lambda value: value != old))
    attempts: list[tuple[int, Sequence[bytes], bytes]] = [(other, proof, subtree(0, old)), (old, proof, leaf(size))]
    attempts += [(old, changed, subtree(0, old))] if changed != proof else []
    for before, hashes, old_root in attempts:
        with pytest.raises(IntegrityError):
            verify_consistency(Size(before), Size(size), hashes, old_root, subtree(0, size))
