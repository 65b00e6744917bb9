"""`--as-known-at` and `--account` of every question."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.query.build import identifier, write_ledger
from tests.query.story import SHARD_0, SHARD_1

QUESTIONS: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("scripts", "--deleted"),
    ("scripts", "--at", "2022-11-28T09:25:00Z"),
    ("deployments", "shop", "--account", "acme"),
    ("versions", "shop", "--account", "acme"),
    ("history", "shop", "--account", "acme"),
    ("show", identifier("d-shop", 2)),
    ("show", identifier("v-shop", 1)),
    ("show", "0/3"),
    ("rejected",),
    ("at", "2022-11-28T09:25:00Z"),
    ("at", "2022-11-28T12:00:00Z", "--deleted"),
    ("skew", "--delay", "1s"),
    ("diff", "2022-11-28T09:05:00Z", "2022-11-28T12:00:00Z"),
    ("diff", "2022-11-28T09:05:00Z", "2022-11-28T12:00:00Z", "--stat"),
    ("diff", identifier("v-shop", 1), identifier("v-shop", 2)),
    ("diff", "acme", "other"),
    ("explain", identifier("d-shop", 2)),
    ("explain", "0/3"),
    ("who", "aaaa"),
    ("who", "aaaa", "--summary"),
    ("blame", "shop", "--account", "acme"),
    ("blame", "shop", "CART", "--account", "acme", "--origin"),
    ("sql", "FROM entries"),
    ("sql", "FROM activations ORDER BY ALL"),
)
"""Every question of the program, about the story's ledger; all have something to say of its first half hour."""

_KNOWN = "2022-11-28T09:30:01Z"
"""When the story's fourth entry, the last of a segment, was recorded."""


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_a_report_of_the_past_is_made_again_byte_for_byte(run: Run, tmp_path: Path, question: tuple[str, ...]) -> None:
    """Asked of the first half hour alone, and of the whole ledger as it was known then: the same bytes, and not what is known now."""
    arguments = (*question, "--format", "json", "--ledger", str(tmp_path))
    write_ledger(tmp_path, [SHARD_0[:4], SHARD_1], segment_entries=4)
    then = run(*arguments)
    write_ledger(tmp_path, [SHARD_0, SHARD_1], segment_entries=4)
    assert run(*arguments, "--as-known-at", _KNOWN) == then
    assert then[0] == 0


def test_both_times_hold_at_once(run: Run, story: Path) -> None:
    """What was active at 9:40 by what was known at 9:30: the deployments of 9:40 had not been heard of."""
    ask = ("deployments", "shop", "-a", "acme", "--at", "2022-11-28T09:40:00Z", "--json", "-l", str(story))
    assert [row["number"] for row in json.loads(run(*ask)[1])] == [4, 3, 2, 1]
    assert [row["number"] for row in json.loads(run(*ask, "--as-known-at", _KNOWN)[1])] == [2, 1]


def test_before_anything_was_known_nothing_is(run: Run, story: Path) -> None:
    """An empty answer, or a script that isn't there yet."""
    before = ("--as-known-at", "2022-11-28", "--ledger", str(story))
    assert run("scripts", "--json", *before)[:2] == (0, "[]\n")
    assert run("deployments", "shop", *before)[0] == 4


def test_a_time_that_is_none_is_a_mistake(run: Run, story: Path) -> None:
    """As with `--at`."""
    code, out, err = run("scripts", "--as-known-at", "yesterday", "--ledger", str(story))
    assert (code, out) == (2, "")
    assert err.startswith("error: not a time: 'yesterday'")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), ["acme", "acme", "other"]),
        (("--account", "acme"), ["acme", "acme"]),
        (("--account", "o*"), ["other"]),
        (("-a", "[a-c]cm?", "-a", "other"), ["acme", "acme", "other"]),
        (("-a", "acm"), []),
        (("-a", "x*"), []),
        (("-a", "'*"), []),
    ],
)
def test_accounts_are_chosen_by_name_and_glob(
    run: Run, story: Path, options: tuple[str, ...], expected: list[str]
) -> None:
    """Several may be given; what fits none lists nothing."""
    code, out, _ = run("scripts", "--deleted", *options, "--json", "--ledger", str(story))
    assert (code, [row["account"] for row in json.loads(out)]) == (0, expected)


def test_a_script_is_looked_for_in_the_accounts_given(run: Run, story: Path) -> None:
    """A glob that leaves one account is enough; one that leaves both isn't."""
    assert run("history", "shop", "-a", "ac*", "--ledger", str(story))[0] == 0
    assert run("history", "shop", "-a", "*", "--ledger", str(story))[0] == 2
    code, _, err = run("history", "shop", "-a", "x*", "-a", "y", "--ledger", str(story))
    assert (code, err.split("\n")[0]) == (4, "error: there is no script shop in the accounts x*, y")
