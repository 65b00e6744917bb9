"""Cosigned checkpoints in a ledger: `witnessed/<shard>/<size>-<key id of the witness>.note`, each created once.

Each object is the checkpoint with the log's signature and one witness's; those of one size are put together on reading. They are
no part of what folding reproduces, for they hold a time of day.
"""

from collections.abc import Iterable

from ledger.errors import IntegrityError
from ledger.log.ledgerfile import LedgerFile, read_ledger_file
from ledger.proof.checkpoints import Checkpoint, open_checkpoint
from ledger.proof.cosignatures import Verdict, WitnessPolicy, WitnessVerifier, judge
from ledger.proof.notes import add_signatures, parse_note
from ledger.storage import layout
from ledger.storage.layout import WitnessedName
from ledger.storage.store import Store
from ledger.witness.answers import Cosignature

__all__ = ["cosigned_checkpoint", "cosigned_sizes", "keep", "newest_cosigned", "newest_sizes", "newest_witnessed"]


def keep(store: Store, shard: int, size: int, note: bytes, cosignatures: Iterable[Cosignature]) -> None:
    """Store what witnesses have cosigned; durable on return. Of a size that a witness cosigns again the first one stays.

    Args:
        size: the checkpoint's.
        note: the checkpoint with the log's signature.
        cosignatures: verified ones.
    """
    objects = [
        (layout.witnessed(shard, size, found.witness.key_id.hex()), add_signatures(note, [found.line]))
        for found in cosignatures
    ]
    if objects:
        store.put_many(objects)


def cosigned_sizes(store: Store, shard: int) -> list[int]:
    """The sizes of a shard of which cosigned checkpoints are stored, ascending. From names alone."""
    return sorted({name.size for name in _names(store, shard)})


def newest_sizes(store: Store, shard: int) -> dict[str, int]:
    """The largest size of a shard that each witness has cosigned, by key id in hex. From names alone."""
    return {name.witness: name.size for name in sorted(_names(store, shard))}


def newest_cosigned(store: Store, about: LedgerFile, shard: int, witness: WitnessVerifier) -> Checkpoint | None:
    """The largest checkpoint of a shard that this witness has cosigned as far as is stored, both signatures verified.

    Raises:
        IntegrityError: what `open_checkpoint` and `judge` raise; `misplaced_note`, where it is not what its name says.
    """
    key_id = witness.key_id.hex()
    newest = max((name for name in _names(store, shard) if name.witness == key_id), default=None)
    if newest is None:
        return None
    policy = WitnessPolicy(witnesses=(witness,), quorum=1)
    verdict = judge(_read(store, about, newest), about.verifier(shard), policy)
    if not verdict.witnessed:
        raise _misplaced(newest, f"no cosignature of {witness.name}")
    return verdict.checkpoint


def cosigned_checkpoint(store: Store, shard: int, size: int | None = None) -> bytes | None:
    """A checkpoint of a shard with all its stored cosignatures, the log's line first.

    The log's signature is checked against the key in `ledger.json`; cosignatures are not: `judge` does, and with a pinned key.

    Args:
        size: which; the newest where it is not given.

    Returns:
        The signed note, or None where no witness has cosigned it (or none at all).

    Raises:
        IntegrityError: what `open_checkpoint` raises; `fork`, where two checkpoints of the size are signed and cosigned;
            `misplaced_note`, where one is not of the size that its name says.
    """
    names = list(_names(store, shard))
    wanted = max((name.size for name in names), default=None) if size is None else size
    about, whole = read_ledger_file(store), None
    for name in names:
        if name.size == wanted:
            note = _read(store, about, name)
            whole = note if whole is None else _joined(whole, note, name)
    return whole


def newest_witnessed(store: Store, about: LedgerFile, shard: int, policy: WitnessPolicy) -> Verdict | None:
    """The newest stored checkpoint of a shard that as many witnesses have cosigned as the policy wants.

    Returns:
        Its verdict; where there is none, that of the newest with any cosignature; None without one.

    Raises:
        IntegrityError: what `cosigned_checkpoint` and `judge` raise.
    """
    newest = None
    for size in reversed(cosigned_sizes(store, shard)):
        note = cosigned_checkpoint(store, shard, size)
        if note is None:
            continue
        verdict = judge(note, about.verifier(shard), policy)
        if verdict.witnessed:
            return verdict
        newest = newest or verdict
    return newest


def _names(store: Store, shard: int) -> Iterable[WitnessedName]:
    parsed = map(layout.parse_witnessed, store.list(layout.witnessed_prefix(shard)))
    return (name for name in parsed if name is not None)


def _read(store: Store, about: LedgerFile, name: WitnessedName) -> bytes:
    note = store.get(layout.witnessed(*name))
    checkpoint = open_checkpoint(note, about.verifier(name.shard))
    if checkpoint.size != name.size:
        raise _misplaced(name, f"a checkpoint of size {checkpoint.size}")
    return note


def _misplaced(name: WitnessedName, what: str) -> IntegrityError:
    return IntegrityError("misplaced_note", f"{layout.witnessed(*name)} holds {what}", "restore it from a copy")


def _joined(whole: bytes, note: bytes, name: WitnessedName) -> bytes:
    first, second = parse_note(whole), parse_note(note)
    if first.text != second.text:
        message = f"witnesses have cosigned two checkpoints of size {name.size} of shard {name.shard:04d}"
        raise IntegrityError("fork", message, "keep both as evidence: the log has shown two histories")
    return add_signatures(whole, second.signatures)
