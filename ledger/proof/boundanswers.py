"""Bound answers: a query, a digest of the rows that answered it, and the checkpoints that the answer rests on, as one signed note.

    deployment-ledger/bound-answer@v1
    ledger audit.example
    program 0.1.0 duckdb 2.0.1
    query "SELECT count(*) AS n FROM entries WHERE script = $script"
    parameter script "checkout"
    columns [["n","BIGINT"]]
    rows 1
    digest 4LEmqcwdhSoLV3WQhz31oV+81/oWcBuIsZ17I8v8/+4=
    checkpoint 3 700 Wo5KXYQgfhwErRPk8R46RELbA/K2OF40JmRn1SS8/T0=

    (the signature, under the ledger's name)

Pure: no IO. Parsing is strict: what is accepted serialises to the same bytes.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NoReturn

from msgspec import Struct

from ledger.errors import IntegrityError, UsageError
from ledger.model import times
from ledger.proof.checkpoints import Checkpoint, format_hash, parse_decimal, parse_hash
from ledger.proof.merkle import Hash, Size
from ledger.proof.notes import MAX_NOTE_BYTES, Signer, Verifier, is_key_name, open_note, parse_note, sign_note

__all__ = ["FIRST_LINE", "BoundAnswer", "Sized", "open_bound_answer", "parse_bound_answer", "sign_bound_answer"]

FIRST_LINE: Final = "deployment-ledger/bound-answer@v1"
_PARAMETER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORD: Final = re.compile(r"[!-~]+")
_MAX_SHARD: Final = 9999


class Sized(Struct, frozen=True, kw_only=True):
    """A shard's log as far as an answer rests on it: the checkpoint's size and root."""

    shard: int
    size: Size
    root: Hash

    def checkpoint(self, ledger: str) -> Checkpoint:
        """The checkpoint of that shard of the ledger of a name."""
        return Checkpoint(origin=f"{ledger}/{self.shard:04d}", size=self.size, root=self.root)


class BoundAnswer(Struct, frozen=True, kw_only=True):
    """What a bound answer says; whether it is so is another question."""

    ledger: str
    """The ledger's name, and that of the key which signs."""
    program: str
    """Version of the program that asked,"""
    database: str
    """and of DuckDB."""
    known_at: str | None
    """Only what was recorded by then was asked; None: all up to the checkpoints."""
    query: str
    """The statement, as it was given."""
    parameters: Mapping[str, str]
    """Values by name."""
    columns: Sequence[tuple[str, str]]
    """Name and SQL type of each column."""
    rows: int
    digest: Hash
    """Over the sorted rows: their order is not bound."""
    checkpoints: Sequence[Sized]
    """Of the shards that had entries, in the order of their numbers."""

    @property
    def text(self) -> str:
        """What is signed."""
        known = [] if self.known_at is None else [f"known {self.known_at}"]
        given = [f"parameter {name} {_json(value)}" for name, value in sorted(self.parameters.items())]
        lines = [
            FIRST_LINE,
            f"ledger {self.ledger}",
            f"program {self.program} duckdb {self.database}",
            *known,
            f"query {_json(self.query)}",
            *given,
            f"columns {_json([list(column) for column in self.columns])}",
            f"rows {self.rows}",
            f"digest {format_hash(self.digest)}",
            *(f"checkpoint {one.shard} {one.size} {format_hash(one.root)}" for one in self.checkpoints),
        ]
        return "\n".join(lines) + "\n"


def sign_bound_answer(answer: BoundAnswer, signer: Signer) -> bytes:
    """The file.

    Raises:
        UsageError: `answer_too_large`.
    """
    data = sign_note(answer.text, signer)
    if len(data) > MAX_NOTE_BYTES:
        raise UsageError(
            "answer_too_large",
            f"query and parameters are too long to be bound: {len(data)} bytes of at most {MAX_NOTE_BYTES}",
        )
    return data


def open_bound_answer(data: bytes, key: Verifier) -> BoundAnswer:
    """Read a bound answer and verify its signature.

    Args:
        data: the file.
        key: the public key of the ledger.

    Raises:
        IntegrityError: `malformed_answer`, `malformed_note`, `wrong_origin`, `wrong_key`, `bad_signature`.
    """
    answer = parse_bound_answer(data)
    if answer.ledger != key.name:
        raise IntegrityError(
            "wrong_origin",
            f"it is of the ledger {answer.ledger!r}, the key is that of {key.name!r}",
            "is this the right verifier key? A bound answer is signed under the ledger's name, not a log's",
        )
    open_note(data, [key])
    return answer


