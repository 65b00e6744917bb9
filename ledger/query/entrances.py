"""`reach --script`: every way into a script at a time: from outside, by the clock, by queues, and from other scripts."""

from datetime import datetime
from typing import Any, Final

import msgspec

from ledger.platform.routes import custom_domain_problem, parse_pattern
from ledger.query.answers import Answer
from ledger.query.lookup import Accounts, find_script
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME, Row, state_rows
from ledger.query.wired import Use, uses

__all__ = ["Entrance", "entrances"]

_TRIGGERS = """
SELECT aspect, name, last.value AS value, given.*
FROM (
    SELECT
        change[1] AS aspect, change[2] AS name,
        arg_max({'op': change[3], 'value': CASE change[1]
            WHEN 'routes' THEN triggers.routes[change[2]]
            WHEN 'domains' THEN triggers.domains[change[2]]
            WHEN 'crons' THEN triggers.crons[change[2]]
            WHEN 'queues' THEN triggers.queues[change[2]]
            WHEN 'subdomain' THEN triggers.subdomain[change[2]]
        END}, "index") AS last,
        arg_max({
            'since': effective_at, 'interface': data.interface, 'entry': concat(shard, '/', "index"),
            'author': person(account, data.actor.pseudonym, data.actor.sealed)
        }, "index") FILTER (change[3] = 'added' OR change[1] = 'subdomain') AS given
    FROM (
        SELECT * EXCLUDE (changes), unnest(changes) AS change FROM _near
        WHERE effective_at <= $at AND account = $account AND script = $script
    )
    WHERE change[1] IN ('routes', 'domains', 'crons', 'queues', 'subdomain')
    GROUP BY ALL
)
WHERE last.op <> 'removed' AND (aspect <> 'subdomain' OR name IN ('enabled', 'previews_enabled') AND last.value = 'true')
"""

_WORDS: Final = {"routes": "route", "domains": "domain", "crons": "cron", "queues": "queue"}
_SUBDOMAIN: Final = {"enabled": "workers.dev", "previews_enabled": "preview"}
_ORDER: Final = ("domain", "route", "workers.dev", "preview", "cron", "queue")


class Entrance(Answer, frozen=True, kw_only=True):
    """One way into a script."""

    account: str
    script: str
    by: str
    """domain, route, workers.dev, preview, cron, queue; or what another script does: service, durable object, ..."""
    name: str
    """Host, pattern, expression, queue; or the other script's binding or setting."""
    caller: str | None
    """The other script."""
    percentage: float | None
    """Of the other script's traffic: what goes to versions that have the binding."""
    since: datetime
    """When the script was given it; when the other script's active deployment was made."""
    author: str | None
    interface: str | None
    entry: str | None
    value: Any
    """What else is recorded of it: zone, settings of the queue, entry point."""
    problem: str | None
    """Why it leads nowhere, where it does not: a pattern or host that the platform does not document as valid."""


def entrances(
    ledger: OpenLedger, script: str, *, account: Accounts = None, at: datetime | None = None
) -> list[Entrance]:
    """Every way into a script as of an effective time, those from outside first.

    Raises:
        NotFoundError: `script_not_found`.
        UsageError: `ambiguous_script`.
    """
    home = find_script(ledger, script, account)
    moment = at or END_OF_TIME
    given = state_rows(ledger, moment, _TRIGGERS, account=home, script=script, at=moment)
    own = [_own(ledger, home, script, row) for row in given]
    own.sort(key=lambda entrance: (_ORDER.index(entrance.by), entrance.name))
    return own + [_called(use) for use in uses(ledger, account=[home], at=at) if use.target == script]


def _own(ledger: OpenLedger, account: str, script: str, row: Row) -> Entrance:
    by = _SUBDOMAIN.get(row["name"], "") if row["aspect"] == "subdomain" else _WORDS[row["aspect"]]
    return Entrance(
        account=account,
        script=script,
        by=by,
        name=f"{script}.*.workers.dev" if row["aspect"] == "subdomain" else row["name"],
        caller=None,
        percentage=None,
        since=row["since"],
        author=ledger.author(row["author"]),
        interface=row["interface"],
        entry=row["entry"],
        value=msgspec.json.decode(row["value"]) if row["value"] else None,
        problem=_problem(by, row["name"]),
    )


def _called(use: Use) -> Entrance:
    return Entrance(
        account=use.account,
        script=use.target,
        by=use.kind,
        name=use.via,
        caller=use.caller,
        percentage=use.percentage,
        since=use.since,
        author=use.author,
        interface=use.interface,
        entry=None,
        value=use.detail or None,
        problem=None,
    )


def _problem(by: str, name: str) -> str | None:
    if by == "domain":
        return custom_domain_problem(name)
    try:
        if by == "route":
            parse_pattern(name)
    except ValueError as error:
        return str(error)
    return None
