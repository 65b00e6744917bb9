"""Growth proofs: one file that proves that a log's later checkpoint extends an earlier one, given the log's key.

    deployment-ledger/growth-proof@v1
    (the hashes of the consistency proof of RFC 6962)

    (the earlier signed checkpoint)

    (the later signed checkpoint)

Pure: no IO. C2SP has no file for it; this one is in docs/FORMAT.md. Parsing is strict.
"""

from typing import Final, NoReturn

from msgspec import Struct

from ledger.errors import IntegrityError
from ledger.proof.checkpoints import Checkpoint, format_hash, parse_hash, read_unverified
from ledger.proof.merkle import Hash, verify_consistency
from ledger.proof.notes import MAX_NOTE_BYTES, Verifier
from ledger.proof.pinned import open_pinned

__all__ = ["FIRST_LINE", "MAX_GROWTH_BYTES", "Growth", "ProvedGrowth", "parse_growth", "verify_growth"]

FIRST_LINE: Final = "deployment-ledger/growth-proof@v1"
MAX_GROWTH_BYTES: Final = 3 * MAX_NOTE_BYTES
_MAX_HASHES: Final = 64
_PARTS: Final = 5
"""Between empty lines: the head, and twice a checkpoint's text and its signatures."""


class Growth(Struct, frozen=True, kw_only=True):
    """A parsed growth proof; nothing of it is verified."""

    path: tuple[Hash, ...]
    old: bytes
    """The earlier signed checkpoint."""
    new: bytes
    """The later one."""

    def __bytes__(self) -> bytes:
        head = "\n".join([FIRST_LINE, *map(format_hash, self.path), "", ""])
        return head.encode() + self.old + b"\n" + self.new


class ProvedGrowth(Struct, frozen=True, kw_only=True):
    """What was proved: that the log of `new` begins with all that it had at `old`, unchanged."""

    old: Checkpoint
    new: Checkpoint


def parse_growth(data: bytes) -> Growth:
    """Read a growth proof strictly, without verifying anything.

    Raises:
        IntegrityError: `malformed_growth`; for its checkpoints `malformed_note` and `malformed_checkpoint`.
    """
    parts = data.split(b"\n\n") if len(data) <= MAX_GROWTH_BYTES else []
    if len(parts) != _PARTS:
        _malformed("it is not a head and two checkpoints between empty lines")
    head, text, signatures, *later = parts
    try:
        first, *lines = head.decode("ascii").split("\n")
        path = tuple(parse_hash(line) for line in lines)
    except ValueError as error:
        _malformed(str(error))
    if first != FIRST_LINE or len(path) > _MAX_HASHES:
        _malformed(f"its head is not {FIRST_LINE} and at most {_MAX_HASHES} hashes")
    growth = Growth(path=path, old=text + b"\n\n" + signatures + b"\n", new=b"\n\n".join(later))
    read_unverified(growth.old)
    read_unverified(growth.new)
    if bytes(growth) != data:
        _malformed("it is not in canonical form")
    return growth


def verify_growth(growth: Growth, key: Verifier) -> ProvedGrowth:
    """Check that the later checkpoint extends the earlier one.

    Args:
        growth: as it was parsed.
        key: the public key of the log, or of the ledger that the log is of.

    Raises:
        IntegrityError: `wrong_origin` (also where the two are of different logs), `wrong_key`, `bad_signature`;
            `rollback`, `fork`, `bad_proof`, `malformed_proof`.
    """
    old, new = open_pinned(growth.old, key), open_pinned(growth.new, key)
    if old.origin != new.origin:
        raise IntegrityError("wrong_origin", f"one checkpoint is of {old.origin!r}, the other of {new.origin!r}")
    verify_consistency(old.size, new.size, growth.path, old.root, new.root)
    return ProvedGrowth(old=old, new=new)


def _malformed(why: str) -> NoReturn:
    raise IntegrityError(
        "malformed_growth", f"not a growth proof: {why}", "it is a file that `ledger prove --consistent` wrote"
    )
