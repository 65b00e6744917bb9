"""A script as the platform describes it: as a service, its settings, and the ways in which it is reached."""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any, Protocol

import msgspec

from ledger.gateway.items import listed, manifest_of
from ledger.gateway.objects import USAGE_MODEL, etag
from ledger.live.made import LiveDeployment
from ledger.model.state import Account, Script, Triggers, Version

__all__ = [
    "Described",
    "domains_of",
    "environment",
    "listed_script",
    "queues_of",
    "routes_of",
    "schedules_of",
    "script_object",
    "service",
    "settings",
    "settings_aspect",
    "subdomain",
    "uploaded",
    "zone_routes",
]

_decode = msgspec.json.Decoder().decode
_ENVIRONMENT = "production"


class Described(Protocol):
    """What is known of a script that exists."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def tag(self) -> str:
        """32 hex digits."""
        ...

    @property
    def created_on(self) -> str:
        """When its first version was recorded."""
        ...

    @property
    def modified_on(self) -> str:
        """When an entry changed it last."""
        ...

    @property
    def script(self) -> Script:
        """Its state."""
        ...

    @property
    def deployments(self) -> tuple[LiveDeployment, ...]:
        """The newest, newest first."""
        ...


def script_object(script: Described) -> dict[str, Any]:
    """A script as lists and services have it (requires that it exists)."""
    content = script.script.serving or script.script.newest
    config = manifest_of(content).config
    found = {
        "id": script.name,
        "tag": script.tag,
        "tags": _tags(script.script.triggers),
        "etag": etag(content),
        "handlers": [],
        "last_deployed_from": _interface(script),
        "created_on": script.created_on,
        "modified_on": script.modified_on,
        "usage_model": config.get("usage_model", USAGE_MODEL),
    }
    return found | {
        name: config[name] for name in ("compatibility_date", "compatibility_flags", "migration_tag") if name in config
    }


def listed_script(script: Described) -> dict[str, Any]:
    """A script in the list of an account's."""
    aspect = settings_aspect(script.script.triggers)
    return script_object(script) | {"logpush": bool(aspect.get("logpush", False))}


def environment(script: Described) -> dict[str, Any]:
    """The one environment of a service."""
    return {
        "environment": _ENVIRONMENT,
        "created_on": script.created_on,
        "modified_on": script.modified_on,
        "script": script_object(script),
    }


def service(script: Described) -> dict[str, Any]:
    """A script as a service."""
    dates = {"created_on": script.created_on, "modified_on": script.modified_on}
    return {
        "id": script.name,
        **dates,
        "default_environment": environment(script),
        "environments": [{"environment": _ENVIRONMENT, **dates}],
    }


def settings(script: Script, base: Version) -> dict[str, Any]:
    """`GET .../settings`: what edits build on, and the settings beside it."""
    manifest = manifest_of(base)
    aspect = settings_aspect(script.triggers)
    config = {name: value for name, value in manifest.config.items() if name not in ("vars", "secrets", "assets")}
    return {
        "bindings": listed(manifest),
        "usage_model": USAGE_MODEL,
        "tags": [],
        "tail_consumers": [],
        "logpush": False,
        **config,
        **aspect,
    }


def settings_aspect(triggers: Triggers) -> dict[str, Any]:
    """The settings of a script that are no version's."""
    found: dict[str, Any] = _decode(triggers.settings)
    return found


def subdomain(triggers: Triggers) -> dict[str, bool]:
    """Whether a script answers on the account's subdomain."""
    return {"enabled": False, "previews_enabled": False, **_decode(triggers.subdomain)}


def schedules_of(script: Described) -> dict[str, Any]:
    """The crons of a script."""
    dates = {"created_on": script.created_on, "modified_on": script.modified_on}
    return {"schedules": [{"cron": cron, **dates} for cron in _decode(script.script.triggers.crons)]}


def routes_of(account: str, name: str, triggers: Triggers) -> list[dict[str, Any]]:
    """The routes of a script."""
    return [
        {"id": _id("route", account, pattern), "pattern": pattern, "script": name, **_zone(route)}
        for pattern, route in _decode(triggers.routes).items()
    ]


def domains_of(account: str, name: str, triggers: Triggers) -> list[dict[str, Any]]:
    """The custom domains of a script."""
    return [
        {
            **{member: value for member, value in domain.items() if member not in ("zone", "zone_id")},
            "id": _id("domain", account, host),
            "hostname": host,
            "service": name,
            "environment": _ENVIRONMENT,
            **_zone(domain),
        }
        for host, domain in _decode(triggers.domains).items()
    ]


def queues_of(triggers: Triggers) -> dict[str, Any]:
    """The queues that a script consumes: name to how."""
    found: dict[str, Any] = _decode(triggers.queues)
    return found


def zone_routes(account: Account, zone: str, zone_name: str | None) -> list[dict[str, Any]]:
    """The routes of all scripts of an account in a zone.

    Args:
        account: as it is now.
        zone: the zone's id.
        zone_name: its name, where that is known: it finds routes that were given by name, or with no zone.
    """
    found = []
    for name in sorted(set(account.routes.values())):
        found += [
            {"id": route["id"], "pattern": route["pattern"], "script": name}
            for route in routes_of(account.name, name, account.scripts[name].triggers)
            if _is_in(route, zone, zone_name)
        ]
    return found


def uploaded(
    script: Described, content: Version | None, deployment_id: str, tags: Iterable[str] = ()
) -> dict[str, Any]:
    """The answer to an upload that deploys.

    Args:
        script: after it.
        content: of the version that was made, or is there.
        deployment_id: what the tool that asked understands by it.
        tags: unused by the tools, part of the form.
    """
    return {
        "id": script.name,
        "tag": script.tag,
        "tags": list(tags),
        "deployment_id": deployment_id,
        "etag": etag(content),
        "handlers": [],
        "created_on": script.created_on,
        "modified_on": script.modified_on,
        "usage_model": manifest_of(content).config.get("usage_model", USAGE_MODEL),
        "last_deployed_from": _interface(script),
        "available_on_subdomain": subdomain(script.script.triggers)["enabled"],
        "startup_time_ms": 0,
    }


def _is_in(route: Mapping[str, Any], zone: str, zone_name: str | None) -> bool:
    if "zone_id" in route:
        return bool(route["zone_id"] == zone)
    if zone_name is None:
        return False
    if "zone_name" in route:
        return bool(route["zone_name"] == zone_name)
    host = str(route["pattern"]).split("://")[-1].partition("/")[0].lstrip("*").partition(":")[0]
    return host == zone_name or host.endswith(f".{zone_name}")


def _tags(triggers: Triggers) -> list[Any]:
    tags = settings_aspect(triggers).get("tags")
    return tags if isinstance(tags, list) else []


def _interface(script: Described) -> str:
    newest = script.deployments[:1]
    return (newest[0].interface if newest else None) or "api"


def _zone(where: Mapping[str, Any]) -> dict[str, Any]:
    names = (("zone_id", "zone_id"), ("zone", "zone_name"))
    return {shown: where[name] for name, shown in names if name in where}


def _id(kind: str, account: str, name: str) -> str:
    return sha256(f"{kind}\0{account}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()[:32]
