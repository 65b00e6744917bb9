"""docs/PYTHON.md and the notebook: their code is run, on the data of the repository."""

import doctest
import json
from pathlib import Path
from typing import Any

import pytest

from tests.docs.reading import ROOT, fences


def test_the_examples_do_what_the_page_says(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its first line to its last, as one session."""
    monkeypatch.chdir(ledger.parent)
    text = "\n".join(fence.text for fence in fences("docs/PYTHON.md", "python"))
    test = doctest.DocTestParser().get_doctest(text, {}, "PYTHON.md", "docs/PYTHON.md", 0)
    found: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    runner.run(test, out=found.append)
    assert not found, "".join(found)
    assert len(test.examples) > 20


def test_the_notebook_runs(ledger: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Cell by cell, without outputs that were kept."""
    monkeypatch.setenv("LEDGER_DIR", str(ledger))
    notebook = json.loads((ROOT / "examples" / "incident.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    for cell in cells:
        assert cell["outputs"] == []
        exec("".join(cell["source"]), names)  # noqa: S102 - what the repository holds
    assert names["marked"]
    assert names["exposed"][0].script == "vibesdk-production"
    assert names["rests"]
    assert "made deployment 83 of vibesdk-production" in capsys.readouterr().out
