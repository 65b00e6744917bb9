"""Growth proofs: made for any two sizes they hold; malformed, swapped, cut or forged ones do not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityError
from ledger.proof.checkpoints import Checkpoint, sign
from ledger.proof.growth import Growth, parse_growth, verify_growth
from ledger.proof.merkle import Hash, Size, consistency_proof
from ledger.proof.notes import Signer
from tests.proof.trees import subtree

LEDGER = Signer("ledger.example", bytes(32)).verifier
LOG = Signer("ledger.example/0003", bytes(32))
OTHER = Signer("ledger.example/0004", bytes(32))


def note_of(size: int, signer: Signer = LOG, root: bytes | None = None) -> bytes:
    """The signed checkpoint of the vectors' tree of this size."""
    return sign(Checkpoint(origin=signer.name, size=Size(size), root=Hash(root or subtree(0, size))), signer)


def growth_of(old: int, new: int) -> Growth:
    """The proof between two sizes of the vectors' tree."""
    path = tuple(consistency_proof(Size(old), Size(new), subtree))
    return Growth(path=path, old=note_of(old), new=note_of(new))


def code_of(growth: Growth) -> str:
    """Why it is refused."""
    with pytest.raises(IntegrityError) as error:
        verify_growth(growth, LEDGER)
    return error.value.code


FILE = bytes(growth_of(3, 7))
HEAD, OLD, SIGNATURES, NEW, NEWER = FILE.split(b"\n\n")


@given(st.integers(1, 300), st.integers(0, 300), st.data())
def test_what_is_proved_checks_and_changed_is_refused(old: int, more: int, data: st.DataObject) -> None:
    """A proof between any two sizes holds; with any byte changed it is not read or doesn't hold."""
    file = bytes(growth_of(old, old + more))
    proved = verify_growth(parse_growth(file), LEDGER)
    assert (proved.old.size, proved.new.size) == (old, old + more)
    changed = bytearray(file)
    changed[data.draw(st.integers(0, len(file) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IntegrityError):
        verify_growth(parse_growth(bytes(changed)), LEDGER)


def test_each_way_of_not_extending_has_its_name() -> None:
    """Cut off, forked, another log's, a proof of other sizes."""
    good = growth_of(3, 7)
    assert code_of(Growth(path=good.path, old=good.new, new=good.old)) == "rollback"
    assert code_of(Growth(path=(), old=note_of(7), new=note_of(7, root=bytes(32)))) == "fork"
    assert code_of(Growth(path=good.path, old=note_of(3, root=bytes(32)), new=good.new)) == "bad_proof"
    assert code_of(Growth(path=good.path, old=note_of(3, OTHER), new=good.new)) == "wrong_origin"
    assert code_of(Growth(path=good.path[:-1], old=good.old, new=good.new)) == "malformed_proof"
    assert code_of(Growth(path=good.path, old=note_of(4), new=good.new)) == "malformed_proof"
    assert code_of(Growth(path=good.path, old=note_of(3, Signer(LOG.name, b"x" * 32)), new=good.new)) == "wrong_key"


@pytest.mark.parametrize(
    "parts",
    [
        (HEAD, OLD, SIGNATURES),
        (HEAD, OLD, SIGNATURES, NEW, NEWER, b"more\n"),
        (HEAD.replace(b"v1", b"v2"), OLD, SIGNATURES, NEW, NEWER),
        (b"x\n" + HEAD, OLD, SIGNATURES, NEW, NEWER),
        (HEAD + b"\nAAAA", OLD, SIGNATURES, NEW, NEWER),
        (HEAD + (b"\n" + HEAD.split(b"\n")[1]) * 64, OLD, SIGNATURES, NEW, NEWER),
        (HEAD, OLD, SIGNATURES, NEW, NEWER[:-1]),
        (HEAD, SIGNATURES, OLD, NEW, NEWER),
        (HEAD, OLD, SIGNATURES, NEW, NEWER + b"\n"),
    ],
)
def test_what_is_no_canonical_growth_proof_is_refused(parts: tuple[bytes, ...]) -> None:
    """There is one form of each."""
    with pytest.raises(IntegrityError, match="not a"):
        parse_growth(b"\n\n".join(parts))
