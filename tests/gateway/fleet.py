"""An account in memory that takes requests through the gateway's own functions and the real fold."""

from collections.abc import Mapping, Sequence
from typing import Any

from ledger.gateway.events import Origin, change_event, checked, foresee
from ledger.gateway.items import listed, manifest_of
from ledger.gateway.patches import upload_change
from ledger.gateway.resolving import AssetSet, Bases, inherited_versions, resolve
from ledger.gateway.uploads import read_upload
from ledger.model.fold import Found, Outcome
from ledger.model.state import ABSENT, Account, Script, Version
from tests.gateway.bodies import CONTENT_TYPE, Sent, seal, upload_body

__all__ = ["Fleet"]


class Fleet:
    """One account."""

    def __init__(self) -> None:
        self.account = Account(name="acme", scripts={}, routes={}, domains={})
        self.versions: dict[str, Version] = {}
        self.events: list[bytes] = []
        self.blobs: dict[str, bytes] = {}

    def script(self, name: str = "shop") -> Script:
        """The script as it is."""
        return self.account.scripts.get(name, ABSENT)

    def say(self, data: Mapping[str, Any], name: str = "shop") -> Outcome:
        """Fold the event of a change."""
        number = len(self.events)
        origin = Origin(
            account="acme",
            script=name,
            source="gateway",
            id=f"e-{number}",
            time="2026-01-02T03:04:05.000Z",
            actor={"type": "user", "id": "u_1"},
            interface="wrangler",
        )
        raw = change_event(origin, data)
        event = checked(raw)
        outcome = foresee(self.account, event, 1_800_000_000_000 + number, Found(versions=self.versions))
        self.events.append(raw)
        self.account.settle(name, outcome)
        if outcome.version is not None:
            self.versions[outcome.version.id] = outcome.version
        return outcome

    def upload(
        self,
        metadata: Mapping[str, Any],
        *modules: Sent,
        activate: bool = True,
        name: str = "shop",
        assets: AssetSet | None = None,
    ) -> Outcome:
        """`PUT S`, or without `activate` `POST S/versions`."""
        return self.send(upload_body(metadata, *modules), activate=activate, name=name, assets=assets)

    def send(
        self, body: bytes, *, activate: bool = True, name: str = "shop", assets: AssetSet | None = None
    ) -> Outcome:
        """The same of a body."""
        upload = read_upload(CONTENT_TYPE, body, seal)
        script = self.script(name)
        named = {identifier: self.versions[identifier] for identifier in inherited_versions(upload)}
        resolved = resolve(upload, Bases(newest=script.newest, active=script.serving, named=named), assets)
        for content, module in zip(upload.contents, upload.modules.values(), strict=True):
            self.blobs[module["sha256"]] = content
        return self.say(upload_change(upload, resolved, script.newest, activate=activate, with_settings=activate), name)

    def items(self, name: str = "shop") -> Sequence[Mapping[str, Any]]:
        """What the newest version has, as the platform lists it."""
        return listed(manifest_of(self.script(name).newest))

    def config(self, name: str = "shop") -> Mapping[str, Any]:
        """Its configuration."""
        return manifest_of(self.script(name).newest).config

    def code(self, name: str = "shop") -> Mapping[str, Any]:
        """Its code."""
        return manifest_of(self.script(name).newest).code
