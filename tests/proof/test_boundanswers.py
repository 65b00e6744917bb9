"""Bound answers as files: written in one way, read strictly, signed under the ledger's name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityError, UsageError
from ledger.proof.boundanswers import BoundAnswer, Sized, open_bound_answer, parse_bound_answer, sign_bound_answer
from ledger.proof.checking import check_proof
from ledger.proof.cosignatures import WitnessPolicy
from ledger.proof.merkle import Hash, Size
from ledger.proof.notes import Signer, sign_note
from ledger.proof.pinned import open_pinned

SIGNER = Signer("audit.example", bytes(32))
ANSWER = BoundAnswer(
    ledger="audit.example",
    program="0.1.0",
    database="2.0.1",
    known_at="2022-11-29T00:00:00Z",
    query="SELECT 'é',\n\t\"x\" FROM entries -- \u2028\x7f",
    parameters={"b": "", "a": '"\n'},
    columns=[("n", "BIGINT"), ("n", 'STRUCT("a b" VARCHAR)')],
    rows=7,
    digest=Hash(bytes(range(32))),
    checkpoints=[
        Sized(shard=0, size=Size(3), root=Hash(bytes(32))),
        Sized(shard=12, size=Size(1 << 40), root=Hash(b"\xff" * 32)),
    ],
)
FILE = sign_bound_answer(ANSWER, SIGNER)
TEXT = ANSWER.text


def code_of(data: bytes, signer: Signer = SIGNER) -> str:
    """Why it is refused."""
    with pytest.raises(IntegrityError) as error:
        open_bound_answer(data, signer.verifier)
    return error.value.code


def test_what_is_written_is_read_again() -> None:
    """All of it, whatever characters a query has, in one form."""
    assert open_bound_answer(FILE, SIGNER.verifier) == ANSWER
    assert [line.split(" ")[0] for line in TEXT.split("\n")[:8]] == [
        "deployment-ledger/bound-answer@v1", "ledger", "program", "known", "query", "parameter", "parameter", "columns",
    ]  # fmt: skip
    empty = BoundAnswer(
        ledger="l", program="0", database="0", known_at=None, query="", parameters={}, columns=[], rows=0,
        digest=Hash(bytes(32)), checkpoints=[],
    )  # fmt: skip
    assert parse_bound_answer(sign_bound_answer(empty, SIGNER)) == empty


def test_no_byte_can_be_changed() -> None:
    """Any other byte in any place is refused, at the latest by the signature."""
    for place in range(len(FILE)):
        for flip in (1, 0x20, 0x80):
            changed = bytearray(FILE)
            changed[place] ^= flip
            with pytest.raises(IntegrityError):
                check_proof(bytes(changed), SIGNER.verifier)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_can_be_bound(query: str, value: str) -> None:
    """Control characters and line separators are written so that a line stays one."""
    answer = BoundAnswer(
        ledger="audit.example", program="1", database="2", known_at=None, query=query, parameters={"p": value},
        columns=[(value, query)], rows=0, digest=Hash(bytes(32)), checkpoints=[],
    )  # fmt: skip
    assert open_bound_answer(sign_bound_answer(answer, SIGNER), SIGNER.verifier) == answer


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ledger audit.example\n", ""),
        ("program 0.1.0 duckdb 2.0.1", "program 0.1.0 sqlite 2.0.1"),
        ("program 0.1.0 duckdb 2.0.1", "program 0.1.0  duckdb 2.0.1"),
        ("known 2022-11-29T00:00:00Z", "known 2022-11-29"),
        ("known 2022-11-29T00:00:00Z", "known 2022-02-30T00:00:00Z"),
        ('parameter b ""', 'parameter b  ""'),
        ('parameter b ""', "parameter b 1"),
        ('parameter b ""', 'parameter 9 ""'),
        ('parameter b ""', 'parameter a ""'),
        ("rows 7", "rows 07"),
        ("rows 7", "rows -1"),
        ('[["n","BIGINT"]', '[ ["n","BIGINT"]'),
        ('[["n","BIGINT"]', '[["n"]'),
        ('[["n","BIGINT"]', '[["n",1]'),
        ("checkpoint 12 ", "checkpoint 0 "),
        ("checkpoint 12 ", "checkpoint 10000 "),
        ("checkpoint 0 3 ", "checkpoint 0 0 "),
        ("checkpoint 0 3 ", "checkpoint 0 3 3 "),
        ("é", "\\u00e9"),
        ("\nrows 7", "\nrows 7\nrows 7"),
        ("digest ", "digest A"),
    ],
)
def test_another_form_is_refused_even_where_it_is_signed(old: str, new: str) -> None:
    """There is one way of writing it."""
    assert old in TEXT
    assert code_of(sign_note(TEXT.replace(old, new, 1), SIGNER)) == "malformed_answer"


def test_only_the_key_of_the_ledger_counts() -> None:
    """Not a log's, not another ledger's, not another key of the same name; nor no signature."""
    assert code_of(FILE, Signer("audit.example/0000", bytes(32))) == "wrong_origin"
    assert code_of(FILE, Signer("other.example", bytes(32))) == "wrong_origin"
    assert code_of(FILE, Signer("audit.example", b"\x01" * 32)) == "wrong_key"
    assert code_of(sign_note(TEXT, Signer("audit.example/0000", bytes(32)))) == "wrong_key"
    assert code_of(FILE.replace(b"\xe2\x80\x94 audit", b"\xe2\x80\x94 Audit")) == "wrong_key"
    assert code_of(TEXT.encode() + b"\n") == "malformed_note"


def test_it_is_no_checkpoint() -> None:
    """Its key signs under the ledger's name: nothing of it can be shown as a log's checkpoint, nor the other way round."""
    with pytest.raises(IntegrityError):
        open_pinned(FILE, SIGNER.verifier)


def test_what_is_too_large_is_refused_before_it_is_written() -> None:
    """A reader would refuse it."""
    with pytest.raises(UsageError, match="too long to be bound"):
        sign_bound_answer(
            BoundAnswer(
                ledger="l", program="0", database="0", known_at=None, query="x" * (1 << 20), parameters={}, columns=[],
                rows=0, digest=Hash(bytes(32)), checkpoints=[],
            ),
            SIGNER,
        )  # fmt: skip


def test_witnesses_are_not_asked_for() -> None:
    """They cosign checkpoints, which are not in it."""
    with pytest.raises(UsageError, match="no cosignatures"):
        check_proof(FILE, SIGNER.verifier, None, WitnessPolicy(witnesses=(), quorum=0))
