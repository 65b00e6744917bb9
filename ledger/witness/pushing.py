"""Having a ledger's newest checkpoints cosigned: every shard by every witness, one after the other."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from ledger.errors import IntegrityError, LedgerError, UsageError, WitnessError
from ledger.log.ledgerfile import LedgerFile
from ledger.proof.checkpoints import Checkpoint, open_checkpoint
from ledger.proof.cosignatures import WitnessVerifier
from ledger.proof.merkle import EMPTY_ROOT, RollbackError, RootMismatchError, Size, consistency_proof
from ledger.proof.witnessing import OK, AddCheckpoint
from ledger.storage.store import Store
from ledger.witness.answers import Behind, Cosignature, read_answer
from ledger.witness.exchange import EXCHANGE_S, exchange, parse_prefix
from ledger.witness.registry import Witness, list_witnesses
from ledger.witness.stored import keep, newest_cosigned
from ledger.witness.tree import SignedTree, read_tree

__all__ = ["COSIGNED", "EMPTY", "Pushed", "push"]

COSIGNED: Final = "cosigned"
EMPTY: Final = "empty"
_TRIES: Final = 3
"""Submissions of one checkpoint: with the size that we remember, with the one that the witness says, and once more where another
push came between."""
_GONE: Final = {"witness_unreachable", "witness_timeout"}


class Pushed(Struct, frozen=True, kw_only=True):
    """What came of one shard's newest checkpoint at one witness."""

    shard: int
    witness: str
    """The witness's name,"""
    id: str
    """and the id of its key."""
    url: str
    size: int
    """Of the checkpoint that was submitted; 0 where there was none."""
    state: str
    """`cosigned`, `empty` (no entry yet), or the code of what went wrong."""
    time: datetime | None = None
    """When it cosigned, by its own clock."""
    message: str | None = None
    """What went wrong,"""
    hint: str | None = None
    """what to do about it,"""
    evidence: str | None = None
    """and the checkpoint, signed by this ledger's own key, that the witness shows where it says fork or rollback."""
    exit_code: int = 0
    """What this alone would make the command end with."""


def push(store: Store, about: LedgerFile, *, seconds: float = EXCHANGE_S) -> Iterator[Pushed]:
    """Have the newest checkpoint of every shard cosigned by every witness, and store the cosignatures.

    What goes wrong with one shard or witness is said in its answer and keeps nobody from the others. A witness that cannot be
    reached is not tried again for the next shards.

    Raises:
        UsageError: `no_witnesses`.
        StoreError: what the store raises.
    """
    witnesses = list_witnesses(store)
    if not witnesses:
        raise UsageError("no_witnesses", "this ledger has no witnesses", "add one: ledger witness add URL --vkey VKEY")
    gone: dict[str, LedgerError] = {}
    for shard in range(about.shards):
        pusher = _ShardPusher(store, about, shard, [witness.verifier for witness in witnesses], seconds)
        for witness in witnesses:
            pushed = pusher.push(witness, gone.get(witness.id))
            if isinstance(pushed, WitnessError) and pushed.code in _GONE:
                gone[witness.id] = pushed
            yield pusher.answer(witness, pushed)


