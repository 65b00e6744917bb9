"""What lies in quarantine: the rejected entries, the raw records that are kept of them, and what became of each."""

from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Final

from msgspec import Struct

from ledger.errors import IntegrityError, NotFoundError, UsageError
from ledger.log.quarantine import quarantined_entries, read_quarantined
from ledger.model.decoding import decode
from ledger.model.events import Event, Known, Rejected
from ledger.model.noting import OPERATORS, quarantine_subject
from ledger.query.answers import Answer
from ledger.query.lookup import EntryId, parse_entry_id
from ledger.query.opened import OpenLedger
from ledger.query.rows import Row, rows

__all__ = [
    "DROP",
    "REPLACE",
    "QuarantineRow",
    "QuarantinedRecord",
    "Select",
    "known_in",
    "parse_entries",
    "quarantine",
    "show_record",
]

DROP: Final = "drop"
REPLACE: Final = "replace"

_ACCEPTED: Final = """
SELECT shard, "index", account, source, event.id AS event_id, recorded_at, outcome
FROM _whole
WHERE outcome NOT IN ('rejected', 'duplicate') AND source IN (SELECT source FROM rejected)
  AND (source, event.id) IN (SELECT (source, event_id) FROM rejected)
ORDER BY recorded_at, shard, "index"
"""

_NOTES: Final = """
SELECT shard, "index", account, subject, action, detail ->> 'source' AS source, detail ->> 'id' AS event_id FROM notes
WHERE source = 'ledger-cli' AND starts_with(subject, 'quarantine-') AND action IN ('drop', 'replace')
ORDER BY recorded_at, shard, "index"
"""

_REPLACED: Final = """
SELECT shard, "index", source, event.id AS event_id, outcome
FROM _whole
WHERE outcome NOT IN ('rejected', 'duplicate') AND source IN (SELECT detail ->> 'source' FROM notes WHERE action = 'replace')
  AND (source, event.id) IN (SELECT (detail ->> 'source', detail ->> 'id') FROM notes WHERE action = 'replace')
"""


class QuarantineRow(Answer, frozen=True, kw_only=True):
    """A rejected entry and what is kept of its record."""

    entry: str
    """`shard/index`."""
    shard: int
    index: int
    topic: str
    partition: int
    offset: int
    recorded_at: datetime
    code: str
    """Why it was rejected,"""
    path: str | None
    """where in the event,"""
    detail: str | None
    """and in words."""
    account: str | None
    """As far as it can be read, also where the entry joins no account's chain,"""
    script: str | None
    """likewise."""
    source: str | None
    event_id: str | None
    size: int | None
    """Bytes of the record's value; None where they are not there."""
    state: str
    """kept; redriven (a later entry has the event) or known (an earlier one has); dropped; damaged; gone (the bytes were never kept, or
    were removed without a note)."""
    became: str | None
    """The entry that has the event."""
    became_outcome: str | None
    note: str | None
    """The entry of the note that says it was dropped or replaced."""


class QuarantinedRecord(Answer, frozen=True, kw_only=True):
    """A raw record, whole."""

    record: QuarantineRow
    timestamp: datetime | None
    """As Kafka had it; None where it had none."""
    key: str | None
    """Bytes that are no UTF-8 as `\\xff`."""
    headers: list[tuple[str, str | None]]
    """Likewise."""
    text: str | None
    """The value, where it is UTF-8,"""
    base64: str | None
    """and in base64, where it is not."""


class Select(Struct, frozen=True, kw_only=True):
    """Which of them; None: whichever."""

    accounts: Sequence[str] | None = None
    code: str | None = None
    shard: int | None = None
    entries: tuple[EntryId, ...] | None = None


class _Fates:
    """What the log says became of rejected records."""

    def __init__(self, ledger: OpenLedger) -> None:
        self._accepted: dict[tuple[str, str], list[Row]] = {}
        for row in rows(ledger, _ACCEPTED):
            self._accepted.setdefault((row["source"], row["event_id"]), []).append(row)
        notes = rows(ledger, _NOTES)
        self.dropped = {row["subject"]: row for row in notes if row["action"] == DROP}
        self.replaced = {row["subject"]: row for row in notes if row["action"] == REPLACE}
        replaced = rows(ledger, _REPLACED) if self.replaced else []
        self._replacements = {(row["source"], row["event_id"]): row for row in replaced}

    def became(self, row: Row, account: str | None) -> Row | None:
        """The first entry that has the event of a rejected record of this account (None: unknown)."""
        found = self._accepted.get((row["source"], row["event_id"]), [])
        mine = [other for other in found if account is None or other["account"] == account]
        return mine[0] if mine else None

    def replacement(self, subject: str) -> Row | None:
        """The entry of the record that was sent in the place of this one."""
        note = self.replaced.get(subject)
        return None if note is None else self._replacements.get((note["source"], note["event_id"]))


def quarantine(ledger: OpenLedger, select: Select, *, gone: bool = False) -> list[QuarantineRow]:
    """Rejected entries whose raw records are or were kept, in the order in which they were recorded.

    Args:
        ledger: the ledger.
        select: which.
        gone: also those of which nothing was kept.

    Raises:
        NotFoundError: `not_rejected`, where an entry that is named was not.
    """
    there = set(quarantined_entries(ledger.store))
    wanted = None if select.entries is None else {(entry.shard, entry.index) for entry in select.entries}
    rejected = rows(ledger, 'SELECT * FROM rejected ORDER BY recorded_at, shard, "index"')
    if wanted is not None:
        _check_rejected(wanted, rejected)
    fates = _Fates(ledger)
    found = []
    for row in rejected:
        place = (row["shard"], row["index"])
        if (wanted is not None and place not in wanted) or select.code not in {None, row["code"]}:
            continue
        if select.shard not in {None, row["shard"]}:
            continue
        made = _row(ledger, row, fates, is_there=place in there)
        if _is_of(made.account, select.accounts) and (gone or wanted is not None or made.state != "gone"):
            found.append(made)
    return found


