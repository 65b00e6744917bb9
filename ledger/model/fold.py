"""The fold: what one event does to an account. Pure, total, deterministic: no clock, no randomness, no IO, nothing mutated.

`fold` takes the account's state, an event and what the event's ids refer to, and gives an `Outcome`: what the entry will say and
the new state of every script touched. `Account.settle` takes that over.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from ledger.model import ids, times
from ledger.model.aspects import TRIGGERS, VERSIONED
from ledger.model.changes import patched
from ledger.model.events import Event
from ledger.model.jsontext import sorted_json
from ledger.model.reasons import Reason, RefusedError, join, refuse
from ledger.model.state import (
    ABSENT,
    EMPTY,
    NO_TRIGGERS,
    WHOLE,
    Account,
    Change,
    Deployment,
    Script,
    Share,
    Triggers,
    Version,
)

__all__ = ["KINDS", "NOTHING_FOUND", "Found", "Kind", "Lost", "Outcome", "effective_time", "fold"]

_VERSIONED: Final = frozenset(VERSIONED)

Kind = Literal["deployed", "uploaded", "changed", "unchanged", "deleted", "noted", "duplicate", "rejected"]
KINDS: Final[tuple[str, ...]] = get_args(Kind)

_decode = msgspec.json.Decoder().decode


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What the ids that an event names refer to, looked up in the log; only of the event's own script."""

    versions: Mapping[str, Version] = {}
    deployments: Mapping[str, Deployment] = {}


NOTHING_FOUND: Final = Found()


class Lost(msgspec.Struct, frozen=True, gc=False):
    """What another script of the account lost to the event's script."""

    subject: str
    changes: tuple[Change, ...]
    triggers: Triggers


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an event did; the entry says the same in JSON."""

    kind: Kind
    effective_at: str
    skew: str | None = None
    """`ahead` or `late` where `effective_at` differs from the event's time."""
    reason: Reason | None = None
    changes: list[Change] | None = None
    version: Version | None = None
    deployment: Deployment | None = None
    rollback: bool = False
    rollback_of: str | None = None
    triggers: Triggers | None = None
    others: tuple[Lost, ...] = ()
    scripts: dict[str, Script] = {}
    """The new state of every script touched."""

    @property
    def moves_owners(self) -> bool:
        """Whether triggers changed, and with them perhaps who owns a route or domain."""
        return self.triggers is not None or bool(self.others)


def fold(account: Account, event: Event, recorded: times.Time, found: Found = NOTHING_FOUND) -> Outcome:
    """What `event` does to `account`.

    Args:
        account: the account's state before; not changed.
        event: a decoded event of this account that is no duplicate.
        recorded: the entry's recorded time.
        found: what the ids in `deploy` and `rollback_to` refer to.
    """
    script = account.scripts.get(event.subject, ABSENT)
    try:
        if event.is_note:
            effective_at, skew = effective_time(event.time, recorded)
            return Outcome(kind="noted", effective_at=effective_at, skew=skew)
        if event.delete:
            return _delete(event, script, recorded)
        if event.deploy is not None or event.rollback_to is not None:
            return _deploy(event, script, recorded, found)
        return _change(account, event, script, recorded)
    except RefusedError as error:
        effective_at, skew = effective_time(event.time, recorded, script.effective_at)
        return Outcome(kind="rejected", effective_at=effective_at, skew=skew, reason=error.reason)


def effective_time(time: times.Time | None, recorded: times.Time, *bounds: str) -> tuple[str, str | None]:
    """The event's own time, held between the last effective times of what it touches and the recorded time.

    Returns:
        The effective time's text, and `ahead` or `late` where it differs from the event's own.
    """
    if time is None:
        return recorded.text, None
    key, text, skew = (
        (time.key, time.text, None) if time.key <= recorded.key else (recorded.key, recorded.text, "ahead")
    )
    for bound in bounds:
        if bound:
            earliest = times.key_of(bound)
            if key < earliest:
                key, text, skew = earliest, bound, "late"
    return text, skew


# --- versions and triggers ---------------------------------------------------------------------------------------------------------


