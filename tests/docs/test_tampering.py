"""docs/TAMPERING.md against the code."""

import re

from ledger.verify.findings import KINDS
from tests.docs.reading import ROOT, cells, codes_in, section

_DOCUMENT = "docs/TAMPERING.md"


def test_every_kind_of_problem_is_explained_once() -> None:
    """The tables of kinds name each kind that there is, and no other."""
    named = [name for first, *_ in cells(section(_DOCUMENT, "Kinds")) for name in codes_in(first)]
    assert sorted(named) == sorted(KINDS)


def test_every_problem_is_of_a_known_kind() -> None:
    """What the verifier's modules can call a problem is a kind."""
    source = "".join(path.read_text() for path in (ROOT / "ledger" / "verify").glob("*.py"))
    used = set(re.findall(r'(?:BadError|_of_file)\(\s*"(\w+)"', source))
    assert used <= set(KINDS)
    assert "entry_edited" in used


def test_every_ground_of_trust_is_explained() -> None:
    """The three words that a report can say, in the order of their strength."""
    names = [codes_in(row[0])[0] for row in cells(section(_DOCUMENT, "On what a verdict rests"))]
    assert names == ["pinned", "seen", "beside"]
