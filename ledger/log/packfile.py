"""Reading packs: the segments in a Parquet file, each with its entries' exact bytes and its signed checkpoint.

Nothing is verified here but the shape: what is read hashes to what was signed, or it does not, like a segment's.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any, Final

import duckdb

from ledger.errors import IntegrityError, LedgerError, StoreError, UsageError
from ledger.log.segments import Segment
from ledger.proof.merkle import HASH_BYTES, Frontier

__all__ = ["PACK_FORMAT", "PackFile", "database", "digest_of", "quoted"]

PACK_FORMAT: Final = "1"
"""Of the key-value metadata `ledger.format`."""
_SETTINGS: Final[dict[str, str | int | bool | float | list[str]]] = {
    "memory_limit": "1GB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "python_enable_replacements": False,
}


def database(threads: int = 1) -> duckdb.DuckDBPyConnection:
    """An empty database in memory, by which Parquet is read and written; the caller closes it."""
    connection = duckdb.connect(":memory:", config={**_SETTINGS, "threads": threads})
    connection.execute("SET enable_progress_bar = false")  # it would be printed into the answer
    return connection


def quoted(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


class PackFile:
    """One pack, as a file. From several threads at once, one waits for the other.

    Args:
        path: the file.
        name: the pack's, for messages.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self._lock = threading.Lock()
        self._database: duckdb.DuckDBPyConnection | None = None

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._database is not None:
                with suppress(duckdb.Error):
                    self._database.close()
                self._database = None

    def boundaries(self) -> list[tuple[int, bytes]]:
        """Where each segment ends (the index after its last entry), and its signed checkpoint.

        Raises:
            IntegrityError: `bad_pack`: it is no pack; StoreError: it cannot be read; UsageError: `newer_format`.
        """
        self.metadata()
        found = self._rows(
            'SELECT "index" + 1, checkpoint FROM read_parquet($path) WHERE checkpoint IS NOT NULL ORDER BY "index"'
        )
        return [(end, bytes(note)) for end, note in found]

    def metadata(self) -> dict[str, str]:
        """The key-value metadata of ours, by name without `ledger.`; raises as `boundaries`."""
        rows = self._rows("SELECT key, value FROM parquet_kv_metadata($path)")
        try:
            found = {key.decode().removeprefix("ledger."): value.decode() for key, value in rows}
        except UnicodeDecodeError as error:
            raise self.bad("its metadata is not text") from error
        version = found.get("format")
        if version is None:
            raise self.bad("it does not say its format")
        if version != PACK_FORMAT:
            raise UsageError(
                "newer_format", f"{self.name} has the format {version}", "use a newer release of the ledger"
            )
        return found

    def frontier(self, size: int) -> Frontier:
        """The frontier of the tree after its last entry, not verified (requires that the pack ends at `size`); raises as `boundaries`."""
        try:
            joined = bytes.fromhex(self.metadata().get("frontier", ""))
            return Frontier(size, [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)])
        except ValueError as error:
            raise self.bad("the frontier in its metadata does not fit its size") from error

    def segments(self, start: int, end: int) -> list[Segment]:
        """The segments with the entries from `start` to below `end` (requires that both are boundaries).

        Raises:
            IntegrityError: `bad_pack`, where it does not hold exactly those; StoreError: it cannot be read.
        """
        rows = self._rows(
            'SELECT "index", entry, checkpoint FROM read_parquet($path) WHERE "index" >= $start AND "index" < $end',
            start=start,
            end=end,
        )
        if [index for index, _, _ in rows] != list(range(start, end)):
            raise self.bad(f"it does not hold the entries {start} to {end - 1} in their order")
        segments: list[Segment] = []
        lines: list[bytes] = []
        for _, line, note in rows:
            if not isinstance(line, bytes):
                raise self.bad("an entry in it is not bytes")
            lines.append(line)
            if note is not None:
                segments.append(Segment(lines, bytes(note)))
                lines = []
        if lines:
            raise self.bad(f"its segment that ends at entry {end - 1} has no checkpoint")
        return segments

    def recorded_by(self, moment: datetime, start: int, end: int) -> int:
        """How many of the entries from `start` to below `end` were recorded at a time or before; raises as `segments`."""
        rows = self._rows(
            'SELECT count(*) FROM read_parquet($path) WHERE recorded_at <= $moment AND "index" >= $start AND "index" < $end',
            moment=moment,
            start=start,
            end=end,
        )
        return int(rows[0][0])

    def entry(self, index: int) -> bytes:
        """The bytes of one entry (requires that it is in the pack); raises as `segments`."""
        rows = self._rows('SELECT entry FROM read_parquet($path) WHERE "index" = $index', index=index)
        if len(rows) != 1 or not isinstance(rows[0][0], bytes):
            raise self.bad(f"it does not hold entry {index} once")
        return rows[0][0]

    def first_differing(self, parsed: str, differs: str, start: int, end: int) -> int | None:
        """The first index from `start` to below `end` at which an expression holds of a row, or None.

        Args:
            parsed: SQL over a row: what is called `e` in the other.
            differs: SQL over `e` and the row, which is called `lines`.
            start: where to begin (requires that this and the next are boundaries).
            end: where to stop.

        Raises:
            IntegrityError: `bad_pack`; StoreError: it cannot be read.
        """
        rows = self._rows(
            f"""
            SELECT min(lines."index")
            FROM (
                SELECT *, {parsed} AS e FROM read_parquet($path) WHERE "index" >= $start AND "index" < $end
            ) AS lines
            WHERE {differs}
            """,  # noqa: S608 - expressions of ours
            start=start,
            end=end,
        )
        found: int | None = rows[0][0]
        return found

    def bad(self, why: str) -> IntegrityError:
        """The error that says what is wrong with it."""
        return IntegrityError("bad_pack", f"{self.name} is damaged: {why}", "run: ledger verify")

    def _rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with self._lock, self._errors():
            if self._database is None:
                self._database = database()
            return self._database.execute(sql, {"path": str(self.path), **parameters}).fetchall()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except LedgerError:
            raise
        except duckdb.InterruptException as error:
            raise KeyboardInterrupt from error
        except duckdb.OutOfMemoryException as error:
            raise StoreError("out_of_memory", f"reading {self.name} needs more memory than there is") from error
        except duckdb.Error as error:
            if not self.path.exists():
                raise StoreError("store_unreadable", f"{self.name} has gone", "run the command again") from error
            try:
                self.path.open("rb").close()
            except OSError as denied:
                message = f"cannot read {self.path}: {denied.strerror}"
                raise StoreError("store_unreadable", message, "check its permissions") from denied
            raise self.bad(str(error).split("\n", 1)[0]) from error
        except UnicodeDecodeError as error:
            raise self.bad("a text in it is not UTF-8") from error
