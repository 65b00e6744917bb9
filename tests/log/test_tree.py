"""The tree of a shard: the naive reference's hashes at every size, from segments or a cache that is never trusted."""

from pathlib import Path

import pytest

from ledger.errors import IntegrityError
from ledger.log.hashes import FileHashes, MemoryHashes, add_leaves
from ledger.log.segments import encode_segment, parse_segment
from ledger.log.tree import ShardTree, default_cache, open_tree
from ledger.proof.checkpoints import Checkpoint, sign
from ledger.proof.merkle import EMPTY_ROOT, Frontier, Index, Size, leaf_hash, verify_consistency, verify_inclusion
from ledger.proof.notes import Signer
from ledger.storage import layout
from tests.log.leaves import grow
from tests.log.rig import SHARD, Log, memory_log
from tests.proof.trees import leaf, leaves, path, subproof, subtree

SIZE = 70_000
SIGNER = Signer("test/0000", bytes(32))


@pytest.fixture
def log() -> Log:
    """An empty ledger in memory."""
    return memory_log()


def tree_of(log: Log, cache: Path | None = None, read: list[int] | None = None) -> ShardTree:
    """The tree; `read` collects the sizes of the segments that were read."""
    return open_tree(log.store, log.file, SHARD, cache, None if read is None else read.append)


def damage(cache: Path, level: int, place: int) -> None:
    """Flip a bit of a level's file."""
    (file,) = cache.glob(f"tree-*/{level}")
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)


def test_an_empty_log_has_the_empty_tree(log: Log, tmp_path: Path) -> None:
    """Size 0, the root of nothing, no checkpoint."""
    tree = tree_of(log, tmp_path)
    assert (tree.size, tree.root(), tree.checkpoint, tree.note) == (0, EMPTY_ROOT, None, b"")


def test_roots_and_proofs_up_to_300_are_those_of_the_definition(log: Log) -> None:
    """Across the first tile's edge, for every size a root and for each third of the sizes every proof."""
    grow(log, 1, 7, 255, 300)
    tree = tree_of(log)
    for size in range(1, 301):
        assert tree.root(size) == subtree(0, size)
        assert tree.leaf(size - 1) == leaf(size - 1)
    for size in range(1, 301, 3):
        assert [tree.inclusion(index, size) for index in range(size)] == [path(m, 0, size) for m in range(size)]
        assert [tree.consistency(old, size) for old in range(1, size + 1)] == [
            subproof(old, 0, size, known=True) for old in range(1, size + 1)
        ]


def test_proofs_of_a_large_tree_check(log: Log) -> None:
    """With three levels of tiles, at the edges of tiles and at the ends."""
    grow(log, 65_536, SIZE)
    tree = tree_of(log)
    for index in (0, 1, 255, 256, 65_535, 65_536, 69_887, 69_888, SIZE - 1):
        verify_inclusion(Index(index), Size(SIZE), leaf(index), tree.inclusion(index), tree.root())
    for old in (1, 255, 256, 257, 65_535, 65_536, 65_537, SIZE - 1, SIZE):
        verify_consistency(Size(old), Size(SIZE), tree.consistency(old), tree.root(old), tree.root())


@pytest.mark.parametrize("sizes", [(1,), (255,), (256,), (300,), (256, 512), (1, 2, 255, 256, 257, 700)])
def test_the_cache_gives_the_same_and_is_read_instead_of_the_log(
    log: Log, tmp_path: Path, sizes: tuple[int, ...]
) -> None:
    """A second opening reads no segment; after growth only the new ones."""
    grow(log, *sizes)
    first = tree_of(log, tmp_path)
    read: list[int] = []
    again = tree_of(log, tmp_path, read)
    assert read == []
    assert (again.root(), again.note) == (first.root(), first.note)
    grow(log, sizes[-1] + 600)
    grown = tree_of(log, tmp_path, read)
    assert read == [600]
    assert grown.root() == subtree(0, sizes[-1] + 600)


@pytest.mark.parametrize(("level", "place"), [(0, 5), (0, 300 * 32), (1, 0), (0, 599 * 32)])
def test_a_damaged_cache_is_made_again(log: Log, tmp_path: Path, level: int, place: int) -> None:
    """A bit in a leaf hash, inside or at the right edge, or in the root of a tile: no wrong proof comes of it."""
    grow(log, 600)
    tree_of(log, tmp_path)
    damage(tmp_path, level, place)
    tree = tree_of(log, tmp_path)
    for index in (0, 5, 200, 300, 599):
        assert tree.inclusion(index) == path(index, 0, 600)
    read: list[int] = []
    tree_of(log, tmp_path, read)
    assert read == []  # what was made again was kept


