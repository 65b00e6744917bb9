"""Erasing people: a note first, and only when that is durable their key.

The note names the pseudonym and nobody else. A crash between the two leaves a note about a person who can still be named; erasing again
finds it and deletes the key. The note follows, in the account's partition, all that was sent before it: what workers fold later meets no
key any more.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ledger.errors import InputError
from ledger.model.noting import Note
from ledger.operators.delivery import Delivery
from ledger.operators.noting import write_note
from ledger.query.answers import Answer
from ledger.query.opened import OpenLedger
from ledger.query.people import PersonRow, names_any
from ledger.storage.keys import KeyStore

__all__ = ["ERASE", "ErasedRow", "check_silent", "erase", "erase_id", "needles"]

ERASE: Final = "erase"


class ErasedRow(Answer, frozen=True, kw_only=True):
    """A person whose key is gone."""

    account: str
    pseudonym: str
    entries: int
    """How many entries named them."""
    note: str
    """The entry that says so."""


def erase_id(pseudonym: str) -> str:
    """The event id of the note that a person is erased: one for each pseudonym."""
    return f"{ERASE}-{pseudonym}"


def needles(people: Sequence[PersonRow], text: str) -> list[str]:
    """By what else than their pseudonyms these people, found by this text, may be named."""
    named = [name for row in people for name in (row.id, *row.emails)]
    return list(dict.fromkeys([*named, *([] if any(text == row.pseudonym for row in people) else [text])]))


def check_silent(text: str | None, names: Sequence[str]) -> None:
    """Refuse a text for the log that names whom it is to forget.

    Raises:
        InputError: `names_them`.
    """
    named = None if text is None else names_any(text, names)
    if named is not None:
        raise InputError(
            "names_them", f"the reason names {named}, and the log cannot forget it", "give a case number or the like"
        )


def erase(
    ledger: OpenLedger,
    keys: KeyStore,
    people: Sequence[PersonRow],
    delivery: Delivery,
    *,
    reason: str | None,
    by: str,
    time: str,
) -> Iterator[ErasedRow]:
    """Erase people, one after the other; each is forgotten when their row is there.

    Raises:
        BrokerError: what `write_note` raises; nobody's key is deleted whose note is not durable.
        StoreError: the key could not be deleted.
    """
    for row in people:
        detail: dict[str, Any] = {"entries": row.entries} | ({} if reason is None else {"reason": reason})
        note = Note(
            account=row.account,
            subject=row.pseudonym,
            action=ERASE,
            detail=detail,
            by=by,
            time=time,
            id=erase_id(row.pseudonym),
        )
        written = write_note(ledger, delivery, note)
        # Crash here: the note says that they are erased, and their key is still there. The next run deletes it.
        keys.erase(row.account, row.id)
        yield ErasedRow(account=row.account, pseudonym=row.pseudonym, entries=row.entries, note=written.entry)
