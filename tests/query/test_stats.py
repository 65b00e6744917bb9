"""Counts and times of deployments: against answers worked out by hand, and against the states of the real data."""

import statistics
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from ledger.query.opened import OpenLedger, open_ledger
from ledger.query.plotting import filled, sparkline, svg
from ledger.query.statistics import AccountStats, WeekStats, median_lead_s, stats, total_weeks
from ledger.query.views import connect
from tests.query.build import START, deployment, entry, version, write_ledger
from tests.query.judge import Judge

MONDAY = date(2022, 11, 28)


def test_an_account_is_counted(ledger: OpenLedger) -> None:
    """Four deployments of shop; the rollback came at once. Version 2 waited ten minutes, version 1 none: five in the middle."""
    acme, other = stats(ledger)
    assert (acme.account, acme.scripts, acme.deployments, acme.rollbacks) == ("acme", 1, 4, 1)
    assert (acme.median_restore_s, acme.longest_restore_s) == (0, 0)
    assert [(one.interface, one.deployments, one.rollbacks, one.median_lead_s) for one in acme.interfaces] == [
        ("wrangler", 4, 1, 300)
    ]
    assert [(one.script, one.deployments) for one in acme.busiest] == [("shop", 4)]
    assert [(one.week, one.deployments, one.rollbacks) for one in acme.weeks] == [(MONDAY, 4, 1)]
    assert (acme.first_at, acme.last_at) == (START, START + timedelta(minutes=40))
    assert (other.account, other.deployments, other.median_restore_s) == ("other", 1, None)


def test_a_time_to_restore_begins_with_the_deployment_before(tmp_path: Path) -> None:
    """Also where that lies before the time asked about; other scripts' deployments between do not matter."""
    write_ledger(tmp_path, [[
        entry(0, "deployed", version=version(1), deployment=deployment(1, {1: 100})),
        entry(60, "deployed", version=version(2), deployment=deployment(2, {2: 100})),
        entry(70, "deployed", script="blog", version=version(1, script="b"), deployment=deployment(1, {1: 100}, script="b")),
        entry(75, "deployed", data={"interface": "dash"}, deployment=deployment(3, {1: 100}, rollback=True)),
        entry(100, "deployed", version=version(3), deployment=deployment(4, {3: 100})),
        entry(145, "deployed", deployment=deployment(5, {1: 100}, rollback=True)),
    ]])  # fmt: skip
    with open_ledger(str(tmp_path)) as ledger:
        (whole,) = stats(ledger)
        assert (whole.rollbacks, whole.median_restore_s, whole.longest_restore_s) == (2, 30 * 60, 45 * 60)
        assert [(one.interface, one.deployments, one.rollbacks, one.median_lead_s) for one in whole.interfaces] == [
            ("wrangler", 5, 1, 0), ("dash", 1, 1, None),
        ]  # fmt: skip
        (part,) = stats(ledger, since=START + timedelta(minutes=75), at=START + timedelta(minutes=100))
        assert (part.deployments, part.rollbacks, part.median_restore_s, part.scripts) == (2, 1, 15 * 60, 1)
        assert stats(ledger, account=["acme"], since=START + timedelta(days=1)) == []


def test_an_account_that_never_deployed_is_absent(ledger: OpenLedger) -> None:
    """Before anything was deployed there is nothing to count."""
    assert stats(ledger, at=START - timedelta(minutes=1)) == []


def week(number: int, deployments: int, rollbacks: int = 0) -> WeekStats:
    """A week that many weeks after the first."""
    return WeekStats(week=MONDAY + timedelta(weeks=number), deployments=deployments, rollbacks=rollbacks)


def test_weeks_and_hours_are_those_of_the_calendar() -> None:
    """They are reckoned, which is quicker, over all years that there are, before 1970 too."""
    connection = connect([])
    moments = "SELECT TIMESTAMPTZ '0001-01-01 00:00:00Z' + to_hours(1777 * n) + to_microseconds(n) AS t FROM range(49000) AS numbers(n)"
    differing = f"""
        SELECT count(*), count(*) FILTER (_hour(t) <> hour(t)), count(*) FILTER (_week(t) <> date_trunc('week', t)::DATE) FROM ({moments})
    """
    assert connection.execute(differing).fetchall() == [(49_000, 0, 0)]
    connection.close()


