"""The questions of the command line, answered from the views: each takes an opened ledger and returns typed rows.

Common to all: `account` narrows to accounts, by name or glob; `at` gives the state or history as of an effective time (what was
known by a recorded time is decided where a ledger is opened). A script's name that several of these accounts use is ambiguous.
Errors: NotFoundError (`script_not_found`, `id_not_found`), UsageError (`ambiguous_script`, `ambiguous_id`), and what reading the
log raises.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from ledger.errors import NotFoundError
from ledger.query.answers import (
    Change,
    DeploymentRow,
    HistoryRow,
    LostRecords,
    NoteRow,
    RejectedRow,
    ScriptRow,
    ShardStatus,
    Share,
    Status,
    VersionRow,
)
from ledger.query.lookup import Accounts, find_accounts, find_script
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME, Row, json_value, rows, state_rows
from ledger.query.segments import ShardPrefix
from ledger.storage import layout

__all__ = [
    "deployments",
    "history",
    "notes",
    "one_script",
    "rejected",
    "script_deployments",
    "script_versions",
    "scripts",
    "status",
    "versions",
]

_OUTCOMES = """
SELECT shard, outcome, count(*) AS count, max(recorded_at) AS last_recorded_at FROM _log GROUP BY ALL ORDER BY ALL
"""

_TOTALS = """
SELECT count(DISTINCT account) AS accounts, count(*) AS scripts FROM _states('_near', $at) WHERE state = 'active'
"""

_LOST = """
SELECT shard, "index", origin.gap AS gap FROM _log WHERE origin.gap IS NOT NULL ORDER BY ALL
"""

_SCRIPTS = """
SELECT * FROM _states('_near', $at)
WHERE ($accounts IS NULL OR list_contains($accounts, account)) AND ($all OR state <> 'deleted')
ORDER BY account, script
"""

_SCRIPT = "SELECT * FROM _states('_near', $at) WHERE account = $account AND script = $script"

_NUMBERS = """
SELECT version.id AS version, version.number AS number FROM _near
WHERE version IS NOT NULL AND ($accounts IS NULL OR list_contains($accounts, account))
"""

_NUMBERS_OF_SCRIPT = """
SELECT version, number FROM _versions WHERE account = $account AND script = $script
"""

_STEPS = """
SELECT
    *, person(account, data.actor.pseudonym, data.actor.sealed) AS author,
    data.interface AS interface, data.message AS message, data.tag AS tag
FROM _steps
WHERE account = $account AND script = $script AND effective_at <= $at
ORDER BY "index" DESC
"""

_VERSIONS = """
SELECT *, min(number) OVER (PARTITION BY sha256) AS first_same
FROM _versions
WHERE account = $account AND script = $script AND effective_at <= $at
ORDER BY number DESC
"""

_HISTORY = """
SELECT
    *, person(account, data.actor.pseudonym, data.actor.sealed) AS author,
    data.interface AS interface, data.message AS message, data.tag AS tag, note.action AS action, note.detail AS detail
