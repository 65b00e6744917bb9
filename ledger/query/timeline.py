"""The story of one script: every entry that touched it, in the order of the log."""

from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from ledger.query.contents import Content, decode_triggers
from ledger.query.opened import OpenLedger
from ledger.query.rows import Row, rows

__all__ = ["Step", "is_live", "timeline"]

_TIMELINE: Final = """
SELECT shard, "index", outcome, effective_at, recorded_at, lost_to, changes, triggers, deployment,
    version.id AS version, version.number AS version_number,
    person(account, data.actor.pseudonym, data.actor.sealed) AS author, data.interface AS interface,
    data.message AS message, data.tag AS tag
FROM _touched
WHERE account = $account AND script = $script AND effective_at <= $at AND outcome <> 'unchanged'
ORDER BY "index"
"""


class Step(Struct, frozen=True, kw_only=True):
    """One entry, as far as it touched the script."""

    entry: str
    outcome: str
    effective_at: datetime
    recorded_at: datetime
    author: str | None
    interface: str | None
    message: str | None
    tag: str | None
    lost_to: str | None
    """The script whose event this was, where it took a route or domain from ours."""
    changes: dict[tuple[str, str], str]
    """Aspect and name -> added, removed or changed."""
    triggers: Content | None
    """All of them, where they changed."""
    version: str | None
    version_number: int | None
    """The version made."""
    deployment: str | None
    number: int | None
    served: dict[str, float]
    """Of the deployment made: version id -> percentage, those with no traffic left out."""
    rollback: bool
    rollback_of: str | None


def timeline(ledger: OpenLedger, account: str, script: str, at: datetime) -> list[Step]:
    """The steps of a script up to an effective time, oldest first."""
    return [_step(ledger, row) for row in rows(ledger, _TIMELINE, account=account, script=script, at=at)]


def is_live(step: Step) -> bool:
    """Whether the step decides what is active: a deployment, or the script's deletion."""
    return step.lost_to is None and (step.deployment is not None or step.outcome == "deleted")


def _step(ledger: OpenLedger, row: Row) -> Step:
    own = row["lost_to"] is None
    deployment: dict[str, Any] = row["deployment"] if own and row["deployment"] else {}
    known = {
        name: row[name] for name in ("outcome", "effective_at", "recorded_at", "interface", "message", "tag", "lost_to")
    }
    return Step(
        **known,
        entry=f"{row['shard']}/{row['index']}",
        author=ledger.author(row["author"]),
        changes={(aspect, name): op for aspect, name, op in row["changes"] or ()},
        triggers=None if row["triggers"] is None else decode_triggers(row["triggers"]),
        version=row["version"] if own else None,
        version_number=row["version_number"] if own else None,
        deployment=deployment.get("id"),
        number=deployment.get("number"),
        served={version: share for version, share in (deployment.get("versions") or {}).items() if share},
        rollback=bool(deployment.get("rollback")),
        rollback_of=deployment.get("rollback_of"),
    )
