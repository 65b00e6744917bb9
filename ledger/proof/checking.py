"""What a proof file proves, with nothing at hand but the file and a public key. Pure: no IO.

Every kind of file is told by its first line. A check that returns has held; what does not hold raises.
"""

from typing import Any

import msgspec
from msgspec import Struct

from ledger.errors import IntegrityError, UsageError
from ledger.proof import growth, receipts
from ledger.proof.checkpoints import Checkpoint, format_hash
from ledger.proof.notes import Verifier
from ledger.proof.wording import described, read_entry, says, who

__all__ = ["Checked", "CheckedEntry", "CheckedGrowth", "check_proof", "needs_entry"]


class CheckedEntry(Struct, frozen=True, kw_only=True, tag_field="kind", tag="entry"):
    """A receipt held: the log has this entry."""

    holds: bool = True
    statement: str
    """What was proved, in a sentence or two."""
    rests_on: str
    """What one has to trust for it."""
    log: str
    """The log's origin."""
    index: int
    leaf_hash: str
    """Hex."""
    size: int
    """Of the signed checkpoint's tree."""
    root: str
    """Base64."""
    entry: Any
    """The entry as JSON; None where the bytes are no entry of a deployment ledger."""


class CheckedGrowth(Struct, frozen=True, kw_only=True, tag_field="kind", tag="growth"):
    """A growth proof held: the later checkpoint extends the earlier one."""

    holds: bool = True
    statement: str
    rests_on: str
    log: str
    old_size: int
    old_root: str
    size: int
    root: str


Checked = CheckedEntry | CheckedGrowth


def needs_entry(data: bytes) -> bool:
    """Whether the file proves an entry that lies in another one."""
    return data.startswith(receipts.FIRST_LINE.encode())


def check_proof(data: bytes, key: Verifier, entry: bytes | None = None) -> Checked:
    """Check a proof file.

    Args:
        data: its bytes.
        key: the public key of the log or ledger, from somewhere else than the file.
        entry: for a receipt the entry's exact bytes.

    Raises:
        IntegrityError: what it claims does not hold; `unknown_proof`, where it is no proof file.
        UsageError: `entry_missing`, `entry_unneeded`.
    """
    if needs_entry(data):
        if entry is None:
            raise UsageError("entry_missing", "a receipt is checked with its entry", "give its bytes with --entry")
        return _check_receipt(data, key, entry)
    if entry is not None:
        raise UsageError("entry_unneeded", "only a receipt is checked with an entry", "leave --entry out")
    if data.startswith(growth.FIRST_LINE.encode()):
        return _check_growth(data, key)
    raise IntegrityError("unknown_proof", "it is no proof file", "proof files are what `ledger prove` writes")


def _check_receipt(data: bytes, key: Verifier, line: bytes) -> CheckedEntry:
    proved = receipts.verify_receipt(receipts.parse_receipt(data), line, key)
    log, entry = proved.checkpoint.origin, read_entry(line)
    place = f"recorded at index {proved.index} of {log}"
    if entry is None:
        statement = f"these {len(line)} bytes were {place}; they are not an entry of a deployment ledger"
    else:
        statement = f"{described(entry)} was {place}, by {who(entry)}, at {entry.recorded_at}; it says: {says(entry)}"
    return CheckedEntry(
        statement=statement,
        rests_on=_rests_on(proved.checkpoint, key),
        log=log,
        index=proved.index,
        leaf_hash=proved.leaf.hex(),
        size=proved.checkpoint.size,
        root=format_hash(proved.checkpoint.root),
        entry=None if entry is None else msgspec.json.decode(line),
    )


def _check_growth(data: bytes, key: Verifier) -> CheckedGrowth:
    proved = growth.verify_growth(growth.parse_growth(data), key)
    old, new = proved.old, proved.new
    return CheckedGrowth(
        statement=f"{new.origin} with {new.size} entries begins with all {old.size} that it had before, unchanged",
        rests_on=_rests_on(new, key),
        log=new.origin,
        old_size=old.size,
        old_root=format_hash(old.root),
        size=new.size,
        root=format_hash(new.root),
    )


def _rests_on(checkpoint: Checkpoint, key: Verifier) -> str:
    return (
        f"the signature of the key {key.name}+{key.key_id.hex()} on the tree of {checkpoint.size} entries of {checkpoint.origin}, "
        "and on that key being the ledger's"
    )
