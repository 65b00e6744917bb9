"""Redriving quarantined records: sending them again, to the partition where their account is at home.

A rejected event is no duplicate, so one whose cause is gone can be sent again as it was: same bytes, same headers, same event id. What
would be rejected once more stays where it is. Sent twice, by a run that was cut off and one that repeats it, it is one entry and one
duplicate.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ledger.broker.publish import STRUCTURED_HEADERS, Outgoing
from ledger.errors import InputError
from ledger.log.quarantine import read_quarantined
from ledger.model.decoding import decode
from ledger.model.events import Known, Rejected
from ledger.model.reasons import Reason
from ledger.operators.delivery import Delivery, Landed
from ledger.operators.rehearsal import Foreseen, Rehearsal
from ledger.query.answers import Answer
from ledger.query.opened import OpenLedger
from ledger.query.quarantine import QuarantineRow, known_in
from ledger.query.rows import rows

__all__ = ["Planned", "RedriveRow", "Wishes", "plan", "redrive", "shown"]

_LAST_CHANGES: Final = """
SELECT account, script, concat(shard, '/', "index") AS entry, recorded_at FROM _touched
WHERE outcome <> 'unchanged'
QUALIFY row_number() OVER (PARTITION BY account, script ORDER BY "index" DESC) = 1
"""

_NOT_THERE: Final = Reason("not_quarantined", "$", "its bytes were never kept, or are gone")
_DROPPED: Final = Reason("dropped", "$", "it was dropped; what is still there of it is left over")
_DAMAGED: Final = Reason("bad_quarantine", "$", "what is kept of it is damaged")
_NULL_HEADER: Final = Reason(
    "bad_value", "$", "it has a header without a value, which this client cannot send: use --replace"
)
_LOST: Final = {"gone": _NOT_THERE, "dropped": _DROPPED, "damaged": _DAMAGED}
_NO_VALUE: Final = Reason("malformed_json", "$", "a record without a value can become nothing")


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """How to redrive."""

    force: bool = False
    """Send what would be rejected again, too; never what may hold a secret's value."""
    rekey: bool = False
    """Key each record with its event's account, whatever its key was."""
    replacement: bytes | None = None
    """Send this event in the record's place (requires that there is one record)."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done with one record."""

    row: QuarantineRow
    outgoing: Outgoing | None = None
    """What is sent; None where nothing is."""
    foreseen: Foreseen | None = None
    """What it would become now."""
    held: Reason | None = None
    """Why it stays."""
    known_as: str | None = None
    """The entry that has the event already; with no record to send and no reason to hold one back, nothing is left to do."""
    known: Known = Known()
    """What is sent, as far as it can be read."""
    overtaken_by: str | None = None
    """The newest entry that changed the script after the record was rejected: what the event sets takes the place of that."""


class RedriveRow(Answer, frozen=True, kw_only=True):
    """What came of one record."""

    entry: str
    """The rejected one, `shard/index`."""
    source: str | None
    event_id: str | None
    account: str | None
    script: str | None
    did: str
    """sent; would be sent (only planned); held back; nothing (the event is in the log, or another record of this run has it)."""
    partition: int | None
    """Where it was sent."""
    became: str | None
    """The entry that has the event now."""
    outcome: str | None
    """Of that entry, or of what it would become; rejected where it was refused again."""
    code: str | None
    path: str | None
    detail: str | None
    """Why it was held back or rejected."""
    overtaken_by: str | None


def plan(
    ledger: OpenLedger, found: Sequence[QuarantineRow], delivery: Delivery, rehearsal: Rehearsal, wishes: Wishes
) -> list[Planned]:
    """Say what is to be done with each record, in the order given. Sends nothing.

    Raises:
        InputError: `another_event`, where the replacement is another event than the one that was rejected.
        IntegrityError, StoreError: the log or quarantine cannot be read.
    """
    changed = {(row["account"], row["script"]): row for row in rows(ledger, _LAST_CHANGES)} if found else {}
    planned = []
    for row in found:
        if row.became is not None:
            planned.append(Planned(row=row, known_as=row.became))
        elif wishes.replacement is None and row.state in _LOST:
            planned.append(Planned(row=row, held=_LOST[row.state]))
        else:
            planned.append(_plan_one(ledger, row, delivery, rehearsal, wishes))
    return [_overtaken(item, changed) for item in planned]