def _change(account: Account, event: Event, script: Script, recorded: times.Time) -> Outcome:
    changes: list[Change] = []
    version, serves = _new_version(event, script, changes)
    triggers: Triggers | None = None
    others: tuple[Lost, ...] = ()
    if not _VERSIONED.issuperset(event.patches):
        triggers = _new_triggers(event, script, changes)
        others = _others(account, event)
    bounds = [script.effective_at]
    if others:
        bounds += (account.scripts[lost.subject].effective_at for lost in others)
    effective_at, skew = effective_time(event.time, recorded, *bounds)
    deployment = None
    if version is not None and serves:
        deployment = _new_deployment(event, script, (Share(version.id, version.number, WHOLE),))
    after = Script(
        version.number if version else script.versions,
        deployment.number if deployment else script.deployments,
        version or script.newest,
        deployment or script.active,
        version if deployment else script.serving,
        triggers or script.triggers,
        effective_at,
    )
    scripts = {event.subject: after}
    for lost in others:
        scripts[lost.subject] = msgspec.structs.replace(
            account.scripts[lost.subject], triggers=lost.triggers, effective_at=effective_at
        )
    kind: Kind = "unchanged"
    if version is not None:
        kind = "deployed" if deployment else "uploaded"
    elif triggers is not None:
        kind = "changed"
    changes.sort()
    return Outcome(
        kind=kind,
        effective_at=effective_at,
        skew=skew,
        changes=changes,
        version=version,
        deployment=deployment,
        triggers=triggers,
        others=others,
        scripts=scripts,
    )


def _new_version(event: Event, script: Script, changes: list[Change]) -> tuple[Version | None, bool]:
    """The version that the event makes, if any, and whether it is to serve; appends what changes against the base."""
    patches = event.patches
    if event.base is not None:
        _check_base(event.base, script)
    if _VERSIONED.isdisjoint(patches):
        return None, False
    base = _base(event, script)
    if base is None and "code" not in patches:
        raise refuse("script_absent", "$.subject", "there is no such script; its first version needs code")
    code, bindings, config = (base.code, base.bindings, base.config) if base else (EMPTY, EMPTY, EMPTY)
    if "code" in patches:
        code = patched("code", code, patches["code"], changes)
    if "bindings" in patches:
        bindings = patched("bindings", bindings, patches["bindings"], changes)
    if "config" in patches:
        config = patched("config", config, patches["config"], changes)
    if base is not None and not changes and (code, bindings, config) == (base.code, base.bindings, base.config):
        serves_all = script.serving is not None and script.serving.id == base.id
        if serves_all or not event.activate:
            return None, False
    identifier = ids.version_id(event.account, event.subject, event.source, event.id)
    return Version(identifier, script.versions + 1, code, bindings, config), event.activate


def _check_base(base: str, script: Script) -> None:
    """`base` may name the newest version, or the only version of the active deployment."""
    if script.newest is not None and base == script.newest.id:
        return
    if script.serving is not None and base == script.serving.id:
        return
    raise refuse(
        "conflict", "$.data.base", "the base is neither the script's newest version nor the one version that is active"
    )


def _base(event: Event, script: Script) -> Version | None:
    """What the new version is built on and measured against; None where there is nothing before it."""
    if script.newest is None:
        return None
    if event.base is not None:
        return script.newest if event.base == script.newest.id else script.serving
    if script.active is None:
        return script.newest
    if script.serving is not None:
        return script.serving
    if all(aspect in event.patches and event.patches[aspect].replace for aspect in VERSIONED):
        return script.newest
    raise refuse("ambiguous_base", "$.data", "traffic is split: name the base, or replace code, bindings and config")


def _new_triggers(event: Event, script: Script, changes: list[Change]) -> Triggers | None:
    """The script's triggers after the event, or None where it changes none; appends the changes."""
    after: dict[str, bytes] = {}
    for aspect in TRIGGERS:
        patch = event.patches.get(aspect)
        if patch is not None:
            before = getattr(script.triggers, aspect)
            content = patched(aspect, before, patch, changes)
            if content != before:
                after[aspect] = content
    return msgspec.structs.replace(script.triggers, **after) if after else None


def _others(account: Account, event: Event) -> tuple[Lost, ...]:
    """What other scripts lose: a route or domain goes to the newest event that gives it a value."""
    losses: dict[str, list[Change]] = {}
    for aspect, owners in (("routes", account.routes), ("domains", account.domains)):
        patch = event.patches.get(aspect)
        for name, value in patch.names.items() if patch else ():
            owner = owners.get(name)
            if value is not None and owner is not None and owner != event.subject:
                losses.setdefault(owner, []).append((aspect, name, "removed"))
    return tuple(_lost(account.scripts[owner].triggers, owner, sorted(losses[owner])) for owner in sorted(losses))


