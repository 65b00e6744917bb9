"""`blame`: against answers worked out by hand, and on the real data against the independent evaluator."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import NotFoundError
from ledger.query.blame import Asked, blame
from ledger.query.opened import OpenLedger, open_ledger
from tests.query.build import ANA, BEN, START, Json, deployment, entry, identifier, triggers, version, write_ledger
from tests.query.judge import Judge, Moment
from tests.reference.jsonvalues import same


def _version(number: int, secrets: Json | None = None, **variables: str) -> Json:
    config: Json = {"vars": {name: {"text": text} for name, text in variables.items()}}
    return version(number, config=config | ({"secrets": secrets} if secrets else {}))


def _deployed(minute: float, number: int, made: Json, *, by: Json = ANA, **members: Any) -> Json:
    shares = {made["number"]: 100}
    return entry(minute, "deployed", actor=by, version=made, deployment=deployment(number, shares), **members)


STORY: list[Json] = [
    _deployed(0, 1, _version(1, A="1", B="1")),
    _deployed(1, 2, _version(2, A="2", B="1", C="1"), by=BEN),
    entry(2, "deployed", deployment=deployment(3, {1: 100}, rollback=True, rollback_of=identifier("d-shop", 1))),
    entry(
        3, "uploaded", actor=BEN, version=_version(3, A="1", B="3", C="1"), changes=[["config", "vars/B", "changed"]]
    ),
    entry(4, "deployed", deployment=deployment(4, {1: 90, 3: 10})),
    entry(5, "deployed", actor=BEN, deployment=deployment(5, {3: 100})),
    entry(6, "changed", actor=BEN, changes=[["routes", "x/*", "added"]], triggers=triggers(routes={"x/*": {}})),
    entry(7, "changed", changes=[["routes", "x/*", "changed"]], triggers=triggers(routes={"x/*": {"zone": "x"}})),
    entry(8, "deleted", changes=[["routes", "x/*", "removed"]], triggers=triggers()),
    _deployed(9, 6, _version(4, A="1"), by=BEN),
    # An older life's version again, which has B.
    entry(10, "deployed", deployment=deployment(7, {1: 100}, rollback=True)),
]
"""minute  what
0       deployment 1: A=1 B=1
1       deployment 2, by Ben: A=2 B=1 C=1
2       deployment 3: back to deployment 1
3       version 3, by Ben, uploaded only: A=1 B=3 C=1
4       deployment 4: 90 % version 1, 10 % version 3
5       deployment 5, by Ben: version 3
6, 7    the route x/* comes, by Ben, and is given a zone, by Ana
8       deleted
9       deployment 6, by Ben: A=1
10      deployment 7: version 1 again
"""


@contextmanager
def _opened(root: Path, entries: list[Json]) -> Iterator[OpenLedger]:
    write_ledger(root, [entries])
    with open_ledger(str(root)) as ledger:
        yield ledger


def _blamed(ledger: OpenLedger, minute: float, asked: Asked = "value", glob: str | None = None) -> dict[str, str]:
    """Name -> index of the entry to blame and what it did, as of a minute."""
    found = blame(ledger, "shop", glob, at=START + timedelta(minutes=minute), asked=asked)
    return {row.name.removeprefix("vars/"): f"{row.entry.removeprefix('0/')} {row.op}" for row in found}


@pytest.mark.parametrize(
    ("minute", "asked", "expected"),
    [
        (0, "value", {"A": "0 added", "B": "0 added"}),
        (1, "value", {"A": "1 changed", "B": "0 added", "C": "1 added"}),
        (1, "first", {"A": "0 added", "B": "0 added", "C": "1 added"}),
        # The rollback gave A its value again; B never had another.
        (2, "value", {"A": "2 restored", "B": "0 added"}),
        (2, "first", {"A": "0 added", "B": "0 added"}),
        (2, "origin", {"A": "0 unchanged", "B": "0 unchanged"}),
        # What was only uploaded gave nothing.
        (3, "value", {"A": "2 restored", "B": "0 added"}),
        # C was there before the rollback, and was gone: it is added again, to 10 % of the traffic at first.
        (5, "value", {"A": "2 restored", "B": "4 changed", "C": "4 added"}),
        (5, "origin", {"A": "0 unchanged", "B": "3 changed", "C": "1 unchanged"}),
        (6, "value", {"A": "2 restored", "B": "4 changed", "C": "4 added", "x/*": "6 added"}),
        (7, "value", {"A": "2 restored", "B": "4 changed", "C": "4 added", "x/*": "7 changed"}),
        (7, "first", {"A": "0 added", "B": "0 added", "C": "4 added", "x/*": "6 added"}),
        (7, "origin", {"A": "0 unchanged", "B": "3 changed", "C": "1 unchanged", "x/*": "7 changed"}),
        (8, "value", {}),
        # A new life begins with nothing.
        (9, "value", {"A": "9 added"}),
        (10, "value", {"A": "9 added", "B": "10 restored"}),
        (10, "first", {"A": "9 added", "B": "10 added"}),
        (10, "origin", {"A": "0 unchanged", "B": "0 unchanged"}),
    ],
)
def test_each_name_is_given_its_value_by_one_entry(
    tmp_path: Path, minute: float, asked: Asked, expected: dict[str, str]
) -> None:
    """As of every minute of the story."""
    with _opened(tmp_path, STORY) as ledger:
        assert _blamed(ledger, minute, asked) == expected


def test_in_a_split_each_value_is_blamed_for_itself(tmp_path: Path) -> None:
    """At minute 4 version 1 has B=1 since the beginning, version 3 B=3 since then; both have the same A."""
    with _opened(tmp_path, STORY) as ledger:
        found = blame(ledger, "shop", at=START + timedelta(minutes=4))
    assert [(row.name, row.value["text"], row.versions, row.entry) for row in found] == [
        ("vars/A", "1", [1, 3], "0/2"),
        ("vars/B", "1", [1], "0/0"),
        ("vars/B", "3", [3], "0/4"),
        ("vars/C", "1", [3], "0/4"),
    ]


def test_who_when_and_how_stand_beside_it(tmp_path: Path) -> None:
    """Of the entry that is blamed."""
    with _opened(tmp_path, STORY) as ledger:
        (row,) = blame(ledger, "shop", "C", at=START + timedelta(minutes=1))
    assert (row.author, row.effective_at, row.interface) == (BEN["pseudonym"], START + timedelta(minutes=1), "wrangler")
    assert (row.outcome, row.version, row.deployment) == ("deployed", 2, 2)


@pytest.mark.parametrize(
    ("glob", "names"),
    [("A", ["A"]), ("vars/*", ["A", "B", "C"]), ("config/*", ["A", "B", "C"]), ("[BC]", ["B", "C"]), ("x/*", ["x/*"]), ("routes/x/*", ["x/*"]), ("Z", [])],
)  # fmt: skip
def test_names_are_chosen_by_glob(tmp_path: Path, glob: str, names: list[str]) -> None:
    """With or without the aspect; a route's pattern is no glob when it is meant itself."""
    with _opened(tmp_path, STORY) as ledger:
        assert sorted(_blamed(ledger, 7, glob=glob)) == names


def test_a_secret_that_cannot_be_compared_is_new_whenever_it_is_mentioned(tmp_path: Path) -> None:
    """Without a MAC nobody sees whether it is the same; with one, sending it again gives nothing."""
    mentioned = [["config", "secrets/BLIND", "changed"]]
    secrets: Json = {"BLIND": {}, "SEEN": {"mac": "ab" * 32}}
    steps = [
        _deployed(0, 1, _version(1, secrets)),
        _deployed(1, 2, _version(2, secrets), changes=mentioned),
        _deployed(2, 3, _version(3, secrets, A="1")),
    ]
    with _opened(tmp_path, steps) as ledger:
        assert _blamed(ledger, 2, glob="secrets/*") == {"secrets/BLIND": "1 changed", "secrets/SEEN": "0 added"}
        assert _blamed(ledger, 2, "origin", "secrets/*") == {
            "secrets/BLIND": "1 changed",
            "secrets/SEEN": "0 unchanged",
        }


def test_an_unknown_script_is_not_found(ledger: OpenLedger) -> None:
    """As everywhere."""
    with pytest.raises(NotFoundError):
        blame(ledger, "nothing")


# --- the real data: no splits and no uploads without deployment in it


def _expected(moments: list[Moment], *, first: bool) -> dict[tuple[str, str], int]:
    """Name -> index of the entry, walked through plainly, moment by moment."""
    given: dict[tuple[str, str], tuple[Any, int]] = {}
    for moment in moments:
        content = (moment.content or [{}])[0] | {
            (aspect, name): value for aspect, members in moment.triggers.items() for name, value in members.items()
        }
        given = {
            name: given[name]
            if name in given and (first or same(given[name][0], value))
            else (value, moment.entry["index"])
            for name, value in content.items()
        }
    return {name: index for name, (_, index) in given.items()}


@pytest.mark.parametrize("asked", ["value", "first"])
def test_real_scripts_at_random_times_are_blamed_as_the_evaluator_says(
    real: OpenLedger, judge: Judge, asked: Asked
) -> None:
    """Every name of twelve scripts, deleted and uploaded again ones among them."""
    random_ = random.Random(asked)
    again = [
        key for key, moments in judge.scripts.items() if any(one.entry["outcome"] == "deleted" for one in moments[:-1])
    ]
    for account, script in [*random_.sample(sorted(again), 4), *random_.sample(sorted(judge.scripts), 8)]:
        whole = judge.scripts[account, script]
        at = datetime.fromisoformat(random_.choice(whole).entry["effective_at"]).astimezone(UTC)
        found = blame(real, script, account=account, at=at, asked=asked)
        answered = {(row.aspect, row.name): int(row.entry.removeprefix("0/")) for row in found}
        assert answered == _expected(judge.until(account, script, at), first=asked == "first"), (account, script, at)
