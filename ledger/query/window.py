"""`during`: everything that changed in a window of time, oldest first, with what stands out."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from ledger.errors import UsageError
from ledger.query.answers import Answer, Change
from ledger.query.lookup import Accounts, find_accounts
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME, Row, rows
from ledger.query.standouts import BY_HAND, CI, SOON, Act, Rule, chosen_rules

__all__ = ["ChangedRow", "Mark", "during"]

_A_MOMENT: Final = timedelta(seconds=1)
"""What is exactly so far away still counts."""

_DURING: Final = """
WITH acts AS NOT MATERIALIZED (
    SELECT
        shard, "index", account, subject AS script, effective_at, data.actor.pseudonym AS actor,
        coalesce(
            list_contains($ci, data.interface) OR data.actor.type IN ('token', 'system') AND data.interface <> $by_hand, false
        ) AS ci, deployment.id IS NOT NULL AS deploys,
        coalesce(deployment.rollback, false) AS rollback
    FROM _log
    WHERE outcome IN ('deployed', 'uploaded', 'changed', 'deleted') AND effective_at <= $at
        AND ($accounts IS NULL OR list_contains($accounts, account))
),
near AS MATERIALIZED (FROM acts WHERE effective_at >= $start - to_seconds($soon_s) AND effective_at < $end + to_seconds($soon_s)),
steps AS (
    SELECT
        shard, "index", lag(effective_at) OVER script AS previous_at, lead(effective_at) OVER script AS next_at,
        coalesce(lead(rollback) OVER script, false) AS next_rollback
    FROM near WHERE deploys
    WINDOW script AS (PARTITION BY account, script ORDER BY "index")
),
inside AS (FROM near WHERE effective_at >= $start AND effective_at < $end),
-- All that came before them is counted, not looked at: by script and person, and by account and hour.
spans AS (SELECT shard, min("index") AS first, max("index") AS last FROM inside GROUP BY shard),
history AS MATERIALIZED (
    SELECT account, script, person, hour, count(*) AS entries, count(*) FILTER (ci) AS by_ci
    FROM (SELECT *, coalesce(actor, '') AS person, _hour(effective_at) AS hour FROM acts) JOIN spans USING (shard)
    WHERE "index" < first
    GROUP BY GROUPING SETS ((account, script, person), (account, hour))
),
of_person AS (FROM history WHERE script IS NOT NULL),
of_script AS (SELECT account, script, sum(entries) AS entries, sum(by_ci) AS by_ci FROM of_person GROUP BY account, script),
of_hour AS (FROM history WHERE script IS NULL),
of_account AS (SELECT account, sum(entries) AS entries FROM of_hour GROUP BY account),
recent AS (
    SELECT
        shard, "index", account, script, person, hour, known_person, rollback,
        count(*) OVER (PARTITION BY account, script ORDER BY "index") - 1 AS before,
        count(*) OVER (PARTITION BY account, script, person ORDER BY "index") - 1 AS before_by_person,
        count(*) FILTER (ci) OVER (PARTITION BY account, script ORDER BY "index") - ci::INTEGER AS before_by_ci,
        count(*) OVER (PARTITION BY account ORDER BY "index") - 1 AS account_before,
        count(*) OVER (PARTITION BY account, hour ORDER BY "index") - 1 AS account_before_this_hour
    FROM (
        SELECT
            shard, "index", account, script, ci, coalesce(actor, '') AS person, _hour(effective_at) AS hour,
            actor IS NOT NULL AS known_person, deploys AND rollback AS rollback
        FROM acts JOIN spans USING (shard)
        WHERE "index" BETWEEN first AND last
    )
),
known AS (
    SELECT
        recent.shard, recent."index", known_person, rollback,
        before + coalesce(of_script.entries, 0) AS before,
        before_by_person + coalesce(of_person.entries, 0) AS before_by_person,
        before_by_ci + coalesce(of_script.by_ci, 0) AS before_by_ci,
        account_before + coalesce(of_account.entries, 0) AS account_before,
        account_before_this_hour + coalesce(of_hour.entries, 0) AS account_before_this_hour
    FROM recent SEMI JOIN inside USING (shard, "index")
        LEFT JOIN of_person USING (account, script, person)
        LEFT JOIN of_script USING (account, script)
        LEFT JOIN of_account USING (account)
        LEFT JOIN of_hour ON of_hour.account = recent.account AND of_hour.hour = recent.hour
),
around AS (
    FROM near WHERE effective_at >= $start - INTERVAL 10 MINUTE AND effective_at < $end + INTERVAL 10 MINUTE
),
crowds AS (
    SELECT one.shard, one."index", count(DISTINCT other.script) AS scripts_at_once
    FROM around AS one JOIN around AS other ON one.account = other.account AND one.actor = other.actor
        AND other.effective_at BETWEEN one.effective_at - INTERVAL 10 MINUTE AND one.effective_at + INTERVAL 10 MINUTE
    GROUP BY ALL
)
SELECT
    log.shard, log."index", log.account, subject AS script, effective_at, recorded_at, outcome, changes,
    version.number AS version, deployment.number AS deployment, data.interface AS interface, data.message AS message,
    data.tag AS tag, person(log.account, data.actor.pseudonym, data.actor.sealed) AS author,
    took_from,
    known.* EXCLUDE (shard, "index"), steps.* EXCLUDE (shard, "index"), scripts_at_once
