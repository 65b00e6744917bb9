"""Where something was live: against answers worked out by hand, and against a plain evaluation of the real data."""

import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import UsageError
from ledger.query.exposing import Exposure, Sought, binding, compat_before, exposure, joined, module, secret, variable
from ledger.query.opened import OpenLedger, open_ledger
from tests.query.build import START, Json, deployment, entry, version, write_ledger
from tests.query.judge import Judge


def listed(ledger: OpenLedger, sought: Sought, **options: Any) -> list[tuple[str, float, float | None, float]]:
    """Script, minutes from and to, and traffic, of the intervals."""
    return [(row.script, _minutes(row.since), None if row.until is None else _minutes(row.until), row.percentage)
            for row in exposure(ledger, sought, **options)]  # fmt: skip


def _minutes(moment: datetime) -> float:
    return (moment - START).total_seconds() / 60


def test_a_module_is_live_while_a_version_with_it_serves(ledger: OpenLedger) -> None:
    """Both of shop's versions have it, so the split between them is one interval with all traffic; it ends with the deletion."""
    assert listed(ledger, module("a" * 64)) == [("shop", 0, 70, 100)]
    assert listed(ledger, module("AAAA")) == [("shop", 0, 70, 100)]
    assert listed(ledger, module("0000")) == []


def test_shares_follow_the_deployments(ledger: OpenLedger) -> None:
    """Version 1 alone has the binding: all traffic, then 90 %, and all again from the rollback on (version 2 between for no time)."""
    assert listed(ledger, binding("kv_namespace:n1")) == [
        ("shop", 0, 20, 100),
        ("shop", 20, 40, 90),
        ("shop", 40, 70, 100),
    ]
    assert (
        listed(ledger, secret("KEY"))
        == listed(ledger, variable("STAGE", "live"))
        == listed(ledger, binding("kv_namespace:n1"))
    )


def test_as_of_a_time_what_lasts_then_is_live(ledger: OpenLedger) -> None:
    """At minute 30 nothing later is known, and the split lasts."""
    rows = exposure(ledger, secret("KEY"), at=START + timedelta(minutes=30))
    assert [(row.live, row.until) for row in rows] == [(False, START + timedelta(minutes=20)), (True, None)]
    assert (rows[0].deployments, rows[0].number, rows[0].entry, rows[0].names) == (1, 1, "0/0", ["KEY"])


@pytest.mark.parametrize(
    ("sought", "found"),
    [
        (variable("STAGE", None), True), (variable("STAGE", "test"), False), (variable("STAG", "live"), False),
        (variable("LIMITS", '{ "rate" : 0.25 }'), True), (variable("LIMITS", '{"rate":0.5}'), False),
        (binding("kv_namespace"), True), (binding("kv_namespace:kv_namespace"), False), (binding("service:n1"), False),
        (secret("STAGE"), False), (module("bbbb"), True),
    ],
)  # fmt: skip
def test_what_is_sought_is_found_where_it_is_and_nowhere_else(ledger: OpenLedger, sought: Sought, found: bool) -> None:
    """Values as text, JSON in any spelling, types alone."""
    assert bool(exposure(ledger, sought)) is found


def test_an_old_compatibility_date_or_none_is_live(tmp_path: Path) -> None:
    """Without a date a script runs as the oldest does."""
    dates: list[Json] = [{}, {"compatibility_date": "2022-01-01"}, {"compatibility_date": "2023-01-01"}]
    write_ledger(tmp_path, [[entry(n, "deployed", version=version(n + 1, config=config), deployment=deployment(n + 1, {n + 1: 100}))
                             for n, config in enumerate(dates)]])  # fmt: skip
    with open_ledger(str(tmp_path)) as ledger:
        (row,) = exposure(ledger, compat_before("2022-06-01"))
        assert (row.since, row.until, row.names, row.deployments) == (
            START,
            START + timedelta(minutes=2),
            ["2022-01-01", "none"],
            2,
        )
        assert listed(ledger, compat_before("2022-01-01")) == [("shop", 0, 1, 100)]


def test_shares_add_up_and_none_is_not_live(tmp_path: Path) -> None:
    """Two of three versions have it; a version without traffic is not live; equal shares of others are joined."""
    with_it, without = {"vars": {"KEY": {"text": "x"}}}, {"vars": {"KEY": {"text": "y"}}}
    write_ledger(tmp_path, [[
        entry(0, "deployed", version=version(1, config=with_it), deployment=deployment(1, {1: 100})),
        entry(1, "uploaded", version=version(2, config=with_it)),
        entry(2, "deployed", version=version(3, config=without), deployment=deployment(2, {1: 33.3, 2: 33.4, 3: 33.3})),
        entry(3, "deployed", deployment=deployment(3, {2: 66.7, 3: 33.3})),
        entry(4, "deployed", deployment=deployment(4, {3: 100, 1: 0})),
        entry(5, "deployed", deployment=deployment(5, {2: 100})),
    ]])  # fmt: skip
    with open_ledger(str(tmp_path)) as ledger:
        assert listed(ledger, variable("KEY", "x")) == [
            ("shop", 0, 2, 100),
            ("shop", 2, 4, 66.7),
            ("shop", 5, None, 100),
        ]
        assert listed(ledger, variable("KEY", "x"), account=["acme"]) == listed(ledger, variable("KEY", "x"))


