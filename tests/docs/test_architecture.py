"""docs/ARCHITECTURE.md against the code."""

import re

from tests.docs.reading import ROOT, column, section

_DOCUMENT = "docs/ARCHITECTURE.md"


def test_the_code_map_names_every_module_and_no_other() -> None:
    """What the map names exists, once, and every module of the three packages is on it."""
    named = column(section(_DOCUMENT, "Code map"))
    found = {
        str(path.relative_to(ROOT))
        for package in ("ledger", "consumers", "cli")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    }
    found -= {"ledger/errors.py", "ledger/logs.py"}  # of all three: named below the tables
    assert sorted(named) == sorted(found)
    assert "`ledger/errors.py`" in section(_DOCUMENT, "Code map")
    assert "`ledger/logs.py`" in section(_DOCUMENT, "Code map")


def test_the_folders_of_tests_named_exist() -> None:
    """What the table of tests names exists, and no folder with tests is missing there."""
    named = {name for cell in column(section(_DOCUMENT, "Tests")) for name in cell.split(", ")}
    found = {f"tests/{path.parent.name}" for path in (ROOT / "tests").glob("*/test_*.py")}
    assert all((ROOT / name).is_dir() for name in named)
    assert found <= named


def test_invariants_stand_out() -> None:
    """Invariants are written in one way, so that they can be searched for."""
    text = (ROOT / _DOCUMENT).read_text()
    assert len(re.findall(r"^\*\*Architecture invariant:\*\* ", text, re.MULTILINE)) == text.count(
        "Architecture invariant"
    )
