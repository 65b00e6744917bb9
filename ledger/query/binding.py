"""Binding an answer to what it rests on, and asking it again on the log as it was then."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import duckdb
from msgspec import Struct, structs

import ledger as program
from ledger.errors import IntegrityError, NotFoundError, UsageError
from ledger.log.ledgerfile import LedgerFile
from ledger.log.tree import open_tree
from ledger.model import times
from ledger.proof.boundanswers import BoundAnswer, Sized, sign_bound_answer
from ledger.proof.merkle import Hash, Size
from ledger.proof.notes import Verifier
from ledger.proof.pinned import open_pinned
from ledger.query.opened import OpenLedger
from ledger.query.proofs import check_within, checkpoint_at, tree_of
from ledger.query.resting import rests_on
from ledger.query.rowdigest import digest_rows
from ledger.query.sql import Limits, Result, run_sql_steadily
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore

__all__ = ["Bound", "ask_again", "bind"]

Progress = Callable[[int], None]

_TOO_MANY: Final = "sql_too_many_rows"


class Bound(Struct, frozen=True, kw_only=True):
    """An answer, and the file that binds it."""

    result: Result
    data: bytes


def bind(
    ledger: OpenLedger,
    sql: str,
    limits: Limits | None = None,
    parameters: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Bound:
    """Answer a statement and sign what it answered.

    The checkpoints are compared with the log's entries first: nothing is signed for a log that contradicts itself. Hashes of
    entries that an earlier run remembered are not made again; `ask_again` makes all of them.

    Args:
        ledger: what is asked, with its keys.
        sql: one statement that has one answer, see `run_sql_steadily`.
        limits: what it may use.
        parameters: values of its parameters.
        progress: called with the number of entries hashed, where that is not remembered.

    Raises:
        NotFoundError: `keys_missing`.
        UsageError: `wrong_keys`, `answer_unsteady`, `answer_too_large`, and as `run_sql`.
        IntegrityError: `wrong_key`, and what reading the log raises.
    """
    signer = _keys(ledger).signer(ledger.about.name)
    if signer.vkey != ledger.about.vkey:
        raise IntegrityError(
            "wrong_key", "the signing key is not the one that the ledger was made with", "give this ledger's keys"
        )
    result = run_sql_steadily(ledger, sql, limits, parameters)
    answer = BoundAnswer(
        ledger=ledger.about.name,
        program=program.__version__,
        database=duckdb.__version__,
        known_at=None if ledger.known_at is None else _time(ledger.known_at),
        query=sql,
        parameters=dict(parameters or {}),
        columns=list(zip(result.columns, result.types, strict=True)),
        rows=len(result.rows),
        digest=Hash(digest_rows(result.rows)),
        checkpoints=_checked_rests(ledger, progress),
    )
    return Bound(result=result, data=sign_bound_answer(answer, signer))


def ask_again(
    ledger: OpenLedger,
    answer: BoundAnswer,
    key: Verifier,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Result:
    """Ask a bound answer's query again, of the log cut at just its checkpoints, and compare.

    Args:
        ledger: opened as it is now: it may have grown, or been compacted.
        answer: whose signature was verified.
        key: the public key that verified it.
        limits: what the statement may use; the number of rows is the answer's.
        progress: as in `bind`.

    Raises:
        IntegrityError: `wrong_origin`, `wrong_key`: another ledger; `rollback`, `fork`: not the log that the answer rests on;
            `answer_differs`: it is, and other rows come of it.
        UsageError: as `run_sql`.
    """
    _check_same(ledger.about, answer, key)
    for one in answer.checkpoints:
        # Hashes that are remembered would say nothing of the entries as they are now.
        tree = open_tree(LocalStore(ledger.root), ledger.about, one.shard, None, progress)
        check_within(one.checkpoint(answer.ledger), tree)
    known_at = None if answer.known_at is None else datetime.fromisoformat(answer.known_at)
    cut = ledger.as_known(known_at, _sizes(ledger, answer.checkpoints))
    allowed = structs.replace(limits or Limits(), rows=max(1, answer.rows))
    try:
        result = run_sql_steadily(cut, answer.query, allowed, answer.parameters, twice=False)
    except UsageError as error:
        if error.code != _TOO_MANY:
            raise
        raise _differs(answer, f"more than {answer.rows} rows") from error
    columns = list(zip(result.columns, result.types, strict=True))
    if columns != list(answer.columns):
        raise _differs(answer, "other columns")
    if len(result.rows) != answer.rows:
        raise _differs(answer, f"{len(result.rows)} rows, not {answer.rows}")
    if digest_rows(result.rows) != answer.digest:
        raise _differs(answer, "other rows")
    return result


def _keys(ledger: OpenLedger) -> KeyStore:
    if ledger.key_store is None:
        raise NotFoundError(
            "keys_missing",
            "a bound answer is signed with the ledger's key, and its keys are not there",
            "give them with --keys, or keep query, rows and checkpoints without a signature",
        )
    return KeyStore.open(ledger.key_store, ledger.about.name)


def _checked_rests(ledger: OpenLedger, progress: Progress | None) -> Sequence[Sized]:
    """The checkpoints under an answer, their signatures and the entries that they stand for checked."""
    rests = rests_on(ledger)
    whole = ledger.as_known(None)
    found = []
    for rest in rests:
        checkpoint = open_pinned(checkpoint_at(whole, rest.shard, rest.size), ledger.about.verifier(rest.shard))
        check_within(checkpoint, tree_of(ledger, rest.shard, progress))
        found.append(Sized(shard=rest.shard, size=Size(checkpoint.size), root=checkpoint.root))
    return found


def _sizes(ledger: OpenLedger, checkpoints: Sequence[Sized]) -> list[int]:
    """Of every shard how many entries an answer saw: none of a shard that it does not name."""
    named = {one.shard: int(one.size) for one in checkpoints}
    return [named.get(shard, 0) for shard in range(ledger.about.shards)]


def _check_same(about: LedgerFile, answer: BoundAnswer, key: Verifier) -> None:
    if about.name != answer.ledger:
        raise IntegrityError(
            "wrong_origin", f"it is of the ledger {answer.ledger!r}, this one is {about.name!r}", "give that ledger"
        )
    if about.vkey != key.vkey:
        raise IntegrityError(
            "wrong_key",
            f"the ledger {about.name!r} here has another key than the one that signed the answer",
            "two ledgers may have one name: give the one that the answer is of",
        )
    if last := next((one.shard for one in answer.checkpoints if one.shard >= about.shards), None):
        raise IntegrityError("wrong_origin", f"the ledger {about.name!r} has no shard {last}")


def _differs(answer: BoundAnswer, what: str) -> IntegrityError:
    made, here = (answer.program, answer.database), (program.__version__, duckdb.__version__)
    hint = (
        "the entries are those that were signed; run `ledger verify` for what lies beside them (columns of packs, blobs), and see "
        "whether the answer depends on the order of rows"
    )
    if made != here:
        hint += f"; or ask with the program that made it, {made[0]} with DuckDB {made[1]} (this is {here[0]} with DuckDB {here[1]})"
    return IntegrityError("answer_differs", f"asked again at the same checkpoints, the answer has {what}", hint)


def _time(moment: datetime) -> str:
    """As the log writes times: UTC, with as many digits as there are, at most six."""
    text = moment.isoformat().replace("+00:00", "Z")
    times.parse(text)
    return text
