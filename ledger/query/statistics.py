"""`stats`: how often each account deploys, how often it goes back, and how fast."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final

from ledger.query.answers import Answer
from ledger.query.lookup import Accounts, find_accounts
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME, Row, rows

__all__ = ["AccountStats", "BusyScript", "InterfaceStats", "WeekStats", "median_lead_s", "stats", "total_weeks"]

BEGINNING: Final = datetime.fromisoformat("0001-01-01T00:00:00Z")
BUSIEST: Final = 5

# Each step is looked at once for itself; what came before it is found by its number, for numbers of a script's deployments go on by one.
# A version that was made and deployed in one step was first served then. So nothing of all history is sorted, and little of it is kept.
_STATS: Final = """
WITH steps AS NOT MATERIALIZED (
    SELECT
        account, subject AS script, "index", effective_at, coalesce(data.interface, 'unknown') AS interface, version IS NOT NULL AS own,
        deployment.number AS number, deployment.versions AS versions, coalesce(deployment.rollback, false) AS rollback
    FROM _log
    WHERE deployment IS NOT NULL AND effective_at <= $at AND ($accounts IS NULL OR list_contains($accounts, account))
),
counted AS MATERIALIZED (
    SELECT
        account, script, interface, week, count(*) AS deployments, count(*) FILTER (rollback) AS rollbacks, count(*) FILTER (own) AS own,
        min(effective_at) AS first_at, max(effective_at) AS last_at
    FROM (SELECT *, _week(effective_at) AS week FROM steps WHERE effective_at >= $start)
    GROUP BY GROUPING SETS ((account, script, interface), (account, week))
),
by_script AS (FROM counted WHERE script IS NOT NULL),
restored AS (
    SELECT account, median(after_s) AS median_restore_s, max(after_s) AS longest_restore_s
    FROM (
        SELECT back.account AS account, epoch(back.effective_at - steps.effective_at) AS after_s
        FROM steps JOIN (SELECT *, number - 1 AS before FROM steps WHERE rollback AND effective_at >= $start) AS back
            ON steps.account = back.account AND steps.script = back.script AND steps.number = back.before
    )
    GROUP BY account
),
waiting AS MATERIALIZED (
    SELECT account, version.id AS version, effective_at AS made_at
    FROM _log
    WHERE version IS NOT NULL AND deployment IS NULL AND effective_at <= $at AND ($accounts IS NULL OR list_contains($accounts, account))
),
leads AS (
    SELECT account, interface, list(epoch(served_at - made_at) ORDER BY served_at - made_at) AS leads_s
    FROM (
        SELECT account, version, min_by(effective_at, "index") AS served_at, min_by(interface, "index") AS interface
        FROM (SELECT account, "index", effective_at, interface, unnest(map_keys(versions)) AS version FROM steps WHERE NOT own)
            SEMI JOIN waiting USING (account, version)
        GROUP BY account, version
    ) JOIN waiting USING (account, version)
    WHERE served_at >= $start
    GROUP BY account, interface
),
interfaces AS (
    SELECT account, list({
        'interface': interface, 'deployments': n, 'rollbacks': back, 'at_once': at_once, 'leads_s': coalesce(leads_s, [])
    } ORDER BY n DESC, interface) AS interfaces
    FROM (
        SELECT account, interface, sum(deployments)::BIGINT AS n, sum(rollbacks)::BIGINT AS back, sum(own)::BIGINT AS at_once
        FROM by_script GROUP BY account, interface
    ) LEFT JOIN leads USING (account, interface)
    GROUP BY account
),
weeks AS (
    SELECT account, list({'week': week, 'deployments': deployments, 'rollbacks': rollbacks} ORDER BY week) AS weeks
    FROM counted WHERE week IS NOT NULL GROUP BY account
),
scripts AS (SELECT account, script, sum(deployments)::BIGINT AS n FROM by_script GROUP BY account, script),
busy AS (
    SELECT account, count(*) AS scripts, list({'script': script, 'deployments': n} ORDER BY n DESC, script)[:$busiest] AS busiest
    FROM scripts GROUP BY account
),
totals AS (
    SELECT account, sum(deployments)::BIGINT AS deployments, sum(rollbacks)::BIGINT AS rollbacks, min(first_at) AS first_at,
        max(last_at) AS last_at
    FROM by_script GROUP BY account
)
SELECT * FROM totals JOIN interfaces USING (account) JOIN busy USING (account) JOIN weeks USING (account) LEFT JOIN restored USING (account)
ORDER BY account
"""


class WeekStats(Answer, frozen=True, kw_only=True):
    """A week with deployments in it."""

    week: date
    """Its Monday (UTC)."""
    deployments: int
    rollbacks: int


class InterfaceStats(Answer, frozen=True, kw_only=True):
    """What came through one interface."""

    interface: str
    deployments: int
    rollbacks: int
    median_lead_s: float | None
    """From the making of a version to its first deployment, of versions first deployed through it; 0 where one step does both."""


class BusyScript(Answer, frozen=True, kw_only=True):
    """A script and how often it was deployed."""

    script: str
    deployments: int


class AccountStats(Answer, frozen=True, kw_only=True):
    """One account's deployments in the time asked about."""

    account: str
    scripts: int
    """That were deployed."""
    deployments: int
    rollbacks: int
    median_restore_s: float | None
    """From a deployment to the rollback that undid it."""
    longest_restore_s: float | None
    first_at: datetime
    last_at: datetime
    interfaces: list[InterfaceStats]
    """The most used first."""
    busiest: list[BusyScript]
    """At most five."""
    weeks: list[WeekStats]
    """Oldest first; weeks without a deployment are absent."""


