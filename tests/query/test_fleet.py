"""`at`: against answers worked out by hand, and on the real data against the independent evaluator."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from ledger.query.fleet import fleet_at
from ledger.query.forensics import FleetRow
from ledger.query.opened import OpenLedger
from tests.query.build import ANA, BEN, START, identifier
from tests.query.judge import Judge, Moment


def minute(row: datetime | None) -> float | None:
    """Minutes after the story's start."""
    return None if row is None else (row - START).total_seconds() / 60


def test_during_a_split_both_versions_are_named_with_their_makers(ledger: OpenLedger) -> None:
    """Version 2 was uploaded by Ben, and deployed ten minutes later by Ana."""
    shop, other = fleet_at(ledger, START + timedelta(minutes=25))
    assert (shop.account, shop.script, shop.number, shop.entry, shop.rollback) == ("acme", "shop", 2, "0/2", False)
    assert (shop.author, minute(shop.since)) == (ANA["pseudonym"], 20)
    assert [(row.number, row.percentage, row.author, minute(row.made_at)) for row in shop.versions] == [
        (1, 90, ANA["pseudonym"], 0),
        (2, 10, BEN["pseudonym"], 10),
    ]
    assert shop.versions[0].sha256 == f"{1:064x}"
    assert (other.account, other.author, other.entry, other.reached) == ("other", None, "1/0", [])


def test_ways_in_are_named_with_the_time_since_when(ledger: OpenLedger) -> None:
    """Blog took the route at minute 30; what shop kept it has had from the start."""
    blog, shop, _ = fleet_at(ledger, START + timedelta(minutes=35))
    assert [(way.by, way.name, minute(way.since), way.value) for way in blog.reached] == [
        ("route", "shop.example/*", 30, {})
    ]
    assert [(way.by, way.name, minute(way.since), way.value) for way in shop.reached] == [
        ("route", "api.example/*", 0, {"zone_id": "z1"}),
        ("cron", "*/5 * * * *", 0, {}),
    ]


def test_a_rollback_is_marked_and_a_deleted_script_left_out(ledger: OpenLedger) -> None:
    """Of two deployments at minute 40 the later in the log is active; from minute 70 on shop is gone."""
    shop = next(row for row in fleet_at(ledger, START + timedelta(minutes=40), account="acme") if row.script == "shop")
    assert (shop.deployment, shop.rollback, shop.entry) == (identifier("d-shop", 4), True, "0/5")
    assert [row.script for row in fleet_at(ledger, START + timedelta(minutes=70), account="acme")] == ["blog"]
    gone = fleet_at(ledger, START + timedelta(minutes=70), account="acme", deleted=True)[1]
    assert (gone.state, gone.deployment, gone.versions, gone.reached) == ("deleted", None, [], [])


def _expected_ways(moments: list[Moment]) -> set[tuple[str, str]]:
    triggers = moments[-1].triggers
    ways = {
        (word, name)
        for aspect, word in (("routes", "route"), ("domains", "domain"), ("crons", "cron"), ("queues", "queue"))
        for name in triggers.get(aspect, {})
    }
    return ways | ({("workers.dev", "")} if triggers.get("subdomain", {}).get("enabled") is True else set())


def _check(row: FleetRow, moments: list[Moment]) -> None:
    now = moments[-1]
    active = now.active
    assert (row.deployment, row.number) == ((active["id"], active["number"]) if active else (None, None))
    served = active["versions"] if active else {}
    assert {(one.version, one.percentage, one.number, one.sha256) for one in row.versions} == {
        (version, share, now.versions[version]["number"], now.versions[version]["sha256"])
        for version, share in served.items()
    }
    assert {(way.by, way.name) for way in row.reached} == _expected_ways(moments)
    if active:
        made = next(one.entry for one in moments if one.entry.get("deployment", {}).get("id") == active["id"])
        assert row.entry == f"0/{made['index']}"
        assert row.since == datetime.fromisoformat(made["effective_at"])
        assert row.interface == made["event"]["data"]["interface"]
    for way in row.reached:
        assert way.since in {datetime.fromisoformat(one.entry["effective_at"]) for one in moments}


@pytest.mark.parametrize("seed", range(4))
def test_the_real_fleet_at_random_times_is_as_the_evaluator_says(real: OpenLedger, judge: Judge, seed: int) -> None:
    """Every script of 29 accounts: its deployment, versions, shares, digests, and every way in."""
    days = random.Random(seed).randrange(2500)
    at = datetime(2019, 10, 22, tzinfo=UTC) + timedelta(days=days, hours=13)
    answered = {(row.account, row.script): row for row in fleet_at(real, at, deleted=True)}
    expected = dict(judge.fleet(at))
    assert set(answered) == set(expected)
    for key, moments in expected.items():
        _check(answered[key], moments)
