"""DuckDB views over the segments and packs of a ledger: an in-memory database that holds no data of its own.

The views are defined and documented in `views.sql`; this module puts under them what depends on the ledger at hand: its
segments, its blob store and the names of its people.
"""

import functools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import Final

import duckdb

from ledger.errors import IntegrityError, LedgerError, StoreError
from ledger.query.columns import DATA, ENTRY, TRIGGERS, json_shape
from ledger.query.segments import ShardPrefix
from ledger.query.sources import literal, over, over_nothing

__all__ = ["BlobText", "PersonName", "close_quietly", "connect", "describe", "keep_tail", "store_errors", "unreadable"]

BlobText = Callable[[str], str]
"""SHA-256 (hex) of a blob -> its text; raises LedgerError where the blob is not there."""

PersonName = Callable[[str, str, str], str]
"""(account, pseudonym, sealed identity) -> e-mail address or id, or the pseudonym where the key store does not know the person."""

SETTINGS: Final[dict[str, str | int | float | list[str]]] = {
    "threads": 2,
    "memory_limit": "1GB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
}
"""Of every connection. No temporary directory: a question that needs more memory than the limit fails, and leaves nothing."""


_HOUR_US: Final = 3_600_000_000
_WEEK_US: Final = 7 * 24 * _HOUR_US
_MONDAY_US: Final = 4 * 24 * _HOUR_US
"""The first Monday after the beginning of 1970, a Thursday."""

_LITTLE: Final = 40_000
"""Entries: some 40 MB."""

_DATA: Final = (
    "{'actor': {'type': type, 'pseudonym': pseudonym, 'sealed': sealed}, "
    "'interface': interface, 'message': message, 'tag': tag}"
)
"""What the views ask of an event's `data`."""


