"""Account proofs: one file that holds all entries of an account in a range of recorded time, and shows that none is left out.

    deployment-ledger/account-proof@v1
    account acme
    from 2022-11-01T00:00:00Z
    to 2022-12-01T00:00:00Z
    unchanged checkout
    entries 3
    rest 2
    first
    (the inclusion proof of the first entry in the file)
    last
    (the inclusion proof of the last)
    edge
    (the frontier of the tree that ends with the last)

    (the signed checkpoint)

    (the account's entries, one a line; then the rest)

Pure: no IO. This module reads and writes the form, which docs/FORMAT.md specifies; `ledger.proof.completeness` checks what it
says. Parsing is strict.
"""

from collections.abc import Sequence
from typing import Final, NoReturn

from msgspec import Struct

from ledger.errors import IntegrityError
from ledger.model import times
from ledger.model.envelope import NAME
from ledger.proof.checkpoints import format_hash, parse_decimal, parse_hash, read_unverified
from ledger.proof.merkle import Hash

__all__ = ["FIRST_LINE", "AccountProof", "parse_account_proof"]

FIRST_LINE: Final = "deployment-ledger/account-proof@v1"
_PARTS: Final = 4
"""Between empty lines: the head, the checkpoint's text, its signatures, and the entries."""
_MAX_HASHES: Final = 63
_MAX_HEAD_BYTES: Final = 1 << 16
"""Three rows of hashes and two names have less than a quarter of it."""


class AccountProof(Struct, frozen=True, kw_only=True):
    """A parsed account proof; nothing of it is verified."""

    account: str
    start: str | None = None
    """Recorded at this time or later; None: from the account's first entry."""
    end: str | None = None
    """Recorded before this time; None: no end."""
    unchanged: str | None = None
    """The script that no entry in the range is said to touch."""
    first: tuple[Hash, ...]
    """The inclusion proof of the first entry."""
    last: tuple[Hash, ...]
    """That of the last entry, the same where there is one only."""
    edge: tuple[Hash, ...] | None = None
    """Where there is a rest: the frontier of the tree whose last entry is the account's last one here, largest subtree first."""
    note: bytes
    """The signed checkpoint."""
    entries: tuple[bytes, ...]
    """In the order of the log: at most one from before the range, all in it, at most one from after it."""
    rest: tuple[bytes, ...] | None = None
    """All that the log has after the last entry, whoever's; None where it isn't shown."""

    def __bytes__(self) -> bytes:
        head = [FIRST_LINE, f"account {self.account}"]
        head += [
            f"{name} {value}"
            for name, value in (("from", self.start), ("to", self.end), ("unchanged", self.unchanged))
            if value is not None
        ]
        head.append(f"entries {len(self.entries)}")
        if self.rest is not None:
            head.append(f"rest {len(self.rest)}")
        head += ["first", *map(format_hash, self.first), "last", *map(format_hash, self.last)]
        if self.edge is not None:
            head += ["edge", *map(format_hash, self.edge)]
        lines = b"".join(line + b"\n" for line in (*self.entries, *(self.rest or ())))
        return "\n".join([*head, "", ""]).encode() + self.note + b"\n" + lines


def parse_account_proof(data: bytes) -> AccountProof:
    """Read an account proof strictly, without verifying anything.

    Raises:
        IntegrityError: `malformed_account_proof`; for its checkpoint `malformed_note` and `malformed_checkpoint`.
    """
    parts = data.split(b"\n\n", _PARTS - 1)
    if len(parts) != _PARTS:
        _malformed("it is not a head, a checkpoint and entries between empty lines")
    head, text, signatures, content = parts
    if len(head) > _MAX_HEAD_BYTES:
        _malformed(f"its head has more than {_MAX_HEAD_BYTES} bytes")
    note, lines = text + b"\n\n" + signatures + b"\n", content.split(b"\n")
    if lines.pop() or b"" in lines:
        _malformed("its last entry has no line feed, or a line is empty")
    read_unverified(note)
    try:
        proof = _parse_head(head.decode("ascii").split("\n"), note, lines)
    except ValueError as error:
        _malformed(str(error))
    if bytes(proof) != data:
        _malformed("it is not in canonical form")
    return proof


def _parse_head(lines: list[str], note: bytes, content: Sequence[bytes]) -> AccountProof:
    """Take the head's lines one after the other; raises ValueError."""
    if lines.pop(0) != FIRST_LINE:
        raise ValueError(f"its first line is not {FIRST_LINE}")
    account = _name(_value(lines, "account"))
    start, end = _time(_value(lines, "from")), _time(_value(lines, "to"))
    if start is not None and end is not None and times.key_of(start) >= times.key_of(end):
        raise ValueError("its range ends before it begins")
    unchanged = _value(lines, "unchanged")
    count, more = _value(lines, "entries"), _value(lines, "rest")
    number = parse_decimal(count or "")
    rest = None if more is None else parse_decimal(more)
    first, last, edge = _hashes(lines, "first"), _hashes(lines, "last"), _hashes(lines, "edge")
    if lines or first is None or last is None or (edge is None) != (rest is None):
        raise ValueError("its head has lines too many or too few")
    if not number or rest == 0 or len(content) != number + (rest or 0):
        raise ValueError(f"it has {len(content)} lines of entries, and says otherwise")
    return AccountProof(
        account=account,
        start=start,
        end=end,
        unchanged=None if unchanged is None else _name(unchanged),
        first=first,
        last=last,
        edge=edge,
        note=note,
        entries=tuple(content[:number]),
        rest=None if rest is None else tuple(content[number:]),
    )


def _value(lines: list[str], name: str) -> str | None:
    if not lines or not lines[0].startswith(f"{name} "):
        return None
    return lines.pop(0).removeprefix(f"{name} ")


def _hashes(lines: list[str], name: str) -> tuple[Hash, ...] | None:
    if not lines or lines[0] != name:
        return None
    lines.pop(0)
    found: list[Hash] = []
    while lines and lines[0] not in {"last", "edge"}:
        found.append(parse_hash(lines.pop(0)))
    if len(found) > _MAX_HASHES:
        raise ValueError(f"it has more than {_MAX_HASHES} hashes in a row")
    return tuple(found)


def _name(text: str | None) -> str:
    if text is None or not NAME.fullmatch(text):
        raise ValueError(f"it names no account or script: {text!r}")
    return text


def _time(text: str | None) -> str | None:
    if text is not None:
        try:
            times.parse(text)
        except ValueError:
            raise ValueError(f"not a time: {text[:40]!r}") from None
    return text


def _malformed(why: str) -> NoReturn:
    raise IntegrityError(
        "malformed_account_proof", f"not an account proof: {why}", "it is a file that `ledger prove --account` wrote"
    )
