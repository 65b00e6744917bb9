"""Making proofs from an opened ledger. Each is checked as its reader will check it before it is handed out."""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from ledger.errors import IntegrityError, NotFoundError, UsageError
from ledger.log.ledgerfile import origin
from ledger.log.tree import ShardTree, default_cache, open_tree
from ledger.proof.checkpoints import Checkpoint, open_checkpoint, read_unverified
from ledger.proof.growth import Growth, verify_growth
from ledger.proof.merkle import Index, RollbackError, RootMismatchError
from ledger.proof.notes import Verifier
from ledger.proof.pinned import open_pinned
from ledger.proof.receipts import Receipt, verify_receipt
from ledger.query.lookup import EntryId, find_id, parse_entry_id
from ledger.query.opened import OpenLedger
from ledger.query.segments import checkpoint_at_size, sizes_of
from ledger.query.showing import entry_line
from ledger.storage.local import LocalStore
from ledger.witness.stored import cosigned_checkpoint

__all__ = [
    "MadeReceipt",
    "check_within",
    "checkpoint_at",
    "cosigned_reaching",
    "growth_between",
    "locate",
    "make_receipt",
    "only_shard",
    "shard_of",
    "tree_of",
]

_NEAR: Final = 2


class MadeReceipt(Struct, frozen=True, kw_only=True):
    """A receipt, and the entry that it proves."""

    receipt: Receipt
    entry: bytes
    """Its exact bytes."""
    shard: int
    size: int
    """Of the tree that it is proved in."""


def tree_of(ledger: OpenLedger, shard: int, progress: Callable[[int], None] | None = None) -> ShardTree:
    """The tree of a shard, with the user's cache; raises as `ledger.log.tree.open_tree`."""
    return open_tree(LocalStore(ledger.root), ledger.about, shard, default_cache(), progress)


def locate(ledger: OpenLedger, text: str) -> EntryId:
    """The entry that is named: `shard/index`, or what a version's or deployment's id (or the start of one) was made by.

    Raises:
        UsageError: `bad_id`, `ambiguous_id`.
        NotFoundError: `id_not_found`.
    """
    named = parse_entry_id(text)
    if named is not None:
        return named
    found = find_id(ledger, text)
    return EntryId(*found.place)


def make_receipt(
    ledger: OpenLedger, entry: EntryId, tree: ShardTree | None = None, note: bytes | None = None
) -> MadeReceipt:
    """Prove an entry in a checkpoint of its shard.

    Args:
        ledger: that has it.
        entry: which one.
        tree: of its shard, where the caller has it open.
        note: the signed checkpoint to prove it in, such as one that witnesses have cosigned; default: the newest.

    Raises:
        NotFoundError: `entry_not_found`; `entry_too_new`, where the checkpoint does not reach it.
        IntegrityError: the log is not what was signed.
    """
    line, key = entry_line(ledger, entry), ledger.about.verifier(entry.shard)
    found = tree or tree_of(ledger, entry.shard)
    signed = found.note if note is None else note
    checkpoint = open_checkpoint(signed, key)
    check_within(checkpoint, found)
    if entry.index >= checkpoint.size:
        what = f"the checkpoint is of {checkpoint.size} entries, before {entry.shard}/{entry.index}"
        raise NotFoundError("entry_too_new", what, "take a newer checkpoint")
    path = tuple(found.inclusion(entry.index, checkpoint.size))
    receipt = Receipt(index=Index(entry.index), path=path, note=signed)
    try:
        verify_receipt(receipt, line, key)
    except RootMismatchError as error:
        what = f"the entry {entry.shard}/{entry.index} is not the one that was signed"
        raise IntegrityError("root_mismatch", what, "run `ledger verify`") from error
    return MadeReceipt(receipt=receipt, entry=line, shard=entry.shard, size=checkpoint.size)


def cosigned_reaching(ledger: OpenLedger, entry: EntryId) -> bytes | None:
    """The newest checkpoint that witnesses have cosigned, where it reaches an entry; None where there is none.

    Raises:
        IntegrityError: what is stored as cosigned is no checkpoint of this ledger.
    """
    note = cosigned_checkpoint(ledger.store, entry.shard)
    return note if note is not None and read_unverified(note).size > entry.index else None


