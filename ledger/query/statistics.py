"""`stats`: how often each account deploys, how often it goes back, and how fast."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, Final

from ledger.query.answers import Answer
from ledger.query.lookup import Accounts, find_accounts
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME, Row, rows

__all__ = ["AccountStats", "BusyScript", "InterfaceStats", "WeekStats", "stats", "total_weeks"]

BEGINNING: Final = datetime.fromisoformat("0001-01-01T00:00:00Z")
BUSIEST: Final = 5

_STATS: Final = """
WITH acts AS MATERIALIZED (
    SELECT
        account, subject AS script, "index", effective_at, coalesce(data.interface, 'unknown') AS interface, version.id AS version,
        map_keys(deployment.versions) AS served, coalesce(deployment.rollback, false) AS rollback
    FROM _log
    WHERE (deployment IS NOT NULL OR version IS NOT NULL) AND effective_at <= $at
        AND ($accounts IS NULL OR list_contains($accounts, account))
),
steps AS (
    SELECT *, epoch(effective_at - lag(effective_at) OVER (PARTITION BY account, script ORDER BY "index")) AS after_s
    FROM acts WHERE served IS NOT NULL
),
counted AS (FROM steps WHERE effective_at >= $start),
firsts AS (
    SELECT account, version, min_by(effective_at, "index") AS served_at, min_by(interface, "index") AS interface
    FROM (SELECT account, "index", effective_at, interface, unnest(served) AS version FROM steps)
    GROUP BY ALL
),
leads AS (
    SELECT firsts.account, firsts.interface, median(epoch(served_at - made.effective_at)) AS median_lead_s
    FROM firsts JOIN acts AS made USING (account, version)
    WHERE served_at >= $start
    GROUP BY ALL
),
interfaces AS (
    SELECT account, list({'interface': interface, 'deployments': n, 'rollbacks': back, 'median_lead_s': median_lead_s}
        ORDER BY n DESC, interface) AS interfaces
    FROM (SELECT account, interface, count(*) AS n, count(*) FILTER (rollback) AS back FROM counted GROUP BY ALL)
        LEFT JOIN leads USING (account, interface)
    GROUP BY account
),
weeks AS (
    SELECT account, list({'week': week, 'deployments': n, 'rollbacks': back} ORDER BY week) AS weeks
    FROM (
        SELECT account, date_trunc('week', effective_at)::DATE AS week, count(*) AS n, count(*) FILTER (rollback) AS back
        FROM counted GROUP BY ALL
    )
    GROUP BY account
),
busy AS (
    SELECT account, list({'script': script, 'deployments': n} ORDER BY n DESC, script)[:$busiest] AS busiest
    FROM (SELECT account, script, count(*) AS n FROM counted GROUP BY ALL)
    GROUP BY account
),
totals AS (
    SELECT
        account, count(DISTINCT script) AS scripts, count(*) AS deployments, count(*) FILTER (rollback) AS rollbacks,
        median(after_s) FILTER (rollback) AS median_restore_s, max(after_s) FILTER (rollback) AS longest_restore_s,
        min(effective_at) AS first_at, max(effective_at) AS last_at
    FROM counted GROUP BY account
)
SELECT * FROM totals JOIN interfaces USING (account) JOIN busy USING (account) JOIN weeks USING (account) ORDER BY account
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
        "interfaces": [InterfaceStats(**one) for one in row["interfaces"]],
        "busiest": [BusyScript(**one) for one in row["busiest"]],
        "weeks": [WeekStats(**one) for one in row["weeks"]],
    }
    return AccountStats(**(row | lists))
