"""What entries made, as the server hands it out: versions and deployments with who made them, when and why. Pure."""

from typing import Final

from msgspec import Struct

from ledger.model.said import SealedActor

__all__ = ["LiveDeployment", "LiveVersion", "Made", "MadeDeployment", "created_on", "deployment_from", "version_from"]

_MAX_SAME: Final = 999


class MadeDeployment(Struct, frozen=True, array_like=True, gc=False):
    """The deployment that an entry made."""

    id: str
    number: int
    versions: dict[str, int | float]
    rollback: bool
    rollback_of: str | None
    restored: str | None
    """Where `rollback` names no deployment: the newest earlier one that gave this version all traffic."""


class Made(Struct, frozen=True, kw_only=True, array_like=True, gc=False):
    """What one entry made of a script: a version, a deployment, or both."""

    index: int
    recorded_at: str
    same: int
    """How many earlier entries of the script have the same `recorded_at`."""
    effective_at: str
    interface: str | None
    message: str | None
    tag: str | None
    about_secrets: bool
    version: tuple[str, int, str] | None
    """Id, number, digest of the manifest."""
    deployment: MadeDeployment | None

    def created_on(self) -> str:
        """See `created_on`."""
        return created_on(self.recorded_at, self.same)


class _Live(Struct, frozen=True, kw_only=True):
    """What an entry says of a version and of a deployment that it made."""

    id: str
    number: int
    recorded_at: str
    created_on: str
    """As `created_on` makes it."""
    effective_at: str
    interface: str | None
    message: str | None
    tag: str | None
    actor: SealedActor | None
    about_secrets: bool
    """Whether all that its entry changed is secrets."""
    shard: int
    """Where its entry is."""
    index: int

    @property
    def pseudonym(self) -> str | None:
        """Of who made it."""
        return self.actor.pseudonym if self.actor else None

    @property
    def sealed(self) -> str | None:
        """Who that is, sealed."""
        return self.actor.sealed if self.actor else None


class LiveVersion(_Live, frozen=True, kw_only=True):
    """A version of a script, without its content."""

    sha256: str
    """Digest of its manifest, hex."""


class LiveDeployment(_Live, frozen=True, kw_only=True):
    """A deployment of a script."""

    versions: dict[str, int | float]
    """Version id to percentage."""
    rollback: bool
    rollback_of: str | None
    """The deployment that the event named."""
    rollback_from: str | None
    """The deployment whose content came back: the one named, else the newest earlier one that gave this version all traffic."""
    made_version: bool
    """Whether the same entry made a version."""


def created_on(recorded_at: str, same: int) -> str:
    """A recorded time with six fractional digits, so that entries of one millisecond keep their order as text.

    Args:
        recorded_at: with at most three fractional digits, as every recorded time.
        same: how many earlier entries of the script have the same. Beyond 999 the order is lost rather than the time falsified.
    """
    return f"{recorded_at[:19]}.{recorded_at[20:-1]:0<3}{min(same, _MAX_SAME):03d}Z"


def version_from(made: Made, actor: SealedActor | None, shard: int) -> LiveVersion:
    """The version that an entry made (requires that it made one)."""
    if made.version is None:
        raise ValueError(made)
    identifier, number, sha256 = made.version
    return LiveVersion(
        id=identifier,
        number=number,
        sha256=sha256,
        recorded_at=made.recorded_at,
        created_on=made.created_on(),
        effective_at=made.effective_at,
        interface=made.interface,
        message=made.message,
        tag=made.tag,
        actor=actor,
        about_secrets=made.about_secrets,
        shard=shard,
        index=made.index,
    )


def deployment_from(made: Made, actor: SealedActor | None, shard: int) -> LiveDeployment:
    """The deployment that an entry made (requires that it made one)."""
    what = made.deployment
    if what is None:
        raise ValueError(made)
    return LiveDeployment(
        id=what.id,
        number=what.number,
        versions=what.versions,
        rollback=what.rollback,
        rollback_of=what.rollback_of,
        rollback_from=what.rollback_of or what.restored,
        made_version=made.version is not None,
        recorded_at=made.recorded_at,
        created_on=made.created_on(),
        effective_at=made.effective_at,
        interface=made.interface,
        message=made.message,
        tag=made.tag,
        actor=actor,
        about_secrets=made.about_secrets,
        shard=shard,
        index=made.index,
    )
