"""What is remembered of a script beyond its state: its newest versions and deployments, moved forward entry by entry. Pure.

A ring is never changed: `advance` gives the next one. What an entry made is kept packed, for most of it is never looked at: some 250
bytes where the same as objects takes three times that.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from ledger.live.made import LiveDeployment, LiveVersion, Made, MadeDeployment, deployment_from, version_from
from ledger.model.entries import Entry
from ledger.model.said import Said, SealedActor
from ledger.model.state import Change, Script

__all__ = ["RING", "Kept", "Ring", "Served", "advance", "is_about_secrets", "made_by", "touched"]

RING: Final = 10
"""So many versions and so many deployments are in a ring."""

Served = Callable[[str], str | None]
"""Gives the newest deployment that gave a version (by its id) all traffic, or None."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(Made).decode


class Kept(Struct, frozen=True, gc=False):
    """What one entry made."""

    packed: bytes
    """`Made` as MessagePack."""
    actor: SealedActor | None
    """Shared by all that they made."""

    def made(self) -> Made:
        """Unpacked."""
        return _unpack(self.packed)


class Ring(Struct, frozen=True, kw_only=True, gc=False):
    """A script after its last entry. Newest first; only what was made in its current life, since it was last deleted."""

    script: Script
    serial: int
    """Index of the last entry that touched it: another one means that something has changed."""
    stamp: str
    """Recorded time of the last entry of its own, and `same` how many entries of its own before that have the same."""
    same: int
    first_version: int
    """Number of the first version of the current life; `first_deployment` likewise."""
    first_deployment: int
    created_on: str = ""
    """Of the first version of the current life; empty where there is none."""
    modified_on: str = ""
    """Of the last entry of its own that changed it."""
    versions: tuple[Kept, ...] = ()
    deployments: tuple[Kept, ...] = ()

    def live_versions(self, shard: int) -> tuple[LiveVersion, ...]:
        """The versions in it."""
        return tuple(version_from(kept.made(), kept.actor, shard) for kept in self.versions)

    def live_deployments(self, shard: int) -> tuple[LiveDeployment, ...]:
        """The deployments in it."""
        return tuple(deployment_from(kept.made(), kept.actor, shard) for kept in self.deployments)


def advance(
    ring: Ring | None, entry: Entry, script: Script, said: Said, changes: Sequence[Change], served: Served
) -> Ring:
    """The ring after an entry of the script itself.

    Args:
        ring: before it; None where this is the script's first.
        entry: one that touches the script (its outcome is in `MOVING`).
        script: the state after it.
        said: what its event says.
        changes: what it changed.
        served: for deployments that are older than those in the ring.
    """
    same = ring.same + 1 if ring is not None and ring.stamp == entry.recorded_at else 0
    if ring is None:
        ring = Ring(script=script, serial=0, stamp="", same=0, first_version=1, first_deployment=1)
    deployments = ring.deployments
    made = made_by(entry, said, changes, same, lambda version: _in_ring(deployments, version) or served(version))
    now = made.created_on()
    after = msgspec.structs.replace(
        ring,
        script=script,
        serial=entry.index,
        stamp=entry.recorded_at,
        same=same,
        modified_on=ring.modified_on if entry.outcome == "unchanged" else now,
    )
    if entry.outcome == "deleted":
        return msgspec.structs.replace(
            after,
            first_version=script.versions + 1,
            first_deployment=script.deployments + 1,
            created_on="",
            versions=(),
            deployments=(),
        )
    if made.version is None and made.deployment is None:
        return after
    kept = Kept(_pack(made), said.actor)
    return msgspec.structs.replace(
        after,
        created_on=after.created_on or now,
        versions=after.versions if made.version is None else (kept, *after.versions[: RING - 1]),
        deployments=deployments if made.deployment is None else (kept, *deployments[: RING - 1]),
    )


def touched(ring: Ring, script: Script, index: int) -> Ring:
    """The ring after an entry of another script (at `index`) that took a route or domain from this one."""
    return msgspec.structs.replace(ring, script=script, serial=index)


def made_by(entry: Entry, said: Said, changes: Sequence[Change], same: int, served: Served) -> Made:
    """What an entry made, in the form that is kept.

    Args:
        entry: of a script.
        said: what its event says.
        changes: what it changed.
        same: how many earlier entries of the script have the same recorded time.
        served: asked where the entry is a rollback that names no deployment.
    """
    version, deployment = entry.version, entry.deployment
    return Made(
        index=entry.index,
        recorded_at=entry.recorded_at,
        same=same,
        effective_at=entry.effective_at,
        interface=said.interface,
        message=said.message,
        tag=said.tag,
        about_secrets=is_about_secrets(changes),
        version=None if version is None else (version.id, version.number, version.sha256),
        deployment=None
        if deployment is None
        else MadeDeployment(
            deployment.id,
            deployment.number,
            deployment.versions,
            deployment.rollback,
            deployment.rollback_of,
            _restored(deployment.versions, served) if deployment.rollback and not deployment.rollback_of else None,
        ),
    )


def is_about_secrets(changes: Sequence[Change]) -> bool:
    """Whether all that changed is secrets."""
    return bool(changes) and all(aspect == "config" and name.startswith("secrets/") for aspect, name, _ in changes)


def _restored(versions: dict[str, int | float], served: Served) -> str | None:
    """The deployment whose content came back; one version has all traffic."""
    return next((served(version) for version, percentage in versions.items() if percentage == 100), None)


def _in_ring(deployments: tuple[Kept, ...], version: str) -> str | None:
    for kept in deployments:
        made = kept.made().deployment
        if made is not None and made.versions.get(version) == 100:
            return made.id
    return None
