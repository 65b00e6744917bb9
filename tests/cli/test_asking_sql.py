"""`ledger sql` with parameters, into files, and on which checkpoints it says that it rests."""

import json
from pathlib import Path

import duckdb
import pytest

from tests.cli.conftest import Run
from tests.query.build import entry, write_ledger

RESTS = "rests on the checkpoint of shard 0: 10 entries, root AAAA\nrests on the checkpoint of shard 1: 1 entry, root AAAA\n"


def test_the_checkpoints_are_named_on_stderr(run: Run, story: Path) -> None:
    """Beside the answer, not in it; as it was known earlier, the part of a checkpoint that was."""
    assert run("sql", "SELECT 1 AS n", "-f", "csv", "-l", str(story)) == (0, "n\n1\n", RESTS)
    _, _, err = run("sql", "SELECT 1", "-l", str(story), "--as-known-at", "2022-11-28T09:25:00Z")
    assert err.splitlines()[0] == "rests on the checkpoint of shard 0: the first 3 of 4 entries, root AAAA"
    _, _, err = run("sql", "SELECT 1", "-l", str(story), "--as-known-at", "2022-11-28T09:35:00Z")
    assert err.splitlines()[0] == "rests on the checkpoint of shard 0: 4 entries, root AAAA"


def test_many_checkpoints_are_one_line(run: Run, tmp_path: Path) -> None:
    """Their sizes, with which `ledger checkpoint` prints each; shards without entries have none."""
    write_ledger(tmp_path, [[entry(0, "changed")] * (shard % 3) for shard in range(15)])
    _, _, err = run("sql", "SELECT 1", "-l", str(tmp_path))
    (line,) = err.splitlines()
    assert line.endswith("): 1:1 2:2 4:1 5:2 7:1 8:2 10:1 11:2 13:1 14:2")
    assert line.startswith("rests on 10 checkpoints")


def test_parameters_are_given_on_the_command_line(run: Run, story: Path) -> None:
    """As often as there are; a mistake is exit 2 and says which."""
    sql = ("sql", "SELECT $a || $b AS t", "-l", str(story), "-f", "csv")
    assert run(*sql, "-p", "a=x=", "--param", "b=y")[:2] == (0, "t\nx=y\n")
    code, out, err = run(*sql, "-p", "a=x")
    assert (code, out, "no value is given for $b" in err) == (2, "", True)
    assert run(*sql, "-p", "a")[0] == 2


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl", "JSON"])
def test_a_file_holds_what_would_be_printed(run: Run, story: Path, tmp_path: Path, ending: str) -> None:
    """The same bytes, and nothing on stdout."""
    sql = ("sql", "FROM entries ORDER BY ALL", "-l", str(story))
    _, printed, _ = run(*sql, "--format", ending.lower())
    path = tmp_path / f"é answer.{ending}"
    assert run(*sql, "--output", str(path)) == (0, "", f"wrote 11 rows to {path}\n{RESTS}")
    assert path.read_bytes() == printed.encode()
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_parquet_is_written(run: Run, story: Path, tmp_path: Path) -> None:
    """As any program reads it."""
    path = tmp_path / "answer.parquet"
    code, out, err = run(
        "sql", 'SELECT "index" + $n::INT AS n FROM entries', "-p", "n=1", "-l", str(story), "-o", str(path)
    )
    assert (code, out, err) == (0, "", f"wrote 11 rows to {path}\n{RESTS}")
    with duckdb.connect() as connection:
        assert connection.execute(f"SELECT sum(n), typeof(any_value(n)) FROM '{path}'").fetchone() == (56, "BIGINT")


@pytest.mark.parametrize("ending", ["parquet", "json"])
def test_a_file_that_exists_is_replaced_by_force_only(run: Run, story: Path, tmp_path: Path, ending: str) -> None:
    """And only by a whole answer."""
    path = tmp_path / f"answer.{ending}"
    path.write_text("kept")
    sql = ("sql", "FROM entries", "-l", str(story), "-o", str(path))
    code, out, err = run(*sql)
    assert (code, out, err.splitlines()[0]) == (2, "", f"error: {path} exists")
    assert run(*sql, "--force", "--max-rows", "3")[0] == 2
    assert path.read_text() == "kept"
    assert run(*sql, "--force")[0] == 0
    assert path.read_bytes() != b"kept"
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_a_link_that_leads_nowhere_exists_too(run: Run, story: Path, tmp_path: Path) -> None:
    """It is not written through."""
    path = tmp_path / "answer.json"
    path.symlink_to(tmp_path / "elsewhere")
    assert run("sql", "SELECT 1", "-l", str(story), "-o", str(path))[0] == 2
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("-o", "answer.txt"), 2, "cannot tell the format from 'answer.txt'"),
        (("-o", ""), 2, "cannot tell the format"),
        (("-o", "answer.json", "--views"), 2, "is printed, not written"),
        (("--force",), 2, "belongs to --output"),
        (("-o", "nowhere/answer.json"), 5, "cannot write nowhere/answer.json: No such file or directory"),
        (("-o", "nowhere/answer.parquet"), 5, "cannot write nowhere/answer.parquet: No such file or directory"),
    ],
)
def test_an_output_that_cannot_be_is_said(
    run: Run,
    story: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    """With the documented exit code, and nothing left behind."""
    monkeypatch.chdir(tmp_path)
    found, out, err = run("sql", "SELECT 1", "-l", str(story), *arguments)
    assert (found, out, message in err) == (code, "", True)
    assert not list(tmp_path.iterdir())


def test_an_empty_ledger_rests_on_nothing(run: Run, tmp_path: Path) -> None:
    """Its answer is written all the same."""
    write_ledger(tmp_path / "ledger", [[], []])
    path = tmp_path / "answer.json"
    assert run("sql", "FROM entries", "-l", str(tmp_path / "ledger"), "-o", str(path))[0::2] == (
        0,
        f"wrote 0 rows to {path}\n",
    )
    assert json.loads(path.read_text()) == []
