"""What scripts consist of, name by name: the content of versions, and the state of scripts at a time.

Names are spelled as an entry's changes spell them: a binding, a route's pattern, `modules/index.js`, `vars/STAGE`.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from ledger.errors import IntegrityError
from ledger.model.aspects import NESTED, TRIGGERS
from ledger.query.ids import known_ids
from ledger.query.manifests import Made, manifests_of
from ledger.query.opened import OpenLedger
from ledger.query.rows import rows, state_rows

__all__ = ["Content", "Name", "ScriptState", "Version", "decode_triggers", "named", "states", "versions_of"]

Name = tuple[str, str]
"""Aspect and name."""

Content = dict[Name, Any]
"""The value of each name."""

_STATES: Final = """
SELECT account, script, state, deployment, number, versions, since, last.triggers AS triggers
FROM _states('_near', $at) LEFT JOIN (
    SELECT account, script, {'triggers': arg_max(triggers, "index")} AS last
    FROM _near WHERE triggers IS NOT NULL AND effective_at <= $at
    GROUP BY ALL
) USING (account, script)
WHERE ($accounts IS NULL OR list_contains($accounts, account)) AND ($script IS NULL OR script = $script)
ORDER BY account, script
"""

_VERSIONS: Final = """
SELECT account, script, version, number, sha256, concat(shard, '/', "index") AS entry FROM _versions
WHERE account = $account AND script = $script AND version IN (SELECT unnest($ids))
"""


class Version(Struct, frozen=True, kw_only=True):
    """A version and what it holds."""

    account: str
    script: str
    id: str
    number: int
    sha256: str
    content: Content


class ScriptState(Struct, frozen=True, kw_only=True):
    """A script as of a time."""

    account: str
    script: str
    state: str
    deployment: str | None
    number: int | None
    versions: dict[str, float]
    """Version id -> percentage, of the active deployment."""
    since: datetime | None
    triggers: Content


def named(aspects: Mapping[str, Mapping[str, Any]]) -> Content:
    """The names of aspects (a manifest's, say) with their values."""
    found: Content = {}
    for aspect, members in aspects.items():
        nested = NESTED.get(aspect, ())
        for name, value in members.items():
            if name in nested:
                found |= {(aspect, f"{name}/{inner}"): member for inner, member in value.items()}
            else:
                found[aspect, name] = value
    return found


def decode_triggers(triggers: Mapping[str, Mapping[str, str] | None] | None) -> Content:
    """The names of triggers as a query returns them: JSON text by name, by aspect."""
    return {
        (aspect, name): msgspec.json.decode(value)
        for aspect in TRIGGERS
        for name, value in ((triggers or {}).get(aspect) or {}).items()
    }


def states(
    ledger: OpenLedger, at: datetime, *, accounts: list[str] | None = None, script: str | None = None
) -> list[ScriptState]:
    """Scripts as of an effective time, deleted ones too, by account and name."""
    return [
        ScriptState(**(row | {"versions": row["versions"] or {}, "triggers": decode_triggers(row["triggers"])}))
        for row in state_rows(ledger, at, _STATES, at=at, accounts=accounts, script=script)
    ]


def versions_of(
    ledger: OpenLedger, ids: Iterable[str], *, account: str | None = None, script: str | None = None
) -> dict[str, Version]:
    """These versions, by id. Where all are of one script, to say so spares looking for each.

    Raises:
        IntegrityError: `version_missing`, where a deployment serves one that the log doesn't have, or without its content.
    """
    wanted = sorted(set(ids))
    if account is None or script is None:
        found = {one.id: one for one in known_ids(ledger, wanted)}
        known = [row for row in map(found.get, wanted) if row is not None]
        made = {
            row.id: (Made(row.entry, row.sha256), row.account, row.script, row.number) for row in known if row.sha256
        }
    else:
        given = rows(ledger, _VERSIONS, ids=wanted, account=account, script=script) if wanted else []
        made = {row["version"]: (Made(row["entry"], row["sha256"]), account, script, row["number"]) for row in given}
    for version in wanted:
        if version not in made:
            raise IntegrityError(
                "version_missing",
                f"the log does not hold the version {version}",
                "run `ledger verify` to see what differs",
            )
    manifests = manifests_of(ledger, [one for one, *_ in made.values()])
    return {
        version: Version(
            account=home, script=name, id=version, number=number, sha256=one.sha256, content=named(manifests[one])
        )
        for version, (one, home, name, number) in made.items()
    }
