"""What a witness is asked and how it decides (https://c2sp.org/tlog-witness). Pure: no IO, no clock, no state of its own.

The body of `POST <prefix>/add-checkpoint`:

    old 257
    <base64 hash>          consistency proof from 257 to 1000, none where old is 0 or equal to the size
                           one empty line
    <the signed checkpoint>

A witness remembers the last tree of each log and signs only what extends it: so a log can't show two histories to two readers.
"""

from collections.abc import Mapping
from typing import Final, NoReturn

from msgspec import Struct

from ledger.errors import InputError, IntegrityError
from ledger.proof.checkpoints import (
    Checkpoint,
    format_hash,
    open_checkpoint,
    parse_decimal,
    parse_hash,
    read_unverified,
)
from ledger.proof.merkle import Hash, Size, verify_consistency
from ledger.proof.notes import MAX_NOTE_BYTES, Note, Verifier, parse_note

__all__ = [
    "BAD_REQUEST",
    "CONFLICT",
    "FORBIDDEN",
    "MAX_PROOF_HASHES",
    "MAX_REQUEST_BYTES",
    "NOT_FOUND",
    "OK",
    "UNPROCESSABLE",
    "AddCheckpoint",
    "Answer",
    "Known",
    "Submission",
    "admit",
    "decide",
    "known_log",
    "parse_request",
]

MAX_PROOF_HASHES: Final = 63
MAX_REQUEST_BYTES: Final = MAX_NOTE_BYTES + 4096
"""The largest note and what stands before it."""

OK: Final = 200
BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
CONFLICT: Final = 409
UNPROCESSABLE: Final = 422

_OLD: Final = "old "
_SHARD_DIGITS: Final = 4


class AddCheckpoint(Struct, frozen=True, kw_only=True):
    """A request to cosign: what `parse_request` reads, and the bytes that it reads."""

    old: Size
    """The size of the log's tree that the witness is believed to know; 0 at first contact."""
    proof: tuple[Hash, ...]
    """That the checkpoint's tree begins with that one."""
    note: bytes
    """The signed checkpoint, verbatim."""

    def __bytes__(self) -> bytes:
        head = "".join(f"{line}\n" for line in (f"{_OLD}{self.old}", *map(format_hash, self.proof)))
        return head.encode() + b"\n" + self.note


class Known(Struct, frozen=True, kw_only=True):
    """The last tree of a log that a witness has cosigned."""

    size: Size
    root: Hash


class Submission(Struct, frozen=True, kw_only=True):
    """A request whose checkpoint was signed by a log that the witness knows."""

    request: AddCheckpoint
    log: Verifier
    """The log's key, under its origin."""
    checkpoint: Checkpoint
    signed: bytes
    """The checkpoint with the log's signature alone: what others added to it is none of the witness's business."""


class Answer(Struct, frozen=True, kw_only=True):
    """What a witness answers."""

    status: int
    """`OK`: cosign the checkpoint, make that durable, and only then answer with the line. Anything else refuses."""
    reason: str = ""
    """Why it refuses, in words."""
    size: int | None = None
    """The size that the witness knows; with `CONFLICT` alone."""


def parse_request(body: bytes) -> AddCheckpoint:
    """Read a request strictly: what is accepted serialises to the same bytes. The note in it is not looked into.

    Raises:
        InputError: `malformed_request`.
    """
    head, empty, note = body.partition(b"\n\n")
    if len(body) > MAX_REQUEST_BYTES or not empty or not head.isascii():
        _malformed("it has no head, an empty line and a checkpoint, or is too long")
    first, *hashes = head.decode().split("\n")
    if not first.startswith(_OLD):
        _malformed("its first line is not 'old' and a size")
    if len(hashes) > MAX_PROOF_HASHES:
        _malformed(f"it has more than {MAX_PROOF_HASHES} hashes")
    try:
        old = Size(parse_decimal(first.removeprefix(_OLD)))
        return AddCheckpoint(old=old, proof=tuple(map(parse_hash, hashes)), note=note)
    except ValueError as error:
        _malformed(str(error))


def known_log(logs: Mapping[str, Verifier], origin: str) -> Verifier | None:
    """The key of the log with this origin, among keys by name; None where it is unknown.

    A ledger's key stands for all its shards: their origins are `<name>/<shard, 4 digits>`.
    """
    if origin in logs:
        return logs[origin]
    name, slash, shard = origin.rpartition("/")
    if slash and name in logs and len(shard) == _SHARD_DIGITS and shard.isascii() and shard.isdigit():
        return logs[name].renamed(origin)
    return None


def admit(logs: Mapping[str, Verifier], body: bytes) -> Submission | Answer:
    """Read a request and check that a known log has signed its checkpoint: all that can be said without the log's state.

    Args:
        logs: the keys of the logs that the witness knows, by name.
        body: the request.
    """
    try:
        request = parse_request(body)
        origin = read_unverified(request.note).origin
    except (InputError, IntegrityError) as error:
        return Answer(status=BAD_REQUEST, reason=error.message)
    log = known_log(logs, origin)
    if log is None:
        return Answer(status=NOT_FOUND, reason=f"the log {origin} is not known here")
    try:
        checkpoint = open_checkpoint(request.note, log)
    except IntegrityError as error:
        return Answer(status=FORBIDDEN, reason=error.message)
    note = parse_note(request.note)
    line = next(line for line in note.signatures if log.is_by(line))
    signed = bytes(Note(text=note.text, signatures=(line,)))
    return Submission(request=request, log=log, checkpoint=checkpoint, signed=signed)


def decide(submission: Submission, known: Known | None) -> Answer:
    """What a witness answers that knows this last tree of the log, or none.

    Whoever calls it must have the state of the log to itself from reading `known` until what was cosigned is durable: else two
    submissions at once could take the witness back to a smaller tree.
    """
    old, proof, checkpoint = submission.request.old, submission.request.proof, submission.checkpoint
    if old > checkpoint.size:
        return Answer(status=BAD_REQUEST, reason=f"old is {old}, the checkpoint's size {checkpoint.size}")
    if proof and old in {0, checkpoint.size}:
        return Answer(status=BAD_REQUEST, reason="there is nothing to prove, and yet a proof")
    size = known.size if known is not None else 0
    if old != size:
        return Answer(status=CONFLICT, reason=f"the log's size known here is {size}", size=size)
    if known is not None:
        try:
            verify_consistency(known.size, checkpoint.size, proof, known.root, checkpoint.root)
        except IntegrityError as error:
            return Answer(status=UNPROCESSABLE, reason=error.message)
    return Answer(status=OK)


def _malformed(why: str) -> NoReturn:
    raise InputError("malformed_request", f"not an add-checkpoint request: {why}")
