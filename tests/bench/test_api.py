"""The measurements of the API measure what they say."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from bench.apireport import ApiReport, api_goals
from bench.workers import ROOT


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_measuring_the_api_states_whether_its_goals_are_met(tmp_path: Path) -> None:
    """A small run asks a ledger and a bare handler, has many write at once, finds each answer in the log, and says so."""
    output = tmp_path / "api.json"
    command = [sys.executable, "-m", "bench.api", "--entries", "3000", "--seconds", "1"]
    ended = subprocess.run(
        [*command, "--output", output, "--work", tmp_path / "work"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    report = msgspec.json.decode(output.read_bytes(), type=ApiReport)
    assert report.goals == api_goals(report)
    assert report.reads.entries == 3000
    assert 0 < report.reads.ledger.per_core < report.reads.bare.per_core
    assert report.reads.answer_bytes > 500
    assert report.writes.answered >= report.writes.writers == 200
    assert (report.writes.otherwise, report.writes.lost, report.writes.doubled) == (0, 0, 0)
    assert "a bare handler" in ended.stdout
