"""Receipts: the published one, what strict parsing refuses, and that nothing changed passes."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.errors import IntegrityError
from ledger.proof.checkpoints import Checkpoint, sign
from ledger.proof.merkle import Hash, Index, Size, inclusion_proof, leaf_hash
from ledger.proof.notes import Signer, Verifier
from ledger.proof.receipts import MAX_RECEIPT_BYTES, Receipt, parse_receipt, verify_receipt
from tests.proof.trees import VECTORS, subtree

FILE: bytes = VECTORS["receipt"]["file"].encode()
ENTRY: bytes = VECTORS["receipt"]["entry"].encode()
KEY = Verifier.from_vkey(VECTORS["checkpoint"]["vkey"])
HEAD, NOTE = FILE.split(b"\n\n", 1)
LINES = HEAD.split(b"\n")
LEDGER = Signer("ledger.example", bytes(32))
LOG = Signer("ledger.example/0003", bytes(32))


def of(*lines: bytes, note: bytes = NOTE) -> bytes:
    """A receipt of these lines."""
    return b"\n".join(lines) + b"\n\n" + note


def receipt_of(index: int, size: int, signer: Signer = LOG) -> Receipt:
    """A receipt for an entry of the vectors' log."""
    checkpoint = Checkpoint(origin=signer.name, size=Size(size), root=Hash(subtree(0, size)))
    path = inclusion_proof(Index(index), Size(size), subtree)
    return Receipt(index=Index(index), path=tuple(path), note=sign(checkpoint, signer))


def test_the_published_receipt_holds() -> None:
    """Parsed, it serialises to the same bytes, and proves entry 700 of size 1000."""
    receipt = parse_receipt(FILE)
    assert bytes(receipt) == FILE
    proved = verify_receipt(receipt, ENTRY, KEY)
    assert (proved.index, proved.leaf) == (700, leaf_hash(ENTRY))
    assert (proved.checkpoint.origin, proved.checkpoint.size) == ("ledger.example/audit", 1000)


def test_extra_data_is_kept_and_proves_nothing() -> None:
    """A line `extra` is read back as it was."""
    data = of(LINES[0], b"extra aGVsbG8=", *LINES[1:])
    receipt = parse_receipt(data)
    assert (receipt.extra, bytes(receipt)) == (b"hello", data)
    assert verify_receipt(receipt, ENTRY, KEY) == verify_receipt(parse_receipt(FILE), ENTRY, KEY)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        HEAD,
        FILE[1:],
        FILE + b"\n",
        FILE[:-1],
        FILE.replace(b"\n", b"\r\n"),
        of(b"c2sp.org/tlog-proof@v2", *LINES[1:]),
        of(*LINES[1:]),
        of(LINES[0], *LINES[2:]),
        of(LINES[0], b"index 0700", *LINES[2:]),
        of(LINES[0], b"index +700", *LINES[2:]),
        of(LINES[0], b"index 7_00", *LINES[2:]),
        of(LINES[0], b"index  700", *LINES[2:]),
        of(LINES[0], b"index 700 ", *LINES[2:]),
        of(LINES[0], b"index -1", *LINES[2:]),
        of(LINES[0], "index \u0667".encode(), *LINES[2:]),
        of(LINES[0], b"index 9223372036854775808", *LINES[2:]),
        of(LINES[0], LINES[1], LINES[1], *LINES[2:]),
        of(LINES[0], *LINES[2:], LINES[1]),
        of(LINES[0], LINES[1], LINES[2][:-4], *LINES[3:]),
        of(LINES[0], LINES[1], LINES[2].replace(b"=", b""), *LINES[3:]),
        of(LINES[0], LINES[1], b" " + LINES[2], *LINES[3:]),
        of(LINES[0], LINES[1], b"4LEmqcwdhSoLV3WQhz31oV+81/oWcBuIsZ17I8v8/+5=", *LINES[3:]),
        of(LINES[0], LINES[1], *[LINES[2]] * 64),
        of(LINES[0], b"extra ", *LINES[1:]),
        of(LINES[0], b"extra", *LINES[1:]),
        of(LINES[0], b"extra aGVsbG9=", *LINES[1:]),
        of(LINES[0], LINES[1], b"extra aGVsbG8=", *LINES[2:]),
        of(LINES[0], b"extra aGVsbG8=", b"extra aGVsbG8=", *LINES[1:]),
        of(*LINES, note=b"\n" + NOTE),
        of(*LINES, note=NOTE.replace(b"1000", b"01000")),
        of(*LINES, note=b""),
        of(LINES[0], b"extra " + b"AAAA" * (MAX_RECEIPT_BYTES // 4), *LINES[1:]),
    ],
    ids=[
        "empty", "no checkpoint", "first byte gone", "newline added", "newline gone", "carriage returns", "other version",
        "no first line", "no index", "leading zero", "plus sign", "underscore", "two spaces", "space behind", "negative",
        "other digits", "above 2^63 - 1", "index twice", "index last", "hash cut", "hash unpadded", "space before a hash",
        "spare bits", "64 hashes", "extra empty", "extra without value", "spare bits in extra", "extra after index", "extra twice",
        "two empty lines", "malformed checkpoint", "empty checkpoint", "too large",
    ],
)  # fmt: skip
def test_what_is_no_canonical_receipt_is_refused(data: bytes) -> None:
    """There is one form of each receipt."""
    with pytest.raises(IntegrityError, match="not a"):
        parse_receipt(data)


