"""Cosignatures: the published one, what is refused, and the verdict on a checkpoint's witnesses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError, IntegrityError
from ledger.proof.cosignatures import MAX_TIME, WitnessPolicy, WitnessSigner, WitnessVerifier, judge
from ledger.proof.notes import SignatureLine, Signer, Verifier, add_signatures, parse_signature_lines
from tests.proof.trees import VECTORS

COSIGNATURE = VECTORS["cosignature"]
VKEY: str = COSIGNATURE["vkey"]
LINE: str = COSIGNATURE["line"]
TIME: int = COSIGNATURE["time"]
TEXT: str = VECTORS["checkpoint"]["text"]
SIGNED: bytes = VECTORS["checkpoint"]["signed"].encode()
LOG = Verifier.from_vkey(VECTORS["checkpoint"]["vkey"])
WITNESS = WitnessSigner("witness.example/w1", bytes.fromhex(COSIGNATURE["ed25519_seed"]))
OTHER = WitnessSigner("witness.example/w2", bytes([10]) * 32)
BOTH = (WITNESS.verifier, OTHER.verifier)


def parsed(line: str) -> SignatureLine:
    """The one signature line in a text."""
    (found,) = parse_signature_lines(line)
    return found


def test_cosigning_makes_the_published_line() -> None:
    """The vectors' key cosigns the vectors' checkpoint at the vectors' time with the vectors' bytes."""
    assert str(WITNESS.sign(TEXT, TIME)) == LINE


def test_the_published_line_has_its_time() -> None:
    """The vectors' line is valid under the vectors' vkey, and says when."""
    assert WitnessVerifier.from_vkey(VKEY).time_of(TEXT, parsed(LINE)) == TIME


def test_the_published_vkey_reads_back_as_itself() -> None:
    """Reading a witness's vkey and formatting it again gives the same text; its seed makes it too."""
    assert WitnessVerifier.from_vkey(VKEY).vkey == VKEY == WITNESS.vkey


def test_the_message_is_the_published_one() -> None:
    """What is signed is two lines and the checkpoint's text."""
    signature = parsed(LINE).signature[8:]
    signer = Signer("any", bytes.fromhex(COSIGNATURE["ed25519_seed"]))
    assert signer.sign(COSIGNATURE["message"]).signature == signature


@pytest.mark.parametrize(
    ("vkey", "code"),
    [
        ("", "malformed_vkey"),
        (LOG.vkey, "unsupported_key"),
        (VKEY + "\n", "malformed_vkey"),
        (VKEY.replace("24b5d9fe", "24B5D9FE"), "malformed_vkey"),
        (VKEY.replace("24b5d9fe", "24b5d9ff"), "malformed_vkey"),
        (VKEY.replace("w1", "w2"), "malformed_vkey"),
        (VKEY[:-4], "malformed_vkey"),
        (VKEY + "AAAA", "malformed_vkey"),
        (VKEY.replace("witness", "wit\udcffness"), "malformed_vkey"),
    ],
    ids=["nothing", "a log's", "newline", "upper case", "another id", "another name", "short", "long", "no UTF-8"],
)
def test_other_keys_are_no_witnesses(vkey: str, code: str) -> None:
    """A witness's vkey has one form and the type 4; a log's key is refused."""
    with pytest.raises(IntegrityError) as caught:
        WitnessVerifier.from_vkey(vkey)
    assert caught.value.code == code


def test_a_witness_of_the_same_key_as_a_log_has_another_id() -> None:
    """The type is part of the key id: no line of one can pass for the other's."""
    same = WitnessVerifier(LOG.name, LOG.public_key)
    assert same.key_id != LOG.key_id
    assert not same.is_by(parsed(SIGNED.decode().rsplit("\n\n", 1)[1]))


@pytest.mark.parametrize(
    "line",
    [
        parsed(LINE.replace("w1", "w2")),
        SignatureLine(name=WITNESS.name, key_id=b"\0\0\0\0", signature=parsed(LINE).signature),
        SignatureLine(name=WITNESS.name, key_id=WITNESS.verifier.key_id, signature=parsed(LINE).signature[:-1]),
        SignatureLine(name=WITNESS.name, key_id=WITNESS.verifier.key_id, signature=parsed(LINE).signature + b"\0"),
        SignatureLine(name=WITNESS.name, key_id=WITNESS.verifier.key_id, signature=parsed(LINE).signature[8:]),
        SignatureLine(name=WITNESS.name, key_id=WITNESS.verifier.key_id, signature=bytes(72)),
        SignatureLine(
            name=WITNESS.name, key_id=WITNESS.verifier.key_id, signature=b"\xff" * 8 + parsed(LINE).signature[8:]
        ),
        SignatureLine(
            name=WITNESS.name,
            key_id=WITNESS.verifier.key_id,
            signature=(TIME + 1).to_bytes(8, "big") + parsed(LINE).signature[8:],
        ),
    ],
    ids=["name", "key id", "short", "long", "no time", "zeros", "time above 2^63 - 1", "another time"],
)
def test_other_lines_are_no_cosignatures(line: SignatureLine) -> None:
    """Name, key id, length, time and signature must all be right."""
    assert WITNESS.verifier.time_of(TEXT, line) is None


def test_a_cosignature_is_of_one_text() -> None:
    """Another checkpoint under the same line is not cosigned."""
    assert WITNESS.verifier.time_of(TEXT.replace("1000", "1001"), parsed(LINE)) is None