def _lost(triggers: Triggers, owner: str, changes: list[Change]) -> Lost:
    after: dict[str, bytes] = {}
    for aspect in {aspect for aspect, _, _ in changes}:
        names = _decode(getattr(triggers, aspect))
        for lost_from, name, _ in changes:
            if lost_from == aspect:
                del names[name]
        after[aspect] = sorted_json(names)
    return Lost(owner, tuple(changes), msgspec.structs.replace(triggers, **after))


# --- deployments -------------------------------------------------------------------------------------------------------------------


def _deploy(event: Event, script: Script, recorded: times.Time, found: Found) -> Outcome:
    """Give traffic to versions that exist (`deploy`), or bring a deployment's content back (`rollback_to`)."""
    if script.newest is None:
        raise refuse("script_absent", "$.subject", "there is no such script")
    shares = (
        _restored(str(event.rollback_to), script, found)
        if event.deploy is None
        else _shares(event.deploy, script, found)
    )
    effective_at, skew = effective_time(event.time, recorded, script.effective_at)
    if script.active is not None and shares == script.active.shares:
        after = msgspec.structs.replace(script, effective_at=effective_at)
        return Outcome(
            kind="unchanged", effective_at=effective_at, skew=skew, changes=[], scripts={event.subject: after}
        )
    deployment = _new_deployment(event, script, shares)
    whole = deployment.whole()
    after = msgspec.structs.replace(
        script,
        deployments=deployment.number,
        active=deployment,
        serving=_version(whole.version, script, found) if whole else None,
        effective_at=effective_at,
    )
    return Outcome(
        kind="deployed",
        effective_at=effective_at,
        skew=skew,
        changes=[],
        deployment=deployment,
        rollback=_is_rollback(script.active, whole),
        rollback_of=event.rollback_to,
        scripts={event.subject: after},
    )


def _shares(deploy: Mapping[str, int], script: Script, found: Found) -> tuple[Share, ...]:
    shares = []
    for identifier in sorted(deploy):
        version = _version(identifier, script, found)
        if version is None:
            raise refuse("unknown_version", join("$.data.deploy", identifier), "the script has no such version")
        shares.append(Share(identifier, version.number, deploy[identifier]))
    return tuple(shares)


def _restored(identifier: str, script: Script, found: Found) -> tuple[Share, ...]:
    if script.active is not None and script.active.id == identifier:
        return script.active.shares
    deployment = found.deployments.get(identifier)
    if deployment is None:
        raise refuse("unknown_deployment", "$.data.rollback_to", "the script has no such deployment")
    return deployment.shares


def _version(identifier: str, script: Script, found: Found) -> Version | None:
    for version in (script.newest, script.serving):
        if version is not None and version.id == identifier:
            return version
    return found.versions.get(identifier)


def _new_deployment(event: Event, script: Script, shares: tuple[Share, ...]) -> Deployment:
    identifier = ids.deployment_id(event.account, event.subject, event.source, event.id)
    return Deployment(identifier, script.deployments + 1, shares)


def _is_rollback(before: Deployment | None, whole: Share | None) -> bool:
    """Whether one version takes all traffic whose number is lower than that of a version that had some before."""
    return (
        before is not None
        and whole is not None
        and any(whole.number < share.number and share.thousandths for share in before.shares)
    )


# --- deletion ----------------------------------------------------------------------------------------------------------------------


def _delete(event: Event, script: Script, recorded: times.Time) -> Outcome:
    if script.newest is None:
        raise refuse("script_absent", "$.subject", "there is no such script")
    effective_at, skew = effective_time(event.time, recorded, script.effective_at)
    changes = [(aspect, name, "removed") for aspect in TRIGGERS for name in _decode(getattr(script.triggers, aspect))]
    return Outcome(
        kind="deleted",
        effective_at=effective_at,
        skew=skew,
        changes=sorted(changes),
        triggers=NO_TRIGGERS if script.triggers != NO_TRIGGERS else None,
        scripts={
            event.subject: Script(script.versions, script.deployments, None, None, None, NO_TRIGGERS, effective_at)
        },
    )
