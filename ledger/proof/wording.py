"""What an entry says, in plain words, for somebody who holds its bytes and nothing else. Pure: no IO."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from ledger.model.entries import Entry, decode_entry
from ledger.model.state import Change

__all__ = ["described", "read_entry", "says", "who"]

_MAX_NAMES: Final = 6
_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}


def read_entry(line: bytes) -> Entry | None:
    """The entry that the bytes are, or None where they are something else that a log can hold."""
    try:
        return decode_entry(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def described(entry: Entry) -> str:
    """What was recorded, as the subject of a sentence: `deployment 9f2c... of acme/checkout`."""
    of = f"{entry.account or 'an unknown account'}/{entry.event.subject or 'an unknown script'}"
    match entry.outcome:
        case "deployed" if entry.deployment is not None:
            return f"deployment {entry.deployment.id} of {of}"
        case "uploaded" if entry.version is not None:
            return f"version {entry.version.id} of {of}"
        case "deleted":
            return f"the deletion of {of}"
        case "noted":
            return f"an operator's note on {entry.event.subject} of {entry.account}"
        case "rejected":
            return f"a record of {of} that was rejected"
        case "duplicate":
            return f"an event of {of} that had been received before"
        case _:
            return f"a change of {of}"


def who(entry: Entry) -> str:
    """Who did it and how: the pseudonym, as it stands in the entry, and the interface."""
    data = _data(entry)
    actor = data.get("actor") if isinstance(data.get("actor"), dict) else {}
    name = f"{actor.get('type')} {actor.get('pseudonym')}" if actor else "nobody named"
    return f"{name} ({data['interface']})" if isinstance(data.get("interface"), str) else name


def says(entry: Entry) -> str:
    """What else it says: numbers, versions and traffic, what changed, message and tag."""
    parts = [_outcome(entry)]
    gap = entry.origin.gap
    if gap is not UNSET:
        lost = f"the records before it with the offsets {gap.from_} to {gap.to} of partition {entry.origin.partition} were lost"
        parts.append(f"{lost}, accepted by {gap.accepted_by}")
    if entry.version is not None:
        parts.append(f"version {entry.version.number} ({entry.version.id})")
    if entry.deployment is not None:
        served = ", ".join(f"{share} % to {version}" for version, share in entry.deployment.versions.items())
        rollback = " as a rollback" if entry.deployment.rollback else ""
        parts.append(f"deployment {entry.deployment.number}{rollback}: {served}")
    if entry.changes is not None:
        parts.append(f"changes {_changes(entry.changes)}")
    parts += [f"{lost.subject} lost {_changes(lost.changes)}" for lost in entry.others]
    data = _data(entry)
    parts += [f"{name} {data[name]!r}" for name in ("message", "tag") if isinstance(data.get(name), str)]
    return "; ".join(parts)


def _outcome(entry: Entry) -> str:
    if entry.reason is not None:
        return f"rejected, {entry.reason.code} at {entry.reason.path}: {entry.reason.detail}"
    first = "" if entry.first_index is None else f" of entry {entry.first_index}"
    return f"{entry.outcome}{first}, effective {entry.effective_at}"


def _changes(changes: Sequence[Change]) -> str:
    named = [f"{_SIGNS.get(op, op)}{aspect}/{name}" for aspect, name, op in changes[:_MAX_NAMES]]
    more = len(changes) - _MAX_NAMES
    return (", ".join(named) or "nothing") + (f", and {more} more" if more > 0 else "")


def _data(entry: Entry) -> dict[str, Any]:
    data = {} if entry.event.data is UNSET else msgspec.json.decode(entry.event.data)
    return data if isinstance(data, dict) else {}