def redrive(planned: Sequence[Planned], delivery: Delivery) -> list[RedriveRow]:
    """Send what is to be sent, and wait until each has its entry.

    Raises:
        BrokerError: what `Delivery.deliver` raises.
    """
    outgoing = [item.outgoing for item in planned if item.outgoing is not None]
    landed = iter(delivery.deliver(outgoing) if outgoing else [])
    return [_done(item, next(landed)) if item.outgoing is not None else shown(item) for item in planned]


def shown(item: Planned) -> RedriveRow:
    """A plan as a row."""
    did = "would be sent" if item.outgoing is not None else "held back" if item.held is not None else "nothing"
    foreseen = item.foreseen
    reason = item.held or (foreseen.reason if foreseen else None)
    return _row(
        item,
        did=did,
        became=item.known_as,
        outcome=item.row.became_outcome if foreseen is None else foreseen.outcome,
        reason=reason,
    )


def _plan_one(
    ledger: OpenLedger, row: QuarantineRow, delivery: Delivery, rehearsal: Rehearsal, wishes: Wishes
) -> Planned:
    key: bytes | None = None
    value, headers = wishes.replacement, STRUCTURED_HEADERS
    if value is None:
        record = read_quarantined(ledger.store, row.shard, row.index)
        if record is None:  # dropped since it was listed
            return Planned(row=row, held=_NOT_THERE)
        key, value, headers = record.key, record.value, tuple(record.headers)
    if value is None:
        return Planned(row=row, held=_NO_VALUE)
    if any(content is None for _, content in headers):
        return Planned(row=row, held=_NULL_HEADER)
    found = decode(value, headers)
    known = known_in(found)
    if wishes.replacement is not None:
        _check_same(row, known)
    if isinstance(found, Rejected) and not (found.keep and wishes.force):
        return Planned(row=row, held=found.reason, known=known)
    if known.account is not None and (wishes.rekey or wishes.replacement is not None):
        key = known.account.encode()
    partition = row.shard if key is None else delivery.partition(known.account, key)
    outgoing = Outgoing(partition=partition, key=key, value=value, headers=headers)
    foreseen = rehearsal.fold(outgoing)
    if foreseen.outcome == "duplicate":
        first = None if foreseen.first_index is None else f"{partition}/{foreseen.first_index}"
        return Planned(row=row, known_as=first, foreseen=foreseen, known=known)
    if foreseen.outcome == "rejected" and not wishes.force:
        return Planned(row=row, held=foreseen.reason, foreseen=foreseen, known=known)
    return Planned(row=row, outgoing=outgoing, foreseen=foreseen, known=known)


def _check_same(row: QuarantineRow, known: Known) -> None:
    """A corrected record is the same event: another one is published, not redriven."""
    for name, before, after in (
        ("source", row.source, known.source),
        ("id", row.event_id, known.id),
        ("accountid", row.account, known.account),
    ):
        if before is not None and after is not None and before != after:
            raise InputError(
                "another_event",
                f"the {name} of the corrected event is {after!r}, that of the rejected one {before!r}",
                "correct it and keep its source, id and account; another event is sent with `ledger publish`",
            )


def _overtaken(item: Planned, changed: Mapping[tuple[str, str], Mapping[str, object]]) -> Planned:
    if item.outgoing is None or item.known.account is None or item.known.subject is None:
        return item
    last = changed.get((item.known.account, item.known.subject))
    if last is None or not last["recorded_at"] > item.row.recorded_at:  # type: ignore[operator]
        return item
    return msgspec.structs.replace(item, overtaken_by=str(last["entry"]))


def _done(item: Planned, landed: Landed) -> RedriveRow:
    became = landed.entry if landed.first_index is None else f"{landed.shard}/{landed.first_index}"
    return _row(item, did="sent", became=became, outcome=landed.outcome, reason=landed.reason)


def _row(item: Planned, *, did: str, became: str | None, outcome: str | None, reason: Reason | None) -> RedriveRow:
    row, known = item.row, item.known
    return RedriveRow(
        entry=row.entry,
        source=known.source or row.source,
        event_id=known.id or row.event_id,
        account=known.account or row.account,
        script=known.subject or row.script,
        did=did,
        partition=None if item.outgoing is None else item.outgoing.partition,
        became=became,
        outcome=outcome,
        code=reason.code if reason else None,
        path=reason.path if reason else None,
        detail=reason.detail if reason else None,
        overtaken_by=item.overtaken_by,
    )
