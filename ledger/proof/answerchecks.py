"""What a bound answer proves: by its signature alone, and where it was asked again. Pure: no IO."""

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ledger.proof.boundanswers import BoundAnswer, open_bound_answer
from ledger.proof.checkpoints import format_hash
from ledger.proof.notes import Verifier

__all__ = ["CheckedAnswer", "RestedOn", "check_answer", "reproduced"]


class RestedOn(Struct, frozen=True, kw_only=True):
    """A checkpoint under an answer."""

    log: str
    size: int
    root: str
    """Base64."""


class CheckedAnswer(Struct, frozen=True, kw_only=True, tag_field="kind", tag="answer"):
    """A bound answer held: the ledger's key signed it; and the log gives the same rows, where that was asked."""

    holds: bool = True
    statement: str
    rests_on: str
    reproduced: bool
    """Whether the query was asked again, of the log cut at the same checkpoints, and had the same rows."""
    ledger: str
    query: str
    parameters: Mapping[str, str]
    known_at: str | None
    columns: Sequence[tuple[str, str]]
    rows: int
    digest: str
    """Base64."""
    checkpoints: list[RestedOn]


def check_answer(data: bytes, key: Verifier) -> CheckedAnswer:
    """Check the signature of a bound answer; raises as `open_bound_answer`."""
    answer = open_bound_answer(data, key)
    return CheckedAnswer(
        statement=f"whoever holds the key of {answer.ledger} signed that this query had {_rows(answer.rows)} with this digest, "
        f"as of {_checkpoints(answer)}. THE ROWS WERE NOT ASKED FOR AGAIN: give the ledger with --ledger",
        rests_on=f"the signature of the key {key.name}+{key.key_id.hex()}, and on the word of who holds it",
        reproduced=False,
        ledger=answer.ledger,
        query=answer.query,
        parameters=answer.parameters,
        known_at=answer.known_at,
        columns=answer.columns,
        rows=answer.rows,
        digest=format_hash(answer.digest),
        checkpoints=[
            RestedOn(log=one.checkpoint(answer.ledger).origin, size=one.size, root=format_hash(one.root))
            for one in answer.checkpoints
        ],
    )


def reproduced(checked: CheckedAnswer, answer: BoundAnswer, key: Verifier, *, pinned: bool) -> CheckedAnswer:
    """The same, where the log has the checkpoints and the query was asked again and had the same rows.

    Args:
        checked: as its signature was checked.
        answer: what it is of.
        key: that verified it.
        pinned: whether the key came from somewhere else than the ledger.
    """
    beside = "" if pinned else ", which was taken from the ledger itself: give the one that you know with --vkey"
    return replace(
        checked,
        reproduced=True,
        statement=f"asked again of the log cut at {_checkpoints(answer)}, whose entries hash to these roots, the query had the "
        f"same {_rows(answer.rows)}; and whoever holds the key of {answer.ledger} signed so then",
        rests_on=f"the entries behind these checkpoints, and on the key {key.name}+{key.key_id.hex()} being the ledger's{beside}. "
        "The columns of packs are taken as they are: `ledger verify` compares them with the entries",
    )


def _rows(count: int) -> str:
    return f"{count} {'row' if count == 1 else 'rows'}"


def _checkpoints(answer: BoundAnswer) -> str:
    known = "" if answer.known_at is None else f", as it was known at {answer.known_at}"
    count = len(answer.checkpoints)
    entries = sum(one.size for one in answer.checkpoints)
    return f"{count} {'checkpoint' if count == 1 else 'checkpoints'} of {entries} entries in all{known}"
