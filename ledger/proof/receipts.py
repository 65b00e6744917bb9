"""Receipts (https://c2sp.org/tlog-proof): one file that proves one entry, given the entry and the log's key.

    c2sp.org/tlog-proof@v1
    index 700
    4LEmqcwdhSoLV3WQhz31oV+81/oWcBuIsZ17I8v8/+4=
    (more hashes, the leaf's sibling first)

    (the signed checkpoint)

Pure: no IO. Parsing is strict: what is accepted serialises to the same bytes.
"""

from base64 import b64encode
from typing import Final, NoReturn

from msgspec import Struct

from ledger.errors import IntegrityError
from ledger.proof.checkpoints import Checkpoint, format_hash, parse_decimal, parse_hash, read_unverified
from ledger.proof.merkle import Hash, Index, leaf_hash, verify_inclusion
from ledger.proof.notes import MAX_NOTE_BYTES, Verifier, decode_base64
from ledger.proof.pinned import open_pinned

__all__ = ["FIRST_LINE", "MAX_RECEIPT_BYTES", "ProvedLeaf", "Receipt", "parse_receipt", "verify_receipt"]

FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
MAX_RECEIPT_BYTES: Final = 2 * MAX_NOTE_BYTES
_MAX_HASHES: Final = 63


class Receipt(Struct, frozen=True, kw_only=True):
    """A parsed receipt; nothing of it is verified."""

    index: Index
    """Of the entry."""
    path: tuple[Hash, ...]
    """The inclusion proof, the leaf's sibling first."""
    note: bytes
    """The signed checkpoint, with all its signatures."""
    extra: bytes | None = None
    """Whatever its maker put there; covered by no signature, never to be trusted."""

    def __bytes__(self) -> bytes:
        extra = [] if self.extra is None else [f"extra {b64encode(self.extra).decode()}"]
        lines = [FIRST_LINE, *extra, f"index {self.index}", *map(format_hash, self.path), "", ""]
        return "\n".join(lines).encode() + self.note


class ProvedLeaf(Struct, frozen=True, kw_only=True):
    """What a receipt proved: that the log had this entry at this place when it signed this checkpoint."""

    index: Index
    leaf: Hash
    """The entry's leaf hash."""
    checkpoint: Checkpoint


def parse_receipt(data: bytes) -> Receipt:
    """Read a receipt strictly, without verifying anything.

    Raises:
        IntegrityError: `malformed_receipt`; for its checkpoint `malformed_note` and `malformed_checkpoint`.
    """
    if len(data) > MAX_RECEIPT_BYTES:
        _malformed(f"it has more than {MAX_RECEIPT_BYTES} bytes")
    head, empty_line, note = data.partition(b"\n\n")
    if not empty_line:
        _malformed("no empty line parts the proof from the checkpoint")
    try:
        first, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        _malformed("its proof is not ASCII")
    if first != FIRST_LINE:
        _malformed(f"its first line is not {FIRST_LINE}")
    extra = _parse_extra(lines.pop(0)) if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        _malformed("it names no index")
    if len(lines) - 1 > _MAX_HASHES:
        _malformed(f"it has {len(lines) - 1} hashes, more than {_MAX_HASHES}")
    try:
        index = Index(parse_decimal(lines[0].removeprefix("index ")))
        path = tuple(parse_hash(line) for line in lines[1:])
    except ValueError as error:
        _malformed(str(error))
    read_unverified(note)
    receipt = Receipt(index=index, path=path, note=note, extra=extra)
    if bytes(receipt) != data:
        _malformed("it is not in canonical form")
    return receipt


def verify_receipt(receipt: Receipt, entry: bytes, key: Verifier) -> ProvedLeaf:
    """Check that a receipt proves the entry.

    Args:
        receipt: as it was parsed.
        entry: its exact bytes, without a line feed.
        key: the public key of the log, or of the ledger that the log is of.

    Raises:
        IntegrityError: `wrong_origin`, `wrong_key`, `bad_signature`; `malformed_proof`; `bad_proof`, where this entry is not
            what the log has at that index.
    """
    checkpoint, leaf = open_pinned(receipt.note, key), leaf_hash(entry)
    verify_inclusion(receipt.index, checkpoint.size, leaf, receipt.path, checkpoint.root)
    return ProvedLeaf(index=receipt.index, leaf=leaf, checkpoint=checkpoint)


def _parse_extra(line: str) -> bytes:
    extra = decode_base64(line.removeprefix("extra "))
    if not extra:
        _malformed("what follows `extra` is not the base64 of anything")
    return extra


def _malformed(why: str) -> NoReturn:
    raise IntegrityError("malformed_receipt", f"not a receipt: {why}", "a receipt is a file that `ledger prove` wrote")
