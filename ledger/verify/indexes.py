"""The indexes of packs: derived, so they are made again from the entries and compared. Questions are answered with them."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import duckdb

from ledger.compact.deriving import earlier_of
from ledger.compact.indexing import IDS, INDEX_COLUMNS, Earlier, tables_of
from ledger.errors import StoreError
from ledger.log.indexes import Indexed, index_names, indexes_of
from ledger.log.packfile import database, quoted
from ledger.log.packs import Part
from ledger.log.whole import WholeStore
from ledger.storage import layout
from ledger.verify.findings import BadError, Notice, Problem

__all__ = ["judge_indexes"]

_ROW: Final = ("part", "account", "script", "index")
"""What makes two rows the same row; of ids it is all."""


def judge_indexes(store: WholeStore, shard: int, since: int, size: int, threads: int) -> Iterator[Problem | Notice]:
    """The problems of a shard's indexes, and what lies among them and belongs to no pack. One that is missing is no problem.

    Args:
        store: the ledger's objects.
        shard: which shard; its entries were found to be good.
        since: indexes of packs that end at or below this index are left alone.
        size: of the log, as far as it is good.
        threads: how many the database may use.

    Raises:
        IntegrityError: a pack cannot be read.
        StoreError: the store cannot be read.
    """
    parts = store.parts(shard)
    names = index_names(store.inner, shard)
    indexes = indexes_of(names)
    for place, part in enumerate(parts):
        if part.pack in indexes and since < part.end <= size:
            since_full, older = earlier_of(store, parts[:place], indexes)
            try:
                _compare(store, part, indexes[part.pack], since_full, older, threads)
            except BadError as bad:
                yield bad.problem(shard, bad.file or indexes[part.pack].rows)
    counting = {part.pack for part in parts}
    for name in names:
        said = layout.parse_index(name)
        pack = said.pack if said else layout.parse_index_ids(name)
        if pack is not None and pack not in counting:
            yield Notice(file=name, message="it is the index of no pack that counts; readers pass it over")


def _compare(
    store: WholeStore, part: Part, index: Indexed, since: list[Earlier], older: list[Earlier], threads: int
) -> None:
    pack = store.file(part.name).path
    with database(threads) as connection:
        try:
            said = tables_of(connection, pack, part.pack, since, older, full=index.said.full)
        except duckdb.OutOfMemoryException as error:
            raise StoreError("out_of_memory", "making an index again needs more memory than there is") from error
        except duckdb.Error as error:
            # The entries are good: what is before it is not. That index is looked at by itself.
            message = f"it cannot be made again: {str(error).splitlines()[0]}"
            raise BadError("bad_index", message, index=part.pack.first, exact=False) from None
        if said != index.said:
            message = "its name does not say the effective times that are in it"
            raise BadError("bad_index", message, index=part.pack.first, exact=False)
        for made, name, columns, key in (("filled", index.rows, INDEX_COLUMNS, _ROW), ("ids", index.ids, IDS, IDS)):
            found = _first_differing(connection, made, store.path(name), name, columns, key, part)
            if found is not None:
                raise _differing(*found, name, part)


def _differing(which: int, index: int, name: str, part: Part) -> BadError:
    if which == 0:
        message = f"what it says of entry {index} is not what the entry says: questions would be answered with it"
        return BadError("column_mismatch", message, index=index, file=name)
    message = f"what it says of entry {index}, from before its pack, is not what follows from the log: questions would be answered with it"
    return BadError("column_mismatch", message, index=part.pack.first, exact=False, file=name)


def _first_differing(
    connection: duckdb.DuckDBPyConnection,
    made: str,
    path: Path,
    name: str,
    columns: tuple[str, ...],
    key: tuple[str, ...],
    part: Part,
) -> tuple[int, int] | None:
    """The part and index of the first row in which a file differs from a table, or None."""
    file = f"read_parquet({quoted(str(path))})"
    same = " AND ".join(f'ours."{one}" IS NOT DISTINCT FROM theirs."{one}"' for one in key)
    other = " OR ".join(f'ours."{one}" IS DISTINCT FROM theirs."{one}"' for one in columns)
    which = "coalesce(ours.part, theirs.part)" if "part" in columns else "0"
    try:
        shape, found = (
            connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM {what})").fetchall()  # noqa: S608
            for what in (made, file)
        )
        if sorted(shape) != sorted(found):
            raise BadError("bad_index", "its columns are others", index=part.pack.first, exact=False, file=name)
        rows: list[Any] = connection.execute(
            f"""
            SELECT {which} AS which, coalesce(ours."index", theirs."index") AS at
            FROM {made} AS ours FULL JOIN {file} AS theirs ON {same}
            WHERE {other}
            ORDER BY ALL LIMIT 1
            """  # noqa: S608 - names of ours
        ).fetchall()
        twice = f"SELECT (SELECT count(*) FROM {made}) <> (SELECT count(*) FROM {file})"  # noqa: S608
        if not rows and connection.execute(twice).fetchall()[0][0]:
            raise BadError("bad_index", "a row stands in it twice", index=part.pack.first, exact=False, file=name)
    except (duckdb.Error, UnicodeDecodeError) as error:
        with suppress(OSError):
            path.open("rb").close()
            message = f"it cannot be read as an index: {str(error).splitlines()[0]}"
            raise BadError("bad_index", message, index=part.pack.first, exact=False, file=name) from None
        raise StoreError("store_unreadable", f"cannot read {name}", "run the command again") from error
    return (int(rows[0][0]), int(rows[0][1])) if rows else None
