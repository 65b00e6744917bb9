"""What is asked of an entry, as typed columns: the rows of a pack's index (docs/FORMAT.md, Index), and of segments where there is none.

Each is a function of the entry alone, written once here: compaction writes it, `verify` makes it again and compares, and questions make
it of what is not compacted. One row says what an entry did to one script; an entry that took a route from another script has a row for
that one too.
"""

import json
from collections.abc import Mapping
from typing import Final

from ledger.query.columns import DATA, ENTRY, json_shape

__all__ = ["CHANGING", "COLUMNS", "rows_in_pack", "rows_of"]

_SHAPE: Final = json.dumps(
    json_shape(
        {
            **{
                name: ENTRY[name]
                for name in ("index", "account", "recorded_at", "effective_at", "skew", "outcome", "first_index")
            },
            "event": {
                "source": "VARCHAR",
                "subject": "VARCHAR",
                "data": {name: DATA[name] for name in ("actor", "interface", "message", "tag")},
                "data_sha256": "VARCHAR",
            },
            "changes": ENTRY["changes"],
            "changes_sha256": "VARCHAR",
            "version": {"id": "VARCHAR", "number": "BIGINT", "sha256": "VARCHAR"},
            "deployment": ENTRY["deployment"],
            "triggers": "JSON",
            "triggers_sha256": "VARCHAR",
            "others": "STRUCT(subject VARCHAR, changes VARCHAR[][], triggers JSON)[]",
            "origin": {"gap": "JSON"},
        }
    )
)
"""Of an entry what columns are made of: the less, the faster it is read."""

CHANGING: Final = "('deployed', 'uploaded', 'changed', 'deleted')"
"""The outcomes of entries that changed a script, as SQL has them."""

_OF_ENTRY: Final[Mapping[str, str]] = {
    "index": 'e."index"',
    "account": "e.account",
    "recorded_at": "e.recorded_at",
    "effective_at": "e.effective_at",
    "skew": "e.skew",
    "outcome": "e.outcome",
    "first_index": "e.first_index",
    "actor_type": "e.event.data.actor.type",
    "actor": "e.event.data.actor.pseudonym",
    "sealed": "e.event.data.actor.sealed",
    "interface": "e.event.data.interface",
    "message": "e.event.data.message",
    "tag": "e.event.data.tag",
    "source": "e.event.source",
    "data_sha256": "e.event.data_sha256",
}
"""Name -> SQL over `e`, an entry in the shape of `ledger.query.columns`: the same for every script that it touched."""

_OF_SUBJECT: Final[Mapping[str, str]] = {
    "version_id": "e.version.id::UUID",
    "version_number": "e.version.number",
    "version_sha256": "unhex(e.version.sha256)",
    "deployment_id": "e.deployment.id::UUID",
    "deployment_number": "e.deployment.number",
    # where it is the entry's own version alone, it is left out
    "deployment_versions": (
        "CASE WHEN e.deployment.versions IS DISTINCT FROM MAP {coalesce(e.version.id, ''): 100.0::DOUBLE} THEN e.deployment.versions END"
    ),
    "rollback": "e.deployment.rollback",
    "rollback_of": "e.deployment.rollback_of::UUID",
    "took_from": "list_transform(e.others, lambda other: other.subject)",
}
"""The same of what concerns the script alone that the event was about."""

RARE: Final = """
    CASE WHEN e.outcome IN ('rejected', 'noted') OR e.skew IS NOT NULL OR e.origin.gap IS NOT NULL THEN json_object(
        'event', text -> '$.event', 'origin', text -> '$.origin', 'reason', text -> '$.reason'
    )::VARCHAR END"""
"""What few entries have is kept whole, so that nobody has to look for it in the packs; over `e` and its `text`."""

_OF_TOUCHED: Final[Mapping[str, str]] = {
    "script": "touched.subject",
    "lost_to": "touched.lost_to",
    "changes": "touched.changes",
    "changes_sha256": "touched.changes_sha256",
    "triggers": "touched.triggers",
    "triggers_sha256": "touched.triggers_sha256",
}
"""What differs between the scripts that an entry touched."""

COLUMNS: Final = (*_OF_ENTRY, *_OF_SUBJECT, *_OF_TOUCHED, "rare")
"""The names of a row's columns in an index."""

_OWN: Final = (
    "{'subject': e.event.subject, 'lost_to': NULL::VARCHAR, 'changes': e.changes, 'changes_sha256': e.changes_sha256, "
    "'triggers': to_json(e.triggers)::VARCHAR, 'triggers_sha256': e.triggers_sha256}"
)
_OTHERS: Final = (
    "list_transform(e.others, lambda other: {'subject': other.subject, 'lost_to': e.event.subject, 'changes': other.changes, "
    "'changes_sha256': NULL::VARCHAR, 'triggers': to_json(other.triggers)::VARCHAR, 'triggers_sha256': NULL::VARCHAR})"
)


def rows_of(source: str, shared: Mapping[str, str] | None = None, **also: str) -> str:
    """SQL: the rows of entries.

    Args:
        source: what stands after FROM; it has the members of entries as columns of a table `e`, or entries in a column `e`.
        shared: more columns by name, as SQL over the same.
        also: likewise, null in the rows of other scripts than the event's.
    """
    of_entry, of_subject = {**_OF_ENTRY, **(shared or {})}, {**_OF_SUBJECT, **also}
    entries = ", ".join(f'{sql} AS "{name}"' for name, sql in (of_entry | of_subject).items())
    both = ", ".join(f'"{name}"' for name in of_entry)
    own = ", ".join(f'CASE WHEN touched.lost_to IS NULL THEN "{name}" END AS "{name}"' for name in of_subject)
    touched = ", ".join(f'{sql} AS "{name}"' for name, sql in _OF_TOUCHED.items())
    return (
        f"SELECT {both}, {own}, {touched} "  # noqa: S608 - expressions of ours
        f"FROM (SELECT {entries}, unnest(list_concat([{_OWN}], {_OTHERS})) AS touched FROM {source})"
    )


def rows_in_pack(path: str) -> str:
    """SQL: the rows of the entries in the file of a pack (a literal of SQL)."""
    entries = (
        f"(SELECT text, {_parsed('text')} AS e FROM (SELECT decode(entry)::JSON AS text FROM read_parquet({path})))"  # noqa: S608
    )
    return rows_of(entries, rare=RARE)


def _parsed(text: str) -> str:
    """SQL: an entry's text in the shape that the columns are of."""
    return f"json_transform({text}, '{_SHAPE}')"
