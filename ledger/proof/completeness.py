"""Checking account proofs: that the entries shown are all that an account had recorded in a range, none left out.

Pure: no IO. Each entry names the leaf hash of its account's entry before (`account_prev`) and its place in the account's chain
(`account_index`). So a run of entries each of which names the one before it has no hole, and it is enough to show that the two
ends are in the tree that was signed. That the log has one chain for each account and not two, `ledger verify` checks on the
whole log; no proof of a few entries can.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from ledger.errors import IntegrityError
from ledger.model import times
from ledger.model.entries import FORMAT, MAX_ENTRY_BYTES, Entry, decode_entry
from ledger.proof.accounts import AccountProof
from ledger.proof.checkpoints import Checkpoint
from ledger.proof.merkle import Frontier, Index, RootMismatchError, leaf_hash, verify_inclusion
from ledger.proof.notes import Verifier
from ledger.proof.pinned import open_pinned

__all__ = ["Ending", "ProvedAccount", "touches", "verify_account"]

_CHANGING: Final = frozenset({"deployed", "uploaded", "changed", "deleted"})
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Ending(StrEnum):
    """Why nothing of the account comes between the last entry in the range and its end."""

    next_entry = "next_entry"
    """The account's next entry is shown, and was recorded at the end of the range or later."""
    end_of_log = "end_of_log"
    """Nothing follows in the log, as of the checkpoint: the last entry is the log's last, or all that follows is shown."""
    not_shown = "not_shown"
    """Nothing shows it: between the last entry and the checkpoint the account may have more."""


class ProvedAccount(Struct, frozen=True, kw_only=True):
    """What an account proof proved."""

    account: str
    checkpoint: Checkpoint
    before: Entry | None
    """The account's entry before the range; None: its first entry is in the range or after it."""
    entries: tuple[Entry, ...]
    """All in the range."""
    after: Entry | None
    """The account's entry after the range, where it is shown."""
    ending: Ending
    last_recorded: str
    """When the last entry shown was recorded, the rest included."""


def verify_account(proof: AccountProof, key: Verifier) -> ProvedAccount:
    """Check an account proof.

    Args:
        proof: as it was parsed.
        key: the public key of the log, or of the ledger that the log is of.

    Raises:
        IntegrityError: the checkpoint's `wrong_origin`, `wrong_key`, `bad_signature`; of an entry `malformed_entry`,
            `noncanonical`, `wrong_account`; `account_chain_broken`, `reordered`, `time_went_back`; of the ends `bad_proof`,
            `malformed_proof`, `start_not_shown`, `end_not_shown`, `out_of_range`; of the rest `rest_mismatch`, `entry_left_out`; of the claim
            that a script did not change `script_changed`.
    """
    checkpoint = open_pinned(proof.note, key)
    entries = [_read(line) for line in proof.entries]
    leaves = [leaf_hash(line) for line in proof.entries]
    for place, entry in enumerate(entries):
        _check_link(proof.account, entry, entries[place - 1] if place else None, leaves[place - 1].hex())
    for entry, leaf, path in ((entries[0], leaves[0], proof.first), (entries[-1], leaves[-1], proof.last)):
        verify_inclusion(Index(entry.index), checkpoint.size, leaf, path, checkpoint.root)
    before, inside, after = _in_range(proof, entries)
    if after is not None and proof.rest is not None:
        raise IntegrityError("out_of_range", "it shows both the account's next entry and the rest of the log")
    rest = _check_rest(proof, checkpoint, entries[-1])
    ending = _ending(after, at_end=entries[-1].index + len(rest) + 1 == checkpoint.size)
    if ending is Ending.not_shown and not inside:
        what = f"the account's last entry shown, {entries[-1].index}, lies before the range; nothing shows what came after it"
        raise IntegrityError("end_not_shown", what)
    if proof.unchanged is not None:
        _check_unchanged(proof.unchanged, inside)
    return ProvedAccount(
        account=proof.account,
        checkpoint=checkpoint,
        before=before,
        entries=inside,
        after=after,
        ending=ending,
        last_recorded=[*entries, *rest][-1].recorded_at,
    )


def touches(entry: Entry, script: str) -> bool:
    """Whether an entry changed a script: its code, triggers or what is active; by an event of its own or by losing a route."""
    own = entry.event.subject == script and entry.outcome in _CHANGING
    return own or any(lost.subject == script for lost in entry.others)


