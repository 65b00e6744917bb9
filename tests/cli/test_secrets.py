"""`ledger secret test`: where the value comes from, and that it goes nowhere."""

import json
import os
import pty
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cli.conftest import ROOT
from tests.query.test_secrettest import write_secrets

VALUE = "old"


def _command(root: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "cli", "secret", "test", "shop", "KEY", "--ledger", str(root), *more]


@pytest.mark.parametrize("typed", [VALUE, f"{VALUE}\n"])
def test_the_value_is_read_from_standard_input(tmp_path: Path, typed: str) -> None:
    """With or without a line feed; it stands nowhere in what is printed."""
    write_secrets(tmp_path)
    done = subprocess.run(
        _command(tmp_path, "--json"), input=typed, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT
    )
    assert [row["match"] for row in json.loads(done.stdout)].count("same") == 3
    assert VALUE not in done.stdout + done.stderr


def test_what_never_was_the_value_is_said(tmp_path: Path) -> None:
    """Exit code 0: the question was answered; the versions that cannot be tested are listed."""
    write_secrets(tmp_path)
    done = subprocess.run(
        _command(tmp_path), input="hunter2", capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stderr) == (0, "no version of shop is known to have held this value as KEY\n")
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["unknown"]


def test_nothing_in_the_pipe_is_a_mistake(tmp_path: Path) -> None:
    """Exit code 2."""
    write_secrets(tmp_path)
    done = subprocess.run(
        _command(tmp_path), input="", capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: there is no value to test")


def test_on_a_terminal_it_is_asked_for_and_not_shown(tmp_path: Path) -> None:
    """The terminal shows the prompt, and nothing of what is typed."""
    write_secrets(tmp_path)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        _command(tmp_path, "--json"),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=ROOT,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    try:
        deadline = time.monotonic() + 60
        while b"value of KEY" not in shown:
            shown += os.read(ours, 1000)
        while termios.tcgetattr(ours)[3] & termios.ECHO:  # what is typed before is thrown away
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.write(ours, b"old\n")
        out, _ = process.communicate(timeout=60)
        with suppress(OSError):  # the other side is closed
            shown += os.read(ours, 1000)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert [row["match"] for row in json.loads(out)].count("same") == 3
    assert b"old" not in shown