@pytest.mark.parametrize("time", [-1, MAX_TIME + 1])
def test_a_time_out_of_range_is_not_signed(time: int) -> None:
    """Times are POSIX seconds from 0 to 2^63 - 1."""
    with pytest.raises(ValueError, match="not a time"):
        WITNESS.sign(TEXT, time)


def test_what_is_no_checkpoint_is_not_cosigned() -> None:
    """A witness's key signs checkpoints only."""
    with pytest.raises(IntegrityError) as caught:
        WITNESS.sign("hello\n", TIME)
    assert caught.value.code == "malformed_checkpoint"


def test_no_repr_shows_a_seed() -> None:
    """Printing a witness's signer shows its public key only."""
    assert repr(WITNESS) == f"WitnessSigner({VKEY!r})"


@given(st.integers(0, MAX_TIME))
def test_every_time_reads_back(time: int) -> None:
    """What is signed at a time says that time."""
    line = parsed(str(OTHER.sign(TEXT, time)))
    assert OTHER.verifier.time_of(TEXT, line) == time


@given(st.integers(0, 8 * 76 - 1))
def test_any_flipped_bit_of_a_line_is_refused(bit: int) -> None:
    """No bit of key id, time and signature can be changed."""
    blob = bytearray(WITNESS.verifier.key_id + parsed(LINE).signature)
    blob[bit // 8] ^= 1 << bit % 8
    line = SignatureLine(name=WITNESS.name, key_id=bytes(blob[:4]), signature=bytes(blob[4:]))
    assert WITNESS.verifier.time_of(TEXT, line) is None


@pytest.mark.parametrize(
    ("signers", "quorum", "witnessed"),
    [
        ((), 0, True),
        ((), 1, False),
        ((WITNESS,), 1, True),
        ((WITNESS,), 2, False),
        ((OTHER, WITNESS), 2, True),
    ],
)
def test_a_quorum_is_met_or_the_checkpoint_is_unwitnessed(
    signers: tuple[WitnessSigner, ...], quorum: int, witnessed: bool
) -> None:
    """Who has cosigned and who has not is said; too few is a verdict and no error."""
    data = add_signatures(SIGNED, [signer.sign(TEXT, TIME) for signer in signers])
    verdict = judge(data, LOG, WitnessPolicy(witnesses=BOTH, quorum=quorum))
    assert verdict.witnessed is witnessed
    assert {found.witness for found in verdict.cosigned} == {signer.verifier for signer in signers}
    assert {*verdict.missing} == {*BOTH} - {signer.verifier for signer in signers}
    assert all(found.time == TIME for found in verdict.cosigned)
    assert verdict.checkpoint.size == 1000


def test_of_two_cosignatures_of_one_witness_the_later_counts_once() -> None:
    """A checkpoint that was cosigned again is not cosigned by two witnesses."""
    data = add_signatures(SIGNED, [WITNESS.sign(TEXT, TIME + 5), WITNESS.sign(TEXT, TIME)])
    verdict = judge(data, LOG, WitnessPolicy(witnesses=BOTH, quorum=2))
    assert [found.time for found in verdict.cosigned] == [TIME + 5]
    assert not verdict.witnessed


def test_a_bad_cosignature_of_a_known_witness_refuses_the_checkpoint() -> None:
    """One bad line of a known key rejects the note, good ones beside it or not; of an unknown key it is ignored."""
    bad = SignatureLine(name=WITNESS.name, key_id=WITNESS.verifier.key_id, signature=bytes(72))
    data = add_signatures(SIGNED, [WITNESS.sign(TEXT, TIME), bad])
    with pytest.raises(IntegrityError) as caught:
        judge(data, LOG, WitnessPolicy(witnesses=BOTH, quorum=0))
    assert caught.value.code == "bad_signature"
    assert judge(data, LOG, WitnessPolicy(witnesses=(OTHER.verifier,), quorum=0)).witnessed


def test_cosignatures_do_not_make_up_for_the_logs_signature() -> None:
    """Witnesses alone vouch for nothing."""
    note = TEXT + "\n" + LINE
    with pytest.raises(IntegrityError) as caught:
        judge(note.encode(), LOG, WitnessPolicy(witnesses=BOTH, quorum=1))
    assert caught.value.code == "wrong_key"


@pytest.mark.parametrize("quorum", [-1, 3])
def test_a_quorum_that_cannot_be_met_is_refused(quorum: int) -> None:
    """Between none and all of the witnesses."""
    with pytest.raises(InputError) as caught:
        WitnessPolicy(witnesses=BOTH, quorum=quorum)
    assert caught.value.code == "bad_quorum"


def test_one_key_under_two_names_counts_as_one() -> None:
    """A witness cannot fill a quorum alone by calling itself differently."""
    with pytest.raises(InputError) as caught:
        WitnessPolicy(witnesses=(WITNESS.verifier, WitnessVerifier("w3", WITNESS.verifier.public_key)), quorum=2)
    assert caught.value.code == "same_witness"


def test_a_log_is_no_witness_of_itself() -> None:
    """The log's own key among the witnesses is refused, as type 4 too."""
    policy = WitnessPolicy(witnesses=(WitnessVerifier("w", LOG.public_key),), quorum=1)
    with pytest.raises(InputError) as caught:
        judge(SIGNED, LOG, policy)
    assert caught.value.code == "log_is_witness"
