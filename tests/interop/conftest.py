"""The Go program that asks other people's libraries."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kafka.rig import require

MODULE = Path(__file__).parent / "goverify"


@pytest.fixture(scope="session")
def goverify(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program beside this file, built; its modules come from Go's cache or its module proxy."""
    if shutil.which("go") is None:
        require("go")
    program = tmp_path_factory.mktemp("go") / "goverify"
    done = subprocess.run(
        ["go", "build", "-mod=readonly", "-o", program, "."],
        cwd=MODULE,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    if done.returncode and "dial tcp" in done.stderr:
        require("go")  # no modules and no network
    assert done.returncode == 0, done.stderr
    return program


def verdict(program: Path, *arguments: object) -> str:
    """The last line that the program says; its exit status must agree."""
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    last = done.stdout.splitlines()[-1] if done.stdout else done.stderr
    assert (done.returncode == 0) == (last == "accepted"), done.stderr
    return last