FROM (
    FROM _touched WHERE outcome <> 'unchanged'
    UNION ALL BY NAME
    SELECT shard, "index", account, effective_at, recorded_at, outcome, data, note, subject AS script FROM _noted
)
WHERE account = $account AND script = $script AND effective_at <= $at
ORDER BY "index" DESC
LIMIT $limit
"""

_NOTES = """
SELECT * FROM notes
WHERE ($accounts IS NULL OR list_contains($accounts, account)) AND ($subject IS NULL OR subject = $subject)
ORDER BY recorded_at DESC, shard, "index" DESC LIMIT $limit
"""

_REJECTED = """
SELECT *, concat(shard, '/', "index") AS entry FROM rejected
WHERE ($accounts IS NULL OR list_contains($accounts, account))
ORDER BY recorded_at DESC, shard, "index" DESC LIMIT $limit
"""


def status(ledger: OpenLedger) -> Status:
    """Shards, sizes, checkpoints, last recorded time, entries by outcome."""
    counted = rows(ledger, _OUTCOMES)
    outcomes: dict[str, int] = {}
    for row in counted:
        outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + row["count"]
    last = {
        shard.shard: _last(row["last_recorded_at"] for row in counted if row["shard"] == shard.shard)
        for shard in ledger.shards
    }
    totals = state_rows(ledger, END_OF_TIME, _TOTALS, at=END_OF_TIME)[0]
    return Status(
        ledger=ledger.location,
        name=ledger.about.name,
        topic=ledger.about.topic,
        format=ledger.about.format,
        size=sum(shard.size for shard in ledger.shards),
        accounts=totals["accounts"],
        scripts=totals["scripts"],
        last_recorded_at=_last(last.values()),
        outcomes=dict(sorted(outcomes.items())),
        shards=[_shard_status(shard, last[shard.shard]) for shard in ledger.shards],
        lost=[_lost(row) for row in rows(ledger, _LOST)],
    )


def _lost(row: Row) -> LostRecords:
    gap = msgspec.json.decode(row["gap"])
    return LostRecords(
        partition=row["shard"],
        first_offset=gap["from"],
        last_offset=gap["to"],
        accepted_by=gap["accepted_by"],
        entry=f"{row['shard']}/{row['index']}",
    )


def scripts(
    ledger: OpenLedger, *, account: Accounts = None, at: datetime | None = None, deleted: bool = False
) -> list[ScriptRow]:
    """What is active, by whom, since when and how it is reached, by account and name; with `deleted`, those gone too."""
    accounts = find_accounts(ledger, account)
    moment = at or END_OF_TIME
    found = state_rows(ledger, moment, _SCRIPTS, accounts=accounts, at=moment, all=deleted)
    numbered = state_rows(ledger, moment, _NUMBERS, accounts=accounts) if found else []
    numbers = {row["version"]: row["number"] for row in numbered}
    return [_script_row(ledger, row, numbers) for row in found]


def one_script(ledger: OpenLedger, script: str, *, account: Accounts = None, at: datetime | None = None) -> ScriptRow:
    """A script as it is, or was at an effective time, whatever its state; `script_not_found` also where it was not there yet."""
    home, moment = find_script(ledger, script, account), at or END_OF_TIME
    for row in state_rows(ledger, moment, _SCRIPT, account=home, script=script, at=moment):
        return _script_row(ledger, row, _script_numbers(ledger, home, script))
    raise NotFoundError(
        "script_not_found", f"there was no script {script} at {moment.isoformat()}", "ask as of a later time"
    )


def deployments(
    ledger: OpenLedger, script: str, *, account: Accounts = None, at: datetime | None = None, limit: int | None = 10
) -> list[DeploymentRow]:
    """The deployments of a script, newest first; at most `limit` of them (None: all)."""
    home = find_script(ledger, script, account)
    return script_deployments(ledger, script, home, at)[:limit]


def versions(
    ledger: OpenLedger, script: str, *, account: Accounts = None, at: datetime | None = None, limit: int | None = 10
) -> list[VersionRow]:
    """The versions of a script, newest first; at most `limit` of them (None: all)."""
    home = find_script(ledger, script, account)
    return script_versions(ledger, script, home, at)[:limit]


def history(
    ledger: OpenLedger, script: str, *, account: Accounts = None, at: datetime | None = None, limit: int | None = None
) -> list[HistoryRow]:
    """Every recorded change of a script, its triggers' included, and the notes about it, newest first."""
    home = find_script(ledger, script, account)
    found = rows(ledger, _HISTORY, account=home, script=script, at=at or END_OF_TIME, limit=_sql_limit(limit))
    return [_history_row(ledger, row) for row in found]


def rejected(ledger: OpenLedger, *, account: Accounts = None, limit: int | None = None) -> list[RejectedRow]:
    """The records that became no change, newest first."""
    found = rows(ledger, _REJECTED, accounts=find_accounts(ledger, account), limit=_sql_limit(limit))
    there = set(ledger.store.list(layout.QUARANTINE)) if found else set()
    fields = [name for name in RejectedRow.__struct_fields__ if name != "quarantine"]
    return [
        RejectedRow(
            **{name: row[name] for name in fields},
            quarantine=row["quarantine"] if row["quarantine"] in there else None,
        )
        for row in found
    ]


def notes(
    ledger: OpenLedger, *, account: Accounts = None, subject: str | None = None, limit: int | None = None
) -> list[NoteRow]:
    """What operators noted, newest first."""
    found = rows(ledger, _NOTES, accounts=find_accounts(ledger, account), subject=subject, limit=_sql_limit(limit))
    return [
        NoteRow(
            entry=f"{row['shard']}/{row['index']}",
            account=row["account"],
            subject=row["subject"],
            action=row["action"],
            detail=json_value(row["detail"]),
            effective_at=row["effective_at"],
            recorded_at=row["recorded_at"],
            author=ledger.author(row["author"]),
            interface=row["interface"],
            source=row["source"],
            event_id=row["event_id"],
        )
        for row in found
    ]


def script_deployments(
    ledger: OpenLedger, script: str, account: str, at: datetime | None = None
) -> list[DeploymentRow]:
    """All deployments of a script whose account is known, newest first."""
    steps = rows(ledger, _STEPS, account=account, script=script, at=at or END_OF_TIME)
    return _deployment_rows(ledger, steps, _script_numbers(ledger, account, script))