def connect(
    shards: Iterable[ShardPrefix],
    *,
    blob: BlobText | None = None,
    person: PersonName | str = "pseudonym",
    known_at: datetime | None = None,
    accounts: Sequence[str] | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open an in-memory database with what lies under the views (`ledger.query.definitions` makes them); the caller closes it.

    Args:
        shards: what a reader sees of each shard (`ledger.query.segments.read_prefix`).
        blob: answers for what oversized entries moved to the blob store; None where the store has no blobs.
        person: what the columns `author` hold: a function that names people, or an expression of SQL over account, pseudonym and sealed.
        known_at: entries that were recorded later are in no view.
        accounts: entries of others, and of none, are in no view; None: all are.
    """
    seen = list(shards)
    connection = duckdb.connect(":memory:", config=dict(SETTINGS))
    try:
        connection.execute("SET TimeZone = 'UTC'")
        # After two seconds it would stand on stdout, in the middle of the data.
        connection.execute("SET enable_progress_bar = false")
        _create_macros(connection, blob, person, _seen(seen, known_at, accounts))
        for statement in over_nothing():
            connection.execute(statement)
        for statement in over(seen):
            connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    return connection


def keep_tail(connection: duckdb.DuckDBPyConnection, shards: Sequence[ShardPrefix]) -> None:
    """Read what is in segments once and keep it in memory, where it is little: each question would parse it again, several times.

    Raises:
        IntegrityError: `segment_unreadable`.
        StoreError: `store_unreadable`, `out_of_memory`.
    """
    entries = sum(segment.size - segment.first for shard in shards for segment in shard.segments)
    if 0 < entries <= _LITTLE and not any(not pack.rows for shard in shards for pack in shard.packs):
        with store_errors():
            connection.execute("CREATE TABLE _tail AS FROM _parsed_rows")
            connection.execute("CREATE OR REPLACE VIEW _parsed_rows AS FROM _tail")


def describe(connection: duckdb.DuckDBPyConnection) -> None:
    """Tell the database what the views and columns mean (0.1 s, so only where somebody may ask)."""
    connection.execute(_script("comments.sql"))


@contextmanager
def store_errors() -> Iterator[None]:
    """Turn what DuckDB says about unreadable segments into this product's errors."""
    try:
        yield
    except duckdb.IOException as error:
        raise unreadable(error) from error
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        raise _not_entries(error) from error
    except duckdb.OutOfMemoryException as error:
        raise StoreError(
            "out_of_memory",
            "the question needs more memory than it may use",
            "narrow it down with --account, a script or a time",
        ) from error


def unreadable(error: duckdb.IOException) -> LedgerError:
    """What it means that DuckDB could not read a segment: the file cannot be opened, or it is not what was written."""
    text = _first_line(error)
    if "open file" in text or "Could not read" in text or "No files found" in text:
        return StoreError(
            "store_unreadable", f"cannot read the log: {text}", "check that the ledger's files are readable"
        )
    return _not_entries(error)


def close_quietly(connection: duckdb.DuckDBPyConnection) -> None:
    """Close a connection; one that was interrupted may have nothing left to close."""
    try:
        connection.close()
    except duckdb.Error:
        return


def _not_entries(error: Exception) -> IntegrityError:
    return IntegrityError(
        "segment_unreadable",
        f"a segment cannot be read as entries: {_first_line(error)}",
        "run `ledger verify` to see which part of the log differs",
    )


def _create_macros(
    connection: duckdb.DuckDBPyConnection, blob: BlobText | None, person: PersonName | str, seen: str
) -> None:
    # Registering a Python function costs 0.1 s (it loads numpy), so only where there is something to answer.
    blob_text = "NULL::VARCHAR"
    if blob is not None:
        connection.create_function("_read_blob", functools.cache(blob), ["VARCHAR"], "VARCHAR")
        blob_text = "_read_blob(digest)"
    if isinstance(person, str):
        name = person
    else:
        connection.create_function("_read_person", functools.cache(person), ["VARCHAR"] * 3, "VARCHAR")
        name = "coalesce(_read_person(account, pseudonym, sealed), pseudonym)"
    for definition in (
        f"blob_text(digest) AS {blob_text}",
        f"blob_data(digest) AS json_transform(blob_text(digest), '{json.dumps(json_shape(DATA))}')",
        f"blob_triggers(digest) AS json_transform(blob_text(digest), '{json.dumps(json_shape(TRIGGERS))}')",
        "blob_changes(digest) AS blob_text(digest)::JSON::VARCHAR[][]",
        f"_event(object) AS json_transform(object, '{json.dumps(json_shape(ENTRY['event']))}')",
        f"_others(object) AS CASE WHEN object IS NOT NULL THEN object::{ENTRY['others']} END",
        f"_triggers(object) AS json_transform(object, '{json.dumps(json_shape(TRIGGERS))}')",
        f"_reason(object) AS json_transform(object, '{json.dumps(json_shape(ENTRY['reason']))}')",
        f"_origin(object) AS json_transform(object, '{json.dumps(json_shape(ENTRY['origin']))}')",
        f"_data(type, pseudonym, sealed, interface, message, tag) AS {_DATA}",
        "_data_of(data) AS _data(data.actor.type, data.actor.pseudonym, data.actor.sealed, data.interface, data.message, data.tag)",
        f"person(account, pseudonym, sealed) AS {name}",
        f"_seen(shard, place, account, recorded_at) AS {seen}",
        # By arithmetic: the calendar's own functions take several times as long, and count in UTC all the same.
        "_since(us, length) AS ((us % length) + length) % length",
        f"_hour(moment) AS _since(epoch_us(moment), {24 * _HOUR_US}) // {_HOUR_US}",
        f"_monday(us) AS us - _since(us - {_MONDAY_US}, {_WEEK_US})",
        f"_week(moment) AS DATE '1970-01-01' + (_monday(epoch_us(moment)) // {24 * _HOUR_US})::INTEGER",
        "_members(object) AS CASE WHEN object IS NOT NULL THEN object::MAP(VARCHAR, JSON) END",
    ):
        connection.execute(f"CREATE MACRO {definition}")


def _seen(shards: Iterable[ShardPrefix], known_at: datetime | None, accounts: Sequence[str] | None) -> str:
    """The condition on an entry's shard, place in it, account and recorded time under which it is in the views."""
    wanted = [f"(shard <> {shard.shard} OR place < {shard.size})" for shard in shards if shard.is_cut]
    if known_at is not None:
        wanted.append(f"recorded_at <= TIMESTAMPTZ '{known_at.astimezone(UTC).isoformat()}'")
    if accounts is not None:
        wanted.append(f"account IN ({', '.join(map(literal, accounts))})" if accounts else "false")
    return " AND ".join(wanted) or "true"


def _script(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
