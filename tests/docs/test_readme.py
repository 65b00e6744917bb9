"""The README against the program: the commands, and the answers that it shows."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cli.main import main
from tests.docs.reading import ROOT, cells, fences, section

_COMMAND = re.compile(r"^\$ ledger (.*)$", re.MULTILINE)


def _shown() -> list[tuple[str, str]]:
    """The commands in the README whose whole answers stand below them."""
    text = "\n\n".join(fence.text for fence in fences("README.md", "answers"))
    parts = _COMMAND.split(text)[1:]
    return [(command, answer.strip("\n")) for command, answer in zip(parts[::2], parts[1::2], strict=True)]


def test_the_commands_are_those_of_the_program() -> None:
    """The README's table of commands is the list in `ledger --help`: names, order and descriptions."""
    shown = subprocess.run(
        [sys.executable, "-m", "cli", "--help"], cwd=ROOT, check=True, capture_output=True, text=True, timeout=30
    ).stdout
    listed = shown.split("Commands:\n")[1].split("\n\n")[0].splitlines()
    commands = [tuple(line.split(None, 1)) for line in listed]
    table = cells(section("README.md", "Commands"))
    assert [(name.strip("`").removeprefix("ledger "), f"{what}.") for name, what in table] == commands


@pytest.mark.parametrize(("command", "answer"), _shown(), ids=[command.split()[0] for command, _ in _shown()])
def test_the_answers_are_what_the_program_prints(
    command: str, answer: str, ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each question of the quick start gets the answer that stands below it, from the data in the repository."""
    assert main([*shlex.split(command), "--ledger", str(ledger)]) == 0
    assert capsys.readouterr().out.strip("\n") == answer


def test_every_make_target_of_the_readme_exists() -> None:
    """What the README says to make can be made."""
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert f"\n{target}:" in makefile
