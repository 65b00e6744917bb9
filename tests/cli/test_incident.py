"""The commands for an incident: formats, both times, an empty ledger, what is refused; on the story's ledger (tests/query/story.py)."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.query.build import write_ledger

LISTS: tuple[tuple[str, ...], ...] = (
    ("stats",),
    ("schedule", "--at", "2022-11-28T09:25:00Z"),
    ("during", "2022-11-28", "2022-11-29"),
    ("exposure", "--secret", "KEY"),
    ("reach", "--script", "shop", "--account", "acme", "--at", "2022-11-28T09:25:00Z"),
)
ONES: tuple[tuple[str, ...], ...] = (("reach", "https://api.example/x", "--at", "2022-11-28T09:25:00Z"),)
EMPTY: tuple[tuple[str, ...], ...] = (
    ("stats",),
    ("schedule",),
    ("during", "2022-11-28", "now"),
    ("exposure", "--compat", "2022-01-01"),
    ("reach", "https://api.example/x"),
    ("reach", "--graph", "dot"),
)

REFUSED: tuple[tuple[tuple[str, ...], int, str], ...] = (
    (("reach",), 2, "give an address, or --script, or --graph"),
    (("reach", "a.example", "--script", "shop"), 2, "give an address, or --script, or --graph"),
    (("reach", "ftp://a.example"), 2, "the scheme ftp is none of"),
    (("reach", "*.example"), 2, "its host has a character that no host has"),
    (("reach", "--script", "nobody"), 4, "there is no script nobody"),
    (("reach", "--script", "shop"), 2, "2 accounts have a script shop"),
    (("during", "2022-11-29", "2022-11-28"), 2, "the window ends before it begins"),
    (("during", "2022-11-28", "2022-11-29", "--rule", "nonsense"), 2, "there is no rule nonsense"),
    (("schedule", "nobody"), 4, "there is no script nobody"),
    (("stats", "--plot", "a.png"), 2, "cannot draw a.png: only SVG is written"),
    (("reach", "\udcff.example"), 2, "it is not text"),
    (("exposure",), 2, "what is sought by one of module"),
    (("exposure", "--module", "aaaa", "--secret", "KEY"), 2, "what is sought by one of module"),
    (("exposure", "--module", "a"), 2, "not the beginning of a SHA-256"),
    (("exposure", "--var", "=x"), 2, "not NAME=VALUE"),
    (("reach", "a.example", "--at", "yesterday"), 2, "not a time"),
)

REACHED = """\
address  https://api.example/x
as of    2022-11-28 09:25:00Z

