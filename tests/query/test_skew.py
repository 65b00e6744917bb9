"""`skew`: clocks that were off and events that came late, worked out by hand."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.query.opened import OpenLedger, open_ledger
from ledger.query.skewed import skew
from tests.query.build import START, Json, at, entry, write_ledger


def _stated(minutes: float, *, source: str = "gateway/eu-1", id: str = "e") -> Json:
    return {"source": source, "id": id, "subject": "shop", "time": at(minutes), "data": {"interface": "dash"}}


ENTRIES = [
    entry(10, "changed"),
    # From 20 minutes ahead: taken as of when it was recorded.
    entry(11, "changed", event=_stated(31), effective_at=at(11), recorded_at=at(11), skew="ahead"),
    # From 9 minutes before what shop has on record: taken as of that, and recorded ten minutes after it happened.
    entry(12, "changed", event=_stated(2), effective_at=at(11), recorded_at=at(12), skew="late"),
    # Recorded two hours after it happened, and nothing of the script came between.
    entry(20, "changed", script="blog", event=_stated(20, source="git/acme"), recorded_at=at(140)),
    # Delivered again an hour later: says nothing about a clock.
    entry(150, "duplicate", event=_stated(10), effective_at=at(12), recorded_at=at(150), skew="late", first_index=0),
    # What has no time says nothing either.
    entry(
        160, "rejected", event={"source": "gateway/eu-1", "id": "bad", "time": "yesterday"}, reason={"code": "bad_time"}
    ),
]


@pytest.fixture
def skewed(tmp_path: Path) -> Iterator[OpenLedger]:
    """A ledger of these entries."""
    write_ledger(tmp_path, [ENTRIES])
    with open_ledger(str(tmp_path)) as ledger:
        yield ledger


def test_counts_and_largest_by_source(skewed: OpenLedger) -> None:
    """The largest difference first; five entries of the gateway are events of their own."""
    git, gateway = skew(skewed)
    assert (git.source, git.events, git.ahead, git.late, git.delayed) == ("git/acme", 1, 0, 0, 1)
    assert (git.largest_ahead_s, git.largest_late_s, git.largest_delay_s) == (None, None, 7200)
    assert (gateway.source, gateway.events, gateway.ahead, gateway.late, gateway.delayed) == (
        "gateway/eu-1",
        4,
        1,
        1,
        1,
    )
    assert (gateway.largest_ahead_s, gateway.largest_late_s, gateway.largest_delay_s) == (1200, 540, 600)
    assert gateway.last_recorded_at == START + timedelta(minutes=12)


def test_examples_are_the_largest_with_their_times(skewed: OpenLedger) -> None:
    """Of each its entry, and the kind that is largest; the limit keeps the largest."""
    _, gateway = skew(skewed)
    assert [(one.entry, one.kind, one.seconds) for one in gateway.examples] == [
        ("0/1", "ahead", 1200),
        ("0/2", "delayed", 600),
    ]
    assert (gateway.examples[0].stated, gateway.examples[0].effective_at) == (
        START + timedelta(minutes=31),
        START + timedelta(minutes=11),
    )
    assert [[one.entry for one in row.examples] for row in skew(skewed, examples=1)] == [["0/3"], ["0/1"]]
    assert [row.examples for row in skew(skewed, examples=0)] == [[], []]


def test_what_counts_as_delayed_can_be_said(skewed: OpenLedger) -> None:
    """From exactly so long on; skewed clocks are listed whatever the delay."""
    assert [row.delayed for row in skew(skewed, delay=timedelta(hours=2))] == [1, 0]
    assert [row.source for row in skew(skewed, delay=timedelta(hours=3))] == ["gateway/eu-1"]


def test_time_and_accounts_narrow_it_down(skewed: OpenLedger) -> None:
    """Only what had happened by then, and in these accounts."""
    assert [row.source for row in skew(skewed, at=START + timedelta(minutes=15))] == ["gateway/eu-1"]
    assert skew(skewed, account="x*") == []


def test_good_clocks_are_not_listed(real: OpenLedger) -> None:
    """Every real change was recorded just when it happened."""
    assert skew(real) == []
