"""Making account proofs from an opened ledger. Each is checked as its reader will check it before it is handed out."""

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from ledger.errors import IntegrityError, NotFoundError, UsageError
from ledger.log.reader import ShardReader
from ledger.log.tree import ShardTree
from ledger.model import times
from ledger.model.entries import decode_entry
from ledger.model.envelope import NAME
from ledger.proof.accounts import AccountProof
from ledger.proof.completeness import ProvedAccount, verify_account
from ledger.query.opened import OpenLedger
from ledger.storage import layout
from ledger.storage.local import LocalStore

__all__ = ["MadeAccountProof", "Range", "account_home", "make_account_proof"]

MAX_REST: Final = 10_000
"""More entries of others are not put into a proof."""

Progress = Callable[[int], None]


class Range(Struct, frozen=True, kw_only=True):
    """Which entries: recorded at `start` or later and before `end`; times as the log writes them, None for no bound."""

    start: str | None = None
    end: str | None = None


class MadeAccountProof(Struct, frozen=True, kw_only=True):
    """An account proof, and what it proves."""

    proof: AccountProof
    proved: ProvedAccount
    shard: int


class _Found(Struct, frozen=True, kw_only=True):
    """Entries of an account and their places, in order: at most one before the range, all in it, at most one after it."""

    lines: list[bytes]
    indexes: list[int]
    ended: bool
    """Whether the last is after the range."""


def account_home(ledger: OpenLedger, account: str) -> int:
    """The shard of an account.

    Raises:
        NotFoundError: `account_not_found`.
        IntegrityError: `bad_registration`.
    """
    hint = "`ledger scripts` lists accounts"
    if not NAME.fullmatch(account):
        raise NotFoundError("account_not_found", f"no account can have the name {account!r}", hint)
    nobody = NotFoundError("account_not_found", f"there is no account {account}", hint)
    if not ledger.sees(account):
        raise nobody
    try:
        home = msgspec.json.decode(ledger.store.get(layout.account(account)))["shard"]
    except NotFoundError as error:
        raise nobody from error
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise IntegrityError(
            "bad_registration", f"the registration of {account} is damaged", "run `ledger verify`"
        ) from error
    if not isinstance(home, int) or not 0 <= home < ledger.about.shards:
        raise IntegrityError("bad_registration", f"the ledger has no shard {home!r}", "run `ledger verify`")
    return home


def make_account_proof(
    ledger: OpenLedger,
    tree: ShardTree,
    account: str,
    shard: int,
    span: Range,
    *,
    unchanged: str | None = None,
    with_rest: bool = False,
    progress: Progress | None = None,
) -> MadeAccountProof:
    """Prove which entries an account had in a range.

    Args:
        ledger: that has them.
        tree: of the account's shard.
        account: whose.
        shard: its home.
        span: the range of recorded time.
        unchanged: a script that none of them changed.
        with_rest: show all that the log has after the account's last entry, whoever's, where the range has no other end.
        progress: called with the number of entries after each segment that is read.

    Raises:
        UsageError: `script_changed`, where `unchanged` is not so; `end_not_shown`, where the account's last entry lies before
            the range; `rest_too_large`; `bad_range`.
        NotFoundError: `account_empty`.
        IntegrityError: the log is not what was signed, or the account's chain is broken in it.
    """
    if span.start and span.end and times.key_of(span.start) >= times.key_of(span.end):
        raise UsageError("bad_range", "the range ends before it begins", "--from must be before --to")
    reader = ShardReader(LocalStore(ledger.root), shard)
    found = _find(_lines_of(reader, account, tree.size, progress or (lambda _: None)), span)
    if not found.lines:
        raise NotFoundError("account_empty", f"the account {account} has no entry")
    last = found.indexes[-1]
    rest = _rest(reader, last, tree.size) if with_rest and not found.ended and last + 1 < tree.size else None
    proof = AccountProof(
        account=account,
        start=span.start,
        end=span.end,
        unchanged=unchanged,
        first=tuple(tree.inclusion(found.indexes[0])),
        last=tuple(tree.inclusion(last)),
        edge=None if rest is None else tuple(tree.frontier(last + 1)),
        note=tree.note,
        entries=tuple(found.lines),
        rest=rest,
    )
    return MadeAccountProof(proof=proof, proved=_checked(ledger, proof, shard), shard=shard)


def _checked(ledger: OpenLedger, proof: AccountProof, shard: int) -> ProvedAccount:
    try:
        return verify_account(proof, ledger.about.verifier(shard))
    except IntegrityError as error:
        hints = {
            "script_changed": f"`ledger history {proof.unchanged}` shows what did",
            "end_not_shown": "--with-rest shows that nothing follows, and other accounts' entries with it",
        }
        kind = UsageError if error.code in hints else IntegrityError
        hint = hints.get(error.code, "run `ledger verify`")
        raise kind(error.code, f"this cannot be proved: {error.message}", hint) from error


def _lines_of(reader: ShardReader, account: str, size: int, progress: Progress) -> Iterator[tuple[int, bytes]]:
    """The entries in an account's chain with their indexes, up to a size. Their heads have one form; the checks come after."""
    head = re.compile(rb'\{"v":1,"index":[0-9]+,"account":"%b","account_index":' % re.escape(account.encode()))
    for first, _, segment in reader.segments():
        if first >= size:  # written since the tree was opened
            return
        yield from ((first + place, line) for place, line in enumerate(segment.lines) if head.match(line))
        progress(len(segment.lines))


def _find(lines: Iterator[tuple[int, bytes]], span: Range) -> _Found:
    """Those in the range, and the ones next to it."""
    found: list[tuple[int, bytes]] = []
    start, end = (None if bound is None else times.key_of(bound) for bound in (span.start, span.end))
    early = True
    for index, line in lines:
        key = _recorded(line)
        if early and start is not None and key < start:
            found = [(index, line)]
            continue
        early = False
        found.append((index, line))
        if end is not None and key >= end:
            return _Found(lines=[line for _, line in found], indexes=[index for index, _ in found], ended=True)
    return _Found(lines=[line for _, line in found], indexes=[index for index, _ in found], ended=False)


def _recorded(line: bytes) -> str:
    try:
        return times.parse(decode_entry(line).recorded_at).key
    except (msgspec.MsgspecError, ValueError) as error:
        raise IntegrityError(
            "malformed_entry", "an entry of the account cannot be read", "run `ledger verify`"
        ) from error


def _rest(reader: ShardReader, last: int, size: int) -> tuple[bytes, ...]:
    if size - last - 1 > MAX_REST:
        what = f"{size - last - 1} entries follow the account's last one, more than {MAX_REST} are not put into a proof"
        raise UsageError(
            "rest_too_large", what, "leave --with-rest out, or prove it when the account has a later entry"
        )
    return tuple(reader.entry(index) for index in range(last + 1, size))