class _ShardPusher:
    """One shard, read once, unless a witness knows more of it than we do."""

    def __init__(
        self, store: Store, about: LedgerFile, shard: int, known: Sequence[WitnessVerifier], seconds: float
    ) -> None:
        self._store = store
        self._about = about
        self._shard = shard
        self._known = known
        self._seconds = seconds
        self._log = about.verifier(shard)
        self._served_name = f"{sha256(self._log.name.encode()).hexdigest()}/checkpoint"
        self._tree: SignedTree | None = None
        self._failed: IntegrityError | None = None
        self._read()

    def push(self, witness: Witness, before: LedgerError | None) -> Cosignature | LedgerError | None:
        """Have it cosigned by one witness; None where there is nothing to cosign."""
        try:
            if self._failed is not None:
                raise self._failed
            if before is not None:
                raise before
            return self._submit(witness)
        except (IntegrityError, WitnessError) as error:
            return error

    def answer(self, witness: Witness, pushed: Cosignature | LedgerError | None) -> Pushed:
        """The same as it is told."""
        row = Pushed(
            shard=self._shard,
            witness=witness.verifier.name,
            id=witness.id,
            url=witness.url,
            size=self._size,
            state=EMPTY,
        )
        if isinstance(pushed, Cosignature):
            return replace(row, state=COSIGNED, time=_moment(pushed.time))
        if pushed is None:
            return row
        evidence = self._evidence(witness) if pushed.code in {"fork", "rollback"} else None
        return replace(
            row,
            state=pushed.code,
            message=pushed.message,
            hint=pushed.hint or None,
            evidence=evidence,
            exit_code=pushed.exit_code,
        )

    @property
    def _size(self) -> int:
        return self._tree.checkpoint.size if self._tree is not None else 0

    def _read(self) -> None:
        try:
            self._tree = read_tree(self._store, self._about, self._shard)
        except IntegrityError as error:
            self._failed = error

    def _submit(self, witness: Witness) -> Cosignature | None:
        asked = witness.verifier
        seen = newest_cosigned(self._store, self._about, self._shard, asked)
        old = seen.size if seen is not None else 0
        for _ in range(_TRIES):
            tree = self._reaching(old)
            if tree is None:
                old = self._served_size(witness)
                if old == 0:
                    return None
                continue
            if seen is not None:
                _check_extends(tree, seen)
            proof = consistency_proof(Size(old), tree.checkpoint.size, tree.subtree)
            request = AddCheckpoint(old=Size(old), proof=tuple(proof), note=tree.note)
            reply = exchange(parse_prefix(witness.url), "add-checkpoint", bytes(request), seconds=self._seconds)
            answer = read_answer(reply, tree.checkpoint, old, asked, self._known)
            if not isinstance(answer, Behind):
                keep(self._store, self._shard, tree.checkpoint.size, tree.note, answer)
                return next(found for found in answer if found.witness == asked)
            old = answer.size
        raise WitnessError("witness_busy", f"others submit to {asked.name} at the same time", "try again")

    def _reaching(self, old: int) -> SignedTree | None:
        """The tree, of at least this size.

        The log may have grown since it was read, and another push may have told the witness; only a log that is too small when
        it is read again was cut off.
        """
        if old > self._size:
            self._read()
        if self._failed is not None:
            raise self._failed
        if old > self._size:
            raise RollbackError(expected=old, found=self._size)
        return self._tree

    def _served_size(self, witness: Witness) -> int:
        """The size of the last checkpoint that a witness serves of this log; 0 where it serves none."""
        reply = exchange(parse_prefix(witness.url), self._served_name, seconds=self._seconds)
        try:
            return open_checkpoint(reply.body, self._log).size if reply.status == OK else 0
        except IntegrityError:
            return 0

    def _evidence(self, witness: Witness) -> str | None:
        """The last checkpoint that a witness serves of this log, if our own key has signed it: nobody else could have made it."""
        try:
            reply = exchange(parse_prefix(witness.url), self._served_name, seconds=self._seconds)
            if reply.status != OK:
                return None
            open_checkpoint(reply.body, self._log)
        except (IntegrityError, WitnessError):
            return None
        return reply.body.decode()


def _check_extends(tree: SignedTree, seen: Checkpoint) -> None:
    """Refuse a log that is another one than when it was cosigned: its own files show it, and nobody else need be asked."""
    root = tree.subtree(0, seen.size) if seen.size else EMPTY_ROOT
    if root != seen.root:
        what = f"{seen.origin} is not the log that was cosigned at size {seen.size}"
        hint = "stop the workers, keep this ledger as evidence, and run `ledger verify` here and on every copy"
        raise RootMismatchError("fork", what, expected=seen.root, found=root, hint=hint)


def _moment(seconds: int) -> datetime | None:
    """None for a time that no calendar has: a witness may claim any."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None
