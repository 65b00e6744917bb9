"""A shard's log as a directory of tiles (C2SP tlog-tiles) that any static web server can serve.

Derived from the segments, and extended as the log grows. Files are written aside and renamed; bundles first, then tiles, and,
when all that is on stable storage, the checkpoint, so a reader that sees a checkpoint finds all that it implies.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Final

from msgspec import Struct

from ledger.errors import IntegrityError, UsageError
from ledger.log.reader import ShardReader, segment_names
from ledger.log.tree import ShardTree
from ledger.proof.checkpoints import Checkpoint, open_checkpoint
from ledger.proof.merkle import RollbackError, RootMismatchError, leaf_hash
from ledger.proof.notes import Verifier
from ledger.proof.tiles import WIDTH, Tile, encode_bundle, new_bundles, new_tiles
from ledger.storage.durable import Syncer, fsync_directory, store_errors, syncer_for
from ledger.storage.store import Store

__all__ = ["WrittenTiles", "read_bundle", "write_tiles"]

CHECKPOINT: Final = "checkpoint"
_TILES: Final = "tile"


class WrittenTiles(Struct, frozen=True, kw_only=True):
    """What was done to a directory."""

    directory: str
    log: str
    """The log's origin."""
    before: int
    """Size of the checkpoint that was there; 0 where there was none."""
    size: int
    """Of the one that is there now."""
    files: int
    """How many were written."""


def write_tiles(
    store: Store,
    shard: int,
    tree: ShardTree,
    verifier: Verifier,
    directory: Path,
    progress: Callable[[int], None] | None = None,
    note: bytes | None = None,
) -> WrittenTiles:
    """Write or extend the directory of a shard's log.

    Args:
        store: the ledger's objects.
        shard: which one.
        tree: of that shard; the directory gets its size and its checkpoint.
        verifier: of that shard's checkpoints.
        directory: of this log alone; made where it is missing.
        progress: called with the number of entries after each bundle.
        note: the tree's checkpoint with the cosignatures that it has; default: as the log alone signed it.

    Raises:
        UsageError: `not_a_tile_directory`, `directory_in_use`.
        IntegrityError: what the directory has is of another log (`wrong_origin`, `wrong_key`, ...), of more entries
            (`rollback`) or of other ones (`fork`); or the log is not what was signed.
        StoreError: the directory cannot be written.
    """
    if not tree.size:
        return WrittenTiles(directory=str(directory), log=verifier.name, before=0, size=0, files=0)
    with store_errors("make the directory", directory):
        directory.mkdir(parents=True, exist_ok=True)
    with _alone_in(directory):
        before = _published(directory, verifier, tree)
        files = _extend(directory, before, tree, _entries(store, shard, before), progress or (lambda _: None))
        # Crash here: the old checkpoint, and files beyond it that prove nothing. They are written again.
        if before < tree.size or (note is not None and (directory / CHECKPOINT).read_bytes() != note):
            _write(directory / CHECKPOINT, note or tree.note, None)
            files += 1
        # Crash here: partial tiles beside full ones. Readers take either.
        _remove_partial(directory, before, tree.size)
    return WrittenTiles(directory=str(directory), log=verifier.name, before=before, size=tree.size, files=files)


def read_bundle(store: Store, shard: int, tree: ShardTree, tile: Tile) -> bytes:
    """The bundle below a tile of level 0 (requires that the tree implies it): the entries that its hashes are of.

    Raises:
        IntegrityError: `root_mismatch`; `bad_segment`, `segment_missing`, `bad_pack`.
        StoreError: the store cannot be read.
    """
    lines = list(islice(_entries(store, shard, tile.number * WIDTH), tile.width))
    _check_bundle(tile, lines, tree)
    return encode_bundle(lines)


