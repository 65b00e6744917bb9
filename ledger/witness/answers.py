"""What a witness's answer means to the log that asked. What it says of us is a claim; only its cosignature is checked evidence."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from ledger.errors import IntegrityError, WitnessError
from ledger.proof.checkpoints import Checkpoint, parse_decimal
from ledger.proof.cosignatures import WitnessVerifier
from ledger.proof.notes import SignatureLine, parse_signature_lines
from ledger.proof.witnessing import BAD_REQUEST, CONFLICT, FORBIDDEN, NOT_FOUND, OK, UNPROCESSABLE
from ledger.witness.exchange import MAX_ANSWER_BYTES, Reply

__all__ = ["SIZE_TYPE", "Behind", "Cosignature", "read_answer"]

SIZE_TYPE: Final = "text/x.tlog.size"
"""The media type of the answer that says which size the witness knows."""
_REFUSALS: Final = {
    BAD_REQUEST: (
        "witness_refused",
        "says that our request is malformed",
        "one of the two programs is wrong: report it",
    ),
    FORBIDDEN: (
        "witness_wrong_key",
        "has another key for this log",
        "give its operator the ledger's vkey, which ledger.json has",
    ),
    NOT_FOUND: (
        "witness_unknown_log",
        "does not know this log",
        "ask its operator to add it: ledger witness serve --log VKEY",
    ),
}


class Cosignature(Struct, frozen=True, kw_only=True):
    """A verified cosignature of the checkpoint that was submitted."""

    witness: WitnessVerifier
    line: SignatureLine
    time: int
    """POSIX seconds, by the witness's clock."""


class Behind(Struct, frozen=True, kw_only=True):
    """The witness knows another size of the log than the one that was proved from."""

    size: int


def read_answer(
    reply: Reply, checkpoint: Checkpoint, old: int, asked: WitnessVerifier, known: Sequence[WitnessVerifier]
) -> list[Cosignature] | Behind:
    """What the witness `asked` answered to the submission of a checkpoint with a proof from `old`.

    Args:
        known: all witnesses whose cosignatures are kept; lines of others are ignored.

    Returns:
        The verified cosignatures, that of the witness asked among them, or the size that it has.

    Raises:
        IntegrityError: `fork`: it says that our log has two histories.
        WitnessError: `witness_refused`, `witness_wrong_key`, `witness_unknown_log`, `witness_redirect`, `witness_answer`.
    """
    if len(reply.body) > MAX_ANSWER_BYTES:
        raise _no_answer(asked, f"more than {MAX_ANSWER_BYTES} bytes")
    match reply.status:
        case status if status == OK:
            return _cosignatures(reply.body, checkpoint.text, asked, known)
        case status if status == CONFLICT:
            return _behind(reply, checkpoint, old, asked)
        case status if status == UNPROCESSABLE:
            raise _fork(checkpoint, old, asked)
        case status if status in _REFUSALS:
            code, what, hint = _REFUSALS[status]
            raise WitnessError(code, f"{asked.name} {what} (status {status})", hint)
        case status if 300 <= status < 400:
            raise WitnessError(
                "witness_redirect", f"{asked.name} answers elsewhere (status {status})", "add it with its own URL"
            )
        case status:
            raise _no_answer(asked, f"status {status}")


def _cosignatures(
    body: bytes, text: str, asked: WitnessVerifier, known: Sequence[WitnessVerifier]
) -> list[Cosignature]:
    try:
        lines = parse_signature_lines(body.decode("utf-8"))
    except (UnicodeDecodeError, IntegrityError) as error:
        raise _no_answer(asked, "bytes that are no signature lines") from error
    found: dict[WitnessVerifier, Cosignature] = {}
    for line in lines:
        for witness in known:
            if witness.is_by(line):
                time = witness.time_of(text, line)
                if time is None:
                    raise _no_answer(asked, f"a cosignature by {witness.name} that is not valid for this checkpoint")
                found.setdefault(witness, Cosignature(witness=witness, line=line, time=time))
    if asked not in found:
        raise _no_answer(asked, "no cosignature by its own key; is the vkey right?")
    return list(found.values())


def _behind(reply: Reply, checkpoint: Checkpoint, old: int, asked: WitnessVerifier) -> Behind:
    try:
        text = reply.body.decode("ascii")
        size = parse_decimal(text.removesuffix("\n"))
        is_size = text.endswith("\n") and reply.content_type.partition(";")[0].strip().lower() == SIZE_TYPE
    except ValueError:
        size, is_size = -1, False
    if old == checkpoint.size and (size == old or not is_size):
        # Earlier texts of the specification answer so where the roots of one size differ.
        raise _fork(checkpoint, old, asked)
    if not is_size or size == old:
        raise _no_answer(asked, "a conflict without another size")
    return Behind(size=size)


def _fork(checkpoint: Checkpoint, old: int, asked: WitnessVerifier) -> IntegrityError:
    return IntegrityError(
        "fork",
        f"{asked.name} says that {checkpoint.origin} at size {checkpoint.size} does not extend what it cosigned at size {old}",
        "stop the workers, keep this ledger as evidence, and run `ledger verify` here and on every copy",
    )


def _no_answer(asked: WitnessVerifier, what: str) -> WitnessError:
    return WitnessError(
        "witness_answer", f"{asked.name} answers with {what}", "is the URL that of a witness? ask its operator"
    )