@pytest.mark.parametrize(
    ("receipt", "entry", "key", "code"),
    [
        (parse_receipt(FILE), b"701", KEY, "bad_proof"),
        (parse_receipt(FILE), ENTRY + b"\n", KEY, "bad_proof"),
        (parse_receipt(FILE.replace(b"index 700", b"index 701")), ENTRY, KEY, "bad_proof"),
        (parse_receipt(FILE.replace(b"index 700", b"index 1000")), ENTRY, KEY, "malformed_proof"),
        (parse_receipt(of(*LINES[:-1])), ENTRY, KEY, "malformed_proof"),
        (parse_receipt(of(*LINES, LINES[-1])), ENTRY, KEY, "malformed_proof"),
        (parse_receipt(of(*LINES[:2], LINES[3], LINES[2], *LINES[4:])), ENTRY, KEY, "bad_proof"),
        (parse_receipt(FILE.replace(b"\n1000\n", b"\n1001\n")), ENTRY, KEY, "bad_signature"),
        (parse_receipt(FILE), ENTRY, Signer("ledger.example/audit", bytes(32)).verifier, "wrong_key"),
        (parse_receipt(FILE), ENTRY, LOG.verifier, "wrong_origin"),
    ],
    ids=[
        "other entry", "line feed", "other index", "index beyond", "hash left out", "hash added", "hashes swapped",
        "other size", "other key", "other log",
    ],
)  # fmt: skip
def test_a_receipt_of_something_else_is_refused(receipt: Receipt, entry: bytes, key: Verifier, code: str) -> None:
    """Each part is held against the others."""
    with pytest.raises(IntegrityError) as error:
        verify_receipt(receipt, entry, key)
    assert error.value.code == code


def test_the_ledgers_key_checks_each_of_its_logs() -> None:
    """The key under the ledger's name stands for the same key under a log's."""
    receipt = receipt_of(5, 9)
    assert verify_receipt(receipt, b"5", LEDGER.verifier) == verify_receipt(receipt, b"5", LOG.verifier)


@pytest.mark.parametrize(
    "name", ["ledger.example/0004", "ledger", "ledger.example/000", "other.example", "ledger.example/0003/0003"]
)
def test_the_key_of_another_ledger_or_log_is_refused(name: str) -> None:
    """Even where it is the same key: a name that is no ledger's of this log doesn't stand for it."""
    with pytest.raises(IntegrityError) as error:
        verify_receipt(receipt_of(5, 9), b"5", LOG.verifier.renamed(name))
    assert error.value.code == "wrong_origin"


@given(st.integers(1, 300).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size))), st.data())
def test_what_is_proved_checks_and_changed_is_refused(place: tuple[int, int], data: st.DataObject) -> None:
    """A receipt made for any entry and size holds; with any byte changed it is not read or doesn't hold."""
    index, size = place
    file, entry = bytes(receipt_of(index, size)), str(index).encode()
    assert verify_receipt(parse_receipt(file), entry, LEDGER.verifier).index == index
    at = data.draw(st.integers(0, len(file) - 1))
    changed = bytearray(file)
    changed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IntegrityError):
        verify_receipt(parse_receipt(bytes(changed)), entry, LEDGER.verifier)


@given(st.binary(max_size=300))
@example(HEAD + b"\n\n")
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing else is raised."""
    with suppress(IntegrityError):
        assert bytes(parse_receipt(data)) == data
