"""The words of a statement over the views: views, their columns, keywords and functions of DuckDB."""

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from ledger.query.opened import OpenLedger
from ledger.query.sql import ViewHelp, describe_views

__all__ = ["Vocabulary", "read_vocabulary"]

_WORDS: Final = """
SELECT
    (SELECT list(DISTINCT keyword_name ORDER BY keyword_name) FROM duckdb_keywords()),
    (SELECT list(DISTINCT function_name ORDER BY function_name) FROM duckdb_functions()
        WHERE function_type IN ('scalar', 'aggregate', 'macro', 'table_macro')
            AND regexp_full_match(function_name, '[a-z][a-z0-9_]*') AND NOT starts_with(function_name, 'pg_'))
"""


class Vocabulary(Struct, frozen=True, kw_only=True):
    """All words; each list is sorted."""

    views: Mapping[str, Sequence[ViewHelp]]
    """The documented views, and what is known of their columns."""
    keywords: Sequence[str]
    functions: Sequence[str]


def read_vocabulary(ledger: OpenLedger) -> Vocabulary:
    """The words for statements to this ledger; raises as `describe_views`."""
    views: dict[str, list[ViewHelp]] = {}
    for row in describe_views(ledger):
        views.setdefault(row.view, []).append(row)
    keywords, functions = ledger.database_for(_WORDS).execute(_WORDS).fetchone() or ([], [])
    return Vocabulary(views=views, keywords=keywords, functions=functions)
