"""Reads of what is: scripts and services, settings, secrets' names, ways to a script, modules."""

import asyncio
from typing import Any

import msgspec
from litestar import Response, Router, get

from ledger.api.access import require
from ledger.api.platform.envelopes import Answer, answer, listed
from ledger.api.platform.gateway import Gateway, PlatformRequest
from ledger.api.platform.listing import version_of
from ledger.api.tokens import Scope
from ledger.errors import NotFoundError
from ledger.gateway import scripts
from ledger.gateway.content import content, digests
from ledger.gateway.deployments import uuid_of
from ledger.gateway.edits import base_of_edits, secret_names
from ledger.gateway.items import listed as items_listed
from ledger.gateway.items import manifest_of
from ledger.gateway.refusals import NO_ENVIRONMENT, GatewayError, no_binding, no_service, refuse
from ledger.live.script import LiveScript
from ledger.model.state import Version

__all__ = ["describe_routes"]

_READ = [require(Scope.read)]
_TAGS = ["platform: scripts"]

_decode = msgspec.json.Decoder().decode


@get("/scripts", guards=_READ, operation_id="listScripts", tags=_TAGS)
async def list_scripts(gateway: Gateway, account: str) -> Answer:
    """The scripts of an account, by name."""

    def find() -> list[dict[str, Any]]:  # of thousands, each with a manifest to look at
        return [scripts.listed_script(script) for script in gateway.live.scripts(account)]

    return answer(await asyncio.to_thread(find))


@get("/services/{script:str}", guards=_READ, operation_id="getService", tags=_TAGS)
async def get_service(gateway: Gateway, account: str, script: str) -> Answer:
    """A script as a service; one that is unknown or deleted makes the tools go on as for a first deployment."""
    return answer(scripts.service(_service(gateway, account, script)))


@get("/services/{script:str}/environments/{environment:str}", guards=_READ, operation_id="getEnvironment", tags=_TAGS)
async def get_environment(gateway: Gateway, account: str, script: str, environment: str) -> Answer:
    """The one environment that a service has."""
    return answer(scripts.environment(_service(gateway, account, script, environment)))


@get(
    "/services/{script:str}/environments/{environment:str}/bindings",
    guards=_READ,
    operation_id="getEnvironmentBindings",
    tags=_TAGS,
)
async def get_environment_bindings(gateway: Gateway, account: str, script: str, environment: str) -> Answer:
    """What the active version has."""
    live = _service(gateway, account, script, environment)
    return answer(items_listed(manifest_of(base_of_edits(live.script))))


@get(
    "/services/{script:str}/environments/{environment:str}/routes",
    guards=_READ,
    operation_id="getEnvironmentRoutes",
    tags=_TAGS,
)
async def get_environment_routes(gateway: Gateway, account: str, script: str, environment: str) -> Answer:
    """The routes of a script, with the names of their zones where they are known."""
    live = _service(gateway, account, script, environment)
    found = scripts.routes_of(account, script, live.script.triggers)
    names = {identifier: name for name, identifier in gateway.zones().items()}
    return answer(
        [{**route, "zone_name": route.get("zone_name") or names.get(route.get("zone_id", ""), "")} for route in found]
    )


@get(
    "/services/{script:str}/environments/{environment:str}/subdomain",
    guards=_READ,
    operation_id="getEnvironmentSubdomain",
    tags=_TAGS,
)
async def get_environment_subdomain(gateway: Gateway, account: str, script: str, environment: str) -> Answer:
    """Whether it answers on the account's subdomain."""
    return answer(scripts.subdomain(_service(gateway, account, script, environment).script.triggers))


@get("/workers/{script:str}", guards=_READ, operation_id="getWorker", tags=_TAGS)
async def get_worker(gateway: Gateway, account: str, script: str) -> Answer:
    """A script as the newest tools know it."""
    live = gateway.existing(account, script)
    aspect = scripts.settings_aspect(live.script.triggers)
    return answer(
        {
            "id": live.tag,
            "name": live.name,
            "created_on": live.created_on,
            "updated_on": live.modified_on,
            **aspect,
            "subdomain": scripts.subdomain(live.script.triggers),
        }
    )


@get("/scripts/{script:str}/settings", guards=_READ, operation_id="getSettings", tags=_TAGS)
async def get_settings(gateway: Gateway, account: str, script: str) -> Answer:
    """What edits build on: the active version, or the newest while traffic is split; and the script's settings."""
    state = gateway.existing(account, script).script
    return answer(scripts.settings(state, base_of_edits(state)))


@get("/scripts/{script:str}/script-settings", guards=_READ, operation_id="getScriptSettings", tags=_TAGS)
async def get_script_settings(gateway: Gateway, account: str, script: str) -> Answer:
    """The settings that are no version's."""
    return answer(scripts.settings_aspect(gateway.existing(account, script).script.triggers))


@get("/scripts/{script:str}/secrets", guards=_READ, operation_id="listSecrets", tags=_TAGS)
async def list_secrets(gateway: Gateway, account: str, script: str) -> Answer:
    """Names and types of a script's secrets; nobody can read a value."""
    return answer(secret_names(base_of_edits(gateway.existing(account, script).script)))


