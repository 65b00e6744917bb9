"""The proofs in docs/FORMAT.md are those of the log that stands there, and hold with the key that stands there."""

import re
from pathlib import Path

import pytest

from ledger.log.segments import encode_segment
from ledger.proof.boundanswers import open_bound_answer
from ledger.proof.checking import check_proof
from ledger.proof.completeness import Ending
from ledger.proof.notes import Verifier
from ledger.query.binding import ask_again
from ledger.query.opened import open_ledger
from ledger.query.rowdigest import encode_row
from ledger.storage import layout
from ledger.storage.local import LocalStore
from tests.docs.reading import cells, fences, section
from tests.docs.test_format import _entries, _ledger
from tests.proof.accountlogs import SignedLog, proof_of

_DOCUMENT = "docs/FORMAT.md"


def _file(kind: str) -> bytes:
    return fences(_DOCUMENT, f"text {kind}")[0].text.encode() + b"\n"


def _keys() -> list[Verifier]:
    """The ledger's, and the log's own."""
    return [Verifier.from_vkey(_ledger()[1].vkey), Verifier.from_vkey(fences(_DOCUMENT, "text vkey")[0].text)]


@pytest.mark.parametrize("key", _keys(), ids=["ledger", "log"])
def test_the_proofs_hold(key: Verifier) -> None:
    """With either key."""
    entries = _entries()
    checked = check_proof(_file("receipt"), key, entries[2])
    assert "was recorded at index 2 of audit.example" in checked.statement.replace(
        "audit.acme.example", "audit.example"
    )
    assert "begins with all 3" in check_proof(_file("growth-proof"), key).statement
    whole = _file("account-proof") + b"\n" + b"".join(line + b"\n" for line in entries[1:5])
    account = check_proof(whole, key)
    assert getattr(account, "ending", None) is Ending.next_entry
    assert [entry.index for entry in getattr(account, "entries", [])] == [2, 3]


def test_the_account_proof_is_the_one_of_the_log() -> None:
    """Made anew from the log, it is the same."""
    note = (fences(_DOCUMENT, "text checkpoint")[0].text + "\n").encode()
    start, end = "2022-11-28T12:02:00Z", "2022-11-28T12:05:00Z"
    made = bytes(proof_of(SignedLog(_entries(), note), [1, 2, 3, 4], start=start, end=end))
    assert made.startswith(_file("account-proof") + b"\n{")


def test_the_bound_answer_is_what_the_log_answers(tmp_path: Path) -> None:
    """The ledger of the document, on disk without keys, gives the rows whose lines and digest stand there."""
    store, file = _ledger()
    here = LocalStore(tmp_path)
    here.put(layout.LEDGER_FILE, store.get(layout.LEDGER_FILE))
    note = (fences(_DOCUMENT, "text checkpoint")[0].text + "\n").encode()
    here.put(layout.segment(3, 0), encode_segment(_entries(), note))
    key = Verifier.from_vkey(file.vkey)
    answer = open_bound_answer(_file("bound-answer"), key)
    with open_ledger(str(tmp_path)) as ledger:
        result = ask_again(ledger, answer, key)
    assert sorted(map(encode_row, result.rows)) == _file("bound-rows").splitlines()
    assert "THE ROWS WERE NOT ASKED FOR AGAIN" in check_proof(_file("bound-answer"), key).statement


def test_every_line_of_a_bound_answer_is_explained() -> None:
    """The table has them in their order."""
    words = [line.split(" ")[0] for line in _file("bound-answer").decode().split("\n\n")[0].splitlines()]
    rows = [row[0].strip("`").split(" ")[0] for row in cells(section(_DOCUMENT, "Bound answer"))]
    assert [word for word in rows[: len(words) + 1] if word != "known"] == words


def test_every_option_of_prove_is_explained() -> None:
    """docs/PROOFS.md names what `prove` can be asked for."""
    from tests.docs.reading import ROOT

    text = (ROOT / "docs" / "PROOFS.md").read_text()
    source = (ROOT / "cli" / "proving.py").read_text()
    assert all(option in text for option in re.findall(r'"(--[a-z-]+)"', source))


def test_every_line_of_an_account_proofs_head_is_explained() -> None:
    """The table has the lines of the head in their order."""
    table = section(_DOCUMENT, "Account proof")
    places = [
        table.index(f"| `{name}")
        for name in ("account ", "from ", "to ", "unchanged ", "entries ", "rest ", "first`", "last`", "edge`")
    ]
    assert places == sorted(places)
