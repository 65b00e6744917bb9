"""How the cases of the fold are written: events, expectations, and steps that pair them.

A case is a story: events of which each states what its entry must say. Records are one second apart, and an event's
own time is its record's unless it says otherwise. Members of an entry that a step does not name are not compared.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.reference.decoding import Record
from tests.reference.evaluator import derived_id

TOPIC = "ledger.changes"
START_MS = 1_669_626_000_000  # 2022-11-28T09:00:00Z

Json = Any
Event = dict[str, Any]
Expected = dict[str, Any]


def at(second: int, fraction: str = ".000") -> str:
    """The time of the record of that step, counted from 0."""
    return f"2022-11-28T09:{second // 60:02}:{second % 60:02}{fraction}Z"


@dataclass(frozen=True)
class Step:
    """A record, and what its entry must say."""

    event: Event | bytes | None
    expected: Expected
    key: bytes | None = None
    """The Kafka key; the event's account where None."""
    recorded_ms: int | None = None
    """Milliseconds after the start; one second a step where None."""
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True)
class Case:
    """A story named by the rule that it holds."""

    name: str
    steps: tuple[Step, ...]
    elsewhere: frozenset[str] = frozenset()
    """Accounts at home in other shards."""

    def records(self) -> list[Record]:
        """The steps as Kafka records."""
        return [_record(number, step) for number, step in enumerate(self.steps)]


def _record(number: int, step: Step) -> Record:
    event = step.event
    value = event if isinstance(event, bytes) or event is None else text(_timed(event, at(number)))
    key = step.key
    if key is None:
        key = event.get("accountid", "acme").encode() if isinstance(event, dict) else b"acme"
    after_ms = number * 1000 if step.recorded_ms is None else step.recorded_ms
    return Record(number, START_MS + after_ms, key, value, step.headers)


def _timed(event: Event, time: str) -> Event:
    """The event with its time where producers write it: only in that order do the fast ways of decoding read it."""
    timed: Event = {}
    for name, value in event.items():
        timed[name] = value
        if name == "subject":
            timed.setdefault("time", time)
    return {**timed, **event}


def text(event: Event) -> bytes:
    """An event as JSON without white space."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()


def case(name: str, *steps: Step, elsewhere: Sequence[str] = ()) -> Case:
    """A case of these steps."""
    return Case(name, steps, frozenset(elsewhere))


def does(event: Event | bytes | None, expected: Expected, **how: Any) -> Step:
    """An event, and what its entry must say; `how`: the key, the recorded time, headers."""
    return Step(event, expected, **how)


def given(event: Event) -> Step:
    """An event of which only its acceptance matters here."""
    return Step(event, {"accepted": True})


# --- events --------------------------------------------------------------------------------------------------------


def change(id: str, subject: str = "shop", *, account: str = "acme", **data: Any) -> Event:
    """A change event; a `time` among `data` is the event's own."""
    time = {"time": data.pop("time")} if "time" in data else {}
    return {
        "specversion": "1.0",
        "type": "ledger.change.v1",
        "source": "gateway/eu-1",
        "id": id,
        "subject": subject,
        **time,
        "accountid": account,
        "data": {"actor": {"type": "user", "id": "u_17"}, "interface": "wrangler", **data},
    }


def note(id: str, subject: str = "quarantine-3", **data: Any) -> Event:
    """An operator's note."""
    told = {"interface": "cli", "action": "drop", "detail": "seen and repaired", **data}
    return {**change(id, subject), "type": "ledger.note.v1", "data": told}


