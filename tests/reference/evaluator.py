"""An independent evaluator of a shard: what every entry must say, from the records alone.

Plain dicts, whole histories, the standard library, nothing imported from the product: the judge that the product's
fold is compared with. It knows nothing of keys, so pseudonyms, seals, MACs of records and chain hashes are not here.
Clarity before speed.
"""

import hashlib
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.reference.decoding import NESTED, TRIGGERS, VERSIONED, Reading, Record, check_code, decode, microseconds
from tests.reference.jsonvalues import Refused, compact, same

NOTHING: dict[str, dict[str, Any]] = {aspect: {} for aspect in VERSIONED}
UNREACHED: dict[str, dict[str, Any]] = {aspect: {} for aspect in TRIGGERS}

Change = list[str]
Moment = tuple[int, str]
"""Microseconds since 1970, and the text that stands for them in an entry."""


@dataclass
class Script:
    """One script's whole history over all its lives."""

    exists: bool = False
    versions: list[dict[str, Any]] = field(default_factory=list)
    deployments: list[dict[str, Any]] = field(default_factory=list)
    active: dict[str, Any] | None = None
    triggers: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(UNREACHED))
    last: Moment | None = None

    def version(self, id: str) -> dict[str, Any] | None:
        """The version of that id, of whichever life."""
        return next((version for version in self.versions if version["id"] == id), None)

    def takes_all(self) -> dict[str, Any] | None:
        """The version that takes all traffic now."""
        shares = self.active["versions"] if self.active else {}
        return next((self.version(name) for name, share in shares.items() if share == 100), None)


@dataclass
class Account:
    """One account at home in the shard."""

    entries: int = 0
    scripts: dict[str, Script] = field(default_factory=dict)