def _read(line: bytes) -> Entry:
    try:
        entry = decode_entry(line)
        times.parse(entry.recorded_at)
        canonical = _encode(_decode(line)) == line
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise IntegrityError("malformed_entry", f"a line is not an entry: {error}") from None
    if entry.v != FORMAT or len(line) > MAX_ENTRY_BYTES:
        raise IntegrityError("malformed_entry", f"entry {entry.index} has version {entry.v} and {len(line)} bytes")
    if not canonical:
        raise IntegrityError("noncanonical", f"entry {entry.index} is not in the form in which entries are written")
    return entry


def _check_link(account: str, entry: Entry, previous: Entry | None, leaf: str) -> None:
    """That an entry is the account's, and the one after `previous`, whose leaf hash is given in hex."""
    if entry.account != account or entry.account_index is None:
        raise IntegrityError("wrong_account", f"entry {entry.index} is of the account {entry.account}, not {account}")
    if (entry.account_index == 0) != (entry.account_prev is None):
        raise IntegrityError("account_chain_broken", f"entry {entry.index} is the account's first, and is not")
    if previous is None:
        return
    if entry.index <= previous.index:
        raise IntegrityError("reordered", f"entry {entry.index} stands after entry {previous.index}")
    if entry.account_prev != leaf or entry.account_index != (previous.account_index or 0) + 1:
        what = f"entry {entry.index} does not follow entry {previous.index} in the account's chain"
        raise IntegrityError("account_chain_broken", what, "an entry was left out, added or changed")
    _check_time(entry, previous)


def _check_time(entry: Entry, previous: Entry) -> None:
    if times.key_of(entry.recorded_at) < times.key_of(previous.recorded_at):
        what = f"entry {entry.index} was recorded at {entry.recorded_at}, before entry {previous.index}"
        raise IntegrityError("time_went_back", what)


def _in_range(proof: AccountProof, entries: Sequence[Entry]) -> tuple[Entry | None, tuple[Entry, ...], Entry | None]:
    """The entries before, in and after the range, of which there is one at most before and after."""
    start = "" if proof.start is None else times.key_of(proof.start)
    early = [entry for entry in entries if times.key_of(entry.recorded_at) < start]
    late = [entry for entry in entries if proof.end and times.key_of(entry.recorded_at) >= times.key_of(proof.end)]
    if len(early) > 1 or len(late) > 1:
        raise IntegrityError("out_of_range", "it shows more than one entry before or after its range")
    if not early and entries[0].account_index != 0:
        what = f"entry {entries[0].index} is entry {entries[0].account_index} of the account; what came before is not shown"
        raise IntegrityError("start_not_shown", what, "an entry was left out at the start")
    inside = tuple(entries[len(early) : len(entries) - len(late)])
    return (early[0] if early else None), inside, (late[0] if late else None)


def _check_rest(proof: AccountProof, checkpoint: Checkpoint, last: Entry) -> list[Entry]:
    """That the rest is all that the log has after the last entry, and nothing of the account is in it."""
    if proof.rest is None or proof.edge is None:
        return []
    frontier = Frontier(last.index + 1, proof.edge)
    frontier.extend([leaf_hash(line) for line in proof.rest])
    if frontier.size != checkpoint.size or frontier.root() != checkpoint.root:
        what = f"what is shown after entry {last.index} is not what the log has there"
        raise RootMismatchError("rest_mismatch", what, expected=checkpoint.root, found=frontier.root())
    rest = [_read(line) for line in proof.rest]
    for place, entry in enumerate(rest):
        if entry.index != last.index + 1 + place:
            raise IntegrityError("reordered", f"entry {entry.index} stands where {last.index + 1 + place} belongs")
        if entry.account == proof.account:
            raise IntegrityError("entry_left_out", f"entry {entry.index} is the account's, and not among its entries")
        _check_time(entry, rest[place - 1] if place else last)
    return rest


def _check_unchanged(script: str, entries: Sequence[Entry]) -> None:
    changed = [entry.index for entry in entries if touches(entry, script)]
    if changed:
        raise IntegrityError("script_changed", f"entry {changed[0]} changed {script} in the range")


def _ending(after: Entry | None, *, at_end: bool) -> Ending:
    if after is not None:
        return Ending.next_entry
    return Ending.end_of_log if at_end else Ending.not_shown
