"""Directories of tiles: the published bytes, grown step by step, interrupted anywhere, and refused where they are another log's."""

import shutil
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.errors import IntegrityError, LedgerError, UsageError
from ledger.log import tiles
from ledger.log.segments import encode_segment, parse_segment
from ledger.log.tiles import WrittenTiles, write_tiles
from ledger.log.tree import ShardTree, open_tree
from ledger.proof.tiles import decode_bundle, new_bundles, new_tiles
from ledger.storage import layout
from ledger.storage.durable import Syncer
from tests.log.leaves import grow
from tests.log.rig import SHARD, Log, memory_log
from tests.proof.trees import VECTORS, subtree


@pytest.fixture
def log() -> Log:
    """An empty ledger in memory."""
    return memory_log()


def tree_of(log: Log) -> ShardTree:
    """Of the log as it is."""
    return open_tree(log.store, log.file, SHARD)


def write(log: Log, directory: Path, tree: ShardTree | None = None) -> WrittenTiles:
    """Write or extend the directory."""
    return write_tiles(log.store, SHARD, tree or tree_of(log), log.file.verifier(SHARD), directory)


def files(directory: Path) -> dict[str, bytes]:
    """All files by their path."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def check(directory: Path, log: Log, *, exact: bool = True) -> None:
    """All that the size implies is there with the right bytes, and with `exact` nothing else."""
    found, size = files(directory), len(log.lines())
    expected = {"checkpoint": tree_of(log).note}
    for tile in new_tiles(0, size):
        span = 256**tile.level
        first = tile.number * 256
        hashes = [subtree(i * span, (i + 1) * span) for i in range(first, first + tile.width)]
        expected[tile.path] = b"".join(hashes)
    for tile in new_bundles(0, size):
        first = tile.number * 256
        assert decode_bundle(found[tile.bundle], tile.width) == log.lines()[first : first + tile.width]
        expected[tile.bundle] = found[tile.bundle]
    assert {path: found.get(path) for path in expected} == expected
    assert not exact or found == expected


def test_the_published_log_has_the_published_files(log: Log, tmp_path: Path) -> None:
    """Of 70,000 entries: tiles of three levels, and bundles."""
    grow(log, 70_000)
    done = write(log, tmp_path)
    found = files(tmp_path)
    for row in VECTORS["files_of_size_70000"]:
        assert len(found[row["path"]]) == row["bytes"]
        assert sha256(found[row["path"]]).hexdigest() == row["sha256"]
    assert done == WrittenTiles(directory=str(tmp_path), log="test/0000", before=0, size=70_000, files=len(found))


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 1000])
def test_every_size_has_the_files_that_it_implies(log: Log, tmp_path: Path, size: int) -> None:
    """And no other."""
    grow(log, size)
    write(log, tmp_path)
    check(tmp_path, log)


def test_a_directory_grows_with_the_log(log: Log, tmp_path: Path) -> None:
    """Only what is new is written; partial tiles stay until their full tile is there."""
    kept: dict[str, bytes] = {}
    for size in (3, 200, 255, 256, 300, 511, 700):
        grow(log, size)
        done = write(log, tmp_path)
        assert (done.size, done.files) == (
            size,
            1 + len({*new_tiles(done.before, size)}) + len({*new_bundles(done.before, size)}),
        )
        check(tmp_path, log, exact=False)
        for path, data in kept.items():
            full = path.partition(".p/")[0]
            assert files(tmp_path).get(path, data) == data
            assert (
                ".p/" not in path or path in files(tmp_path) or (tmp_path / full).is_file() or path.startswith("tile/1")
            )
        kept = {path: data for path, data in files(tmp_path).items() if path != "checkpoint"}
    assert not list(tmp_path.glob("tile/*/000.p/*"))[2:]  # only level 1's


def test_nothing_new_writes_nothing(log: Log, tmp_path: Path) -> None:
    """A checkpoint that is there stays as it is, cosignatures included."""
    grow(log, 300)
    write(log, tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert write(log, tmp_path).files == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_an_empty_log_has_no_directory(log: Log, tmp_path: Path) -> None:
    """Nothing was signed yet."""
    assert write(log, tmp_path / "tiles").files == 0
    assert not (tmp_path / "tiles").exists()


@pytest.mark.parametrize("first", [0, 300])
def test_an_interrupted_writing_is_gone_on_with(
    log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """Stopped at any write, in any of two ways, the old checkpoint's files are all there, and the next run ends as if nothing was."""
    if first:
        grow(log, first)
    start = tmp_path / "start"
    write(log, start) if first else start.mkdir()
    old = files(start)
    grow(log, 600)
    real = tiles._write
    for stop in range(20):
        for half in (False, True):
            place = tmp_path / f"{stop}-{half}"
            shutil.copytree(start, place)
            left = stop

            def failing(path: Path, data: bytes, syncer: Syncer | None, half: bool = half) -> None:
                nonlocal left
                if not left:
                    if half:
                        path.with_name(f".{path.name}.tmp").write_bytes(data[: len(data) // 2])
                    raise KeyboardInterrupt
                left -= 1
                real(path, data, syncer)

            monkeypatch.setattr(tiles, "_write", failing)
            try:
                write(log, place)
            except KeyboardInterrupt:
                assert files(place).items() >= old.items()
            monkeypatch.setattr(tiles, "_write", real)
            write(log, place)
            check(place, log, exact=not first)
            assert not list(place.rglob(".*"))


def test_the_checkpoint_is_written_last(log: Log, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the tiles, which come after the bundles."""
    order: list[tuple[str, ...]] = []
    real = tiles._write

    def recorded(path: Path, data: bytes, syncer: Syncer | None) -> None:
        order.append(path.relative_to(tmp_path).parts)
        real(path, data, syncer)

    monkeypatch.setattr(tiles, "_write", recorded)
    grow(log, 600)
    write(log, tmp_path)
    kinds = [parts[0] if len(parts) == 1 else "entries" if parts[1] == "entries" else "tile" for parts in order]
    assert kinds == sorted(kinds, key=["entries", "tile", "checkpoint"].index)
    assert kinds[-1] == "checkpoint"


def test_the_directory_of_another_log_is_refused(log: Log, tmp_path: Path) -> None:
    """One of another key, of more entries, of other entries; and what is no such directory. Nothing in it is touched."""
    other, longer = memory_log(), tmp_path / "longer"
    grow(other, 10)
    write(other, tmp_path / "other")
    grow(log, 10, 20)
    write(log, longer)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    log.store.delete(layout.segment(SHARD, 10))
    before = files(tmp_path)
    for place, code in (("other", "wrong_key"), ("longer", "rollback"), ("mine", "not_a_tile_directory")):
        with pytest.raises(LedgerError) as error:
            write(log, tmp_path / place)
        assert error.value.code == code
    assert files(tmp_path) == before


def test_a_fork_is_refused(log: Log, tmp_path: Path) -> None:
    """The directory's checkpoint was signed by this key for other entries."""
    from ledger.proof.checkpoints import Checkpoint, sign
    from ledger.proof.merkle import Hash, Size
    from tests.log.leaves import signer_of

    grow(log, 10, 20)
    write(log, tmp_path)
    forged = Checkpoint(origin="test/0000", size=Size(10), root=Hash(bytes(32)))
    (tmp_path / "checkpoint").write_bytes(sign(forged, signer_of(log)))
    with pytest.raises(IntegrityError) as error:
        write(log, tmp_path)
    assert error.value.code == "fork"


def test_entries_that_are_not_what_was_signed_are_not_served(log: Log, tmp_path: Path) -> None:
    """The segment was changed after the tree was read."""
    grow(log, 300)
    tree, name = tree_of(log), layout.segment(SHARD, 0)
    segment = parse_segment(log.store.get(name), name)
    log.store.delete(name)
    log.store.put(name, encode_segment([b"forged", *segment.lines[1:]], segment.note))
    with pytest.raises(IntegrityError) as error:
        write(log, tmp_path, tree)
    assert error.value.code == "root_mismatch"
    assert not (tmp_path / "checkpoint").exists()


def test_one_process_writes_at_a_time(log: Log, tmp_path: Path) -> None:
    """The second is told so."""
    grow(log, 10)
    with tiles._alone_in(tmp_path), pytest.raises(UsageError) as error:
        write(log, tmp_path)
    assert error.value.code == "directory_in_use"
    write(log, tmp_path)