def stats(
    ledger: OpenLedger, *, account: Accounts = None, since: datetime | None = None, at: datetime | None = None
) -> list[AccountStats]:
    """The accounts that deployed from `since` (inclusive) to `at` (inclusive), in effective time, by name."""
    found = rows(
        ledger,
        _STATS,
        start=since or BEGINNING,
        at=at or END_OF_TIME,
        accounts=find_accounts(ledger, account),
        busiest=BUSIEST,
    )
    return [_account_stats(row) for row in found]


def total_weeks(answers: Iterable[AccountStats]) -> list[WeekStats]:
    """The weeks of several accounts together, oldest first."""
    sums: dict[date, tuple[int, int]] = {}
    for week in (week for answer in answers for week in answer.weeks):
        deployments, rollbacks = sums.get(week.week, (0, 0))
        sums[week.week] = (deployments + week.deployments, rollbacks + week.rollbacks)
    return [WeekStats(week=week, deployments=both[0], rollbacks=both[1]) for week, both in sorted(sums.items())]


def _account_stats(row: Row) -> AccountStats:
    lists: dict[str, Any] = {
        "interfaces": [_interface_stats(one) for one in row["interfaces"]],
        "busiest": [BusyScript(**one) for one in row["busiest"]],
        "weeks": [WeekStats(**one) for one in row["weeks"]],
    }
    return AccountStats(**(row | lists))


def _interface_stats(counted: Row) -> InterfaceStats:
    return InterfaceStats(
        interface=counted["interface"],
        deployments=counted["deployments"],
        rollbacks=counted["rollbacks"],
        median_lead_s=median_lead_s(counted["at_once"], counted["leads_s"]),
    )


def median_lead_s(at_once: int, leads_s: list[float]) -> float | None:
    """The median of so many zeros and these, which are sorted and never less: no version is served before it is made."""
    count = at_once + len(leads_s)
    if not count:
        return None
    middle = (leads_s[place - at_once] if place >= at_once else 0.0 for place in ((count - 1) // 2, count // 2))
    return sum(middle) / 2