def evaluate(
    records: Iterable[Record], *, topic: str, partition: int, shard: int, elsewhere: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The expected entries of a shard, without what depends on keys; absent members are absent.

    `elsewhere`: accounts known to be at home in other shards.
    """
    evaluator = Evaluator(elsewhere)
    del shard  # nothing that an entry says depends on its number
    entries = []
    for record in records:
        entry = evaluator.entry(record)
        entries.append({**entry, "origin": {"topic": topic, "partition": partition, "offset": record.offset}})
    return entries


class Evaluator:
    """The state of a shard between two records."""

    def __init__(self, elsewhere: Collection[str] = ()) -> None:
        self.elsewhere = elsewhere
        self.size = 0
        self.recorded_ms: int | None = None
        self.accounts: dict[str, Account] = {}
        self.first_index: dict[tuple[str, str], int] = {}

    def entry(self, record: Record) -> dict[str, Any]:
        """The entry of the next record of the shard."""
        earliest = record.timestamp_ms if self.recorded_ms is None else self.recorded_ms
        self.recorded_ms = max(record.timestamp_ms, earliest)
        recorded = _recorded(self.recorded_ms)
        reading = decode(record)
        try:
            told = self._told(record, reading, recorded)
        except Refused as refusal:
            told = self._rejected(record, reading, recorded, refusal)
        name = told["account"]
        entry = {"index": self.size, **told, "recorded_at": recorded[1]}
        if name is not None:
            entry["account_index"] = self.accounts[name].entries
            self.accounts[name].entries += 1
        self.size += 1
        return entry

    def _told(self, record: Record, reading: Reading, recorded: Moment) -> dict[str, Any]:
        """What a good record gives; raises `Refused` before anything has changed."""
        if reading.refusal:
            raise reading.refusal
        event = reading.event
        name = event["accountid"]
        if record.key != name.encode():
            raise Refused("key_mismatch", "$.accountid")
        if name in self.elsewhere:
            raise Refused("misrouted", "$.accountid")
        identity = (event["source"], event["id"])
        attributes = {key: value for key, value in event.items() if key != "data"}
        if identity in self.first_index:
            time = self._effective(event["time"], recorded, self._known(name, event["subject"]))
            self.accounts.setdefault(name, Account())
            first = {"first_index": self.first_index[identity]}
            return {
                "account": name,
                **_timed(time, event["time"]),
                "outcome": "duplicate",
                **first,
                "event": attributes,
            }
        account = self.accounts.get(name) or Account()
        if event["type"] == "ledger.note.v1":
            told: dict[str, Any] = {"outcome": "noted"}
            time = self._effective(event["time"], recorded, [])
        else:
            before = account.scripts.get(event["subject"]) or Script()
            script, told = fold(account, before, event)
            touched = [account.scripts[other["subject"]] for other in told.get("others", ())]
            time = self._effective(event["time"], recorded, [before, *touched])
            account.scripts[event["subject"]] = script
            _take_away(account, told.get("others", ()))
            for one in (script, *touched):
                one.last = time
        self.accounts[name] = account
        self.first_index[identity] = self.size
        data = {key: value for key, value in event["data"].items() if key != "actor"}
        return {"account": name, **_timed(time, event["time"]), **told, "event": {**attributes, "data": data}}

    def _rejected(self, record: Record, reading: Reading, recorded: Moment, refusal: Refused) -> dict[str, Any]:
        """The entry of a record that is refused: it joins its account's chain where that is known and at home here."""
        name = reading.readable.get("accountid")
        at_home = name in self.accounts and name not in self.elsewhere
        if name is None or not at_home or record.key != name.encode():
            name = None
        subject = reading.readable.get("subject")
        own = self._known(name, subject) if name and subject else []
        stated = reading.readable.get("time")
        time = self._effective(stated, recorded, own)
        reason = {"code": refusal.code, "path": refusal.path}
        return {"account": name, **_timed(time, stated), "outcome": "rejected", "reason": reason}

    def _known(self, account: str, subject: str) -> list[Script]:
        scripts = self.accounts[account].scripts if account in self.accounts else {}
        return [scripts[subject]] if subject in scripts else []

    def _effective(self, stated: str | None, recorded: Moment, scripts: Iterable[Script]) -> Moment:
        """The event's own time, held between the last effective time of the scripts and the recorded time."""
        moment = microseconds(stated) if stated is not None else None
        if stated is None or moment is None or moment > recorded[0]:
            return recorded
        bounds = [script.last for script in scripts if script.last is not None]
        latest = max(bounds, key=lambda bound: bound[0], default=None)
        return latest if latest is not None and moment < latest[0] else (moment, stated)


def _recorded(timestamp_ms: int) -> Moment:
    time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=timestamp_ms)
    return timestamp_ms * 1000, f"{time:%Y-%m-%dT%H:%M:%S}.{timestamp_ms % 1000:03}Z"


def _timed(effective: Moment, stated: str | None) -> dict[str, str]:
    """`effective_at`, and `skew` where it differs from the event's own time."""
    moment = microseconds(stated) if stated is not None else None
    if moment is None or moment == effective[0]:
        return {"effective_at": effective[1]}
    return {"effective_at": effective[1], "skew": "ahead" if moment > effective[0] else "late"}


def _take_away(account: Account, others: Iterable[Mapping[str, Any]]) -> None:
    for other in others:
        account.scripts[other["subject"]].triggers = other["triggers"]


# --- the fold ------------------------------------------------------------------------------------------------------


def fold(account: Account, before: Script, event: Mapping[str, Any]) -> tuple[Script, dict[str, Any]]:
    """The script after the event, and what the entry says; `before` and `account` are left as they are."""
    after = Script(
        before.exists, list(before.versions), list(before.deployments), before.active, before.triggers, before.last
    )
    data = event["data"]
    if "delete" in data:
        return after, _delete(after)
    if "deploy" in data or "rollback_to" in data:
        return after, _redeploy(after, event)
    return after, _upload(account, after, event)


def _delete(script: Script) -> dict[str, Any]:
    if not script.exists:
        raise Refused("script_absent")
    changes = _diff(script.triggers, UNREACHED)
    script.exists, script.active, script.triggers = False, None, dict(UNREACHED)
    told: dict[str, Any] = {"outcome": "deleted", "changes": changes}
    return {**told, "triggers": script.triggers} if changes else told


