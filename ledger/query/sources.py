"""What lies under the views: statements that lead them to the segments, packs and indexes of what a reader sees."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Final

from ledger.compact.columns import COLUMNS, rows_of
from ledger.query.columns import ENTRY, json_shape, sql_type
from ledger.query.packs import Packed
from ledger.query.segments import ShardPrefix

__all__ = ["literal", "near", "over", "over_nothing"]

_FILE_SHARD: Final = {"log": "[-32:-29]", "packs": "[-79:-76]", "index": "[-122:-119]", "ids": "[-83:-80]"}
"""Where in a path the shard's number stands."""
_YEAR_1: Final = datetime.fromisoformat("0001-01-01T00:00:00Z")
_ROW: Final = [name for name in COLUMNS if name != "rare"]
_PARSED_IDS: Final = """
SELECT shard, ('0x' || left(id, 8))::UINTEGER AS prefix, version, "index"
FROM (
    SELECT shard, version.id AS id, true AS version, "index", account, recorded_at FROM _parsed_lines
    UNION ALL
    SELECT shard, deployment.id, false, "index", account, recorded_at FROM _parsed_lines
)
WHERE id IS NOT NULL AND _seen(shard, "index", account, recorded_at)
"""
_OPEN: Final = ("event", "origin", "reason")
"""What an index has of few entries only."""
_IN_TEXT: Final = {
    "account_index": "e.account_index",
    "account_prev": "e.account_prev",
    "manifest": "e.version.manifest",
    "others": "e.others",
}
"""What an index has of none: it is in the text of the entry."""


def over_nothing() -> Iterator[str]:
    """The views under all others, of an empty log: DuckDB looks at files each time a view is made that leads to them."""
    columns = ", ".join(f'NULL::{sql_type(shape)} AS "{name}"' for name, shape in ENTRY.items())
    yield f"CREATE VIEW _parsed_lines AS SELECT NULL::INTEGER AS shard, {columns} WHERE false"
    also = {name: f"e.{name}" for name in _OPEN} | _IN_TEXT
    parsed = rows_of("_parsed_lines AS e", {"shard": "e.shard"}, **also)
    yield f"CREATE VIEW _parsed_rows AS SELECT *, NULL::TIMESTAMPTZ AS until FROM ({parsed})"  # noqa: S608 - expressions of ours
    yield "CREATE VIEW _index_rows AS FROM _parsed_rows LIMIT 0"
    yield "CREATE VIEW _near_rows AS FROM _parsed_rows LIMIT 0"
    yield "CREATE VIEW _last_rows AS FROM _parsed_rows LIMIT 0"
    yield f"CREATE VIEW _index_ids AS FROM ({_PARSED_IDS}) LIMIT 0"
    yield f"CREATE VIEW _ids AS FROM _index_ids UNION ALL {_PARSED_IDS}"
    yield 'CREATE VIEW _pack_texts AS SELECT NULL::INTEGER AS shard, NULL::BIGINT AS "index", NULL::JSON AS text WHERE false'


def over(shards: Sequence[ShardPrefix]) -> Iterator[str]:
    """The same of what a reader sees."""
    packs = [pack for shard in shards for pack in shard.packs]
    segments = [segment.path for shard in shards for segment in shard.segments]
    plain, indexed = [pack for pack in packs if not pack.rows], [pack for pack in packs if pack.rows]
    parsed = [_of_segments(segments)] if segments else []
    parsed += [_of_packs(plain)] if plain else []
    if parsed:
        yield f"CREATE OR REPLACE VIEW _parsed_lines AS {' UNION ALL '.join(parsed)}"
    if indexed:
        yield f"CREATE OR REPLACE VIEW _index_rows AS {_of_indexes(indexed, 'part = 0')}"
        yield f"CREATE OR REPLACE VIEW _index_ids AS {_ids(indexed)}"
        yield f"CREATE OR REPLACE VIEW _pack_texts AS {_texts(indexed)}"
    yield near(shards, datetime.max.replace(tzinfo=UTC), "_last_rows")