@pytest.mark.parametrize(
    ("make", "text", "code"),
    [
        (module, "abc", "bad_digest"), (module, "x" * 64, "bad_digest"), (module, "a" * 65, "bad_digest"), (binding, "", "bad_binding"),
        (binding, ":x", "bad_binding"), (binding, "kv_namespace:", "bad_binding"), (compat_before, "2022", "bad_date"), (compat_before, "2h ago", "bad_date"),
        (compat_before, "2022-13-01", "bad_date"),
    ],
)  # fmt: skip
def test_what_cannot_be_sought_is_refused(make: Callable[[str], Sought], text: str, code: str) -> None:
    """With what to write instead."""
    with pytest.raises(UsageError) as caught:
        make(text)
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)


def _interval(start: int, end: int | None, share: float) -> Exposure:
    return Exposure(
        account="a", script="s", since=START + timedelta(minutes=start), until=None if end is None else START + timedelta(minutes=end),
        live=end is None, percentage=share, names=["n"], deployments=1, deployment="d", number=1, entry="0/0", author=None, interface=None,
    )  # fmt: skip


@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 50, 100])), max_size=12))
def test_joining_changes_no_moment(steps: list[tuple[int, int]]) -> None:
    """At every minute the share is what it was, and no two that touch have the same."""
    intervals, at = [], 0
    for length, share in steps:
        if share:
            intervals.append(_interval(at, at + length, share))
        at += length
    result = list(joined(intervals))

    def shares(found: Iterable[Exposure]) -> list[float]:
        return [
            sum(
                one.percentage
                for one in found
                if one.since <= START + timedelta(minutes=minute)
                and (one.until is None or START + timedelta(minutes=minute) < one.until)
            )
            for minute in range(at)
        ]

    assert shares(result) == shares(intervals)
    assert all((one.until, one.percentage) != (two.since, two.percentage) for one, two in pairwise(result))
    assert sum(one.deployments for one in result) == len(intervals)


def _plain(
    judge: Judge, holds: Callable[[dict[tuple[str, str], Any]], bool]
) -> list[tuple[str, str, datetime, datetime | None, float]]:
    """The same from the states of scripts: what every moment serves, walked through once."""
    found = []
    for (account, script), moments in sorted(judge.scripts.items()):
        timeline: list[tuple[datetime, float]] = []
        for moment in moments:
            shares = list(moment.active["versions"].values()) if moment.active else []
            total = sum(share for share, content in zip(shares, moment.content, strict=True) if holds(content))
            at = datetime.fromisoformat(moment.entry["effective_at"])
            if timeline and timeline[-1][0] == at:
                timeline.pop()
            if not timeline or timeline[-1][1] != total:
                timeline.append((at, total))
        for place, (at, total) in enumerate(timeline):
            if total:
                found.append(
                    (account, script, at, timeline[place + 1][0] if place + 1 < len(timeline) else None, float(total))
                )
    return found


def test_exposures_of_the_real_data_are_those_worked_out_plainly(real: OpenLedger, judge: Judge) -> None:
    """Modules, variables, bindings, secrets and dates that the data has, chosen at random."""
    dice = random.Random(6)
    contents = [content for moments in judge.scripts.values() for moment in moments for content in moment.content]
    names = sorted({(aspect, name) for content in dice.sample(contents, 3000) for aspect, name in content})
    value = dice.choice(
        [content for content in contents if any(aspect == "code" and name != "main" for aspect, name in content)]
    )
    digest = next(module["sha256"] for (aspect, name), module in value.items() if aspect == "code" and name != "main")
    texts = sorted({
        (name, one["text"])
        for content in dice.sample(contents, 3000)
        for (aspect, name), one in content.items()
        if name.startswith("vars/") and "text" in one
    })  # fmt: skip
    var, text = dice.choice(texts)
    hidden = dice.choice([name for aspect, name in names if aspect == "config" and name.startswith("secrets/")])

    def modules(content: dict[tuple[str, str], Any]) -> bool:
        return any(
            one.get("sha256", "").startswith(digest[:10])
            for (aspect, name), one in content.items()
            if name.startswith("modules/")
        )

    cases: list[tuple[Sought, Callable[[dict[tuple[str, str], Any]], bool]]] = [
        (module(digest[:10]), modules),
        (variable(var.removeprefix("vars/"), text), lambda content: content.get(("config", var), {}).get("text") == text),
        (secret(hidden.removeprefix("secrets/")), lambda content: ("config", hidden) in content),
        (binding("vectorize"), lambda content: any(one.get("type") == "vectorize" for (aspect, _), one in content.items() if aspect == "bindings")),
        (compat_before("2022-01-01"), lambda content: content.get(("config", "compatibility_date"), "") < "2022-01-01"),
    ]  # fmt: skip
    for sought, holds in cases:
        rows = exposure(real, sought)
        assert rows
        assert [(row.account, row.script, row.since, row.until, row.percentage) for row in rows] == _plain(judge, holds)
    assert _plain(judge, lambda _: True)[0][2] >= datetime(2019, 1, 1, tzinfo=UTC)
