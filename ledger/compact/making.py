"""One pack: segments read and checked, written as Parquet, and the bytes that were written read back and checked.

Nothing here touches the ledger. A pack that is handed on holds, byte for byte, what the signed checkpoints in it were signed for.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
import msgspec

from ledger.errors import IntegrityError, StoreError
from ledger.log.packfile import PACK_FORMAT, PackFile, database, digest_of, quoted
from ledger.log.segments import Segment
from ledger.proof.checkpoints import open_checkpoint
from ledger.proof.merkle import Frontier, leaf_hash
from ledger.proof.notes import Verifier
from ledger.storage import layout

__all__ = ["Gathered", "check_pack", "follow", "write_pack"]

_ROWS_OF_GROUP: Final = 2048
"""One entry is read by decompressing its row group."""
_LEVEL: Final = 6
"""zstd's. Measured: 3 makes packs 5 % larger than the segments for the entries alone, 9 costs as much again for 1 %."""
_READ_BACK: Final = 64 * _ROWS_OF_GROUP


class Gathered(msgspec.Struct, kw_only=True):
    """Segments that are to become one pack, and what was found of them."""

    shard: int
    first: int
    frontier: Frontier
    """After them."""
    files: list[Path]
    """The segments' bytes as files,"""
    names: list[str]
    """and their names in the store."""
    notes: list[tuple[int, bytes]]
    """Where each ends, and its checkpoint."""
    size_bytes: int
    """Of the segments."""

    @property
    def count(self) -> int:
        """How many entries there are."""
        return int(self.frontier.size) - self.first


def follow(frontier: Frontier, segment: Segment, verifier: Verifier, where: str) -> None:
    """Extend a frontier by a segment's entries.

    Raises:
        IntegrityError: they do not hash to the root in its checkpoint, or that is not signed.
    """
    frontier.extend([leaf_hash(line) for line in segment.lines])
    try:
        checkpoint = open_checkpoint(segment.note, verifier)
    except IntegrityError as error:
        raise IntegrityError(error.code, f"{where}: {error.message}", "run: ledger verify") from error
    if (checkpoint.size, checkpoint.root) != (frontier.size, frontier.root()):
        message = f"{where}: its checkpoint does not fit the entries before it"
        raise IntegrityError("root_mismatch", message, "run: ledger verify")


def write_pack(gathered: Gathered, directory: Path, threads: int) -> PackFile:
    """Write a pack's file below a directory; it is not checked.

    Args:
        gathered: its segments.
        directory: for the file, which gets a name of its own there.
        threads: how many the database may use.

    Returns:
        The file, called by the pack's name.

    Raises:
        IntegrityError: an entry cannot be read.
        StoreError: it cannot be written.
    """
    path = directory / f"{gathered.shard:04d}-{gathered.first:016d}.parquet"
    with _written(path):
        _copy(gathered, path, threads)
    return PackFile(path, layout.pack(gathered.shard, gathered.first, gathered.count, digest_of(path)))


def check_pack(
    pack: PackFile, first: int, before: Frontier, verifier: Verifier, notes: Sequence[tuple[int, bytes]] | None = None
) -> Frontier:
    """Read a pack's file and check every leaf hash, root and signature in it.

    Args:
        pack: the file.
        first: the index of its first entry.
        before: the frontier there.
        verifier: the shard's key.
        notes: the boundaries and checkpoints that it must have; None: those that it has.

    Returns:
        The frontier after it.

    Raises:
        IntegrityError: anything does not fit.
        StoreError: it cannot be read.
    """
    boundaries = pack.boundaries()
    parsed_name = layout.parse_pack(pack.name)
    if parsed_name is None or not boundaries or boundaries[-1][0] != parsed_name.end or parsed_name.first != first:
        raise pack.bad("it does not hold the entries that its name says")
    if notes is not None and boundaries != list(notes):
        raise pack.bad("its checkpoints are not those of the segments")
    frontier = before.copy()
    at = first
    for start, end in _stretches(first, [end for end, _ in boundaries]):
        for segment in pack.segments(start, end):
            follow(frontier, segment, verifier, f"{pack.name}, entry {at}")
            at += len(segment.lines)
    if list(pack.frontier(at).hashes) != list(frontier.hashes):
        raise pack.bad("the frontier in its metadata is not that of its entries")
    return frontier


def _stretches(first: int, ends: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Runs of whole segments, as many as are read at once."""
    start, reached = first, first
    for end in ends:
        if end - start > _READ_BACK and reached > start:
            yield start, reached
            start = reached
        reached = end
    yield start, reached


def _copy(gathered: Gathered, path: Path, threads: int) -> None:
    files = ", ".join(quoted(str(file)) for file in gathered.files)
    notes: list[bytes | None] = [None] * gathered.count
    for end, note in gathered.notes:
        notes[end - 1 - gathered.first] = note
    frontier = b"".join(gathered.frontier.hashes).hex()
    connection = database(threads)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET VARIABLE notes = $1", [notes])
        connection.execute(
            f"""
            COPY (
                SELECT encode(text) AS entry, getvariable('notes')["index" - {gathered.first} + 1] AS checkpoint, "index", recorded_at
                FROM (
                    SELECT json::VARCHAR AS text, (json ->> '$.index')::BIGINT AS "index",
                        (json ->> '$.recorded_at')::TIMESTAMPTZ AS recorded_at
                    FROM read_ndjson_objects([{files}], compression = 'zstd')
                )
            ) TO {quoted(str(path))} (
                FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL {_LEVEL}, ROW_GROUP_SIZE {_ROWS_OF_GROUP},
                KV_METADATA {{"ledger.format": {quoted(PACK_FORMAT)}, "ledger.frontier": {quoted(frontier)}}}
            )
            """  # noqa: S608 - file names and numbers of ours
        )
    finally:
        connection.close()


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except duckdb.OutOfMemoryException as error:
        raise StoreError("out_of_memory", f"writing {path} needs more memory than there is") from error
    except duckdb.IOException as error:
        message = f"cannot write {path}: {str(error).splitlines()[0]}"
        raise StoreError("no_space_for_copy", message, "make space there, or set TMPDIR to another disk") from error
    except duckdb.Error as error:
        message = f"the entries of {path.stem} cannot be read as columns: {str(error).splitlines()[0]}"
        raise IntegrityError("malformed_entry", message, "run: ledger verify") from error