def script_versions(ledger: OpenLedger, script: str, account: str, at: datetime | None = None) -> list[VersionRow]:
    """All versions of a script whose account is known, newest first."""
    moment = at or END_OF_TIME
    steps = rows(ledger, _STEPS, account=account, script=script, at=moment)
    serving = dict(steps[0]["deployment"]["versions"]) if steps and steps[0]["deployment"] else {}
    return [
        _version_row(ledger, row, serving) for row in rows(ledger, _VERSIONS, account=account, script=script, at=moment)
    ]


def _deployment_rows(ledger: OpenLedger, steps: Sequence[Row], numbers: dict[str, int]) -> list[DeploymentRow]:
    """The deployments among the steps of one script (newest first; the newest step decides what is active)."""
    by_id = {row["deployment"]["id"]: row["deployment"]["number"] for row in steps if row["deployment"]}
    return [
        DeploymentRow(
            account=row["account"],
            script=row["script"],
            deployment=row["deployment"]["id"],
            number=row["deployment"]["number"],
            active=place == 0,
            effective_at=row["effective_at"],
            recorded_at=row["recorded_at"],
            author=ledger.author(row["author"]),
            interface=row["interface"],
            message=row["message"],
            tag=row["tag"],
            versions=shares(row["deployment"]["versions"], numbers),
            rollback=bool(row["deployment"]["rollback"]),
            rollback_of=row["deployment"]["rollback_of"],
            rollback_of_number=by_id.get(row["deployment"]["rollback_of"]),
            entry=f"{row['shard']}/{row['index']}",
        )
        for place, row in enumerate(steps)
        if row["deployment"]
    ]


def _version_row(ledger: OpenLedger, row: Row, serving: dict[str, float]) -> VersionRow:
    """`row` of `_VERSIONS`; `serving` maps version ids to their part of the traffic."""
    return VersionRow(
        account=row["account"],
        script=row["script"],
        version=row["version"],
        number=row["number"],
        sha256=row["sha256"],
        same_as=row["first_same"] if row["first_same"] != row["number"] else None,
        deployed=row["deployed"],
        percentage=serving.get(row["version"]),
        effective_at=row["effective_at"],
        recorded_at=row["recorded_at"],
        author=ledger.author(row["author"]),
        interface=row["interface"],
        message=row["message"],
        tag=row["tag"],
        entry=f"{row['shard']}/{row['index']}",
    )


def _script_row(ledger: OpenLedger, row: Row, numbers: dict[str, int]) -> ScriptRow:
    known: dict[str, Any] = {
        name: row[name] for name in ScriptRow.__struct_fields__ if name not in {"versions", "author"}
    }
    return ScriptRow(
        **known,
        versions=shares(row["versions"] or {}, numbers),
        author=ledger.author(row["author"]),
    )


def _history_row(ledger: OpenLedger, row: Row) -> HistoryRow:
    return HistoryRow(
        account=row["account"],
        script=row["script"],
        entry=f"{row['shard']}/{row['index']}",
        effective_at=row["effective_at"],
        recorded_at=row["recorded_at"],
        outcome=row["outcome"],
        author=ledger.author(row["author"]),
        interface=row["interface"],
        message=row["message"],
        tag=row["tag"],
        version=row["version"]["number"] if row["version"] and not row["lost_to"] else None,
        deployment=row["deployment"]["number"] if row["deployment"] and not row["lost_to"] else None,
        lost_to=row["lost_to"],
        changes=[Change(aspect=aspect, name=name, op=op) for aspect, name, op in row["changes"] or []],
        action=row["action"],
        detail=json_value(row["detail"]),
    )


def shares(versions: dict[str, float], numbers: dict[str, int]) -> list[Share]:
    ordered = sorted(versions.items(), key=lambda item: (-item[1], -numbers.get(item[0], 0)))
    return [Share(version=version, number=numbers.get(version), percentage=part) for version, part in ordered]


def _script_numbers(ledger: OpenLedger, account: str, script: str) -> dict[str, int]:
    """Version id -> number, of a script."""
    found = rows(ledger, _NUMBERS_OF_SCRIPT, account=account, script=script)
    return {row["version"]: row["number"] for row in found}


def _shard_status(shard: ShardPrefix, last_recorded_at: datetime | None) -> ShardStatus:
    return ShardStatus(
        shard=shard.shard,
        size=shard.size,
        packs=len(shard.packs),
        packed=shard.packed,
        segments=sum(not segment.unseen for segment in shard.segments),
        root=shard.checkpoint.split("\n", 3)[2] if shard.checkpoint else None,
        last_recorded_at=last_recorded_at,
        strays=len(shard.strays),
        missing_at=shard.missing_at,
    )


def _last(times: Iterable[datetime | None]) -> datetime | None:
    return max((time for time in times if time is not None), default=None)


def _sql_limit(limit: int | None) -> int:
    return 2**62 if limit is None else min(limit, 2**62)
