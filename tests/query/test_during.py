"""What changed in a window, and what stands out: rule by rule, and against a plain evaluation of the real data."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.errors import UsageError
from ledger.query.opened import OpenLedger, open_ledger
from ledger.query.standouts import RULES, Act, chosen_rules
from ledger.query.window import during
from tests.docs.reading import column, section
from tests.query.build import ANA, BEN, START, Json, at, deployment, entry, version, write_ledger
from tests.query.judge import Judge
from tests.reference.test_evaluator import real_records

QUIET = Act(
    effective_at=START, interface="wrangler", changes=[("code", "main", "changed")], rollback=False, previous_at=None, next_at=None,
    next_rollback=False, known_person=True, before=20, before_by_person=3, before_by_ci=20, account_before=100, account_before_this_hour=9,
    scripts_at_once=1,
)  # fmt: skip
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("rule", "marked", "members"),
    [
        ("rollback", True, {"rollback": True, "previous_at": START - 60 * MINUTE}),
        ("rollback", False, {"rollback": True, "previous_at": START - 61 * MINUTE}),
        ("rollback", False, {"rollback": False, "previous_at": START - MINUTE}),
        ("rollback", True, {"next_rollback": True, "next_at": START + 60 * MINUTE}),
        ("rollback", False, {"next_rollback": True, "next_at": START + 61 * MINUTE}),
        ("rollback", False, {"next_rollback": False, "next_at": START + MINUTE}),
        ("secret", True, {"changes": [("config", "secrets/KEY", "changed")]}),
        ("secret", True, {"changes": [("config", "secrets/KEY", "removed")]}),
        ("secret", False, {"changes": [("config", "vars/secrets/KEY", "changed"), ("bindings", "secrets/KEY", "added")]}),
        ("by-hand", True, {"interface": "dash", "before": 5, "before_by_ci": 4}),
        ("by-hand", False, {"interface": "dash", "before": 4, "before_by_ci": 4}),
        ("by-hand", False, {"interface": "dash", "before": 10, "before_by_ci": 7}),
        ("by-hand", False, {"interface": "api", "before": 10, "before_by_ci": 10}),
        ("newcomer", True, {"before": 1, "before_by_person": 0}),
        ("newcomer", False, {"before": 0, "before_by_person": 0}),
        ("newcomer", False, {"before": 9, "before_by_person": 1}),
        ("newcomer", False, {"before": 9, "before_by_person": 0, "known_person": False}),
        ("hour", True, {"account_before": 50, "account_before_this_hour": 0}),
        ("hour", False, {"account_before": 49, "account_before_this_hour": 0}),
        ("hour", True, {"account_before": 101, "account_before_this_hour": 1}),
        ("hour", False, {"account_before": 100, "account_before_this_hour": 1}),
        ("many", True, {"scripts_at_once": 3}),
        ("many", False, {"scripts_at_once": 2}),
    ],
)  # fmt: skip
def test_a_rule_marks_what_it_says_and_nothing_else(rule: str, marked: bool, members: dict[str, Any]) -> None:
    """On both sides of each limit; no other rule marks it."""
    act = msgspec.structs.replace(QUIET, **members)
    assert [name for name, one in RULES.items() if one(act) is not None] == ([rule] if marked else [])


def test_rules_are_chosen_by_name() -> None:
    """These only, or all but those; no rule is unknown."""
    assert list(chosen_rules(["secret", "many"])) == ["secret", "many"]
    assert list(chosen_rules((), ["secret"])) == [name for name in RULES if name != "secret"]
    with pytest.raises(UsageError, match="no rule nonsense"):
        chosen_rules((), ["nonsense"])


def test_every_rule_is_documented() -> None:
    """And no other."""
    assert column(section("docs/INCIDENTS.md", "What stands out")) == list(RULES)


def _log() -> list[Json]:
    """CI deploys shop five times; Ana changes its secret by hand, Ben rolls back; Ben changes three scripts at once."""
    ci = {"type": "token", "pseudonym": "c" * 32, "sealed": "Q0k="}
    log = [
        entry(n * 100, "deployed", actor=ci, version=version(n + 1), deployment=deployment(n + 1, {n + 1: 100}))
        for n in range(5)
    ]
    log += [
        entry(500, "deployed", actor=ANA, data={"interface": "dash"}, version=version(6), deployment=deployment(6, {6: 100}),
              changes=[["config", "secrets/KEY", "changed"]]),
        entry(512, "deployed", actor=BEN, deployment=deployment(7, {5: 100}, rollback=True)),
        entry(513, "changed", actor=BEN, script="blog"),
        entry(513, "unchanged", actor=BEN, script="idle"),
        entry(522, "changed", actor=BEN, script="site", others=[{"subject": "old", "changes": [["routes", "a/*", "removed"]], "triggers": {}}]),
        entry(600, "deployed", actor=None, version=version(7), deployment=deployment(8, {7: 100})),
    ]  # fmt: skip
    return log


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log's ledger."""
    return write_ledger(tmp_path_factory.mktemp("during") / "ledger", [_log()])


