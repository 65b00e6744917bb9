"""Who calls whom at a time: the bindings of the versions that serve, and the settings of scripts."""

from datetime import datetime

import msgspec

from ledger.platform.wiring import Call, binding_calls, setting_calls
from ledger.query.answers import Answer
from ledger.query.lookup import Accounts, find_accounts
from ledger.query.manifests import Made, manifests_of
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME, Row, state_rows

__all__ = ["Use", "uses"]

_RUNNING = """
SELECT account, script, versions, settings, since, author, interface, deployment, queues
FROM _states('_near', $at)
WHERE state = 'active' AND ($accounts IS NULL OR list_contains($accounts, account))
ORDER BY account, script
"""

_MADE = """
SELECT version.id AS version, concat(shard, '/', "index") AS entry, version_sha256 AS sha256 FROM _near
WHERE version.id IN (SELECT unnest($ids))
"""


class Use(Answer, frozen=True, kw_only=True):
    """A script that uses another."""

    account: str
    caller: str
    target: str
    kind: str
    """service, durable object, workflow, dispatch, queue or tail."""
    via: str
    """The binding or setting; for a queue also the queue."""
    detail: str
    percentage: float
    """Of the caller's traffic: how much goes to versions that have the binding."""
    since: datetime
    """When the caller's active deployment was made."""
    author: str | None
    interface: str | None


def uses(ledger: OpenLedger, *, account: Accounts = None, at: datetime | None = None) -> list[Use]:
    """Every use of one script by another as of an effective time, by account, caller and target."""
    moment = at or END_OF_TIME
    running = state_rows(ledger, moment, _RUNNING, at=moment, accounts=find_accounts(ledger, account))
    ids = [version for row in running for version in row["versions"]]
    made = state_rows(ledger, moment, _MADE, ids=ids) if ids else []
    by_version = {row["version"]: Made(row["entry"], row["sha256"]) for row in made}
    manifests = manifests_of(ledger, by_version.values())
    calls = {version: list(binding_calls(manifests[one]["bindings"])) for version, one in by_version.items()}
    consumers: dict[tuple[str, str], list[str]] = {}
    for row in running:
        for queue in row["queues"]:
            consumers.setdefault((row["account"], queue), []).append(row["script"])
    return sorted(
        (use for row in running for use in _uses_of(ledger, row, calls, consumers)),
        key=lambda use: (use.account, use.caller, use.target, use.kind, use.via),
    )


def _uses_of(
    ledger: OpenLedger, row: Row, calls: dict[str, list[Call]], consumers: dict[tuple[str, str], list[str]]
) -> list[Use]:
    shares: dict[Call, float] = {}
    for version, share in row["versions"].items():
        for call in set(calls.get(version, ())):
            shares[call] = shares.get(call, 0) + share
    settings = {name: msgspec.json.decode(value) for name, value in row["settings"].items() if "tail" in name}
    shares |= dict.fromkeys(setting_calls(settings), 100)
    return [
        Use(
            account=row["account"],
            caller=row["script"],
            target=target,
            kind=call.kind,
            via=f"{call.via} ({call.target})" if call.kind == "queue" else call.via,
            detail=call.detail,
            percentage=share,
            since=row["since"],
            author=ledger.author(row["author"]),
            interface=row["interface"],
        )
        for call, share in shares.items()
        for target in (consumers.get((row["account"], call.target), []) if call.kind == "queue" else [call.target])
    ]