def test_a_cache_that_is_damaged_while_it_is_open_is_made_again(log: Log, tmp_path: Path) -> None:
    """A tile is compared with the one above it when it is read, not only when the tree is opened."""
    grow(log, 600)
    tree = tree_of(log, tmp_path)
    damage(tmp_path, 0, 9 * 32)
    assert tree.inclusion(8) == path(8, 0, 600)


@pytest.mark.parametrize("left", [0, 31, 32 * 100, 32 * 100 + 7, 32 * 299])
def test_a_cache_that_a_crash_cut_off_is_gone_over(log: Log, tmp_path: Path, left: int) -> None:
    """Whatever part of it was written."""
    grow(log, 200, 600)
    tree_of(log, tmp_path)
    (file,) = tmp_path.glob("tree-*/0")
    file.write_bytes(file.read_bytes()[:left])
    assert tree_of(log, tmp_path).inclusion(300) == path(300, 0, 600)


def test_a_cache_of_a_longer_or_another_log_is_not_believed(log: Log, tmp_path: Path) -> None:
    """After the log was cut off the tree is that of what is there."""
    grow(log, 200, 600)
    tree_of(log, tmp_path)
    log.store.delete(layout.segment(SHARD, 200))
    assert tree_of(log, tmp_path).root() == subtree(0, 200)


@pytest.mark.parametrize("kind", ["file", "below a file"])
def test_an_unusable_cache_is_done_without(log: Log, tmp_path: Path, kind: str) -> None:
    """What stands where the cache belongs is left alone."""
    grow(log, 300)
    place = tmp_path / "cache"
    place.write_text("mine")
    cache = place if kind == "file" else place / "deeper"
    assert tree_of(log, cache).root() == subtree(0, 300)
    assert place.read_text() == "mine"


def test_a_log_that_is_not_what_was_signed_is_refused(log: Log, tmp_path: Path) -> None:
    """An entry was changed: its root is not the checkpoint's, from the segments neither."""
    grow(log, 300)
    name = layout.segment(SHARD, 0)
    segment = parse_segment(log.store.get(name), name)
    log.store.delete(name)
    log.store.put(name, encode_segment([b"changed", *segment.lines[1:]], segment.note))
    with pytest.raises(IntegrityError) as error:
        tree_of(log, tmp_path)
    assert error.value.code == "root_mismatch"


def test_a_missing_segment_is_refused(log: Log) -> None:
    """Later segments prove that one is gone."""
    grow(log, 100, 200, 300)
    log.store.delete(layout.segment(SHARD, 100))
    with pytest.raises(IntegrityError) as error:
        open_tree(log.store, log.file, SHARD)
    assert error.value.code == "segment_missing"


def test_a_last_checkpoint_of_another_key_is_refused(log: Log) -> None:
    """Proofs rest on it."""
    frontier = Frontier(1, [leaf_hash(b"0")])
    note = sign(Checkpoint(origin="test/0000", size=Size(1), root=frontier.root()), SIGNER)
    log.store.put(layout.segment(SHARD, 0), encode_segment([b"0"], note))
    with pytest.raises(IntegrityError) as error:
        tree_of(log)
    assert error.value.code == "wrong_key"


def test_what_is_beyond_the_tree_is_a_mistake_of_the_caller(log: Log) -> None:
    """Sizes and indexes are checked."""
    grow(log, 3)
    tree = tree_of(log)
    for ask in (lambda: tree.subtree(0, 4), lambda: tree.subtree(1, 1), lambda: tree.inclusion(1, 4)):
        with pytest.raises(ValueError, match="3"):
            ask()


def test_both_kinds_of_stored_hashes_hold_the_same(tmp_path: Path) -> None:
    """However leaves are cut into batches, levels are those of one batch, in memory and in files."""
    whole = MemoryHashes()
    add_leaves(whole, 0, leaves(SIZE))
    parts, files = MemoryHashes(), FileHashes(tmp_path)
    for start, end in ((0, 100), (100, 1000), (1000, 65_536), (65_536, SIZE)):
        for hashes in (parts, files):
            add_leaves(hashes, start, leaves(SIZE)[start:end])
    for level in range(3):
        count = whole.count(level)
        assert count == SIZE >> 8 * level == parts.count(level) == files.count(level)
        assert whole.read(level, 0, count) == parts.read(level, 0, count) == files.read(level, 0, count)


def test_the_cache_is_where_the_user_has_caches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`$XDG_CACHE_HOME`, else `~/.cache`; a relative path counts as none, as the XDG specification says."""
    monkeypatch.setenv("HOME", "/home/ana")
    for value, expected in ((str(tmp_path), tmp_path), ("", Path("/home/ana/.cache")), ("x", Path("/home/ana/.cache"))):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert default_cache() == expected / "deployment-ledger"
