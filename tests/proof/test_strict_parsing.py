"""What lax parsers take and this one refuses: one test a rule (a second encoding would break what is signed)."""

import pytest

from ledger.errors import IntegrityError
from ledger.proof.checkpoints import parse_checkpoint, parse_decimal, parse_hash
from ledger.proof.notes import Verifier, decode_base64, open_note, parse_note
from tests.proof.trees import VECTORS

CHECKPOINT = VECTORS["checkpoint"]
SIGNED: str = CHECKPOINT["signed"]
TEXT: str = CHECKPOINT["text"]
VKEY: str = CHECKPOINT["vkey"]
ROOT = TEXT.split("\n")[2]
SIGNATURE = SIGNED.rsplit(" ", maxsplit=1)[-1].rstrip("\n")


@pytest.mark.parametrize("text", ["0", "5", "10", "9223372036854775807"])
def test_canonical_decimals_are_read(text: str) -> None:
    """Decimals without sign and leading zeros, up to 2^63 - 1, are numbers."""
    assert str(parse_decimal(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "05",
        "+5",
        "-5",
        "-0",
        " 5",
        "5 ",
        "5\n",
        "5_0",
        "\u0665",  # a digit of another script
        "²",
        "5.0",
        "0x5",
        "1e3",
        "9223372036854775808",
        "1" * 5000,
    ],
)
def test_other_decimals_are_refused(text: str) -> None:
    """What `int` or `isdigit` take beside the canonical decimal is refused."""
    with pytest.raises(ValueError, match="decimal"):
        parse_decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        "AA!!AA",
        "AA\nAA==",
        "AAA=AAAA",
        "AA==AA==",
        "AAB=",
        "AAAA====",
        "AA",
        "AAA",
        " AAAA",
        "AAAA ",
        "AA-_",
        "ÄAAA",
        "=",
    ],
)
def test_other_base64_is_refused(text: str) -> None:
    """What `b64decode` takes beside the canonical encoding, validating or not, is refused."""
    assert decode_base64(text) is None


