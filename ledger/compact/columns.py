"""The columns of a pack: what stands beside an entry's bytes so that questions need not parse them (docs/FORMAT.md, Pack).

Each is a function of the entry alone, written once here: compaction writes it, `verify` makes it again and compares. What is nothing but
digests (a manifest, MACs, leaf hashes) is not repeated: it would make packs larger than the segments were, and is parsed where it is asked
for.
"""

import json
from collections.abc import Mapping
from typing import Final

from ledger.query.columns import ENTRY, json_shape

__all__ = ["COLUMNS", "DIFFERS", "parsed", "selected"]

_SHAPE: Final = json.dumps(json_shape(ENTRY))

COLUMNS: Final[Mapping[str, str]] = {
    "index": 'e."index"',
    "account": "e.account",
    "account_index": "e.account_index",
    "recorded_at": "e.recorded_at",
    "effective_at": "e.effective_at",
    "skew": "e.skew",
    "outcome": "e.outcome",
    "reason": "e.reason",
    "first_index": "e.first_index",
    "subject": "e.event.subject",
    "actor_type": "e.event.data.actor.type",
    "actor": "e.event.data.actor.pseudonym",
    "sealed": "e.event.data.actor.sealed",
    "interface": "e.event.data.interface",
    "message": "e.event.data.message",
    "tag": "e.event.data.tag",
    "data_sha256": "e.event.data_sha256",
    "changes": "e.changes",
    "changes_sha256": "e.changes_sha256",
    "version_id": "e.version.id::UUID",
    "version_number": "e.version.number",
    "deployment_id": "e.deployment.id::UUID",
    "deployment_number": "e.deployment.number",
    # where it is the entry's own version alone, it is left out
    "deployment_versions": (
        "CASE WHEN e.deployment.versions IS DISTINCT FROM MAP {coalesce(e.version.id, ''): 100.0::DOUBLE} THEN e.deployment.versions END"
    ),
    "rollback": "e.deployment.rollback",
    "rollback_of": "e.deployment.rollback_of::UUID",
    "triggers": "e.triggers",
    "triggers_sha256": "e.triggers_sha256",
    "others": "e.others",
}
"""Name -> SQL over `e`, an entry in the shape of `ledger.query.columns`."""

selected: Final = ", ".join(f'{sql} AS "{name}"' for name, sql in COLUMNS.items())
"""The columns as a SELECT has them."""


def parsed(text: str) -> str:
    """SQL: an entry's text in the shape that the columns are of."""
    return f"json_transform({text}, '{_SHAPE}')"


DIFFERS: Final = " OR ".join(f'lines."{name}" IS DISTINCT FROM ({sql})' for name, sql in COLUMNS.items())
"""SQL: whether a column of `lines` is not what `e` says."""