@pytest.mark.parametrize(
    ("at_once", "leads_s", "median_s"),
    [
        (0, [], None), (3, [], 0.0), (0, [5.0], 5.0), (1, [600.0], 300.0), (1, [4.0, 6.0], 4.0), (2, [4.0, 6.0], 2.0), (9, [1.0], 0.0),
        (0, [1.0, 2.0, 9.0, 10.0], 5.5),
    ],
)  # fmt: skip
def test_a_lead_in_the_middle_is_that_of_all_versions(
    at_once: int, leads_s: list[float], median_s: float | None
) -> None:
    """Those that were made and deployed in one step count with no lead at all."""
    assert median_lead_s(at_once, leads_s) == median_s
    if median_s is not None:
        assert median_s == statistics.median([0.0] * at_once + leads_s)


def test_weeks_between_are_filled_in() -> None:
    """And those up to another's last."""
    assert filled([week(0, 1), week(3, 2)], MONDAY + timedelta(weeks=4)) == [
        week(0, 1),
        week(1, 0),
        week(2, 0),
        week(3, 2),
        week(4, 0),
    ]
    assert filled([]) == []


@pytest.mark.parametrize(
    ("counts", "drawn"),
    [
        ([], ""),
        ([0, 0], "  "),
        ([1], "█"),
        ([1, 2, 3, 4, 5, 6, 7, 8], "▁▂▃▄▅▆▇█"),
        ([0, 1, 100], " ▁█"),
        ([100, 1], "█▁"),
    ],
)
def test_a_sparkline_has_a_block_a_number(counts: list[int], drawn: str) -> None:
    """The greatest is full, the least that is something is seen."""
    assert sparkline(counts) == drawn


def test_a_drawing_has_a_bar_for_each_week() -> None:
    """As high as its share of the greatest, rollbacks over it, and its numbers to be read; names are escaped."""
    root = ET.fromstring(svg([week(0, 10), week(2, 5, 2)], "a < b & c"))  # noqa: S314 (our own)
    space = "{http://www.w3.org/2000/svg}"
    bars = [rect for rect in root.iter(f"{space}rect") if rect.find(f"{space}title") is not None]
    heights = [float(rect.attrib["height"]) for rect in bars]
    assert heights[0] == pytest.approx(2 * heights[1]) == pytest.approx(5 * heights[2])
    assert bars[0].findtext(f"{space}title") == "2022-11-28: 10 deployments, 0 rollbacks"
    assert root.findtext(f"{space}title") == "a < b & c"
    assert ET.fromstring(svg([], "nothing")).find(f"{space}rect") is not None  # noqa: S314


def test_weeks_of_accounts_are_added_up(ledger: OpenLedger) -> None:
    """Both accounts of the story deployed in its week."""
    assert total_weeks(stats(ledger)) == [week(0, 5, 1)]


def test_numbers_of_the_real_data_are_those_of_its_entries(real: OpenLedger, judge: Judge) -> None:
    """Deployments, rollbacks, times to restore, weeks, interfaces and busiest scripts, counted one by one."""
    end = datetime(2025, 1, 1, tzinfo=UTC)
    weeks: dict[str, Counter[date]] = defaultdict(Counter)
    interfaces: dict[str, Counter[str]] = defaultdict(Counter)
    scripts: dict[str, Counter[str]] = defaultdict(Counter)
    restores: dict[str, list[float]] = defaultdict(list)
    for (account, script), moments in judge.scripts.items():
        last = None
        for one in (
            moment.entry
            for moment in moments
            if "deployment" in moment.entry and moment.entry["event"]["subject"] == script
        ):
            at = datetime.fromisoformat(one["effective_at"])
            if at > end:
                continue
            weeks[account][at.date() - timedelta(days=at.weekday())] += 1
            interfaces[account][one["event"]["data"]["interface"]] += 1
            scripts[account][script] += 1
            if one["deployment"]["rollback"] and last is not None:
                restores[account].append((at - last).total_seconds())
            last = at
    rows = {row.account: row for row in stats(real, at=end)}
    assert sorted(rows) == sorted(weeks)

    def counted(row: AccountStats) -> tuple[object, ...]:
        return (
            row.deployments, {one.week: one.deployments for one in row.weeks}, {one.interface: one.deployments for one in row.interfaces},
            [one.deployments for one in row.busiest], row.median_restore_s,
        )  # fmt: skip

    for account, row in rows.items():
        times = restores[account]
        assert counted(row) == (
            weeks[account].total(), dict(weeks[account]), dict(interfaces[account]),
            [count for _, count in scripts[account].most_common(5)], statistics.median(times) if times else None,
        )  # fmt: skip
