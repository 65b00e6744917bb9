"""State from the log: what an entry says happened is taken over again, without folding its event once more.

This is how a worker's state is rebuilt. That it gives the state which the fold had is a property that the tests hold.
"""

from collections.abc import Callable

import msgspec
from msgspec import UNSET

from ledger.model.entries import DeploymentPart, Entry, LostPart, ManifestPart, TriggersPart
from ledger.model.state import ABSENT, NO_TRIGGERS, Account, Change, Deployment, Script, Share, Triggers, Version

__all__ = ["MOVING", "Fetch", "changes_of", "deployment_of", "restore", "version_of"]

Fetch = Callable[[str], bytes]
"""Gives a blob's bytes by its SHA-256 (hex)."""
Find = Callable[[str], Version]
"""Gives a version of the account's script by its id; every id in an entry was resolved when it was written."""

_decode_manifest = msgspec.json.Decoder(ManifestPart).decode
_decode_triggers = msgspec.json.Decoder(TriggersPart).decode
_decode_changes = msgspec.json.Decoder(list[Change]).decode

MOVING = frozenset(("deployed", "uploaded", "changed", "unchanged", "deleted"))
"""Outcomes that touch a script."""


def restore(account: Account, entry: Entry, find: Find, fetch: Fetch) -> None:
    """Take over what an entry of the account's chain did to its scripts (the chain itself is the caller's).

    Args:
        account: moved in place.
        entry: the account's next entry.
        find: looks up an older version that the entry makes active.
        fetch: reads a part that was moved to the blob store.
    """
    subject = entry.event.subject
    if entry.outcome not in MOVING or subject is None:
        return
    before = account.scripts.get(subject, ABSENT)
    triggers = _triggers_after(entry, fetch)
    if entry.outcome == "deleted":
        after = Script(before.versions, before.deployments, None, None, None, NO_TRIGGERS, entry.effective_at)
    else:
        version = version_of(entry, fetch)
        deployment = _deployment_after(entry, before, version, find)
        serving = before.serving
        if deployment is not None:
            whole = deployment.whole()
            serving = _known(whole.version, before, version, find) if whole else None
        after = Script(
            version.number if version else before.versions,
            deployment.number if deployment else before.deployments,
            version or before.newest,
            deployment or before.active,
            serving,
            triggers or before.triggers,
            entry.effective_at,
        )
    scripts = {subject: after}
    for other in entry.others:
        scripts[other.subject] = msgspec.structs.replace(
            account.scripts[other.subject],
            triggers=_triggers(other.triggers),
            effective_at=entry.effective_at,
        )
    changes = changes_of(entry, fetch)
    account.settle(subject, _Restored(scripts=scripts, changes=changes, others=entry.others, moves_owners=True))


class _Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry did, as it says itself."""

    scripts: dict[str, Script]
    changes: list[Change]
    others: list[LostPart]
    moves_owners: bool


def version_of(entry: Entry, fetch: Fetch) -> Version | None:
    """The version that an entry made, with its content, or None."""
    made = entry.version
    if made is None:
        return None
    raw = fetch(made.sha256) if made.manifest is UNSET else bytes(made.manifest)
    manifest = _decode_manifest(raw)
    return Version(made.id, made.number, bytes(manifest.code), bytes(manifest.bindings), bytes(manifest.config))


def deployment_of(entry: Entry, number: Callable[[str], int]) -> Deployment | None:
    """The deployment that an entry made, or None; `number` gives a version's number by its id."""
    made: DeploymentPart | None = entry.deployment
    if made is None:
        return None
    shares = (Share(version, number(version), round(share * 1000)) for version, share in made.versions.items())
    return Deployment(made.id, made.number, tuple(sorted(shares, key=lambda share: share.version)))


def changes_of(entry: Entry, fetch: Fetch) -> list[Change]:
    """What an entry says changed, name by name."""
    if entry.changes is not None:
        return entry.changes
    return _decode_changes(fetch(entry.changes_sha256)) if entry.changes_sha256 else []


def _deployment_after(entry: Entry, before: Script, version: Version | None, find: Find) -> Deployment | None:
    return deployment_of(entry, lambda identifier: _known(identifier, before, version, find).number)


def _known(identifier: str, before: Script, made: Version | None, find: Find) -> Version:
    for version in (made, before.newest, before.serving):
        if version is not None and version.id == identifier:
            return version
    return find(identifier)


def _triggers_after(entry: Entry, fetch: Fetch) -> Triggers | None:
    if entry.triggers is not None:
        return _triggers(entry.triggers)
    return _triggers(_decode_triggers(fetch(entry.triggers_sha256))) if entry.triggers_sha256 else None


def _triggers(part: TriggersPart) -> Triggers:
    return Triggers(*(bytes(getattr(part, name)) for name in TriggersPart.__struct_fields__))