answered by  shop (acme)
through      route api.example/*: its pattern matches
since        2022-11-28 09:00:00Z by aaaaaaaaaaaa with wrangler, entry 0/0
running      deployment 2 (00000002): v1 90 %, v2 10 %, since 2022-11-28 09:20:00Z by aaaaaaaaaaaa
"""


@pytest.mark.parametrize("arguments", LISTS)
def test_lists_are_the_same_in_every_format(run: Run, story: Path, arguments: tuple[str, ...]) -> None:
    """An array, the same objects one a line, and CSV with their members as its header."""
    where = ("--ledger", str(story))
    objects = json.loads(run(*arguments, "--json", *where)[1])
    assert objects
    assert [json.loads(line) for line in run(*arguments, "--format", "jsonl", *where)[1].splitlines()] == objects
    header, *rows = csv.reader(io.StringIO(run(*arguments, "--format", "csv", *where)[1]))
    assert (header, len(rows)) == (list(objects[0]), len(objects))
    assert len(run(*arguments, *where)[1].splitlines()) == len(objects) + 1


@pytest.mark.parametrize("arguments", ONES)
def test_single_answers_are_one_object(run: Run, story: Path, arguments: tuple[str, ...]) -> None:
    """In JSON and as one line."""
    where = ("--ledger", str(story))
    whole = json.loads(run(*arguments, "--json", *where)[1])
    assert json.loads(run(*arguments, "--format", "jsonl", *where)[1]) == whole


@pytest.mark.parametrize("arguments", [*LISTS, *ONES])
def test_answers_as_known_at_leave_out_what_came_later(
    run: Run, story: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """The same as of a ledger that ends there: what was recorded by 9:30."""
    from tests.query.story import SHARD_0, SHARD_1

    earlier = write_ledger(tmp_path / "ledger", [SHARD_0[:3], SHARD_1])
    then = run(*arguments, "--json", "--as-known-at", "2022-11-28T09:29:00Z", "--ledger", str(story))
    assert then == run(*arguments, "--json", "--ledger", str(earlier))
    assert then[0] == 0


@pytest.mark.parametrize("arguments", EMPTY)
@pytest.mark.parametrize("output", ["table", "json", "jsonl", "csv"])
def test_an_empty_ledger_is_an_answer(run: Run, tmp_path: Path, arguments: tuple[str, ...], output: str) -> None:
    """Valid in every format, exit code 0."""
    write_ledger(tmp_path, [[], []])
    code, out, err = run(*arguments, "--format", output, "--ledger", str(tmp_path))
    assert (code, err) == (0, "")
    if output == "json" and "--graph" not in arguments:
        json.loads(out)


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED)
def test_what_cannot_be_answered_is_said(
    run: Run, story: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    """In one line, with a hint, nothing on stdout."""
    exit_code, out, err = run(*arguments, "--ledger", str(story))
    assert (exit_code, out) == (code, "")
    assert message in err.splitlines()[0]


def test_reach_reads_as_expected(run: Run, story: Path) -> None:
    """Who answered, through what, since when, and what ran."""
    assert run("reach", "https://api.example/x", "--at", "2022-11-28T09:25:00Z", "--ledger", str(story)) == (
        0,
        REACHED,
        "",
    )


def test_reach_says_when_nobody_answered(run: Run, story: Path) -> None:
    """Not an error: an answer."""
    code, out, _ = run("reach", "https://nobody.example", "--ledger", str(story))
    assert (code, out.splitlines()[-1]) == (0, "answered by no script that the ledger knows")


def test_exposure_reads_as_expected(run: Run, story: Path) -> None:
    """One line an interval; what lasts says so."""
    code, out, _ = run("exposure", "--secret", "KEY", "--at", "2022-11-28T09:30:00Z", "--ledger", str(story))
    assert (code, [" ".join(line.split()[:7]) for line in out.splitlines()[1:]]) == (
        0,
        [
            "acme shop 2022-11-28 09:00:00Z 2022-11-28 09:20:00Z 100",
            "acme shop 2022-11-28 09:20:00Z still live 90",
        ],
    )


@pytest.mark.parametrize(("option", "piped"), [("-", b"STAGE=live\n"), ("STAGE=-", b"live\r\n"), ("STAGE=-", b"live")])
def test_a_variable_may_come_from_standard_input(
    run: Run, story: Path, monkeypatch: pytest.MonkeyPatch, option: str, piped: bytes
) -> None:
    """Leaked values need not stand in the shell's history."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(piped)))
    given = run("exposure", "--var", option, "--json", "--ledger", str(story))
    assert given == run("exposure", "--var", "STAGE=live", "--json", "--ledger", str(story))
    assert len(json.loads(given[1])) == 3


def test_stats_draws_an_svg_beside_its_answer(run: Run, story: Path, tmp_path: Path) -> None:
    """The file is whole, the answer the same; where it cannot be written, that is said."""
    drawing = tmp_path / "weeks.svg"
    code, out, err = run("stats", "--plot", str(drawing), "--json", "--ledger", str(story))
    assert (code, out, err) == (0, run("stats", "--json", "--ledger", str(story))[1], f"drew {drawing}\n")
    assert drawing.read_text().startswith("<svg")
    code, _, err = run("stats", "--plot", str(tmp_path / "none" / "a.svg"), "--ledger", str(story))
    assert code == 5
    assert "cannot write" in err


def test_stats_draws_blocks_on_a_terminal_only(run: Run, story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere the table has no such column."""
    assert "█" not in run("stats", "--ledger", str(story))[1]
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "█" in run("stats", "--ledger", str(story))[1]


@pytest.mark.parametrize("option", ["--secret", "--var", "--binding"])
def test_names_that_are_no_text_are_found_nowhere(run: Run, story: Path, option: str) -> None:
    """Bytes of a command line that are no text: an answer, and no internal error."""
    assert run("exposure", option, "\udcff=\udcff", "--json", "--ledger", str(story)) == (0, "[]\n", "")
