"""`at`: the whole fleet as it was: what ran, since when, made and deployed by whom, and how it was reached."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from ledger.query.forensics import FleetRow, Served, Way
from ledger.query.lookup import Accounts, find_accounts
from ledger.query.opened import OpenLedger
from ledger.query.rows import Row, state_rows

__all__ = ["fleet_at"]

_FLEET: Final = """
SELECT account, script, state, deployment, number, versions, since, author, interface, message, tag
FROM _states('_near', $at)
WHERE ($accounts IS NULL OR list_contains($accounts, account)) AND ($all OR state <> 'deleted')
ORDER BY account, script
"""

# Version and deployment ids are of one kind, and no version has a deployment's id.
_MADE: Final = """
SELECT shard, "index", version.id AS version, version.number AS number, version_sha256 AS sha256, effective_at AS made_at,
    person(account, data.actor.pseudonym, data.actor.sealed) AS author, deployment.id AS deployment,
    deployment.rollback AS rollback
FROM _near
WHERE lost_to IS NULL AND (version.id IN (SELECT unnest($ids)) OR deployment.id IN (SELECT unnest($ids)))
"""

_WAYS: Final = """
SELECT account, script, aspect, name, last.since AS since, last.value AS value
FROM (
    SELECT account, script, change[1] AS aspect, change[2] AS name, arg_max({
        'op': change[3], 'since': effective_at, 'value': CASE change[1]
            WHEN 'routes' THEN triggers.routes[change[2]]
            WHEN 'domains' THEN triggers.domains[change[2]]
            WHEN 'crons' THEN triggers.crons[change[2]]
            WHEN 'queues' THEN triggers.queues[change[2]]
            WHEN 'subdomain' THEN triggers.subdomain[change[2]]
        END
    }, "index") AS last
    FROM (
        SELECT account, script, "index", effective_at, triggers, unnest(changes) AS change FROM _near
        WHERE triggers IS NOT NULL AND effective_at <= $at
            AND ($accounts IS NULL OR list_contains($accounts, account))
    )
    WHERE change[1] IN ('routes', 'domains', 'crons', 'queues') OR change[1] = 'subdomain' AND change[2] = 'enabled'
    GROUP BY ALL
)
WHERE last.op <> 'removed' AND (aspect <> 'subdomain' OR last.value = 'true')
"""

_WORDS: Final = {
    "domains": "domain",
    "routes": "route",
    "subdomain": "workers.dev",
    "crons": "cron",
    "queues": "queue",
}
"""What a way is called, in the order in which they are listed."""


def fleet_at(ledger: OpenLedger, at: datetime, *, account: Accounts = None, deleted: bool = False) -> list[FleetRow]:
    """Every script as it was at an effective time, by account and name; with `deleted`, those gone by then too."""
    accounts = find_accounts(ledger, account)
    found = state_rows(ledger, at, _FLEET, at=at, accounts=accounts, all=deleted)
    ids = [row["deployment"] for row in found if row["deployment"]]
    ids += [version for row in found for version in row["versions"] or ()]
    made = state_rows(ledger, at, _MADE, ids=ids) if ids else []
    by_version = {row["version"]: row for row in made if row["version"]}
    by_deployment = {row["deployment"]: row for row in made if row["deployment"]}
    ways: dict[tuple[str, str], list[Way]] = defaultdict(list)
    for row in state_rows(ledger, at, _WAYS, at=at, accounts=accounts) if found else []:
        ways[row["account"], row["script"]].append(_way(row))
    return [
        _fleet_row(ledger, row, by_version, by_deployment.get(row["deployment"]), ways[row["account"], row["script"]])
        for row in found
    ]


def _fleet_row(
    ledger: OpenLedger, row: Row, by_version: Mapping[str, Row], step: Row | None, ways: list[Way]
) -> FleetRow:
    served = [
        _served(ledger, version, share, by_version.get(version)) for version, share in (row["versions"] or {}).items()
    ]
    words = list(_WORDS.values())
    known = {name: row[name] for name in ("account", "script", "state", "deployment", "number", "since", "interface")}
    return FleetRow(
        **known,
        message=row["message"],
        tag=row["tag"],
        author=ledger.author(row["author"]),
        entry=f"{step['shard']}/{step['index']}" if step else None,
        rollback=bool(step and step["rollback"]),
        versions=sorted(served, key=lambda version: (-version.percentage, -(version.number or 0))),
        reached=sorted(ways, key=lambda way: (words.index(way.by), way.name)),
    )


def _served(ledger: OpenLedger, version: str, percentage: float, made: Row | None) -> Served:
    return Served(
        version=version,
        percentage=percentage,
        number=made["number"] if made else None,
        sha256=made["sha256"] if made else None,
        made_at=made["made_at"] if made else None,
        author=ledger.author(made["author"]) if made else None,
    )


def _way(row: Row) -> Way:
    named = row["aspect"] != "subdomain"
    return Way(
        by=_WORDS[row["aspect"]],
        name=row["name"] if named else "",
        since=row["since"],
        value=msgspec.json.decode(row["value"]) if named and row["value"] else {},
    )
