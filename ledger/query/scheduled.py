"""`schedule`: crons, and when each fired last and fires next."""

from datetime import datetime
from typing import Final

from ledger.platform.crons import Cron, parse_cron
from ledger.query.answers import Answer
from ledger.query.lookup import Accounts, find_accounts
from ledger.query.opened import OpenLedger
from ledger.query.rows import Row, rows
from ledger.query.serving import ScriptName, Serving, serving

__all__ = ["Scheduled", "schedule"]

_CRONS: Final = """
SELECT account, script, name, given.*
FROM (
    SELECT
        account, script, change[2] AS name, arg_max(change[3], "index") AS op,
        arg_max({
            'since': effective_at, 'interface': data.interface, 'entry': concat(shard, '/', "index"),
            'author': person(account, data.actor.pseudonym, data.actor.sealed)
        }, "index") FILTER (change[3] = 'added') AS given
    FROM (
        SELECT * EXCLUDE (changes), unnest(changes) AS change FROM _touched
        WHERE effective_at <= $at AND ($accounts IS NULL OR list_contains($accounts, account))
            AND ($script IS NULL OR script = $script)
    )
    WHERE change[1] = 'crons'
    GROUP BY ALL
)
WHERE op <> 'removed'
ORDER BY account, script, name
"""


class Scheduled(Answer, frozen=True, kw_only=True):
    """A cron of a script."""

    account: str
    script: str
    expression: str
    words: str | None
    last: datetime | None
    """When it last fired, at the time asked about or before; None where it has not since the script was given it."""
    next: datetime | None
    """When it fires next; None where it never does."""
    state: str
    """Of the script: a cron calls only one that is active."""
    since: datetime
    """When the script was given it."""
    author: str | None
    interface: str | None
    entry: str
    problem: str | None
    """Why it never fires: the platform does not document such an expression, or there is no such day."""


def schedule(
    ledger: OpenLedger, at: datetime, *, script: str | None = None, account: Accounts = None
) -> list[Scheduled]:
    """The crons as of an effective time, by account, script and expression; last and next are seen from that time."""
    found = rows(ledger, _CRONS, at=at, script=script, accounts=find_accounts(ledger, account))
    states = serving(ledger, {(row["account"], row["script"]) for row in found}, at)
    return [_scheduled(ledger, row, states, at) for row in found]


def _scheduled(ledger: OpenLedger, row: Row, states: dict[ScriptName, Serving], at: datetime) -> Scheduled:
    cron: Cron | None = None
    try:
        cron = parse_cron(row["name"])
        problem = None
    except ValueError as error:
        problem = f"not a cron of the platform's: {error}"
    last, coming = (cron.last_by(at), cron.next_after(at)) if cron else (None, None)
    if cron and last is None and coming is None:
        problem = "there is no such day"
    state = states.get((row["account"], row["script"]))
    return Scheduled(
        account=row["account"],
        script=row["script"],
        expression=row["name"],
        words=cron.words if cron else None,
        last=last if last is not None and last >= row["since"] else None,
        next=coming,
        state=state.state if state else "waiting",
        since=row["since"],
        author=ledger.author(row["author"]),
        interface=row["interface"],
        entry=row["entry"],
        problem=problem,
    )
