"""`ledger watch`: what it prints, and every way in which it ends."""

import json
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT, Run
from tests.query.build import START, entry, write_ledger, write_segment

LINES = """\
0/1      2022-11-28 09:10:00Z  acme/shop                 uploaded v2         bbbbbbbbbbbb      dash       -bindings/CART, ~config/usage_model
0/3      2022-11-28 09:30:00Z  acme/blog                 changed and takes from shop  bbbbbbbbbbbb      wrangler   +routes/shop.example/*
"""

ALL = ("--since", "2000-01-01")

PROGRAM = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from cli.main import run
run()
"""
"""The program as a terminal starts it: a shell that runs the tests in the background would have it ignore Ctrl-C."""


@contextmanager
def watching(root: Path, *arguments: str) -> "Iterator[subprocess.Popen[str]]":
    """The command as a process that has begun to watch."""
    command = [sys.executable, "-c", PROGRAM, "watch", "--ledger", str(root), "--interval", "0.05", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as started:
        try:
            assert started.stderr is not None
            assert "Ctrl-C ends it" in started.stderr.readline()
            yield started
        finally:
            started.kill()


def line_of(started: "subprocess.Popen[str]") -> str:
    """The next line, waited for."""
    assert started.stdout is not None
    ready, _, _ = select.select([started.stdout], [], [], 30)
    assert ready
    return started.stdout.readline()


def test_lines_read_as_expected(run: Run, story: Path) -> None:
    """One each, of a person; nothing on stderr but that it watches."""
    code, out, err = run("watch", "-l", str(story), *ALL, "--limit", "11")
    assert code == 0
    assert "".join(line + "\n" for line in out.splitlines() if "bbbbbbbbbbbb" in line) == LINES
    assert len(out.splitlines()) == 11
    assert err == "watching test; Ctrl-C ends it\n"


def test_every_format_has_the_same_members(run: Run, story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times in RFC 3339; what there is not is null. The format may come from the environment."""
    watch = ("watch", "-l", str(story), *ALL, "--limit", "11")
    code, out, _ = run(*watch, "--format", "jsonl")
    objects = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert len({tuple(found) for found in objects}) == 1
    assert objects[0]["entry"] == "0/0"
    assert objects[0]["effective_at"] == "2022-11-28T09:00:00Z"
    assert sum(found["account"] is None for found in objects) == 1
    assert run(*watch, "--format", "csv")[1].splitlines()[0] == ",".join(objects[0])
    monkeypatch.setenv("LEDGER_FORMAT", "json")
    assert json.loads(run(*watch)[1]) == objects


@pytest.mark.parametrize(
    ("arguments", "entries"),
    [
        (("blog",), ["0/3"]),
        (("shop", "-a", "other"), ["1/0"]),
        (("shop", "--account", "ac*", "-a", "none"), ["0/0", "0/1", "0/2", "0/3", "0/4"]),
        (("--since", "2022-11-28T09:40:00Z"), ["0/4", "0/5", "0/6"]),
    ],
)
def test_only_what_is_wanted_is_shown(run: Run, story: Path, arguments: tuple[str, ...], entries: list[str]) -> None:
    """By script (what is taken from it too), account and time."""
    since = () if "--since" in arguments else ALL
    _, out, _ = run("watch", *arguments, *since, "-l", str(story), "-n", str(len(entries)))
    assert [line.split()[0] for line in out.splitlines()] == entries


def test_control_characters_of_others_do_not_reach_the_terminal(run: Run, tmp_path: Path) -> None:
    """Nor do line feeds make two lines of an entry."""
    write_ledger(tmp_path, [[entry(0, "changed", data={"message": "a\nb\x1b[2J é"})]])
    _, out, _ = run("watch", "-l", str(tmp_path), *ALL, "-n", "1")
    assert out.endswith("a b\\x1b[2J é\n")


@pytest.mark.parametrize(
    "arguments",
    [("--since", "soon"), ("--limit", "0"), ("--interval", "0"), ("--interval", "nan")],
)
def test_what_cannot_be_is_a_mistake(run: Run, story: Path, arguments: tuple[str, str]) -> None:
    """Said before anything is watched."""
    assert run("watch", "-l", str(story), *arguments)[:2] == (2, "")


def test_entries_appear_as_they_are_written_until_ctrl_c(tmp_path: Path) -> None:
    """Nothing of before; 130, and not a word more."""
    write_ledger(tmp_path, [[entry(0, "changed")], []])
    with watching(tmp_path) as started:
        write_segment(tmp_path, 1, 0, [entry(1, "changed", script="one")])
        assert line_of(started).split()[0] == "1/0"
        write_segment(tmp_path, 0, 1, [entry(2, "changed", script="two")])
        assert line_of(started).split()[0] == "0/1"
        started.send_signal(signal.SIGINT)
        assert started.communicate(timeout=30) == ("", "")
        assert started.returncode == 130


def test_it_ends_when_nobody_reads_any_more(tmp_path: Path) -> None:
    """Though no entry comes that could not be printed."""
    write_ledger(tmp_path, [[entry(0, "changed")]])
    with watching(tmp_path) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        assert started.wait(timeout=30) == 0
        assert started.stderr.read() == ""


def test_since_takes_a_length_of_time(run: Run, tmp_path: Path) -> None:
    """So long ago, of recorded time."""
    minutes = (time.time() - START.timestamp()) / 60
    write_ledger(
        tmp_path, [[entry(minutes - 30, "changed", script="old"), entry(minutes - 5, "changed", script="new")]]
    )
    for since in ("10m", "10m ago"):
        _, out, _ = run("watch", "-l", str(tmp_path), "--since", since, "-n", "1")
        assert "acme/new" in out


def test_a_missing_segment_is_exit_3(tmp_path: Path, run: Run) -> None:
    """With the advice to verify."""
    write_ledger(tmp_path, [[entry(0, "changed")]])
    write_segment(tmp_path, 0, 2, [entry(2, "changed")])
    code, out, err = run("watch", "-l", str(tmp_path))
    assert (code, out, "hint: run: ledger verify" in err) == (3, "", True)