FROM _log AS log
    JOIN known USING (shard, "index")
    LEFT JOIN steps USING (shard, "index")
    LEFT JOIN crowds USING (shard, "index")
WHERE effective_at >= $start AND effective_at < $end
ORDER BY effective_at, shard, "index"
"""


class Mark(Answer, frozen=True, kw_only=True):
    """Why a change stands out."""

    rule: str
    why: str


class ChangedRow(Answer, frozen=True, kw_only=True):
    """A change in the window."""

    account: str
    script: str
    entry: str
    effective_at: datetime
    recorded_at: datetime
    outcome: str
    author: str | None
    interface: str | None
    message: str | None
    tag: str | None
    version: int | None
    deployment: int | None
    changes: list[Change]
    took_from: list[str]
    """The scripts that lost a route or domain to this one by it."""
    marks: list[Mark]


def during(
    ledger: OpenLedger,
    start: datetime,
    end: datetime,
    *,
    account: Accounts = None,
    at: datetime | None = None,
    only: Iterable[str] = (),
    without: Iterable[str] = (),
    only_marked: bool = False,
) -> list[ChangedRow]:
    """What changed from `start` (inclusive) to `end` (exclusive), in effective time, oldest first.

    Args:
        ledger: the ledger asked.
        start: beginning of the window.
        end: its end.
        account: only these accounts.
        at: what happened later is looked at by no rule; None for all.
        only: rules to apply; all where none is named.
        without: rules not to apply.
        only_marked: leave out what no rule marks.

    Raises:
        UsageError: `bad_window`, `unknown_rule`, and for accounts that are not there.
    """
    if start >= end:
        raise UsageError("bad_window", "the window ends before it begins", "give the earlier time first")
    rules = chosen_rules(tuple(only), tuple(without))
    found = rows(
        ledger,
        _DURING,
        start=start,
        end=end,
        at=at or END_OF_TIME,
        accounts=find_accounts(ledger, account),
        ci=sorted(CI),
        by_hand=BY_HAND,
        soon_s=(SOON + _A_MOMENT).total_seconds(),
    )
    changed = [_changed_row(ledger, row, rules) for row in found]
    return [row for row in changed if row.marks or not only_marked]


def _changed_row(ledger: OpenLedger, row: Row, rules: dict[str, Rule]) -> ChangedRow:
    act = _act(row)
    marks = [Mark(rule=name, why=why) for name, rule in rules.items() if (why := rule(act)) is not None]
    same = (
        "account", "script", "effective_at", "recorded_at", "outcome", "interface", "message", "tag", "version", "deployment",
    )  # fmt: skip
    return ChangedRow(
        **{name: row[name] for name in same},
        entry=f"{row['shard']}/{row['index']}",
        author=ledger.author(row["author"]),
        changes=[Change(aspect=aspect, name=name, op=op) for aspect, name, op in row["changes"] or []],
        took_from=sorted(row["took_from"] or []),
        marks=marks,
    )


def _act(row: Row) -> Act:
    same = (
        "effective_at", "interface", "rollback", "previous_at", "next_at", "known_person", "before", "before_by_person",
        "before_by_ci", "account_before", "account_before_this_hour",
    )  # fmt: skip
    return Act(
        **{name: row[name] for name in same},
        changes=[(aspect, name, op) for aspect, name, op in row["changes"] or []],
        next_rollback=bool(row["next_rollback"]),
        scripts_at_once=row["scripts_at_once"] or 1,
    )
