"""Dropping quarantined records: a note first, and only when that is durable the bytes.

A crash between the two leaves a note about bytes that are still there; dropping again finds the note and deletes them.
"""

from collections.abc import Iterator, Sequence

from ledger.errors import NotFoundError
from ledger.log.batch import home_of
from ledger.model.noting import OPERATORS, Note, note_id, quarantine_subject
from ledger.operators.delivery import Delivery
from ledger.operators.noting import write_note
from ledger.query.answers import Answer
from ledger.query.opened import OpenLedger
from ledger.query.quarantine import DROP, REPLACE, QuarantineRow
from ledger.storage import layout

__all__ = ["DropRow", "drop", "drop_note", "replace_note"]


class DropRow(Answer, frozen=True, kw_only=True):
    """A record that was dropped."""

    entry: str
    """The rejected one, `shard/index`."""
    note: str
    """The entry that says so."""
    size: int | None
    """Bytes of its value; None where they were gone before, or could not be read."""
    is_new: bool
    """False where the note stood in the log already."""


def drop(
    ledger: OpenLedger, found: Sequence[QuarantineRow], delivery: Delivery, *, reason: str, by: str, time: str
) -> Iterator[DropRow]:
    """Drop records, one after the other; each is gone when its row is there.

    Raises:
        NotFoundError: `not_quarantined`, before anything is done, where of one no bytes were ever there.
        InputError: `bad_note`. BrokerError: what `write_note` raises; nothing of that record is deleted.
    """
    for row in found:
        if row.state == "gone":
            raise NotFoundError(
                "not_quarantined", f"no bytes are kept for the entry {row.entry}", "there is nothing to drop"
            )
    for row in found:
        is_new = row.state != "dropped"
        entry = row.note
        if is_new or entry is None:
            written = write_note(ledger, delivery, drop_note(ledger, row, reason=reason, by=by, time=time))
            entry, is_new = written.entry, written.is_new
        # Crash here: the note says that they are dropped, and they are still there. The next run deletes them.
        ledger.store.delete(layout.quarantine(row.shard, row.index))
        yield DropRow(entry=row.entry, note=entry, size=row.size, is_new=is_new)


def drop_note(ledger: OpenLedger, row: QuarantineRow, *, reason: str, by: str, time: str) -> Note:
    """The note that a record is dropped: one for each, whatever the reason of a second try."""
    return Note(
        account=_account(ledger, row),
        subject=quarantine_subject(row.shard, row.index),
        action=DROP,
        detail={"entry": row.entry, "code": row.code, "reason": reason},
        by=by,
        time=time,
        id=f"{DROP}-{row.shard}-{row.index}",
    )


def replace_note(ledger: OpenLedger, row: QuarantineRow, *, source: str, event_id: str, by: str, time: str) -> Note:
    """The note that a corrected event is sent in the place of a record: whoever reads the log sees that an operator wrote it."""
    account, subject = _account(ledger, row), quarantine_subject(row.shard, row.index)
    detail = {"entry": row.entry, "code": row.code, "source": source, "id": event_id}
    identifier = note_id(account, subject, REPLACE, detail)
    return Note(account=account, subject=subject, action=REPLACE, detail=detail, by=by, time=time, id=identifier)


def _account(ledger: OpenLedger, row: QuarantineRow) -> str:
    """Whose chain a note about a record joins: its account's where that is registered, for a rejected record registers none."""
    if row.account is not None and home_of(ledger.store, row.account) is not None:
        return row.account
    return OPERATORS
