"""`ledger diff` as people read it."""

import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.query.build import identifier

SHOWN = """\
acme/blog
  - deployment/state  "waiting"
  - routes/shop.example/*  {}

acme/shop
  ~ deployment/active  2 (00000002) -> 1 (00000001)
  + routes/shop.example/*  {"zone": "shop.example"}
"""


def test_differences_are_readable_without_colours(run: Run, story: Path) -> None:
    """Script by script, signs before names, values before and after."""
    one, two = "2022-11-28T09:35:00Z", "2022-11-28T09:05:00Z"
    code, out, err = run("diff", one, two, "--account", "acme", "--ledger", str(story))
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if "split" not in line] == SHOWN.splitlines()


def test_colours_are_for_terminals_that_want_them(
    run: Run, story: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Green, red and yellow on a terminal; none with NO_COLOR, and none in a pipe."""
    arguments = ("diff", identifier("v-shop", 1), identifier("v-shop", 2), "--ledger", str(story))
    plain = run(*arguments)[1]
    assert "\x1b" not in plain
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = run(*arguments)[1]
    assert "\x1b[31m  - bindings/CART" in coloured
    assert "\x1b[33m  ~ config/usage_model" in coloured
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(*arguments)[1] == plain


def test_no_difference_is_said_beside_the_data(run: Run, story: Path) -> None:
    """An empty answer on stdout, the words on stderr."""
    ids = (identifier("d-shop", 1), identifier("d-shop", 4))
    assert run("diff", *ids, "--ledger", str(story)) == (0, "", "no differences\n")
    assert run("diff", *ids, "--json", "--ledger", str(story)) == (0, "[]\n", "")


def test_stat_counts_by_script(run: Run, story: Path) -> None:
    """One line for each script."""
    _, out, _ = run("diff", identifier("v-shop", 1), identifier("v-shop", 2), "--stat", "--ledger", str(story))
    assert out.splitlines()[1].split() == ["acme", "shop", "bindings,", "config", "4", "1"]
