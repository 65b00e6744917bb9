"""`explain`: what an entry did, in sentences: what changed and from what, by whom, how it was reached, and what came after."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ledger.errors import NotFoundError
from ledger.model.aspects import TRIGGERS
from ledger.model.entries import decode_entry
from ledger.model.jsontext import sorted_json
from ledger.query.contents import Content, Version, versions_of
from ledger.query.differences import compare, whole_content
from ledger.query.forensics import ChangedValue, Explained
from ledger.query.lookup import find_id, parse_entry_id
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME
from ledger.query.showing import entry_line
from ledger.query.timeline import Step, is_live, timeline

__all__ = ["explain"]

_MAX_NAMES: Final = 8
_LONGEST: Final = 60
_REACHING: Final = ("domains", "routes", "subdomain", "crons", "queues")


def explain(ledger: OpenLedger, text: str, at: datetime | None = None) -> Explained:
    """What an id names, in sentences; as of an effective time, which decides what is known to have come after.

    Args:
        ledger: the ledger asked.
        text: `shard/index`, or a unique prefix of a version's or deployment's id: then the entry that made it.
        at: as of this effective time.

    Raises:
        UsageError: `bad_id`, `ambiguous_id`.
        NotFoundError: `id_not_found`, `entry_not_found`; `nothing_changed`, where the entry changed no script.
        IntegrityError: `version_missing`.
    """
    entry, account, script = _find(ledger, text)
    steps = timeline(ledger, account, script, at or END_OF_TIME)
    place = next((number for number, step in enumerate(steps) if step.entry == entry and step.lost_to is None), None)
    if place is None:
        raise _nothing(entry, "it lies after the time that was asked about")
    step = steps[place]
    before = next((one for one in reversed(steps[:place]) if is_live(one)), None)
    ending = _ending(steps, place)
    changes = _changes(ledger, account, script, steps, place, before)
    reached = _reached(steps[: place + 1])
    is_deployment = step.deployment is not None
    return Explained(
        entry=entry,
        account=account,
        script=script,
        outcome=step.outcome,
        version=step.version_number,
        deployment=step.number,
        effective_at=step.effective_at,
        recorded_at=step.recorded_at,
        author=step.author,
        interface=step.interface,
        message=step.message,
        tag=step.tag,
        replaced=before.number if before else None,
        changes=changes,
        reached=reached,
        live_from=step.effective_at if is_deployment else None,
        live_to=ending.effective_at if ending and is_deployment else None,
        next_entry=ending.entry if ending else None,
        sentences=[
            _who_did_what(step, account, script),
            *_from_what(steps, step, before),
            *_what_changed(step, changes),
            *_how_reached(step, reached),
            _what_came_after(steps, place, ending),
            *_when_recorded(step),
        ],
    )


def _find(ledger: OpenLedger, text: str) -> tuple[str, str, str]:
    """The entry, and the account and script that it is about."""
    entry = parse_entry_id(text)
    if entry is None:
        found = find_id(ledger, text)
        return found.entry, found.account, found.script
    said = decode_entry(entry_line(ledger, entry))
    name = f"{entry.shard}/{entry.index}"
    if said.outcome not in {"deployed", "uploaded", "changed", "deleted"}:
        raise _nothing(name, f"its outcome is {said.outcome}")
    return name, str(said.account), str(said.event.subject)


def _nothing(entry: str, why: str) -> NotFoundError:
    return NotFoundError(
        "nothing_changed", f"the entry {entry} changed nothing: {why}", f"`ledger show {entry}` shows it whole"
    )


# --- facts


def _changes(
    ledger: OpenLedger, account: str, script: str, steps: Sequence[Step], place: int, before: Step | None
) -> list[ChangedValue]:
    """Values before and after: of what is served, or of the version made; and of what leads to the script."""
    step = steps[place]
    old: Mapping[str, float] = before.served if before else {}
    new: Mapping[str, float] = step.served
    if step.outcome == "uploaded" and step.version:
        new = {step.version: 100}
        newest = next((one.version for one in reversed(steps[:place]) if one.version), None)
        old = old or ({newest: 100} if newest else {})
    elif step.outcome == "changed":
        old = new = {}
    versions = versions_of(ledger, [*old, *new], account=account, script=script)
    then = _triggers(steps[:place]), _triggers(steps[: place + 1])
    return [
        ChangedValue(aspect=aspect, name=name, op=op, before=one, after=other)
        for aspect, name, op, one, other in compare(_content(old, versions, then[0]), _content(new, versions, then[1]))
    ]


def _content(served: Mapping[str, float], versions: Mapping[str, Version], triggers: Content) -> Content:
    return whole_content(served, versions) | triggers


def _triggers(steps: Sequence[Step]) -> Content:
    return next((step.triggers for step in reversed(steps) if step.triggers is not None), {})


def _reached(steps: Sequence[Step]) -> list[str]:
    triggers = _triggers(steps)
    found = sorted(
        (_REACHING.index(aspect), name)
        for (aspect, name), value in triggers.items()
        if aspect in _REACHING and (aspect != "subdomain" or (name == "enabled" and value is True))
    )
    return ["workers.dev" if _REACHING[kind] == "subdomain" else f"{_REACHING[kind]}/{name}" for kind, name in found]


def _ending(steps: Sequence[Step], place: int) -> Step | None:
    """What ended it: for a deployment the next one or the deletion, for a change of triggers the next of one of its names."""
    step, later = steps[place], steps[place + 1 :]
    if is_live(step) or step.outcome == "uploaded":
        return next((one for one in later if is_live(one)), None)
    return next((one for one in later if step.changes.keys() & one.changes.keys()), None)


# --- sentences


def _who_did_what(step: Step, account: str, script: str) -> str:
    of = f"{script} of {account}"
    what = {
        "deployed": f"made deployment {step.number} of {of}"
        + (f", with a new version {step.version_number}" if step.version_number is not None else ""),
        "uploaded": f"uploaded version {step.version_number} of {of} without deploying it",
        "changed": f"changed how {of} is reached or watched, and made no version",
        "deleted": f"deleted {of}",
    }[step.outcome]
    said = "".join(
        (f", saying {step.message!r}" if step.message else "", f", with the tag {step.tag!r}" if step.tag else "")
    )
    return f"{_who(step)} {what} on {_clock(step.effective_at)}{said}."


def _from_what(steps: Sequence[Step], step: Step, before: Step | None) -> list[str]:
    if step.deployment is None:
        return []
    numbers = {one.version: one.version_number for one in steps if one.version}
    serves = " and ".join(
        f"version {numbers.get(version)}" + ("" if share == 100 else f" to {share:g} %")
        for version, share in sorted(step.served.items(), key=lambda item: -item[1])
    )
    told = [f"It served {serves}."]
    if step.rollback or step.rollback_of:
        restored = next((one.number for one in steps if one.deployment and one.deployment == step.rollback_of), None)
        told.append("It was a rollback" + (f" to deployment {restored}." if restored else " to an older version."))
    if before is None:
        told.append("It was the script's first deployment.")
    elif before.deployment is None:
        told.append(f"The script had been deleted on {_clock(before.effective_at)}: this began a new life of it.")
    else:
        told.append(f"It replaced deployment {before.number}, which had been live since {_clock(before.effective_at)}.")
    return told


def _what_changed(step: Step, changes: Sequence[ChangedValue]) -> list[str]:
    if not changes:
        return [] if step.outcome == "deleted" else ["No value changed."]
    named = [_change(one) for one in changes[:_MAX_NAMES]]
    more = f"; and {len(changes) - _MAX_NAMES} more" if len(changes) > _MAX_NAMES else ""
    versioned = sum(one.aspect not in TRIGGERS for one in changes)
    beside = (
        f", {len(changes) - versioned} of them in how it is reached or watched" if 0 < versioned < len(changes) else ""
    )
    return [f"{len(changes)} name{'s' if len(changes) > 1 else ''} changed{beside}: {'; '.join(named)}{more}."]


def _change(one: ChangedValue) -> str:
    name = f"{one.aspect}/{one.name}"
    match one.op:
        case "added":
            return f"{name} was added ({_value(one.after)})"
        case "removed":
            return f"{name} was removed (it was {_value(one.before)})"
        case _:
            return f"{name} went from {_value(one.before)} to {_value(one.after)}"


def _how_reached(step: Step, reached: Sequence[str]) -> list[str]:
    if step.outcome == "deleted":
        return []
    if not reached:
        return ["Nothing led to the script then: no route, domain, cron or queue, nor workers.dev."]
    more = f", and {len(reached) - _MAX_NAMES} more" if len(reached) > _MAX_NAMES else ""
    return [f"The script was reached by {', '.join(reached[:_MAX_NAMES])}{more}."]


def _what_came_after(steps: Sequence[Step], place: int, ending: Step | None) -> str:
    step = steps[place]
    if step.outcome == "uploaded":
        first = next((one for one in steps[place + 1 :] if step.version in one.served), None)
        if first is None:
            return "The version has never been deployed."
        return f"The version was first deployed by deployment {first.number} on {_clock(first.effective_at)} ({first.entry})."
    if ending is None:
        return {
            "deployed": "It is still live.",
            "deleted": "The script has not been deployed again.",
        }.get(step.outcome, "None of these names has been changed since.")
    after = f"after {_length((ending.effective_at - step.effective_at).total_seconds())}"
    by = f"{_who(ending)} on {_clock(ending.effective_at)} ({ending.entry})"
    if step.outcome == "deleted":
        return f"It was deployed again {after}, by {by}."
    if step.outcome == "changed":
        return f"One of these names was changed again {after}, by {by}."
    if ending.outcome == "deleted":
        return f"It was live for {after.removeprefix('after ')}, until the script was deleted by {by}."
    return f"It was live for {after.removeprefix('after ')}, until deployment {ending.number} replaced it, by {by}."


def _when_recorded(step: Step) -> list[str]:
    late = (step.recorded_at - step.effective_at).total_seconds()
    return (
        [f"The ledger learnt of it only on {_clock(step.recorded_at)}, {_length(late)} later."] if late >= 300 else []
    )


def _who(step: Step) -> str:
    return (step.author or "Nobody named") + (f", through {step.interface}," if step.interface else "")


def _value(value: Any) -> str:
    if isinstance(value, dict) and {"type", "size", "sha256"} <= value.keys():
        return f"{value['size']} bytes, {str(value['sha256'])[:12]}"
    text = sorted_json(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _clock(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _length(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:g} seconds"