def module(content: str, type: str = "esm") -> dict[str, Any]:
    """A module with that content."""
    raw = content.encode()
    return {"type": type, "size": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def code(content: str = "1", **others: str) -> dict[str, Any]:
    """Code whose main module has that content; other modules by name (`util` is `util.js`)."""
    modules = {"index.js": module(content), **{f"{name}.js": module(more) for name, more in others.items()}}
    return {"replace": {"main": "index.js", "modules": modules}}


def replace(*names: Mapping[str, Any], **more: Any) -> Json:
    """`{"replace": {...}}`."""
    return {"replace": {name: value for part in (*names, more) for name, value in part.items()}}


def merge(*names: Mapping[str, Any], **more: Any) -> Json:
    """`{"merge": {...}}`."""
    return {"merge": {name: value for part in (*names, more) for name, value in part.items()}}


def secret(value: str) -> dict[str, str]:
    """A secret as a producer with the account's key sends it."""
    return {"mac": hashlib.sha256(value.encode()).hexdigest()}


def version_of(id: str, subject: str = "shop") -> str:
    """The id of the version that an event makes."""
    return derived_id("version", change(id, subject))


def deployment_of(id: str, subject: str = "shop") -> str:
    """The id of the deployment that an event makes."""
    return derived_id("deployment", change(id, subject))


# --- what an entry must say ----------------------------------------------------------------------------------------


def deployed(*changes: str, version: int | None = None, deployment: int, **more: Any) -> Expected:
    """A deployment, and perhaps a version, of these numbers. A change is written `aspect name op`."""
    return _said("deployed", changes, version=version, deployment=deployment, **more)


def uploaded(*changes: str, version: int, **more: Any) -> Expected:
    """A version that is not activated."""
    return _said("uploaded", changes, version=version, **more)


def changed(*changes: str, **more: Any) -> Expected:
    """Triggers only: no version, no deployment."""
    return _said("changed", changes, **more)


def unchanged(**more: Any) -> Expected:
    """Nothing at all."""
    return _said("unchanged", (), **more)


def deleted(*changes: str, **more: Any) -> Expected:
    """The script is gone, and these triggers with it."""
    return _said("deleted", changes, **more)


def noted(**more: Any) -> Expected:
    """An operator's act."""
    return {"outcome": "noted", "changes": None, "version": None, "deployment": None, **more}


def duplicate(first_index: int, **more: Any) -> Expected:
    """The same source and id as the entry at that index."""
    absent = {"changes": None, "version": None, "deployment": None, "triggers": None}
    return {"outcome": "duplicate", "first_index": first_index, **absent, **more}


def rejected(code: str, path: str | None = None, **more: Any) -> Expected:
    """Refused with that reason; what ends with `…` is only the beginning: the formats leave the rest open."""
    absent = {"changes": None, "version": None, "deployment": None, "triggers": None}
    return {"outcome": "rejected", "code": code, "path": path, **absent, **more}


def _said(outcome: str, changes: Sequence[str], **more: Any) -> Expected:
    parts = [change.split(" ") for change in changes]
    listed = [[words[0], " ".join(words[1:-1]), words[-1]] for words in parts]
    return {"outcome": outcome, "changes": listed, "version": None, "deployment": None, **more}


def differences(entry: Mapping[str, Any], expected: Expected) -> list[str]:
    """What the entry says otherwise than expected; nothing where it agrees."""
    return [
        f"{name}: expected {wanted!r}, found {found!r}"
        for name, wanted in expected.items()
        if not _agrees(name, found := _found(entry, name), wanted)
    ]


def _found(entry: Mapping[str, Any], name: str) -> Any:
    """The part of an entry that an expectation of that name speaks of; None where it is absent."""
    version, deployment = entry.get("version") or {}, entry.get("deployment") or {}
    match name:
        case "accepted":
            return entry["outcome"] not in ("rejected", "duplicate")
        case "version" | "deployment":
            return entry.get(name, {}).get("number")
        case "manifest" | "sha256":
            return version.get(name)
        case "shares":
            return deployment.get("versions")
        case "rollback" | "rollback_of":
            return deployment.get(name)
        case "code" | "path":
            return (entry.get("reason") or {}).get(name)
        case "others":
            return {other["subject"]: other["changes"] for other in entry.get("others", ())}
        case _:
            return entry.get(name)


def _agrees(name: str, found: Any, wanted: Any) -> bool:
    if name == "path" and wanted is None:
        return True
    if name in ("code", "path") and str(wanted).endswith("…"):
        return str(found).startswith(wanted.removesuffix("…"))
    return bool(found == wanted)
