"""Operators' notes: the event that says what somebody did to the ledger's surroundings, and its id."""

from hashlib import sha256
from typing import Any, Final

import msgspec

from ledger.model.events import NOTE

__all__ = ["INTERFACE", "OPERATORS", "SOURCE", "Note", "note_event", "note_id", "quarantine_subject"]

OPERATORS: Final = "_operators"
"""The account of notes that are about the ledger itself and no other account."""
SOURCE: Final = "ledger-cli"
"""The `source` of every note that the command line writes."""
INTERFACE: Final = "cli"

_encode = msgspec.json.Encoder().encode


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator did."""

    account: str
    """In whose chain it stands."""
    subject: str
    """What it is about: a script, a person's pseudonym, a quarantined record."""
    action: str
    detail: Any = None
    """Any JSON value; None for none."""
    by: str
    """Who did it: an id, sealed in the entry like any actor's."""
    time: str
    """When, as the log writes times."""
    id: str
    """The event's id: two notes of one id are one note."""


def note_id(account: str, subject: str, action: str, detail: Any) -> str:
    """The id of a note that says this; who said it does not count, lest a digest of them stand in the log."""
    said = _encode([account, subject, action, detail])
    return f"note-{sha256(said).hexdigest()[:32]}"


def quarantine_subject(shard: int, index: int) -> str:
    """The subject of notes about the raw record of a rejected entry."""
    return f"quarantine-{shard}-{index}"


def note_event(note: Note) -> bytes:
    """The note as a change event's record, structured mode."""
    data: dict[str, Any] = {"actor": {"type": "user", "id": note.by}, "interface": INTERFACE, "action": note.action}
    if note.detail is not None:
        data["detail"] = note.detail
    return _encode(
        {
            "specversion": "1.0",
            "type": NOTE,
            "source": SOURCE,
            "id": note.id,
            "subject": note.subject,
            "time": note.time,
            "accountid": note.account,
            "datacontenttype": "application/json",
            "data": data,
        }
    )
