"""A script as it is now, for who answers requests."""

from collections.abc import Sequence

from ledger.live.history import History
from ledger.live.made import LiveDeployment, LiveVersion
from ledger.live.rings import RING, Ring
from ledger.model import ids
from ledger.model.state import Script, Version

__all__ = ["LiveScript"]


class LiveScript:
    """A script after its last entry. Never changes: the ledger hands out another object when an entry has touched the script.

    So what was made of this object holds as long as `LiveLedger.script` gives the same one. Properties answer from memory; methods
    read the log where what they are asked for is older, and are for threads that may wait. They raise IntegrityError and StoreError,
    where the log cannot be read.
    """

    __slots__ = ("__weakref__", "_history", "_ring", "account", "name")

    def __init__(self, account: str, name: str, ring: Ring, history: History) -> None:
        self.account = account
        self.name = name
        self._ring = ring
        self._history = history

    @property
    def script(self) -> Script:
        """Its state: `newest` is None where it is deleted, or waits for its first version."""
        return self._ring.script

    @property
    def serial(self) -> int:
        """Index of the last entry that touched it: another one means that something may be different."""
        return self._ring.serial

    @property
    def shard(self) -> int:
        """Where its entries are."""
        return self._history.shard

    @property
    def tag(self) -> str:
        """32 hex digits, the same in every life."""
        return ids.script_tag(self.account, self.name)

    @property
    def created_on(self) -> str:
        """When the first version of its current life was recorded, with six fractional digits; empty where there is none."""
        return self._ring.created_on

    @property
    def modified_on(self) -> str:
        """When the last entry of its own that changed it was recorded, likewise."""
        return self._ring.modified_on

    @property
    def version_count(self) -> int:
        """How many versions its current life has."""
        return self.script.versions + 1 - self._ring.first_version

    @property
    def deployment_count(self) -> int:
        """How many deployments its current life has."""
        return self.script.deployments + 1 - self._ring.first_deployment

    @property
    def versions(self) -> tuple[LiveVersion, ...]:
        """The newest ten of its current life, newest first."""
        return self._ring.live_versions(self.shard)

    @property
    def deployments(self) -> tuple[LiveDeployment, ...]:
        """The newest ten of its current life, newest first: the first one is active."""
        return self._ring.live_deployments(self.shard)

    def version(self, identifier: str) -> LiveVersion | None:
        """The version with this id, of any life; None where there is none."""
        found = next((version for version in self.versions if version.id == identifier), None)
        return found or self._history.version(self._key, identifier)

    def deployment(self, identifier: str) -> LiveDeployment | None:
        """The deployment with this id, of any life; None where there is none."""
        found = next((deployment for deployment in self.deployments if deployment.id == identifier), None)
        return found or self._history.deployment(self._key, identifier)

    def content(self, identifier: str) -> Version | None:
        """The version with this id, with its code, bindings and config; None where there is none."""
        for known in (self.script.newest, self.script.serving):
            if known is not None and known.id == identifier:
                return known
        return self._history.content(self._key, identifier)

    def more_versions(self, skip: int, limit: int = RING) -> Sequence[LiveVersion]:
        """Versions of its current life, newest first, without the newest `skip`; none beyond the last (requires that both are not negative)."""
        if skip + limit <= len(self._ring.versions) or self.version_count <= RING:
            return self.versions[skip : skip + limit]
        numbers = _numbers(self.script.versions, self._ring.first_version, skip, limit)
        return self._history.versions(self._key, numbers)

    def more_deployments(self, skip: int, limit: int = RING) -> Sequence[LiveDeployment]:
        """Deployments of its current life, likewise."""
        if skip + limit <= len(self._ring.deployments) or self.deployment_count <= RING:
            return self.deployments[skip : skip + limit]
        numbers = _numbers(self.script.deployments, self._ring.first_deployment, skip, limit)
        return self._history.deployments(self._key, numbers)

    def tagged(self, tag: str, limit: int = RING) -> list[LiveVersion]:
        """The versions of any life that were uploaded with this tag, newest first, and those that an upload with it left as they were."""
        return self._history.texted("tag", self._key, tag, limit)

    def with_message(self, message: str, limit: int = RING) -> list[LiveVersion]:
        """The same by message."""
        return self._history.texted("message", self._key, message, limit)

    def __repr__(self) -> str:
        return f"LiveScript({self.account!r}, {self.name!r}, {self.serial})"

    @property
    def _key(self) -> tuple[str, str]:
        return self.account, self.name


def _numbers(last: int, first: int, skip: int, limit: int) -> range:
    """Numbers from newest to oldest."""
    return range(last - skip, max(first, last - skip - limit + 1) - 1, -1)
