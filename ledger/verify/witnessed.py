"""Cosigned checkpoints in a ledger: that enough witnesses have cosigned one, for today's log to be held against."""

from typing import Final

from msgspec import Struct

from ledger.errors import IntegrityError
from ledger.log.ledgerfile import LedgerFile, origin
from ledger.proof.cosignatures import Verdict, WitnessPolicy
from ledger.storage import layout
from ledger.storage.store import Store
from ledger.verify.earlier import Given
from ledger.verify.findings import KINDS, BadError, Problem
from ledger.witness.stored import newest_witnessed

__all__ = ["Witnesses"]

_KINDS: Final = {"fork": "forked", "misplaced_note": "malformed_note"}
"""What the store of cosigned checkpoints calls it, and the kind that it is."""


class _Found(Struct, frozen=True):
    """Of one shard."""

    verdict: Verdict | None
    problem: Problem | None = None


class Witnesses:
    """What is asked of witnesses, and what a ledger has of them.

    Args:
        store: the ledger's objects.
        file: what the ledger is.
        policy: whose cosignatures count and how many are wanted; None: none are asked for.
    """

    def __init__(self, store: Store, file: LedgerFile, policy: WitnessPolicy | None) -> None:
        self._store = store
        self._file = file
        self._policy = policy
        self._found = {shard: self._find(shard, policy) for shard in range(file.shards)} if policy else {}

    def given(self) -> list[Given]:
        """The checkpoints that are cosigned as the policy wants: the log must extend them."""
        return [
            Given(
                shard, found.verdict.checkpoint, None, f"the cosigned checkpoint of {found.verdict.checkpoint.origin}"
            )
            for shard, found in self._found.items()
            if found.verdict is not None and found.verdict.witnessed
        ]

    def said(self) -> list[str]:
        """The same for the report: `<origin> <size> by <witness>, <witness>`."""
        return [
            f"{found.verdict.checkpoint.origin} {found.verdict.checkpoint.size} by "
            + ", ".join(cosigned.witness.name for cosigned in found.verdict.cosigned)
            for found in self._found.values()
            if found.verdict is not None and found.verdict.witnessed
        ]

    def problem(self, shard: int, size: int) -> Problem | None:
        """What is wrong with a shard of so many entries as far as witnesses are concerned: that it is unwitnessed, above all."""
        found = self._found.get(shard)
        if found is None or self._policy is None or not size:
            return None
        if found.problem is not None:
            return found.problem
        if found.verdict is not None and found.verdict.witnessed:
            return None
        most = len(found.verdict.cosigned) if found.verdict is not None else 0
        log = origin(self._file.name, shard)
        return BadError(
            "unwitnessed",
            f"no checkpoint of {log} is cosigned by {self._policy.quorum} of the witnesses asked for",
            exact=False,
            expected=str(self._policy.quorum),
            found=str(most),
        ).problem(shard, layout.witnessed_prefix(shard))

    def _find(self, shard: int, policy: WitnessPolicy) -> _Found:
        try:
            return _Found(newest_witnessed(self._store, self._file, shard, policy))
        except IntegrityError as error:
            kind = _KINDS.get(error.code, error.code)
            if kind not in KINDS:
                raise
            return _Found(
                None, BadError(kind, error.message, exact=False).problem(shard, layout.witnessed_prefix(shard))
            )
