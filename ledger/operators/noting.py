"""Writing operators' notes: sent like any event, and waited for until their entries are durable."""

from typing import Final

import msgspec

from ledger.broker.publish import Outgoing
from ledger.errors import BrokerError, InputError, NotFoundError
from ledger.log.batch import home_of
from ledger.model.decoding import decode
from ledger.model.events import Rejected
from ledger.model.noting import OPERATORS, SOURCE, Note, note_event
from ledger.operators.delivery import Delivery
from ledger.query.answers import Answer
from ledger.query.opened import OpenLedger
from ledger.query.rows import rows

__all__ = ["WrittenNote", "check_account", "check_note", "find_note", "write_note"]

_FIND: Final = """
SELECT shard, "index" FROM notes WHERE account = $account AND source = $source AND event_id = $id LIMIT 1
"""


class WrittenNote(Answer, frozen=True, kw_only=True):
    """A note in the log."""

    entry: str
    """`shard/index`."""
    account: str
    subject: str
    action: str
    event_id: str
    is_new: bool
    """False where it stood in the log before: the same note is written once."""


def check_account(ledger: OpenLedger, account: str) -> None:
    """Refuse an account that the ledger does not know: a note would register it, wherever its key happens to lead.

    Raises:
        NotFoundError: `account_not_found`.
        IntegrityError: `bad_registration`.
    """
    if account != OPERATORS and home_of(ledger.store, account) is None:
        raise NotFoundError(
            "account_not_found",
            f"there is no account {account}",
            f"`ledger scripts` lists accounts; a note about the ledger itself belongs to {OPERATORS}",
        )


def check_note(note: Note) -> bytes:
    """The note's event, where a worker will take it.

    Raises:
        InputError: `bad_note`.
    """
    try:
        value = note_event(note)
    except (UnicodeEncodeError, msgspec.MsgspecError) as error:
        raise InputError("bad_note", f"this cannot be a note: {error}", "use text that UTF-8 can write") from error
    found = decode(value)
    if isinstance(found, Rejected):
        reason = found.reason
        raise InputError(
            "bad_note", f"this cannot be a note: {reason.detail} ({reason.path})", "say it in another form"
        )
    return value


def find_note(ledger: OpenLedger, account: str, event_id: str) -> str | None:
    """The entry of the note with this id, as `shard/index`, or None."""
    found = rows(ledger, _FIND, account=account, source=SOURCE, id=event_id)
    return f"{found[0]['shard']}/{found[0]['index']}" if found else None


def write_note(ledger: OpenLedger, delivery: Delivery, note: Note) -> WrittenNote:
    """Write a note, once: one that stands in the log already is not sent again.

    Returns:
        When its entry is durable.

    Raises:
        InputError: `bad_note`.
        BrokerError: what `Delivery.deliver` raises; `note_rejected`.
    """
    value = check_note(note)
    entry = find_note(ledger, note.account, note.id)
    if entry is not None:
        return _written(note, entry, is_new=False)
    key = note.account.encode()
    outgoing = Outgoing(partition=delivery.partition(note.account, key), key=key, value=value)
    (landed,) = delivery.deliver([outgoing])
    if landed.outcome == "rejected":
        detail = landed.reason.detail if landed.reason else "no reason"
        raise BrokerError(
            "note_rejected", f"the note was rejected as entry {landed.entry}: {detail}", "run the command again"
        )
    if landed.first_index is not None:  # sent before by a run that did not see it arrive
        return _written(note, f"{landed.shard}/{landed.first_index}", is_new=False)
    return _written(note, landed.entry, is_new=True)


def _written(note: Note, entry: str, *, is_new: bool) -> WrittenNote:
    return WrittenNote(
        entry=entry,
        account=note.account,
        subject=note.subject,
        action=note.action,
        event_id=note.id,
        is_new=is_new,
    )
