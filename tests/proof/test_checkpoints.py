"""Checkpoints: the published ones, round trips, and what is refused once the form is right."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityError
from ledger.proof.checkpoints import Checkpoint, open_checkpoint, parse_checkpoint, parse_hash, read_unverified, sign
from ledger.proof.merkle import EMPTY_ROOT, Hash, Index, Size, leaf_hash, verify_inclusion
from ledger.proof.notes import SignatureLine, Signer, Verifier, open_note, sign_note
from tests.proof.trees import VECTORS, subtree

ORIGIN = "ledger.example/audit"
SIGNED: bytes = VECTORS["checkpoint"]["signed"].encode()
SIGNER = Signer(ORIGIN, bytes.fromhex(VECTORS["checkpoint"]["ed25519_seed"]))
CHECKPOINT = Checkpoint(origin=ORIGIN, size=Size(1000), root=Hash(subtree(0, 1000)))


def test_signing_makes_the_published_bytes() -> None:
    """The vectors' key signs the tree of size 1000 with the vectors' bytes."""
    assert CHECKPOINT.text == VECTORS["checkpoint"]["text"]
    assert sign(CHECKPOINT, SIGNER) == SIGNED


def test_the_published_checkpoint_opens() -> None:
    """The vectors' checkpoint verifies under the vectors' vkey, and says what it should."""
    assert open_checkpoint(SIGNED, Verifier.from_vkey(VECTORS["checkpoint"]["vkey"])) == CHECKPOINT
    assert read_unverified(SIGNED) == CHECKPOINT


def test_a_cosigned_checkpoint_opens_with_the_logs_key_alone() -> None:
    """A witness's cosignature of another type does not disturb a reader that does not know it."""
    cosigned = SIGNED + VECTORS["cosignature"]["line"].encode()
    assert open_checkpoint(cosigned, SIGNER.verifier) == CHECKPOINT
    assert len(open_note(cosigned, [SIGNER.verifier]).signatures) == 2


def test_the_published_receipt_holds() -> None:
    """The receipt of the vectors: its checkpoint opens, and its proof leads from the entry to that root."""
    head, _, note = VECTORS["receipt"]["file"].partition("\n\n")
    version, index, *hashes = head.split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    checkpoint = open_checkpoint(note.encode(), SIGNER.verifier)
    entry = VECTORS["receipt"]["entry"].encode()
    path = [parse_hash(line) for line in hashes]
    verify_inclusion(Index(int(index.removeprefix("index "))), checkpoint.size, leaf_hash(entry), path, checkpoint.root)


def test_extension_lines_are_accepted_and_signed() -> None:
    """Further lines are read, and they are covered by the signature."""
    extended = Checkpoint(origin=ORIGIN, size=Size(1000), root=CHECKPOINT.root, extensions=("one", "two words"))
    data = sign(extended, SIGNER)
    assert open_checkpoint(data, SIGNER.verifier) == extended
    with pytest.raises(IntegrityError) as caught:
        open_checkpoint(data.replace(b"two", b"Two"), SIGNER.verifier)
    assert caught.value.code == "bad_signature"


def test_the_empty_tree_can_be_signed() -> None:
    """Size 0 has the hash of nothing as its root."""
    empty = Checkpoint(origin=ORIGIN, size=Size(0), root=EMPTY_ROOT)
    assert open_checkpoint(sign(empty, SIGNER), SIGNER.verifier) == empty


@pytest.mark.parametrize(("old", "new"), [(b"\n1000\n", b"\n1001\n"), (b"\nY4", b"\nZ4"), (b"audit\n1", b"Audit\n1")])
def test_a_changed_text_has_a_bad_signature(old: bytes, new: bytes) -> None:
    """Size, root and origin are signed."""
    with pytest.raises(IntegrityError) as caught:
        open_checkpoint(SIGNED.replace(old, new), SIGNER.verifier)
    assert caught.value.code == "bad_signature"


def test_another_logs_checkpoint_has_the_wrong_key() -> None:
    """A checkpoint that another shard's key has signed is not this shard's."""
    other = Signer("ledger.example/0001", bytes([7]) * 32)
    data = sign(Checkpoint(origin=other.name, size=Size(1), root=Hash(subtree(0, 1))), other)
    with pytest.raises(IntegrityError) as caught:
        open_checkpoint(data, SIGNER.verifier)
    assert caught.value.code == "wrong_key"


def test_another_origin_under_the_right_key_is_the_wrong_origin() -> None:
    """The key's name is the origin; a checkpoint that says something else is refused though its signature is good."""
    data = sign_note(Checkpoint(origin="elsewhere", size=Size(1), root=Hash(subtree(0, 1))).text, SIGNER)
    with pytest.raises(IntegrityError) as caught:
        open_checkpoint(data, SIGNER.verifier)
    assert caught.value.code == "wrong_origin"


def test_a_signed_note_that_is_no_checkpoint_is_malformed() -> None:
    """A good signature does not make a checkpoint of any text."""
    with pytest.raises(IntegrityError) as caught:
        open_checkpoint(sign_note("hello\n", SIGNER), SIGNER.verifier)
    assert caught.value.code == "malformed_checkpoint"


@pytest.mark.parametrize(
    "checkpoint",
    [
        Checkpoint(origin="elsewhere", size=Size(1), root=Hash(subtree(0, 1))),
        Checkpoint(origin=ORIGIN, size=Size(-1), root=Hash(subtree(0, 1))),
        Checkpoint(origin=ORIGIN, size=Size(0), root=Hash(subtree(0, 1))),
        Checkpoint(origin=ORIGIN, size=Size(1), root=Hash(b"short")),
        Checkpoint(origin=ORIGIN, size=Size(1), root=Hash(subtree(0, 1)), extensions=("",)),
        Checkpoint(origin=ORIGIN, size=Size(1), root=Hash(subtree(0, 1)), extensions=("a\nb",)),
    ],
    ids=["another origin", "negative size", "size 0 with a root", "short root", "empty extension", "two lines in one"],
)
def test_what_could_not_be_read_back_is_never_signed(checkpoint: Checkpoint) -> None:
    """A checkpoint that would not parse as itself gets no signature."""
    with pytest.raises(ValueError, match=r"can't sign|not a checkpoint"):
        sign(checkpoint, SIGNER)


LINES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)


@given(
    st.integers(1, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
    st.lists(LINES, max_size=3),
)
def test_a_checkpoint_reads_back_byte_by_byte(size: int, root: bytes, extensions: list[str]) -> None:
    """Serialising and parsing are inverse, for texts and for signed notes."""
    checkpoint = Checkpoint(origin=ORIGIN, size=Size(size), root=Hash(root), extensions=tuple(extensions))
    assert parse_checkpoint(checkpoint.text) == checkpoint
    assert open_checkpoint(sign(checkpoint, SIGNER), SIGNER.verifier) == checkpoint


def test_a_doubled_good_line_is_still_good() -> None:
    """The same good signature twice is verified twice, and accepted."""
    line = str(SIGNER.sign(CHECKPOINT.text)).encode()
    assert open_checkpoint(SIGNED + line, SIGNER.verifier) == CHECKPOINT


def test_the_second_of_two_lines_is_verified_too() -> None:
    """A bad second line of the log's key refuses what a good first line signs."""
    bad = SignatureLine(name=ORIGIN, key_id=SIGNER.verifier.key_id, signature=bytes(64))
    with pytest.raises(IntegrityError) as caught:
        open_checkpoint(SIGNED + str(bad).encode(), SIGNER.verifier)
    assert caught.value.code == "bad_signature"