def near(shards: Iterable[ShardPrefix], moment: datetime, view: str = "_near_rows") -> str:
    """The statement that makes a view lead to what decides the state of scripts as of an effective time."""
    sources = ["FROM _parsed_rows"]
    for shard in shards:
        full, read = _deciding(shard.packs, _microseconds(moment))
        if full is not None:
            sources.append(_of_indexes([full], "true", cut=False))
        if read:
            sources.append(_of_indexes(read, "part <> 1"))
    return f"CREATE OR REPLACE VIEW {view} AS {' UNION ALL BY NAME '.join(sources)}"


def _deciding(packs: Sequence[Packed], moment_us: int) -> tuple[Packed | None, list[Packed]]:
    """The last full index of which all entries before it had happened by then, and the others that hold some which had.

    Packs without an index are read as they are: what had happened in them, nobody knows before.
    """
    most = [0, *accumulate((pack.most_us for pack in packs), max)]
    full = next(
        (place for place in reversed(range(len(packs))) if packs[place].full and most[place] <= moment_us), None
    )
    after = packs if full is None else packs[full + 1 :]
    return (None if full is None else packs[full]), [pack for pack in after if pack.rows and pack.least_us <= moment_us]


def _microseconds(moment: datetime) -> int:
    since = moment - _YEAR_1
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _of_segments(paths: Sequence[str]) -> str:
    columns = ", ".join(f'"{name}": {literal(sql_type(shape))}' for name, shape in ENTRY.items())
    return (
        f"SELECT file{_FILE_SHARD['log']}::INTEGER AS shard, * EXCLUDE (file) "  # noqa: S608
        f"FROM read_ndjson([{_list(paths)}], columns = {{{columns}}}, "
        "compression = 'zstd', filename = 'file')"
    )


def _of_packs(packs: Sequence[Packed]) -> str:
    members = ", ".join(f'e."{name}"' for name in ENTRY)
    shape = literal(json.dumps(json_shape(ENTRY)))
    return f"SELECT shard, {members} FROM (SELECT shard, json_transform(text, {shape}) AS e FROM ({_texts(packs)}))"  # noqa: S608


def _texts(packs: Sequence[Packed]) -> str:
    return (
        f'SELECT file{_FILE_SHARD["packs"]}::INTEGER AS shard, "index", decode(entry)::JSON AS text '  # noqa: S608
        f"FROM read_parquet([{_list(pack.path for pack in packs)}], filename = 'file'){_only(packs, 'path')}"
    )


def _of_indexes(packs: Sequence[Packed], condition: str, *, cut: bool = True) -> str:
    """The rows of indexes; `cut`: without those that are read from other packs."""
    names = ", ".join(f'"{name}"' for name in _ROW)
    found = ", ".join(
        [f"_{name}(rare::JSON -> '$.{name}') AS {name}" for name in _OPEN] + [f"NULL AS {name}" for name in _IN_TEXT]
    )
    where = _only(packs, "rows", condition) if cut else f" WHERE {condition}"
    return (
        f"SELECT file{_FILE_SHARD['index']}::INTEGER AS shard, {names}, {found}, until "  # noqa: S608
        f"FROM read_parquet([{_list(str(pack.rows) for pack in packs)}], filename = 'file'){where}"
    )


def _ids(packs: Sequence[Packed]) -> str:
    cut = "".join(
        f' AND (file <> {literal(pack.ids)} OR "index" >= {pack.first} AND "index" < {pack.size})'
        for pack in packs
        if not pack.whole or pack.cut
    )
    return (
        f'SELECT file{_FILE_SHARD["ids"]}::INTEGER AS shard, prefix, version, "index" '  # noqa: S608
        f"FROM read_parquet([{_list(pack.ids for pack in packs)}], filename = 'file') WHERE true{cut}"
    )


def _only(packs: Sequence[Packed], file: str, condition: str = "") -> str:
    """Of a pack that others overlap, the rows that are read from it."""
    only = [condition] if condition else []
    only += [f'(file <> {literal(getattr(pack, file))} OR "index" >= {pack.first})' for pack in packs if not pack.whole]
    return f" WHERE {' AND '.join(only)}" if only else ""


def _list(paths: Iterable[str]) -> str:
    return ", ".join(map(literal, paths))


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"
