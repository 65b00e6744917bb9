"""Events as a request holds them, and what is told of each. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from ledger.errors import InputError
from ledger.model.decoding import decode
from ledger.model.entries import Entry
from ledger.model.events import Event, Known, Rejected
from ledger.model.reasons import Reason

__all__ = [
    "BATCH",
    "LINES",
    "MAX_EVENTS",
    "SINGLE",
    "EventResult",
    "EventResults",
    "Item",
    "failed",
    "of_entry",
    "read_items",
    "refused",
    "sent",
    "told",
]

SINGLE: Final = ("application/cloudevents+json", "application/json")
BATCH: Final = ("application/cloudevents-batch+json",)
LINES: Final = ("application/x-ndjson", "application/ndjson")
MAX_EVENTS: Final = 1000

State = Literal["accepted", "duplicate", "rejected", "sent", "failed"]

_decode_batch = msgspec.json.Decoder(list[msgspec.Raw]).decode


class EventResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one event."""

    item: int
    """Its place in the request, from 0."""
    source: str | None
    """With `id` what makes it this event and no other; null where it could not be read."""
    id: str | None
    state: State
    """accepted: it is in the log. duplicate: it was before, and nothing was changed. rejected: it breaks a rule (`reason`); in the log
    only where there is an `entry`. sent: its entry was not waited for, or has not come yet. failed: it was not sent (`reason`), or
    nobody knows (`publish_unclear`): send it again."""
    outcome: str | None = None
    """Of its entry: deployed, uploaded, changed, unchanged, deleted, noted, duplicate or rejected."""
    entry: str | None = None
    """Where that is, `shard/index`."""
    first: str | None = None
    """Of a duplicate: the entry that has the event."""
    version: str | None = None
    """Id of the version that the event made,"""
    deployment: str | None = None
    """and of the deployment."""
    reason: Reason | None = None


class EventResults(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the events of a request."""

    accepted: int
    duplicate: int
    rejected: int
    sent: int
    failed: int
    results: list[EventResult]
    """One for each, in their order."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a request."""

    number: int
    value: bytes
    event: Event | None
    """None where it is refused."""
    refusal: Rejected | None = None


def read_items(body: bytes, content_type: str) -> list[Item]:
    """The events of a body, each checked as the fold checks it.

    Args:
        body: of the request.
        content_type: one of `SINGLE`, `BATCH` and `LINES`.

    Raises:
        InputError: `bad_batch`, where it is no array; `no_events`; `too_many_events`. None of them quotes the body.
    """
    if content_type in SINGLE:
        values: Sequence[bytes] = [body]
    elif content_type in BATCH:
        try:
            values = [bytes(value) for value in _decode_batch(body)]
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise InputError("bad_batch", "the body is no JSON array", "send [EVENT, ...]") from None
    else:
        values = [line for line in body.split(b"\n") if line.strip()]
    if not values:
        raise InputError("no_events", "the body holds no event")
    if len(values) > MAX_EVENTS:
        raise InputError(
            "too_many_events", f"a request has at most {MAX_EVENTS} events, this one has {len(values)}", "send several"
        )
    return [_item(number, value) for number, value in enumerate(values)]


def refused(item: Item, reason: Reason) -> EventResult:
    """What is told of an event that was not sent because it breaks a rule."""
    return _result(item, "rejected", reason=reason)


def failed(item: Item, code: str, detail: str) -> EventResult:
    """What is told of one that could not be sent."""
    return _result(item, "failed", reason=Reason(code, "$", detail))


def sent(item: Item) -> EventResult:
    """What is told of one whose entry has not come."""
    return _result(item, "sent")


def of_entry(item: Item, entry: Entry, first: Entry) -> EventResult:
    """What is told of one by its entry, and by the one that has the event: the same, unless it is a duplicate."""
    state: State = "accepted"
    if entry.outcome == "duplicate":
        state = "duplicate"
    elif entry.outcome == "rejected":
        state = "rejected"
    return msgspec.structs.replace(
        _result(item, state, entry.reason),
        outcome=entry.outcome,
        entry=_name(entry),
        first=_name(first) if first is not entry else None,
        version=first.version.id if first.version else None,
        deployment=first.deployment.id if first.deployment else None,
    )


def _name(entry: Entry) -> str:
    return f"{entry.origin.partition}/{entry.index}"


def told(results: Sequence[EventResult]) -> EventResults:
    """The results of a request, counted."""
    counts = Counter[str](result.state for result in results)
    return EventResults(
        accepted=counts["accepted"],
        duplicate=counts["duplicate"],
        rejected=counts["rejected"],
        sent=counts["sent"],
        failed=counts["failed"],
        results=list(results),
    )


def _item(number: int, value: bytes) -> Item:
    found = decode(value)
    if isinstance(found, Event):
        return Item(number=number, value=value, event=found)
    return Item(number=number, value=value, event=None, refusal=found)


def _result(item: Item, state: State, reason: Reason | None = None) -> EventResult:
    known = item.event or (item.refusal.known if item.refusal else Known())
    return EventResult(item=item.number, source=known.source, id=known.id, state=state, reason=reason)
