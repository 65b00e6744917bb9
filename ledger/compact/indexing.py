"""The index of a pack: made from the pack's entries and the indexes before it, when it is compacted and again to verify it.

An index holds nothing that does not follow from the log. It is two Parquet files: the rows of the pack's entries sorted by script, with
what still matters of the time before (`ledger.compact.carrying`) where it is full; and the beginnings of all ids in the pack, sorted.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import duckdb
from msgspec import Struct

from ledger.compact.carrying import carry, deployed_again
from ledger.compact.columns import CHANGING, COLUMNS, rows_in_pack
from ledger.errors import IntegrityError, StoreError
from ledger.log.packfile import database, quoted
from ledger.storage.layout import IndexName, PackName

__all__ = ["IDS", "INDEX_COLUMNS", "Earlier", "MadeIndex", "make_index", "tables_of"]

_LEVEL: Final = 3
_ROWS_OF_GROUP: Final = 8192
_IDS_OF_GROUP: Final = 16384
ROWS_A_CARRIED: Final = 3
"""An index is full where so many rows came since the last that is, for each row that it would carry: so they cost a part of the whole."""
_YEAR_1_US: Final = 62_135_596_800_000_000
NOTHING_US: Final = 10**18 - 1

INDEX_COLUMNS: Final = ("part", *COLUMNS, "until")
"""Of a row: which part it is of (0 the pack's entries, 1 what still matters, 2 versions deployed again), what it says, and of what
decides what is active until when it was."""
IDS: Final = ("prefix", "version", "index")
"""Of an id: its first 8 hex digits as a number, whether it is a version's, and its entry."""

_NAMES: Final = ", ".join(f'"{name}"' for name in COLUMNS)
_STEP: Final = "(lost_to IS NULL AND (deployment_id IS NOT NULL OR outcome = 'deleted'))"
_FILLED: Final = f"""
CREATE OR REPLACE TEMP TABLE filled AS
SELECT *, CASE WHEN {_STEP} THEN lead(effective_at) OVER (PARTITION BY account, script, {_STEP} ORDER BY "index") END AS until
FROM (FROM own UNION ALL BY NAME FROM carried UNION ALL BY NAME FROM again)
"""  # noqa: S608 - names of ours
_IDS: Final = """
CREATE OR REPLACE TEMP TABLE ids AS
SELECT ('0x' || left(id::VARCHAR, 8))::UINTEGER AS prefix, version, "index"
FROM (
    SELECT version_id AS id, true AS version, "index" FROM own
    UNION ALL
    SELECT deployment_id, false, "index" FROM own
)
WHERE id IS NOT NULL
"""
_RANGE: Final = f"""
SELECT coalesce(min(epoch_us(effective_at)) + {_YEAR_1_US}, {NOTHING_US}), coalesce(max(epoch_us(effective_at)) + {_YEAR_1_US}, 0)
FROM own WHERE outcome IN {CHANGING}
"""  # noqa: S608 - names of ours


class Earlier(Struct, frozen=True):
    """A pack before the one that is indexed, in the order of the log."""

    path: str
    """Its index's rows where it has an index, else the pack itself."""
    indexed: bool


class MadeIndex(Struct, frozen=True):
    """An index that was made, as two files."""

    said: IndexName
    rows: Path
    ids: Path


def make_index(
    pack: Path, name: PackName, since: Sequence[Earlier], older: Sequence[Earlier], directory: Path, threads: int
) -> MadeIndex:
    """Make the index of a pack below a directory.

    Args:
        pack: the pack's file; it must have been checked.
        name: what its name says.
        since: the packs before it, from the last whose index is full on.
        older: those before them.
        directory: for the files, which get names of their own there.
        threads: how many the database may use.

    Raises:
        IntegrityError: what is read is no entry or index.
        StoreError: the files cannot be written.
    """
    rows, ids = directory / f"{name.first}-rows.parquet", directory / f"{name.first}-ids.parquet"
    with _errors(name), database(threads) as connection:
        said = tables_of(connection, pack, name, since, older)
        _write(connection, "filled", "part, account, script", rows, _ROWS_OF_GROUP)
        _write(connection, "ids", "prefix, version", ids, _IDS_OF_GROUP)
    return MadeIndex(said, rows, ids)


def tables_of(
    connection: duckdb.DuckDBPyConnection,
    pack: Path,
    name: PackName,
    since: Sequence[Earlier],
    older: Sequence[Earlier],
    *,
    full: bool | None = None,
) -> IndexName:
    """Make the tables `filled` and `ids` of an index; see `make_index`.

    Args:
        connection: of `database`.
        pack: see there.
        name: see there.
        since: see there.
        older: see there.
        full: whether it is to be full; None: where that is worth it.

    Returns:
        What its name must say.
    """
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE OR REPLACE TEMP TABLE own AS {_rows_of_pack(str(pack))}")
    connection.execute("CREATE OR REPLACE TEMP TABLE again AS FROM own LIMIT 0")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW known AS {_rows(since, name.first)}")
    connection.execute(f"CREATE OR REPLACE TEMP VIEW older AS {_rows(older, name.first)}")
    carried, rows = carry(connection)
    full = carried * ROWS_A_CARRIED <= rows if full is None else full
    if not full:
        connection.execute("DELETE FROM carried")
    deployed_again(connection, "carried" if full else "known", ["known", "older"] if full else ["older"])
    connection.execute(_FILLED)
    connection.execute(_IDS)
    least, most = connection.execute(_RANGE).fetchall()[0]
    return IndexName(name, least, most, full)


def _rows(earlier: Sequence[Earlier], end: int) -> str:
    """SQL: the rows of packs, as far as they lie below an index."""
    files = ", ".join(quoted(one.path) for one in earlier if one.indexed)
    places = [f"SELECT part, {_NAMES} FROM read_parquet([{files}])"] if files else []  # noqa: S608
    places += [_rows_of_pack(one.path) for one in earlier if not one.indexed]
    if not places:
        return "FROM own LIMIT 0"
    return f'SELECT * FROM ({" UNION ALL ".join(places)}) WHERE "index" < {end}'  # noqa: S608


def _rows_of_pack(path: str) -> str:
    return f"SELECT 0::TINYINT AS part, {_NAMES} FROM ({rows_in_pack(quoted(path))})"  # noqa: S608


def _write(connection: duckdb.DuckDBPyConnection, table: str, order: str, path: Path, rows: int) -> None:
    connection.execute(
        f"""
        COPY (FROM {table} ORDER BY {order}, "index") TO {quoted(str(path))} (
            FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, COMPRESSION_LEVEL {_LEVEL}, ROW_GROUP_SIZE {rows}
        )
        """
    )


@contextmanager
def _errors(name: PackName) -> Iterator[None]:
    try:
        yield
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except duckdb.OutOfMemoryException as error:
        raise StoreError("out_of_memory", "making an index needs more memory than there is") from error
    except duckdb.IOException as error:
        message = f"cannot make the index of the pack at entry {name.first}: {str(error).splitlines()[0]}"
        raise StoreError("no_space_for_copy", message, "make space there, or set TMPDIR to another disk") from error
    except duckdb.Error as error:
        message = f"cannot make the index of the pack at entry {name.first}: {str(error).splitlines()[0]}"
        raise IntegrityError("malformed_entry", message, "run: ledger verify") from error