def _redeploy(script: Script, event: Mapping[str, Any]) -> dict[str, Any]:
    """`deploy` and `rollback_to`: a deployment of what exists, or nothing."""
    if not script.exists:
        raise Refused("script_absent")
    data = event["data"]
    if "rollback_to" in data:
        old = next((one for one in script.deployments if one["id"] == data["rollback_to"]), None)
        if old is None:
            raise Refused("unknown_deployment", "$.data.rollback_to")
        shares = old["versions"]
    else:
        for name in data["deploy"]:
            if script.version(name) is None:
                raise Refused("unknown_version", f"$.data.deploy.{name}")
        shares = {name: _percentage(share) for name, share in data["deploy"].items()}
    if script.active and script.active["versions"] == shares:
        return {"outcome": "unchanged", "changes": []}
    deployment = _deploy(script, event, shares)
    if "rollback_to" in data:
        deployment["rollback_of"] = data["rollback_to"]
    return {"outcome": "deployed", "changes": [], "deployment": deployment}


def _percentage(share: float) -> float:
    exact = Decimal(repr(share))
    return int(exact) if exact == int(exact) else float(exact)


def _deploy(script: Script, event: Mapping[str, Any], shares: dict[str, float]) -> dict[str, Any]:
    """A deployment with these shares becomes the active one; returned as the entry shows it."""
    numbers = {version["id"]: version["number"] for version in script.versions}
    earlier = [numbers[name] for name, share in script.active["versions"].items() if share] if script.active else []
    everything = next((numbers[name] for name, share in shares.items() if share == 100), None)
    rollback = bool(earlier) and everything is not None and everything < max(earlier)
    deployment = {
        "id": derived_id("deployment", event),
        "number": len(script.deployments) + 1,
        "versions": dict(sorted(shares.items())),
        "rollback": rollback,
    }
    script.active = deployment
    script.deployments.append(deployment)
    return dict(deployment)


def _upload(account: Account, script: Script, event: Mapping[str, Any]) -> dict[str, Any]:
    """Aspects: perhaps a version, perhaps a deployment of it, perhaps other triggers."""
    data = event["data"]
    given = {aspect: data[aspect] for aspect in (*VERSIONED, *TRIGGERS) if data.get(aspect)}  # `{}` is as absent
    versioned = [aspect for aspect in VERSIONED if aspect in given]
    base = _base(script, data, given) if versioned or "base" in data else None
    if versioned and "code" not in versioned and not script.exists:
        raise Refused("script_absent")
    manifest_before = base["manifest"] if base else NOTHING
    manifest = {aspect: _apply(manifest_before[aspect], given.get(aspect), aspect) for aspect in VERSIONED}
    if "code" in given:
        check_code(manifest["code"], f"$.data.code.{next(iter(given['code']))}")
    mentioned = _unknowable(given.get("config"))
    activate = data.get("activate", True)
    new_version = bool(versioned) and (
        base is None
        or bool(mentioned)
        or not same(manifest, manifest_before)
        or (activate and script.takes_all() is not base)
    )
    triggers = {aspect: _apply(script.triggers[aspect], given.get(aspect), aspect) for aspect in TRIGGERS}
    others = _losers(account, event["subject"], given)
    trigger_changes = _diff(script.triggers, triggers)

    told: dict[str, Any] = {"outcome": "changed" if trigger_changes else "unchanged", "changes": trigger_changes}
    if new_version:
        told["changes"] = sorted(trigger_changes + _diff(manifest_before, manifest, mentioned))
        told["version"] = _make_version(script, event, manifest)
        told["outcome"] = "deployed" if activate else "uploaded"
        if activate:
            told["deployment"] = _deploy(script, event, {told["version"]["id"]: 100})
    if trigger_changes:
        told["triggers"] = script.triggers = triggers
    if others:
        told["others"] = others
    return told