def parse_bound_answer(data: bytes) -> BoundAnswer:
    """Read a bound answer strictly, without verifying anything.

    Raises:
        IntegrityError: `malformed_note`, `malformed_answer`.
    """
    note = parse_note(data)
    try:
        answer = _parse(note.text.removesuffix("\n").split("\n"))
    except (ValueError, StopIteration, RecursionError) as error:
        _malformed(str(error) or "it ends too early")
    if answer.text != note.text or bytes(note) != data:
        _malformed("it is not in canonical form")
    return answer


def _parse(lines: list[str]) -> BoundAnswer:
    rest = _Lines(lines)
    if rest.take("") != FIRST_LINE:
        raise ValueError(f"its first line is not {FIRST_LINE}")
    ledger = rest.take("ledger ")
    if not is_key_name(ledger):
        raise ValueError(f"no ledger has the name {ledger[:60]!r}")
    program, word, database = _three(rest.take("program "))
    if word != "duckdb" or not (_WORD.fullmatch(program) and _WORD.fullmatch(database)):
        raise ValueError("it does not say which program asked")
    known_at = rest.take("known ") if rest.has("known ") else None
    if known_at is not None:
        times.parse(known_at)
    return BoundAnswer(
        ledger=ledger,
        program=program,
        database=database,
        known_at=known_at,
        query=_text(rest.take("query ")),
        parameters=dict(_parameter(rest.take("parameter ")) for _ in rest.while_has("parameter ")),
        columns=_columns(rest.take("columns ")),
        rows=parse_decimal(rest.take("rows ")),
        digest=parse_hash(rest.take("digest ")),
        checkpoints=_checkpoints([rest.take("checkpoint ") for _ in rest.while_has("")]),
    )


class _Lines:
    """Lines that are taken one after another; each raises ValueError where it is not the one that comes next."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines[::-1]

    def has(self, prefix: str) -> bool:
        return bool(self._lines) and self._lines[-1].startswith(prefix)

    def while_has(self, prefix: str) -> Iterator[None]:
        while self.has(prefix):
            yield

    def take(self, prefix: str) -> str:
        if not self.has(prefix):
            raise ValueError(f"a line {prefix.strip()!r} is missing")
        return self._lines.pop().removeprefix(prefix)


def _three(line: str) -> tuple[str, str, str]:
    first, second, third = line.split(" ")
    return first, second, third


def _parameter(line: str) -> tuple[str, str]:
    name, _, value = line.partition(" ")
    if not _PARAMETER.fullmatch(name):
        raise ValueError(f"not the name of a parameter: {name[:60]!r}")
    return name, _text(value)


def _columns(line: str) -> list[tuple[str, str]]:
    found = json.loads(line)
    for column in found if isinstance(found, list) else [None]:
        if not (isinstance(column, list) and [type(part) for part in column] == [str, str]):
            raise ValueError("its columns are not pairs of a name and a type")
    return [(name, kind) for name, kind in found]


def _checkpoints(lines: list[str]) -> list[Sized]:
    found = []
    for line in lines:
        shard, size, root = _three(line)
        found.append(Sized(shard=parse_decimal(shard), size=Size(parse_decimal(size)), root=parse_hash(root)))
    shards = [one.shard for one in found]
    if shards != sorted(set(shards)) or any(one.shard > _MAX_SHARD or one.size == 0 for one in found):
        raise ValueError("its checkpoints are not of shards in their order")
    return found


def _text(line: str) -> str:
    found = json.loads(line)
    if not isinstance(found, str):
        raise ValueError(f"not a text: {line[:60]!r}")  # noqa: TRY004 - of what was read, not of an argument
    found.encode()
    return found


def _json(value: Any) -> str:
    """The one way in which a value is written: no white space, and no character that a note may not have."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _malformed(why: str) -> NoReturn:
    raise IntegrityError(
        "malformed_answer", f"not a bound answer: {why}", "it is a file that `ledger sql --bind` wrote"
    )
