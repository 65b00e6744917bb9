"""The platform's objects, of what the ledger knows: versions, deployments, and both in one as it was in 2022.

Where a member is not known it is left out, for what a version says of itself comes back in the next upload of `versions secret put`.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

from msgspec import Struct

from ledger.gateway.items import Manifest, listed, manifest_of
from ledger.live.made import LiveDeployment, LiveVersion
from ledger.model.said import SealedActor
from ledger.model.state import Version

__all__ = [
    "USAGE_MODEL",
    "Author",
    "Name",
    "annotations_of",
    "deployment",
    "etag",
    "main_version",
    "version",
    "worker_deployment",
]

USAGE_MODEL: Final = "standard"
"""What the platform says of a script that was never told one."""
_RUNTIME: Final = ("usage_model", "compatibility_date", "compatibility_flags", "limits", "migration_tag")


class Author(Struct, frozen=True):
    """Who made something, as far as the one who asks may know."""

    id: str
    email: str


Name = Callable[[SealedActor | None], Author]
"""Names an actor."""


def version(made: LiveVersion, name: Name, content: Version | None = None) -> dict[str, Any]:
    """A version; with `content` its resources too, as a list's items have not."""
    found: dict[str, Any] = {
        "id": made.id,
        "number": made.number,
        "metadata": {**_made(made, name), "has_preview": False},
        "annotations": _said(made) | _trigger("secret" if made.about_secrets else "upload"),
    }
    if content is not None:
        manifest = manifest_of(content)
        found["resources"] = resources(content, manifest, made.interface)
        found["startup_time_ms"] = 0
        if "cache_options" in manifest.config:
            found["cache_options"] = manifest.config["cache_options"]
    return found


def deployment(made: LiveDeployment, name: Name) -> dict[str, Any]:
    """A deployment as wrangler 3 and 4 know it."""
    return {
        "id": made.id,
        "created_on": made.created_on,
        "source": made.interface or "api",
        "strategy": "percentage",
        "author_email": name(made.actor).email,
        "annotations": annotations_of(made),
        "versions": [{"version_id": identifier, "percentage": share} for identifier, share in made.versions.items()],
    }


def worker_deployment(made: LiveDeployment, name: Name, content: Version | None) -> dict[str, Any]:
    """A deployment as it was in 2022: snapshot and activation in one; its id and number are the deployment's."""
    return {
        "id": made.id,
        "number": made.number,
        "metadata": _made(made, name),
        "annotations": annotations_of(made),
        "resources": resources(content, manifest_of(content), made.interface),
    }


def main_version(versions: Mapping[str, int | float]) -> str:
    """The version that stands for a deployment: the one with the largest share, the first of equals."""
    return max(versions, key=lambda identifier: versions[identifier])


def annotations_of(made: LiveDeployment) -> dict[str, str]:
    """What is said of a deployment, and what brought it about."""
    said = _said(made)
    if made.rollback or made.rollback_of is not None:
        restored = {"workers/rollback_from": made.rollback_from} if made.rollback_from else {}
        return said | _trigger("rollback") | restored
    if made.about_secrets:
        return said | _trigger("secret")
    return said | (_trigger("upload") if made.made_version else {})


def etag(content: Version | None) -> str:
    """The digest of a version's code, as it is stored: 64 hex digits."""
    return sha256(b"{}" if content is None else content.code).hexdigest()


def resources(content: Version | None, manifest: Manifest, interface: str | None) -> dict[str, Any]:
    """What a version consists of."""
    script: dict[str, Any] = {
        "etag": etag(content),
        "handlers": [],
        "named_handlers": [],
        "last_deployed_from": interface or "api",
    }
    placement = manifest.config.get("placement")
    if isinstance(placement, Mapping) and "mode" in placement:
        script["placement_mode"] = placement["mode"]
    runtime = {name: manifest.config[name] for name in _RUNTIME if name in manifest.config}
    return {
        "script": script,
        "script_runtime": {"usage_model": USAGE_MODEL, **runtime},
        "bindings": listed(manifest),
    }


def _made(made: LiveVersion | LiveDeployment, name: Name) -> dict[str, Any]:
    author = name(made.actor)
    return {
        "created_on": made.created_on,
        "modified_on": made.created_on,
        "source": made.interface or "api",
        "author_id": author.id,
        "author_email": author.email,
    }


def _said(made: LiveVersion | LiveDeployment) -> dict[str, str]:
    texts = (("workers/message", made.message), ("workers/tag", made.tag))
    return {name: text for name, text in texts if text}


def _trigger(kind: str) -> dict[str, str]:
    return {"workers/triggered_by": kind}
