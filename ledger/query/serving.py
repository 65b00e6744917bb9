"""What served at a time: the active deployments of some scripts, with their versions' shares."""

from collections.abc import Iterable
from datetime import datetime

from ledger.query.answers import Answer, Share
from ledger.query.opened import OpenLedger
from ledger.query.questions import shares
from ledger.query.rows import state_rows

__all__ = ["ScriptName", "Serving", "serving"]

ScriptName = tuple[str, str]
"""Account and script."""

_SERVING = """
SELECT account, script, state, deployment, number, versions, since, author, interface
FROM _states('_near', $at) WHERE list_contains($names, account || '/' || script)
"""

_NUMBERS = "SELECT version.id AS version, version.number AS number FROM _near WHERE version IS NOT NULL AND list_contains($names, account || '/' || script)"


class Serving(Answer, frozen=True, kw_only=True):
    """What a script runs at a time."""

    state: str
    """active; uploaded, deleted or waiting: then nothing runs."""
    deployment: str | None
    number: int | None
    versions: list[Share]
    since: datetime | None
    author: str | None
    interface: str | None


def serving(ledger: OpenLedger, names: Iterable[ScriptName], at: datetime) -> dict[ScriptName, Serving]:
    """What each of these scripts ran at an effective time; those that the log did not know by then are absent."""
    listed = sorted({f"{account}/{script}" for account, script in names})
    if not listed:
        return {}
    numbers = {row["version"]: row["number"] for row in state_rows(ledger, at, _NUMBERS, names=listed)}
    return {
        (row["account"], row["script"]): Serving(
            state=row["state"],
            deployment=row["deployment"],
            number=row["number"],
            versions=shares(row["versions"] or {}, numbers),
            since=row["since"],
            author=ledger.author(row["author"]),
            interface=row["interface"],
        )
        for row in state_rows(ledger, at, _SERVING, names=listed, at=at)
    }