def _published(directory: Path, verifier: Verifier, tree: ShardTree) -> int:
    """The size of the checkpoint that the directory has, which this log extends; 0 where it has none."""
    path = directory / CHECKPOINT
    with store_errors("read", path):
        if not path.exists():
            if strangers := [
                found.name for found in directory.iterdir() if found.name not in {_TILES, _aside(path).name}
            ]:
                raise UsageError(
                    "not_a_tile_directory",
                    f"{directory} has {strangers[0]!r} and no checkpoint",
                    "give a new directory",
                )
            return 0
        note = path.read_bytes()
    try:
        checkpoint = open_checkpoint(note, verifier)
    except IntegrityError as error:
        raise IntegrityError(
            error.code, f"{path} is not of this log: {error.message}", "give a new directory"
        ) from error
    _compare(path, checkpoint, tree)
    return checkpoint.size


def _compare(path: Path, checkpoint: Checkpoint, tree: ShardTree) -> None:
    if checkpoint.size > tree.size:
        raise RollbackError(expected=checkpoint.size, found=tree.size)
    root = tree.root(checkpoint.size)
    if root != checkpoint.root:
        what = f"the log's tree of size {checkpoint.size} is not the one that {path} says"
        raise RootMismatchError("fork", what, expected=checkpoint.root, found=root, hint="keep both as evidence")


def _extend(
    directory: Path, before: int, tree: ShardTree, entries: Iterator[bytes], progress: Callable[[int], None]
) -> int:
    """Write bundles, then tiles, on stable storage on return; the number of files."""
    bundles, tiles = list(new_bundles(before, tree.size)), list(new_tiles(before, tree.size))
    folders = {(directory / path).parent for path in chain((t.bundle for t in bundles), (t.path for t in tiles))}
    for folder in folders:
        with store_errors("make the directory", folder):
            folder.mkdir(parents=True, exist_ok=True)
    with syncer_for(len(bundles) + len(tiles), directory, []) as syncer:
        for tile in bundles:
            lines = [next(entries, b"") for _ in range(tile.width)]
            _check_bundle(tile, lines, tree)
            _write(directory / tile.bundle, encode_bundle(lines), syncer)
            progress(tile.width)
        for tile in tiles:
            _write(directory / tile.path, tree.tile(*tile), syncer)
        syncer.all_written()
        above = {parent for folder in folders for parent in folder.parents if directory in (parent, *parent.parents)}
        syncer.linked(folders | above)
    return len(bundles) + len(tiles)


def _check_bundle(tile: Tile, lines: Sequence[bytes], tree: ShardTree) -> None:
    """What is served as the entries of a tile must be what its hashes are of."""
    if b"".join(map(leaf_hash, lines)) != tree.tile(*tile):
        first = tile.number * WIDTH
        what = f"entries {first} to {first + tile.width - 1} are not the ones that were signed"
        raise IntegrityError("root_mismatch", what, "run `ledger verify`, which says where")


def _entries(store: Store, shard: int, before: int) -> Iterator[bytes]:
    """The entries from the first of the last bundle on."""
    start = before // WIDTH * WIDTH
    firsts = [first for first, _ in segment_names(store, shard) if first <= start]
    for first, _, segment in ShardReader(store, shard).segments(firsts[-1] if firsts else 0):
        yield from segment.lines[max(0, start - first) :]


def _write(path: Path, data: bytes, syncer: Syncer | None) -> None:
    """Write a file aside and rename it; without a syncer it is on stable storage on return."""
    aside = _aside(path)
    with store_errors("write", path):
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if syncer is None:
                os.fsync(descriptor)
            else:
                syncer.written(descriptor)
        finally:
            os.close(descriptor)
        aside.replace(path)
    if syncer is None:
        fsync_directory(path.parent)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


def _remove_partial(directory: Path, before: int, size: int) -> None:
    """Remove the partial tiles and bundles whose full ones were written."""
    for tile in new_tiles(before, size):
        if tile.width == WIDTH:
            shutil.rmtree(directory / f"{tile.path}.p", ignore_errors=True)
            if not tile.level:
                shutil.rmtree(directory / f"{tile.bundle}.p", ignore_errors=True)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Hold the directory against another process that writes it; let go when the process ends, however it does."""
    with store_errors("open", directory):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError("directory_in_use", f"another process writes {directory}", "wait for it") from error
        yield
    finally:
        os.close(descriptor)
