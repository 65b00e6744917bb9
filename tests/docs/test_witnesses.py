"""docs/WITNESSES.md against the code: the states that a push can end in, the commands and options that it shows."""

import re
import subprocess
import sys
from functools import cache

import pytest

from ledger.proof.checkpoints import open_checkpoint
from ledger.proof.cosignatures import WitnessPolicy, WitnessVerifier, judge
from ledger.proof.notes import Verifier
from tests.docs.reading import ROOT, cells, codes_in, section

_DOCUMENT = "docs/WITNESSES.md"
_MODULES = ("witness/answers", "witness/exchange", "witness/pushing", "witness/stored", "witness/tree", "log/segments")
_NOT_OF_A_PUSH = {"bad_witness_url", "no_witnesses"}


@cache
def _help(command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "cli", "witness", command, "--help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=30,
    ).stdout


def _text() -> str:
    return (ROOT / _DOCUMENT).read_text().replace("\\\n", " ")


def test_every_state_of_a_push_is_explained() -> None:
    """Each code that a push can end in is in the table, with the exit code of its error."""
    documented = {
        code: int(status)
        for cell, status, _ in cells(section(_DOCUMENT, "When something is wrong"))
        for code in codes_in(cell)
    }
    raised: set[str] = set()
    for module in _MODULES:
        source = (ROOT / "ledger" / f"{module}.py").read_text()
        raised |= set(re.findall(r'\(\s*"([a-z]+_[a-z_]+|fork|rollback)",', source))
    assert len(raised) > 10
    assert raised - _NOT_OF_A_PUSH <= documented.keys()
    assert {documented[code] for code in documented if code.startswith("witness_")} == {5}
    assert {documented[code] for code in ("fork", "rollback", "root_mismatch", "bad_signature")} == {3}


@pytest.mark.parametrize(("command", "rest"), re.findall(r"^\$ ledger witness (\w+)(.*)$", _text(), re.MULTILINE)[:3])
def test_the_commands_shown_have_these_options(command: str, rest: str) -> None:
    """What is typed in the document can be typed."""
    for option in re.findall(r" (--[a-z]+)", rest):
        assert f"{option} " in _help(command)


def test_the_checkpoints_shown_are_signed_and_cosigned() -> None:
    """Both of them verify under the vkeys that stand in the document."""
    text = _text()
    log = Verifier.from_vkey(re.findall(r"^audit\.acme\.example\+\S+$", text, re.MULTILINE)[0])
    witness = WitnessVerifier.from_vkey(re.findall(r"^witness\.globex\.example\+\S+$", text, re.MULTILINE)[0])
    notes = re.findall(r"^(audit\.acme\.example/\d{4}\n\d+\n\S+\n\n(?:— \S+ \S+\n){2})", text, re.MULTILINE)
    assert len(notes) == 2
    for note in notes:
        verifier = log.renamed(note.partition("\n")[0])
        assert open_checkpoint(note.encode(), verifier).size in {1300, 2600}
        assert judge(note.encode(), verifier, WitnessPolicy(witnesses=(witness,), quorum=1)).witnessed
