"""Signed notes and verifier keys: the specification's example, and what is accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityError
from ledger.proof.notes import (
    MAX_SIGNATURE_LINES,
    SignatureLine,
    Signer,
    Verifier,
    add_signatures,
    format_vkey,
    key_id,
    open_note,
    parse_note,
    sign_note,
)
from tests.proof.trees import VECTORS

EXAMPLE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
).encode()
LOG = Signer("ledger.example/audit", bytes([7]) * 32)
OTHER = Signer("other.example/log", bytes([8]) * 32)
TEXT = "one\n\ntwo\n"


def test_the_specifications_example_opens() -> None:
    """The example note of the signed-note specification verifies under its vkey."""
    note = open_note(EXAMPLE, [Verifier.from_vkey(EXAMPLE_VKEY)])
    assert note.text == "This is an example message.\n"
    assert bytes(note) == EXAMPLE


def test_a_vkey_reads_back_as_itself() -> None:
    """Reading a vkey and formatting it again gives the same text."""
    for vkey in (EXAMPLE_VKEY, VECTORS["checkpoint"]["vkey"]):
        verifier = Verifier.from_vkey(vkey)
        assert verifier.vkey == vkey == format_vkey(verifier.name, verifier.public_key)


def test_a_key_has_the_published_vkey() -> None:
    """The seed of the vectors makes the vectors' vkey, and the key id is in it."""
    assert LOG.vkey == VECTORS["checkpoint"]["vkey"]
    assert f"+{key_id(LOG.name, LOG.verifier.public_key).hex()}+" in LOG.vkey


def test_a_renamed_key_has_another_id() -> None:
    """The key id depends on the name: one key under two names signs two kinds of notes."""
    renamed = LOG.verifier.renamed("ledger.example/0001")
    assert renamed.public_key == LOG.verifier.public_key
    assert renamed.key_id != LOG.verifier.key_id


def test_a_note_may_have_empty_lines_in_its_text() -> None:
    """Text and signatures are parted at the last empty line."""
    assert open_note(sign_note(TEXT, LOG), [LOG.verifier]).text == TEXT


def test_signing_is_deterministic() -> None:
    """The same key and text give the same bytes."""
    assert sign_note(TEXT, LOG) == sign_note(TEXT, Signer(LOG.name, bytes([7]) * 32))


def test_lines_of_unknown_keys_are_ignored() -> None:
    """A note with a witness's line, even a worthless one, opens with the log's key alone."""
    unknown = SignatureLine(name="witness.example/w", key_id=b"\0\1\2\3", signature=b"x" * 5000)
    data = add_signatures(sign_note(TEXT, LOG, OTHER), [unknown])
    assert len(open_note(data, [LOG.verifier]).signatures) == 3


def test_any_bad_line_of_a_known_key_refuses_the_note() -> None:
    """One bad signature of a known key is not made up for by a good one."""
    bad = SignatureLine(name=LOG.name, key_id=LOG.verifier.key_id, signature=bytes(64))
    for data in (
        add_signatures(sign_note(TEXT, LOG), [bad]),
        add_signatures(sign_note(TEXT, OTHER), [bad]),
    ):
        with pytest.raises(IntegrityError) as caught:
            open_note(data, [LOG.verifier, OTHER.verifier])
        assert caught.value.code == "bad_signature"


def test_a_signature_of_another_length_is_bad() -> None:
    """A known key's line whose signature has not 64 bytes is a bad signature, not a crash."""
    line = SignatureLine(name=LOG.name, key_id=LOG.verifier.key_id, signature=b"short")
    with pytest.raises(IntegrityError) as caught:
        open_note(add_signatures(sign_note(TEXT, OTHER), [line]), [LOG.verifier])
    assert caught.value.code == "bad_signature"


def test_a_note_of_unknown_keys_alone_has_the_wrong_key() -> None:
    """No signature of a known key refuses the note, and the message names the keys found."""
    with pytest.raises(IntegrityError) as caught:
        open_note(sign_note(TEXT, OTHER), [LOG.verifier])
    assert caught.value.code == "wrong_key"
    assert OTHER.name in caught.value.message


def test_the_same_name_with_another_key_is_the_wrong_key() -> None:
    """A key is known by name and id, not by its name."""
    impostor = Signer(LOG.name, bytes([1]) * 32)
    with pytest.raises(IntegrityError) as caught:
        open_note(sign_note(TEXT, impostor), [LOG.verifier])
    assert caught.value.code == "wrong_key"


def test_adding_a_line_twice_adds_it_once() -> None:
    """Cosignatures that a note has already are not added again."""
    line = OTHER.sign(TEXT)
    once = add_signatures(sign_note(TEXT, LOG), [line, line])
    assert add_signatures(once, [line]) == once == sign_note(TEXT, LOG, OTHER)


def test_a_hundred_lines_are_accepted_and_one_more_is_not() -> None:
    """The limit on signature lines lies well above the 16 that must be accepted."""
    lines = [SignatureLine(name=f"w{i}", key_id=b"1234", signature=b"x") for i in range(MAX_SIGNATURE_LINES)]
    note = open_note(add_signatures(sign_note(TEXT, LOG), lines[1:]), [LOG.verifier])
    assert len(note.signatures) == MAX_SIGNATURE_LINES
    with pytest.raises(IntegrityError) as caught:
        open_note(add_signatures(sign_note(TEXT, LOG), lines), [LOG.verifier])
    assert caught.value.code == "malformed_note"


@pytest.mark.parametrize("text", ["", "no newline", "a\tb\n", "a\r\n"])
def test_a_text_that_could_not_be_read_back_is_not_signed(text: str) -> None:
    """Only texts of whole lines without control characters are signed."""
    with pytest.raises(ValueError, match="needs a signer"):
        sign_note(text, LOG)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u00a0b", "a\u2028b"])
def test_a_key_can_not_have_a_name_that_a_note_could_not_hold(name: str) -> None:
    """Names without white space and plus signs only; neither signing nor verifying keys have others."""
    with pytest.raises(ValueError, match="not the name of a key"):
        Signer(name, bytes(32))
    with pytest.raises(IntegrityError) as caught:
        Verifier(name, bytes(32))
    assert caught.value.code == "malformed_vkey"


def test_no_repr_shows_a_seed() -> None:
    """Printing a signer shows its public key only."""
    assert repr(LOG) == f"Signer({LOG.vkey!r})"


@given(st.integers(0, 8 * len(EXAMPLE) - 1))
def test_any_flipped_bit_of_a_signed_note_is_refused(bit: int) -> None:
    """No bit of a note with one signature can be changed."""
    changed = bytearray(EXAMPLE)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(IntegrityError):
        open_note(bytes(changed), [Verifier.from_vkey(EXAMPLE_VKEY)])


@given(st.binary(max_size=200))
def test_reading_bytes_that_are_no_note_raises_nothing_else(data: bytes) -> None:
    """Whatever the bytes: a note that serialises to the same bytes, or an IntegrityError."""
    try:
        note = parse_note(data)
    except IntegrityError:
        return
    assert bytes(note) == data