def _base(script: Script, data: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a new version is built on and measured against; None where the script begins."""
    if "base" in data:
        allowed = [script.versions[-1], script.takes_all()] if script.exists else []
        base = next((version for version in allowed if version and version["id"] == data["base"]), None)
        if base is None:
            raise Refused("conflict", "$.data.base")
        return base
    if not script.exists:
        return None
    newest = script.versions[-1]
    if script.active is None:
        return newest  # uploaded, never deployed
    whole = all("replace" in given.get(aspect, {}) for aspect in VERSIONED)
    only = script.takes_all()
    if only is None and not whole:
        raise Refused("ambiguous_base", "$.data")
    return only or newest


def _make_version(script: Script, event: Mapping[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    version = {
        "id": derived_id("version", event),
        "number": len(script.versions) + 1,
        "sha256": hashlib.sha256(compact(manifest).encode()).hexdigest(),
        "manifest": manifest,
    }
    script.versions.append(version)
    script.exists = True
    return version


def _losers(account: Account, subject: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The account's other scripts that hold a route or domain which this event gives a value."""
    taken = {
        aspect: {name for names in given.get(aspect, {}).values() for name, value in names.items() if value is not None}
        for aspect in ("routes", "domains")
    }
    others = []
    for name, script in sorted(account.scripts.items()):
        lost = sorted(
            [aspect, key, "removed"] for aspect in taken for key in script.triggers[aspect].keys() & taken[aspect]
        )
        if lost and name != subject:
            kept = {
                aspect: {key: value for key, value in values.items() if [aspect, key, "removed"] not in lost}
                for aspect, values in script.triggers.items()
            }
            others.append({"subject": name, "changes": lost, "triggers": kept})
    return others


# --- aspects -------------------------------------------------------------------------------------------------------


def _apply(before: dict[str, Any], aspect: Mapping[str, Any] | None, name: str) -> dict[str, Any]:
    """An aspect after a replace or merge; vars and secrets are dropped where they become empty."""
    if aspect is None:
        return before
    replaced = "replace" in aspect
    after = dict(aspect["replace"]) if replaced else _merged(before, aspect["merge"], NESTED[name])
    for member in ("vars", "secrets") if name == "config" else ():
        if after.get(member) == {}:
            del after[member]
    return after


def _merged(before: Mapping[str, Any], patch: Mapping[str, Any], nested: Collection[str] = ()) -> dict[str, Any]:
    after = dict(before)
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif name in nested:
            inner = _merged(before.get(name, {}), value)
            if inner or name in before:
                after[name] = inner
        else:
            after[name] = value
    return after


def _unknowable(config: Mapping[str, Any] | None) -> set[str]:
    """Names of secrets mentioned without a MAC: whether they changed can't be seen, so they count as changed."""
    names = (config or {}).get("replace") or (config or {}).get("merge") or {}
    secrets = names.get("secrets") or {}
    return {f"secrets/{name}" for name, secret in secrets.items() if secret is not None and "mac" not in secret}


def _named(aspect: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a change can name in an aspect: its members, and modules, vars and secrets one by one."""
    named = {name: value for name, value in values.items() if name not in NESTED[aspect]}
    for member in NESTED[aspect]:
        named.update({f"{member}/{name}": value for name, value in values.get(member, {}).items()})
    return named


def _diff(before: Mapping[str, Any], after: Mapping[str, Any], mentioned: Collection[str] = ()) -> list[Change]:
    """Every change from `before` to `after`, sorted; config names in `mentioned` count as changed."""
    changes = []
    for aspect in after:
        old, new = _named(aspect, before[aspect]), _named(aspect, after[aspect])
        for name in old.keys() | new.keys():
            if name not in old:
                changes.append([aspect, name, "added"])
            elif name not in new:
                changes.append([aspect, name, "removed"])
            elif not same(old[name], new[name]) or (aspect == "config" and name in mentioned):
                changes.append([aspect, name, "changed"])
    return sorted(changes)


def derived_id(kind: str, event: Mapping[str, Any]) -> str:
    """The id of what an event makes: a UUID of version 8 that a producer can know beforehand."""
    parts = (kind, event["accountid"], event["subject"], event["source"], event["id"])
    digest = bytearray(hashlib.sha256(b"\0".join(part.encode() for part in parts)).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(digest)))
