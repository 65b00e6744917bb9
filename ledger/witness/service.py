"""A witness without HTTP: takes requests, decides by the rules of `ledger.proof.witnessing`, remembers before it answers."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from ledger.errors import LedgerError, UsageError
from ledger.proof.cosignatures import WitnessPolicy, WitnessSigner, judge
from ledger.proof.notes import Verifier, add_signatures
from ledger.proof.witnessing import CONFLICT, OK, Answer, Known, Submission, admit, decide
from ledger.witness.answers import SIZE_TYPE
from ledger.witness.state import LogStates

__all__ = ["Response", "WitnessService", "read_logs"]

TEXT: Final = "text/plain; charset=utf-8"
FAILED: Final = 500
_KEY = re.compile(r"[0-9a-f]{64}")


class Response(Struct, frozen=True, kw_only=True):
    """What goes back over HTTP, and what the operator is told."""

    status: int
    body: bytes
    content_type: str = TEXT
    said: str = ""
    """One line for the operator; may quote what others sent."""


class WitnessService:
    """One witness with its key, the logs that it knows, and its state. Its methods may be called from any thread.

    Args:
        signer: its key.
        logs: keys of logs by name; a ledger's stands for all its shards.
        states: what it remembers.
        clock: POSIX seconds.

    Raises:
        UsageError: `log_is_witness`, where its key is one of the logs'.
    """

    def __init__(
        self,
        signer: WitnessSigner,
        logs: Mapping[str, Verifier],
        states: LogStates,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if any(log.public_key == signer.verifier.public_key for log in logs.values()):
            raise UsageError("log_is_witness", "a log's key cannot be a witness's", "give the witness a key of its own")
        self._signer = signer
        self._logs = logs
        self._states = states
        self._clock = clock
        self._locks: dict[str, threading.Lock] = {}
        self._locks_lock = threading.Lock()

    @property
    def vkey(self) -> str:
        """Its public key."""
        return self._signer.vkey

    def add_checkpoint(self, body: bytes) -> Response:
        """Answer a submission; with a cosignature only once it is remembered durably."""
        submission = admit(self._logs, body)
        if isinstance(submission, Answer):
            return _refusal(submission, "")
        origin = submission.checkpoint.origin
        try:
            with self._lock(origin):
                return self._settle(submission)
        except LedgerError as error:
            return Response(status=FAILED, body=b"the witness cannot answer\n", said=f"{origin}: {error.message}")

    def last(self, key: str) -> Response:
        """The last checkpoint that it cosigned of the log with this key (hex SHA-256 of its origin)."""
        try:
            note = self._states.load(key) if _KEY.fullmatch(key) else None
        except LedgerError as error:
            return Response(status=FAILED, body=b"the witness cannot answer\n", said=error.message)
        return Response(status=OK, body=note) if note is not None else Response(status=404, body=b"never cosigned\n")

    def _settle(self, submission: Submission) -> Response:
        checkpoint = submission.checkpoint
        key = LogStates.key_of(checkpoint.origin)
        known, last = self._remembered(submission.log, self._states.load(key))
        answer = decide(submission, known)
        if answer.status != OK:
            return _refusal(answer, checkpoint.origin)
        # A clock that was put back must not make it look as if the smaller tree had been the last.
        line = self._signer.sign(checkpoint.text, max(int(self._clock()), last))
        self._states.save(key, add_signatures(submission.signed, [line]))
        # Crash here: it is remembered and not answered. The log asks again, is told the size, and gets its cosignature.
        said = f"{checkpoint.origin}: cosigned size {checkpoint.size}"
        return Response(status=OK, body=str(line).encode(), said=said)

    def _remembered(self, log: Verifier, note: bytes | None) -> tuple[Known | None, int]:
        """The last tree of a log, and the time of its cosignature.

        Raises:
            IntegrityError: what is stored is not a checkpoint that the log and this witness have signed.
        """
        if note is None:
            return None, 0
        verdict = judge(note, log, WitnessPolicy(witnesses=(self._signer.verifier,), quorum=0))
        known = Known(size=verdict.checkpoint.size, root=verdict.checkpoint.root)
        # None by this key: the witness has a new one. The tree that it knew still counts.
        return known, max((found.time for found in verdict.cosigned), default=0)

    def _lock(self, origin: str) -> threading.Lock:
        """The lock of one log; there are no more of them than logs that have signed something."""
        with self._locks_lock:
            return self._locks.setdefault(origin, threading.Lock())


def read_logs(vkeys: list[str]) -> dict[str, Verifier]:
    """The keys of logs by name.

    Raises:
        UsageError: `log_named_twice`.
        IntegrityError: `malformed_vkey`, `unsupported_key`.
    """
    logs = [Verifier.from_vkey(vkey) for vkey in vkeys]
    found = {log.name: log for log in logs}
    if len(found) != len({log.vkey for log in logs}):
        raise UsageError("log_named_twice", "two of the logs have one name", "run a witness for each of them")
    return found


def _refusal(answer: Answer, origin: str) -> Response:
    said = f"{origin}: {answer.reason}" if origin else answer.reason
    if answer.status == CONFLICT:
        return Response(
            status=CONFLICT, body=f"{answer.size}\n".encode(), content_type=SIZE_TYPE, said=f"refused: {said}"
        )
    return Response(status=answer.status, body=f"{answer.reason}\n".encode(), said=f"refused: {said}")