@pytest.mark.parametrize(
    "text",
    ["", ROOT[:-4], ROOT[:-1], ROOT + "AAAA", ROOT + "\n", " " + ROOT, ROOT[:-2] + "J=", ROOT.replace("=", "")],
    ids=["empty", "cut", "no padding", "longer", "newline", "space", "spare bits", "unpadded"],
)
def test_other_hashes_are_refused(text: str) -> None:
    """A hash is the canonical base64 of exactly 32 bytes."""
    with pytest.raises(ValueError, match="not the base64 of a hash"):
        parse_hash(text)


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace("1000", "01000"),
        TEXT.replace("1000", "+1000"),
        TEXT.replace("1000", "1_000"),
        TEXT.replace("1000", " 1000"),
        TEXT.replace("1000", "\u0661\u0660\u0660\u0660"),
        TEXT.replace("1000", "9223372036854775808"),
        TEXT.replace("1000", "0"),
        TEXT.replace("=\n", "\n"),
        TEXT.replace("cI=\n", "cJ=\n"),
        TEXT.replace(ROOT, "AAAA"),
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("\n", "\u2028"),
        TEXT.replace("\n1000", "\x0b1000"),
        TEXT[:-1],
        TEXT + "\n",
        TEXT + "\nextension\n",
        "\n" + TEXT,
        TEXT.partition("\n")[2],
        "",
    ],
    ids=[
        "leading zero",
        "plus sign",
        "underscore",
        "space",
        "other digits",
        "size above 2^63 - 1",
        "size 0 with another root",
        "root without padding",
        "spare bits of the root",
        "short root",
        "carriage returns",
        "line separators",
        "vertical tab",
        "no last newline",
        "empty last line",
        "empty line before an extension",
        "empty origin",
        "two lines",
        "nothing",
    ],
)
def test_other_checkpoints_are_refused(text: str) -> None:
    """A checkpoint has one canonical form."""
    with pytest.raises(IntegrityError) as caught:
        parse_checkpoint(text)
    assert caught.value.code == "malformed_checkpoint"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        SIGNED.encode()[:-1],
        SIGNED.encode() + b"\n",
        SIGNED.encode().replace(b"\n", b"\r\n"),
        SIGNED.encode().replace(b"\n\n", b"\n"),
        SIGNED.encode().partition(b"\xe2")[0],
        SIGNED.encode().replace(b"\xe2\x80\x94", b"-"),
        SIGNED.encode().replace(b"\xe2\x80\x94 ", b"\xe2\x80\x94"),
        SIGNED.encode().replace(b"\xe2\x80\x94 ", b"\xe2\x80\x94  "),
        SIGNED.encode().replace(b"\xe2\x80\x94 ", b" \xe2\x80\x94 "),
        SIGNED.encode().replace(b"=\n", b"= \n"),
        SIGNED.encode().replace(b"audit WD", b"audit  WD"),
        SIGNED.encode().replace(b"audit WD", b"audit\tWD"),
        SIGNED.encode().replace(b"audit WD", "audit\u00a0WD".encode()),
        SIGNED.encode().replace(b"audit WD", b"au+dit WD"),
        SIGNED.replace(SIGNATURE, SIGNATURE[:-2] + "B=").encode(),
        SIGNED.replace(SIGNATURE, SIGNATURE.rstrip("=")).encode(),
        SIGNED.replace(SIGNATURE, SIGNATURE[:20] + "!" + SIGNATURE[20:]).encode(),
        SIGNED.replace(SIGNATURE, "WDimQg==").encode(),
        SIGNED.replace(SIGNATURE, "").encode(),
        SIGNED.encode().replace(b"audit\n", b"au\x00dit\n"),
        SIGNED.encode().replace(b"audit\n", b"au\x1cdit\n"),
        SIGNED.encode().replace(b"audit\n", b"au\xffdit\n"),
        SIGNED.encode().replace(b"audit\n", b"au\xed\xa0\x80dit\n"),
        b"\xef\xbb\xbf" + SIGNED.encode() + b"x",
        b"x" * (1 << 20) + SIGNED.encode(),
    ],
    ids=[
        "nothing",
        "an empty line alone",
        "no last newline",
        "empty last line",
        "carriage returns",
        "no empty line",
        "no signature",
        "hyphen for dash",
        "no space after the dash",
        "two spaces after the dash",
        "space before the dash",
        "space at the end",
        "two spaces before the signature",
        "tab",
        "no-break space",
        "plus in the name",
        "spare bits of the signature",
        "signature without padding",
        "foreign byte in the signature",
        "key id without signature",
        "empty signature",
        "zero byte",
        "file separator",
        "not UTF-8",
        "surrogate",
        "byte order mark and no newline",
        "too long",
    ],
)
def test_other_notes_are_refused(data: bytes) -> None:
    """A note has one form; nothing is repaired."""
    with pytest.raises(IntegrityError) as caught:
        parse_note(data)
    assert caught.value.code == "malformed_note"


def test_a_byte_order_mark_is_part_of_the_text() -> None:
    """A byte order mark is not dropped silently: the signature is bad."""
    with pytest.raises(IntegrityError) as caught:
        open_note(b"\xef\xbb\xbf" + SIGNED.encode(), [Verifier.from_vkey(VKEY)])
    assert caught.value.code == "bad_signature"


@pytest.mark.parametrize(
    ("vkey", "code"),
    [
        ("", "malformed_vkey"),
        ("ledger.example/audit", "malformed_vkey"),
        (VKEY + "\n", "malformed_vkey"),
        (" " + VKEY, "malformed_vkey"),
        (VKEY.replace("5838a642", "5838A642"), "malformed_vkey"),
        (VKEY.replace("5838a642", "0x38a642"), "malformed_vkey"),
        (VKEY.replace("5838a642", "58 38a642"), "malformed_vkey"),
        (VKEY.replace("5838a642", "5838a643"), "malformed_vkey"),
        (VKEY.replace("audit", "Audit"), "malformed_vkey"),
        (VKEY[:-4], "malformed_vkey"),
        (VKEY + "AAAA", "malformed_vkey"),
        (VKEY + "=", "malformed_vkey"),
        (VKEY[:-1] + "!", "malformed_vkey"),
        (VKEY.rpartition("+")[0] + "+", "malformed_vkey"),
        (VECTORS["cosignature"]["vkey"], "unsupported_key"),
    ],
    ids=[
        "nothing",
        "name alone",
        "newline",
        "space",
        "upper case",
        "prefix",
        "space in the id",
        "another id",
        "another name",
        "short key",
        "long key",
        "padding",
        "foreign byte",
        "no key",
        "a witness's key",
    ],
)
def test_other_verifier_keys_are_refused(vkey: str, code: str) -> None:
    """A verifier key has one form, and its id is that of its name and key."""
    with pytest.raises(IntegrityError) as caught:
        Verifier.from_vkey(vkey)
    assert caught.value.code == code