def show_record(ledger: OpenLedger, text: str) -> tuple[QuarantinedRecord, bytes | None]:
    """The raw record of the entry that an id names, and its value's bytes.

    Raises:
        UsageError: `bad_id`.
        NotFoundError: `not_rejected`; `not_quarantined`, where its bytes are not there.
        IntegrityError: `bad_quarantine`.
    """
    (row,) = quarantine(ledger, Select(entries=parse_entries([text])))
    kept = read_quarantined(ledger.store, row.shard, row.index)
    if kept is None:
        why = f"they were dropped (note {row.note})" if row.state == "dropped" else f"it was rejected for {row.code}"
        raise NotFoundError(
            "not_quarantined",
            f"no bytes are kept for the entry {row.entry}: {why}",
            "a record that may hold a secret's value is never kept; `ledger show` has the entry itself",
        )
    value = kept.value
    is_text = value is not None and _is_text(value)
    record = QuarantinedRecord(
        record=row,
        timestamp=_moment(kept.timestamp),
        key=_readable(kept.key),
        headers=[(name, _readable(content)) for name, content in kept.headers],
        text=value.decode() if value is not None and is_text else None,
        base64=None if value is None or is_text else b64encode(value).decode(),
    )
    return record, value


def parse_entries(texts: Iterable[str]) -> tuple[EntryId, ...]:
    """The entries that ids name, as `SHARD/INDEX`.

    Raises:
        UsageError: `bad_id`.
    """
    found = []
    for text in texts:
        entry = parse_entry_id(text)
        if entry is None:
            raise UsageError(
                "bad_id", f"not a rejected entry: {text!r}", "give SHARD/INDEX, as `ledger quarantine list` shows it"
            )
        found.append(entry)
    return tuple(dict.fromkeys(found))


def known_in(found: Event | Rejected) -> Known:
    """What can be read of a record: the more, the later in decoding it was refused."""
    if isinstance(found, Rejected):
        return found.known
    return Known(source=found.source, id=found.id, subject=found.subject, time=found.time.text, account=found.account)


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _readable(content: bytes | None) -> str | None:
    return None if content is None else content.decode(errors="backslashreplace")


def _moment(milliseconds: int) -> datetime | None:
    try:
        return None if milliseconds < 0 else datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):  # a producer's clock may say anything
        return None


def _check_rejected(wanted: set[tuple[int, int]], rejected: list[Row]) -> None:
    missing = wanted - {(row["shard"], row["index"]) for row in rejected}
    for shard, index in sorted(missing):
        raise NotFoundError(
            "not_rejected",
            f"the entry {shard}/{index} is none that was rejected",
            "`ledger quarantine list` lists them",
        )


def _row(ledger: OpenLedger, row: Row, fates: _Fates, *, is_there: bool) -> QuarantineRow:
    subject = quarantine_subject(row["shard"], row["index"])
    record, is_damaged = None, False
    if is_there:
        try:
            record = read_quarantined(ledger.store, row["shard"], row["index"])
        except IntegrityError:
            is_damaged = True
    known = Known() if record is None else known_in(decode(record.value, record.headers))
    note = fates.dropped.get(subject)
    account = row["account"] or known.account or _account_of(note)
    became = fates.became(row, account) or fates.replacement(subject)
    replaced = note or fates.replaced.get(subject)
    if note is not None:
        state = "dropped"
    elif is_damaged:
        state = "damaged"
    elif became is not None:
        state = "redriven" if _is_later(became, row) else "known"
    else:
        state = "gone" if record is None else "kept"
    return QuarantineRow(
        entry=f"{row['shard']}/{row['index']}",
        shard=row["shard"],
        index=row["index"],
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        recorded_at=row["recorded_at"],
        code=row["code"],
        path=row["path"],
        detail=row["detail"],
        account=account,
        script=row["script"] or known.subject,
        source=row["source"] or known.source,
        event_id=row["event_id"] or known.id,
        size=None if record is None else len(record.value or b""),
        state=state,
        became=None if became is None else f"{became['shard']}/{became['index']}",
        became_outcome=None if became is None else became["outcome"],
        note=None if replaced is None else f"{replaced['shard']}/{replaced['index']}",
    )


def _is_of(account: str | None, wanted: Sequence[str] | None) -> bool:
    return wanted is None or (account is not None and any(fnmatchcase(account, glob) for glob in wanted))


def _account_of(note: Row | None) -> str | None:
    """The account of a dropped record, which its note's chain still tells."""
    return None if note is None or note["account"] == OPERATORS else str(note["account"])


def _is_later(became: Row, row: Row) -> bool:
    """Whether an entry came after the rejected one: by place in one shard, by the broker's clock in two."""
    if became["shard"] == row["shard"]:
        return bool(became["index"] > row["index"])
    return "recorded_at" not in became or bool(became["recorded_at"] >= row["recorded_at"])