def marks(root: Path, start: float, end: float, **options: Any) -> list[tuple[str, str, list[str]]]:
    """Entry, script and the rules that mark it."""
    with open_ledger(str(root)) as ledger:
        found = during(ledger, datetime.fromisoformat(at(start)), datetime.fromisoformat(at(end)), **options)
    return [(row.entry, row.script, [mark.rule for mark in row.marks]) for row in found]


def test_a_window_has_its_changes_oldest_first_with_their_marks(root: Path) -> None:
    """Its beginning is in it, its end is not; what changed nothing is left out."""
    assert marks(root, 500, 600) == [
        ("0/5", "shop", ["rollback", "secret", "by-hand", "newcomer"]),
        ("0/6", "shop", ["rollback", "newcomer", "many"]),
        ("0/7", "blog", ["many"]),
        ("0/9", "site", ["many"]),
    ]
    assert marks(root, 600, 601) == [("0/10", "shop", [])]
    assert [row[0] for row in marks(root, 0, 501)] == ["0/0", "0/1", "0/2", "0/3", "0/4", "0/5"]


def test_rules_may_be_switched(root: Path) -> None:
    """Off, alone, and with what they do not mark left out."""
    assert marks(root, 500, 601, only=["secret"], only_marked=True) == [("0/5", "shop", ["secret"])]
    assert marks(root, 500, 513, without=["newcomer", "many"])[1] == ("0/6", "shop", ["rollback"])


def test_what_came_later_is_not_looked_at_as_of_a_time(root: Path) -> None:
    """At minute 505 nobody had rolled back yet."""
    assert marks(root, 500, 600, at=START + 505 * MINUTE) == [("0/5", "shop", ["secret", "by-hand", "newcomer"])]


def test_what_was_taken_from_others_is_told(root: Path) -> None:
    """Site took a route from old; why it is marked is said in words."""
    with open_ledger(str(root)) as ledger:
        rows = during(ledger, START + 505 * MINUTE, START + 523 * MINUTE)
    assert rows[-1].took_from == ["old"]
    assert [mark.why for mark in rows[0].marks] == [
        "rolls back what was deployed 12 min before",
        "first change of this script by this person, after 6 by others",
        "one of 3 scripts changed by the same person within ten minutes",
    ]


def test_a_window_that_ends_before_it_begins_is_refused(ledger: OpenLedger) -> None:
    """Also one of no length."""
    for end in (START, START - MINUTE):
        with pytest.raises(UsageError) as caught:
            during(ledger, START, end)
        assert caught.value.code == "bad_window"


def _plain_marks(entries: list[Json], place: int) -> list[str]:
    """The marks of the real data's rules, by going through all entries before and around one."""
    one, before = entries[place], entries[:place]
    when = datetime.fromisoformat(one["effective_at"])
    script, account, person = one["event"]["subject"], one["account"], one["person"]
    own = [other for other in before if (other["account"], other["event"]["subject"]) == (account, script)]
    here = [other for other in before if other["account"] == account]
    same_hour = [other for other in here if datetime.fromisoformat(other["effective_at"]).hour == when.hour]
    near = {other["event"]["subject"] for other in entries if other["account"] == account and other["person"] == person
            and abs(datetime.fromisoformat(other["effective_at"]) - when) <= 10 * MINUTE}  # fmt: skip
    found = {
        "secret": any(re.match(r"secrets/", name) for aspect, name, _ in one["changes"] if aspect == "config"),
        "newcomer": bool(own) and all(other["person"] != person for other in own),
        "hour": len(here) >= 50 and len(same_hour) * 100 < len(here),
        "many": len(near) >= 3,
    }
    return [name for name, marked in found.items() if marked]


def test_marks_in_the_real_data_are_those_worked_out_plainly(real: OpenLedger, judge: Judge) -> None:
    """Ten days of 2023: every change of the window, and each rule that real data can break."""
    by_index = {moment.entry["index"]: moment.entry for moments in judge.scripts.values() for moment in moments}
    people = [json.loads(record.value or b"")["data"]["actor"]["id"] for record in real_records()]
    entries = [by_index[index] | {"person": people[index]} for index in sorted(by_index)]
    start, end = datetime(2023, 1, 10, tzinfo=UTC), datetime(2023, 1, 20, tzinfo=UTC)
    window = [place for place, one in enumerate(entries) if start <= datetime.fromisoformat(one["effective_at"]) < end]
    expected = [(f"0/{entries[place]['index']}", _plain_marks(entries, place)) for place in window]
    assert [(row.entry, [mark.rule for mark in row.marks]) for row in during(real, start, end)] == expected
    assert {"newcomer", "many"} <= {mark for _, found in expected for mark in found}
