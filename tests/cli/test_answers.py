"""The commands that answer questions: what they print, in which format, on the story's ledger (tests/query/story.py)."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.cli.conftest import Run
from tests.query.build import identifier, write_ledger

Process = Callable[..., CompletedProcess[str]]

DEPLOYMENTS = """\
  #  id        time                  author        source    versions          tag  message
  4  00000004  2022-11-28 09:40:00Z  aaaaaaaaaaaa  wrangler  v1                              rollback to deployment 1 (00000001)
  3  00000003  2022-11-28 09:40:00Z  aaaaaaaaaaaa  wrangler  v2
  2  00000002  2022-11-28 09:20:00Z  aaaaaaaaaaaa  wrangler  v1 90 %, v2 10 %
  1  00000001  2022-11-28 09:00:00Z  aaaaaaaaaaaa  wrangler  v1                v1   first
"""

SCRIPTS = """\
account  script  state    deployment    versions  since                 author  source    reached by
acme     blog    waiting                                                                  shop.example/*
other    shop    active   1 (00000001)  v1        2022-11-28 09:05:00Z          wrangler
"""

HISTORY = """\
entry  time                  what     author        source    changes                 message
0/3    2022-11-28 09:30:00Z  changed  bbbbbbbbbbbb  wrangler  +routes/shop.example/*
"""

LISTS = (
    ("scripts",),
    ("deployments", "shop", "--account", "acme"),
    ("versions", "shop", "--account", "acme"),
    ("history", "shop", "--account", "acme"),
    ("rejected",),
    ("at", "2022-11-28T09:25:00Z"),
    ("skew", "--delay", "1s"),
    ("diff", "2022-11-28T09:05:00Z", "2022-11-28T12:00:00Z"),
    ("diff", "acme", "other", "--stat"),
    ("who", "bbbb"),
    ("who", "bbbb", "--summary"),
    ("blame", "shop", "--account", "acme", "--at", "2022-11-28T09:25:00Z"),
    ("sql", "SELECT * FROM activations ORDER BY ALL"),
    ("sql", "--views"),
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("deployments", "shop", "--account", "acme"), DEPLOYMENTS),
        (("scripts",), SCRIPTS),
        (("history", "blog"), HISTORY),
    ],
)
def test_tables_read_as_expected(process: Process, story: Path, arguments: tuple[str, ...], expected: str) -> None:
    """Run as a process whose output is no terminal: plain, whole, nothing on stderr."""
    done = process(*arguments, LEDGER_DIR=str(story))
    assert (done.returncode, done.stdout, done.stderr) == (0, expected, "")


def test_the_active_deployment_is_marked(run: Run, story: Path) -> None:
    """With a star, as of the time asked."""
    code, out, _ = run("deployments", "shop", "-a", "acme", "--at", "2022-11-28T09:25:00Z", "-l", str(story))
    assert code == 0
    assert [line[:4].split() for line in out.splitlines()] == [["#"], ["*", "2"], ["1"]]


@pytest.mark.parametrize("arguments", LISTS)
def test_json_is_an_array_of_objects_and_jsonl_has_the_same_objects(
    run: Run, story: Path, arguments: tuple[str, ...]
) -> None:
    """`--json` is `--format json`; one line of JSON Lines is one object of the array."""
    _, whole, _ = run(*arguments, "--json", "--ledger", str(story))
    _, same, _ = run(*arguments, "--format", "json", "--ledger", str(story))
    _, lines, _ = run(*arguments, "--format", "jsonl", "--ledger", str(story))
    objects = json.loads(whole)
    assert whole == same
    assert objects
    assert [json.loads(line) for line in lines.splitlines()] == objects


@pytest.mark.parametrize("arguments", LISTS)
def test_csv_has_a_header_with_the_names_of_the_json(run: Run, story: Path, arguments: tuple[str, ...]) -> None:
    """CSV and JSON have the same columns and as many rows."""
    _, whole, _ = run(*arguments, "--json", "--ledger", str(story))
    _, text, _ = run(*arguments, "--format", "csv", "--ledger", str(story))
    header, *rows = list(csv.reader(io.StringIO(text)))
    objects = json.loads(whole)
    assert header == list(objects[0])
    assert len(rows) == len(objects)


@pytest.mark.parametrize(
    "arguments",
    [
        ("scripts",),
        ("rejected",),
        ("sql", "SELECT * FROM entries"),
        ("status",),
        ("at", "now"),
        ("skew",),
        ("diff", "2022-11-28", "now"),
        ("diff", "2022-11-28", "now", "--stat"),
        ("sql", "FROM changes SELECT 1 AS one"),
    ],
)
@pytest.mark.parametrize("output", ["table", "json", "jsonl", "csv"])
def test_an_empty_ledger_gives_valid_output_in_every_format(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], output: str
) -> None:
    """Nothing recorded is an answer too."""
    write_ledger(tmp_path, [[], []])
    code, out, err = run(*arguments, "--format", output, "--ledger", str(tmp_path))
    assert (code, err.removeprefix("no differences\n")) == (0, "")
    if output == "json" and arguments != ("status",):
        assert json.loads(out) == []
    if output == "jsonl":
        assert all(json.loads(line) for line in out.splitlines())


def test_times_in_json_are_rfc_3339_in_utc(run: Run, story: Path) -> None:
    """Also from SQL."""
    _, out, _ = run("sql", "SELECT min(effective_at) AS first FROM entries", "--json", "--ledger", str(story))
    assert json.loads(out) == [{"first": "2022-11-28T09:00:00Z"}]


def test_json_of_sql_keeps_json_columns_as_json(run: Run, story: Path) -> None:
    """A binding is an object, not a string that holds one; columns of the same name get numbers."""
    _, out, _ = run("sql", "SELECT value, 1 AS n, 2 AS n FROM bindings", "--json", "--ledger", str(story))
    assert json.loads(out) == [{"value": {"type": "kv_namespace", "namespace_id": "n1"}, "n": 1, "n_2": 2}]


def test_sql_comes_from_a_file_too(run: Run, story: Path, tmp_path: Path) -> None:
    """`--file` instead of the argument; both or neither is a mistake."""
    (tmp_path / "q.sql").write_text("SELECT 1 AS one")
    assert run("sql", "--file", str(tmp_path / "q.sql"), "-l", str(story), "-f", "csv")[:2] == (0, "one\n1\n")
    assert run("sql", "SELECT 1", "--file", str(tmp_path / "q.sql"), "-l", str(story))[0] == 2
    assert run("sql", "-l", str(story))[0] == 2


def test_errors_of_sql_show_the_place(run: Run, story: Path) -> None:
    """The line and the caret, on stderr, and nothing on stdout."""
    code, out, err = run("sql", "SELECT nonsense FROM entries", "-l", str(story))
    assert (code, out) == (2, "")
    assert "LINE 1: SELECT nonsense FROM entries\n               ^^^^^^^^" in err


def test_status_counts(run: Run, story: Path) -> None:
    """One object in JSON."""
    _, out, _ = run("status", "--json", "--ledger", str(story))
    status = json.loads(out)
    assert (status["size"], status["outcomes"]["deployed"], len(status["shards"])) == (11, 5, 2)


@pytest.mark.parametrize(
    ("id", "lines"),
    [
        (
            identifier("v-shop", 1),
            ["version  1 of shop (acme)", "modules", "  STAGE   live", '  LIMITS  {"rate": 0.25}', '  CART  kv_namespace  {"namespace_id": "n1"}'],
        ),
        (identifier("d-shop", 2), ["deployment  2 of shop (acme)", "serves      v1 90 %, v2 10 %", "version  1 of shop (acme)", "version  2 of shop (acme)"]),
        ("0/0", ["entry      0/0", '  "outcome": "deployed",']),
    ],
)  # fmt: skip
def test_show_is_readable(run: Run, story: Path, id: str, lines: list[str]) -> None:
    """Version, deployment and entry, whole."""
    code, out, _ = run("show", id, "--ledger", str(story))
    assert code == 0
    for line in lines:
        assert line in out.splitlines()


def test_show_in_json_says_what_kind_it_is(run: Run, story: Path) -> None:
    """The manifest comes as it was recorded."""
    _, out, _ = run("show", identifier("v-shop", 1), "--json", "--ledger", str(story))
    shown = json.loads(out)
    assert (shown["kind"], shown["manifest"]["config"]["vars"]["STAGE"]) == ("version", {"text": "live"})


@pytest.mark.parametrize("command", [("history", "blog"), ("rejected",), ("deployments", "blog"), ("versions", "blog")])
def test_any_limit_is_one(run: Run, story: Path, command: tuple[str, ...]) -> None:
    """More than a database can count: it was taken for a damaged segment."""
    code, out, _ = run(*command, "--limit", "9" * 20, "--ledger", str(story))
    assert (code, out) == run(*command, "--limit", "1000", "--ledger", str(story))[:2]
    assert code == 0


def test_control_characters_in_a_table_are_shown_not_sent(run: Run, tmp_path: Path) -> None:
    """A message cannot colour the screen or move the cursor."""
    from tests.query.build import deployment, entry, version

    first = entry(
        0, "deployed", version=version(1), deployment=deployment(1, {1: 100}), data={"message": "\x1b[31mred\nline"}
    )
    write_ledger(tmp_path, [[first]])
    _, out, _ = run("deployments", "shop", "--ledger", str(tmp_path))
    assert "\\x1b[31mred line" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("form", ["table", "json", "jsonl"])
def test_control_characters_in_json_are_escaped(run: Run, tmp_path: Path, form: str) -> None:
    """JSON lets most through: CSI in one character, DEL, what turns a line around. Read again, they are what they were."""
    from tests.query.build import deployment, entry, version

    message = "\x9b31m \x7f \u202e \u2028 é"
    first = entry(0, "deployed", version=version(1), deployment=deployment(1, {1: 100}), data={"message": message})
    write_ledger(tmp_path, [[first]])
    _, out, _ = run("show", "0/0", "--format", form, "--ledger", str(tmp_path))
    assert not set("\x9b\x7f\u202e\u2028") & set(out)
    assert "é" in out
    shown = json.loads(out[out.index("{") :])
    assert (shown if form == "table" else shown["entry"])["event"]["data"]["message"] == message


def test_control_characters_in_an_error_are_shown_not_sent(run: Run, story: Path) -> None:
    """Nor is what somebody typed or published sent to the terminal with the complaint about it."""
    _, _, err = run("deployments", "\x9b31m\x1b[31m", "--ledger", str(story))
    assert err.startswith("error: there is no script \\x9b31m\\x1b[31m\n")


def test_a_missing_segment_is_warned_of(run: Run, tmp_path: Path) -> None:
    """The answer is of the prefix, and stderr says that it is not the whole."""
    from tests.query.build import entry, write_segment

    write_ledger(tmp_path, [[entry(0, "changed")]])
    write_segment(tmp_path, 0, 2, [entry(1, "changed")])
    code, out, err = run("sql", "SELECT count(*) AS n FROM entries", "--format", "csv", "--ledger", str(tmp_path))
    assert (code, out) == (0, "n\n1\n")
    assert "a segment of shard 0 is missing: nothing from entry 0/1 on is shown" in err
