"""Crons of scripts at a time: against answers worked out by hand, and against the states of the real data."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from ledger.query.opened import OpenLedger, open_ledger
from ledger.query.scheduled import schedule
from tests.query.build import ANA, START, Json, deployment, entry, triggers, version, write_ledger
from tests.query.judge import Judge


def test_a_cron_has_its_last_and_next_firing(ledger: OpenLedger) -> None:
    """Every five minutes since 9:00, when Ana gave it; at 9:12 it fired last at 9:10."""
    (row,) = schedule(ledger, START + timedelta(minutes=12))
    assert (row.account, row.script, row.expression, row.words) == ("acme", "shop", "*/5 * * * *", "Every 5 minutes")
    assert (row.last, row.next) == (START + timedelta(minutes=10), START + timedelta(minutes=15))
    assert (row.since, row.author, row.entry, row.state, row.problem) == (
        START,
        ANA["pseudonym"],
        "0/0",
        "active",
        None,
    )


def test_a_cron_of_a_deleted_script_is_gone(ledger: OpenLedger) -> None:
    """With all that it was reached by; and before the first entry there was none."""
    assert schedule(ledger, START + timedelta(minutes=70)) == []
    assert schedule(ledger, START - timedelta(minutes=1)) == []
    assert schedule(ledger, START, script="nobody") == []
    assert schedule(ledger, START, account=["acme"])[0].script == "shop"


def test_what_never_fires_and_what_waits_is_said(tmp_path: Path) -> None:
    """No such day, no such expression, no deployment yet; nothing fired before it was given."""
    given: Json = {"0 0 30 2 *": {}, "@daily": {}, "0 12 * * *": {}}
    changes = [["crons", name, "added"] for name in given]
    write_ledger(tmp_path, [[entry(0, "changed", script="early", changes=changes, triggers=triggers(crons=given))]])
    with open_ledger(str(tmp_path)) as ledger:
        noon, unknown, never = sorted(schedule(ledger, START), key=lambda row: row.problem or "")
    assert (noon.last, noon.next, noon.state, noon.problem) == (None, START.replace(hour=12), "waiting", None)
    assert (unknown.next, unknown.words) == (None, None)
    assert unknown.problem == "not a cron of the platform's: it has not five fields"
    assert (never.expression, never.next, never.problem) == ("0 0 30 2 *", None, "there is no such day")


def test_a_cron_taken_up_again_counts_from_then(tmp_path: Path) -> None:
    """Removed and added again: since the second time."""
    with_it, without = triggers(crons={"0 * * * *": {}}), triggers()
    write_ledger(tmp_path, [[
        entry(0, "deployed", version=version(1), deployment=deployment(1, {1: 100}), changes=[["crons", "0 * * * *", "added"]], triggers=with_it),
        entry(10, "changed", changes=[["crons", "0 * * * *", "removed"]], triggers=without),
        entry(20, "changed", changes=[["crons", "0 * * * *", "added"]], triggers=with_it),
    ]])  # fmt: skip
    with open_ledger(str(tmp_path)) as ledger:
        assert schedule(ledger, START + timedelta(minutes=15)) == []
        (row,) = schedule(ledger, START + timedelta(minutes=30))
        assert (row.since, row.last) == (START + timedelta(minutes=20), None)


def test_crons_in_the_real_data_are_those_of_the_states(real: OpenLedger, judge: Judge) -> None:
    """At two times: which there are, and that each that may fire does so within a month."""
    for at in (datetime(2022, 6, 1, tzinfo=UTC), datetime(2026, 8, 1, 10, 7, tzinfo=UTC)):
        expected = [
            (*key, cron) for key, moments in judge.fleet(at) for cron in sorted(moments[-1].triggers.get("crons", {}))
        ]
        rows = schedule(real, at)
        assert [(row.account, row.script, row.expression) for row in rows] == expected
        assert all(row.next and at < row.next <= at + timedelta(days=31) and row.words for row in rows)