def checkpoint_at(ledger: OpenLedger, shard: int, size: int | None = None) -> bytes:
    """The signed checkpoint of a shard at a size at which a segment ended (default: the newest), with the cosignatures that it has.

    Raises:
        NotFoundError: `no_checkpoint`, with the sizes near it that have one.
        IntegrityError: it is not what the ledger's key signed.
    """
    prefix = ledger.shards[shard]
    wanted = prefix.size if size is None and prefix.size else size
    found = None if wanted is None else checkpoint_at_size(prefix, wanted)
    if wanted is None or found is None:
        raise _no_checkpoint(shard, sizes_of(prefix), wanted)
    note = found.encode()
    open_checkpoint(note, ledger.about.verifier(shard))
    return cosigned_checkpoint(ledger.store, shard, wanted) or note


def growth_between(ledger: OpenLedger, old: bytes, new: bytes, tree: ShardTree | None = None) -> Growth:
    """Prove that one signed checkpoint of this ledger extends another; `tree` as in `make_receipt`.

    Raises:
        UsageError: `wrong_order`, where the first is of more entries.
        IntegrityError: a checkpoint is not this ledger's (`wrong_origin`, `bad_signature`, ...); `fork`, `rollback`: it is,
            and the log does not have what it says.
    """
    key = ledger.about.verifier(shard_of(ledger, old))
    checkpoints = [open_pinned(note, key) for note in (old, new)]
    if checkpoints[0].size > checkpoints[1].size:
        raise UsageError("wrong_order", "the first checkpoint is of more entries than the second", "swap them")
    found = tree or tree_of(ledger, shard_of(ledger, old))
    for checkpoint in checkpoints:
        check_within(checkpoint, found)
    path = tuple(found.consistency(checkpoints[0].size, checkpoints[1].size))
    growth = Growth(path=path, old=old, new=new)
    verify_growth(growth, key)
    return growth


def shard_of(ledger: OpenLedger, note: bytes) -> int:
    """The shard that a signed checkpoint of this ledger is of.

    Raises:
        IntegrityError: `wrong_origin`, `bad_signature` and the like: it is no checkpoint of this ledger.
    """
    log = open_pinned(note, Verifier.from_vkey(ledger.about.vkey)).origin
    found = next((shard for shard in range(ledger.about.shards) if origin(ledger.about.name, shard) == log), None)
    if found is None:
        raise IntegrityError("wrong_origin", f"the ledger {ledger.about.name} has no log {log!r}")
    return found


def only_shard(ledger: OpenLedger, shard: int | None) -> int:
    """The shard that is meant: the one given, or the only one.

    Raises:
        UsageError: `which_shard`, where none is given and there are several.
        NotFoundError: `shard_not_found`.
    """
    last = ledger.about.shards - 1
    if shard is None and last:
        raise UsageError("which_shard", f"the ledger has {last + 1} shards", f"say which with --shard, 0 to {last}")
    if shard is not None and shard > last:
        raise NotFoundError("shard_not_found", f"there is no shard {shard}", f"the ledger's shards are 0 to {last}")
    return shard or 0


def check_within(checkpoint: Checkpoint, tree: ShardTree) -> None:
    """Whether the log has what a checkpoint stands for, unchanged.

    Raises:
        IntegrityError: `rollback`, `fork`; `root_mismatch`, where the log is not even what its own checkpoint was signed for.
    """
    if checkpoint.size > tree.size:
        raise RollbackError(expected=checkpoint.size, found=tree.size)
    root = tree.root(checkpoint.size)
    if root != checkpoint.root:
        what = f"the log's tree of size {checkpoint.size} is not the one of the checkpoint"
        raise RootMismatchError(
            "fork", what, expected=checkpoint.root, found=root, hint="keep both as evidence: two histories were signed"
        )


def _no_checkpoint(shard: int, sizes: list[int], wanted: int | None) -> NotFoundError:
    if not sizes or wanted is None:
        return NotFoundError("no_checkpoint", f"shard {shard} is empty: nothing was signed yet")
    below = [size for size in sizes if size < wanted][-_NEAR:]
    near = [*below, *[size for size in sizes if size > wanted][:_NEAR]]
    hint = f"sizes near it that have one: {', '.join(map(str, near))}"
    return NotFoundError("no_checkpoint", f"no segment of shard {shard} ended at {wanted} entries", hint)