@get("/scripts/{script:str}/secrets/{name:str}", guards=_READ, operation_id="getSecret", tags=_TAGS)
async def get_secret(gateway: Gateway, account: str, script: str, name: str) -> Answer:
    """Name and type of one."""
    found = secret_names(base_of_edits(gateway.existing(account, script).script))
    secret = next((secret for secret in found if secret["name"] == name), None)
    if secret is None:
        raise no_binding(name)
    return answer(secret)


@get("/scripts/{script:str}/subdomain", guards=_READ, operation_id="getSubdomain", tags=_TAGS)
async def get_subdomain(gateway: Gateway, account: str, script: str) -> Answer:
    """Whether it answers on the account's subdomain."""
    return answer(scripts.subdomain(gateway.existing(account, script).script.triggers))


@get("/scripts/{script:str}/schedules", guards=_READ, operation_id="getSchedules", tags=_TAGS)
async def get_schedules(gateway: Gateway, account: str, script: str) -> Answer:
    """Its crons."""
    return answer(scripts.schedules_of(gateway.existing(account, script)))


@get("/scripts/{script:str}/routes", guards=_READ, operation_id="getRoutes", tags=_TAGS)
async def get_routes(gateway: Gateway, account: str, script: str) -> Answer:
    """Its routes."""
    return answer(scripts.routes_of(account, script, gateway.existing(account, script).script.triggers))


@get(["/domains/records", "/domains"], guards=_READ, operation_id="listDomains", tags=_TAGS)
async def list_domains(gateway: Gateway, request: PlatformRequest, account: str) -> Answer:
    """The custom domains of an account, or of one script."""
    return listed(_domains(gateway, account, request.query_params.get("service")), request.query_params)


@get(["/domains/records/{domain:str}", "/domains/{domain:str}"], guards=_READ, operation_id="getDomain", tags=_TAGS)
async def get_domain(gateway: Gateway, account: str, domain: str) -> Answer:
    """One custom domain by its id."""
    found = next((record for record in _domains(gateway, account, None) if record["id"] == domain), None)
    if found is None:
        raise refuse("there is no such custom domain", 404)
    return answer(found)


@get(
    ["/scripts/{script:str}/content/v2", "/scripts/{script:str}/content", "/scripts/{script:str}"],
    guards=_READ,
    operation_id="getContent",
    tags=_TAGS,
)
async def get_content(gateway: Gateway, request: PlatformRequest, account: str, script: str) -> Response[bytes]:
    """The modules of a version, byte for byte: of the one that `version` names, however old; else of the active one."""
    live = gateway.existing(account, script)
    version = await _version(live, request.query_params.get("version"))
    code = manifest_of(version).code
    found = content(code, await asyncio.to_thread(_blobs, gateway, digests(code)))
    return Response(found.body, media_type=found.content_type, headers=found.headers)


@get(
    "/scripts/{script:str}/versions/{version:str}/modules/{digest:str}",
    guards=_READ,
    operation_id="getModule",
    tags=_TAGS,
)
async def get_module(gateway: Gateway, account: str, script: str, version: str, digest: str) -> Response[bytes]:
    """One module of a version by the SHA-256 of its bytes, as they are."""
    live = gateway.existing(account, script)
    found = await _version(live, version)
    if digest not in digests(manifest_of(found).code).values():
        raise refuse("the version has no module with this digest", 404)
    blobs = await asyncio.to_thread(_blobs, gateway, {digest: digest})
    # As bytes and nothing else: a browser must not run what somebody uploaded.
    headers = {"content-disposition": "attachment", "x-content-type-options": "nosniff", "etag": f'"{digest}"'}
    return Response(blobs[digest], media_type="application/octet-stream", headers=headers)


async def _version(live: LiveScript, identifier: str | None) -> Version:
    if not identifier:
        return base_of_edits(live.script)
    made = await version_of(live, uuid_of(identifier))
    found = await asyncio.to_thread(live.content, made.id)
    if found is None:
        raise refuse("the script has no such version", 404)
    return found


def _blobs(gateway: Gateway, digests: dict[str, str]) -> dict[str, bytes]:
    try:
        return {name: gateway.blobs.get(digest) for name, digest in digests.items()}
    except NotFoundError:
        raise refuse(
            "the bytes of the version's modules are not kept here: its producer did not store them", 404
        ) from None


def _service(gateway: Gateway, account: str, script: str, environment: str = "production") -> LiveScript:
    found = gateway.live.script(account, script)
    if found is None or found.script.newest is None:
        raise no_service()
    if environment != "production":
        raise GatewayError(404, (NO_ENVIRONMENT, "workers.api.error.environment_not_found"))
    return found


def _domains(gateway: Gateway, account: str, service: str | None) -> list[dict[str, Any]]:
    state = gateway.state(account)
    if state is None:
        return []
    owners = sorted(set(state.domains.values())) if service is None else [service]
    return [
        domain
        for name in owners
        if name in state.scripts
        for domain in scripts.domains_of(account, name, state.scripts[name].triggers)
    ]


def describe_routes() -> Router:
    """These handlers."""
    handlers = [
        list_scripts,
        get_service,
        get_environment,
        get_environment_bindings,
        get_environment_routes,
        get_environment_subdomain,
        get_worker,
        get_settings,
        get_script_settings,
        list_secrets,
        get_secret,
        get_subdomain,
        get_schedules,
        get_routes,
        list_domains,
        get_domain,
        get_content,
        get_module,
    ]
    return Router("/accounts/{account:str}/workers", route_handlers=handlers)
