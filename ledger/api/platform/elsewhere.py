"""What the tools ask for and the ledger does not own: zones, buckets, databases, the account's subdomain.

Whether these exist is not known here. The tools look before they deploy, so each is said to be there; what is refused is what would have
to be recorded and cannot be.
"""

import asyncio
from typing import Any

from litestar import Router, get, patch, post, put

from ledger.api.access import Caller, check_account, require
from ledger.api.platform.changing import changed
from ledger.api.platform.envelopes import Answer, answer, listed
from ledger.api.platform.gateway import Call, Gateway, PlatformRequest
from ledger.api.tokens import Scope
from ledger.gateway import scripts, triggers
from ledger.gateway.jsonbody import read_list, read_object
from ledger.gateway.refusals import NOT_ALLOWED, GatewayError, no_script, refuse
from ledger.gateway.zones import zone_object
from ledger.model.state import Account

__all__ = ["elsewhere_routes"]

_READ = [require(Scope.read)]
_WRITE = [require(Scope.write)]
_TAGS = ["platform: what the ledger does not own"]
_ACCOUNT = "/accounts/{account:str}"


# --- zones -------------------------------------------------------------------------------------------------------------------------


@get("/zones", guards=_READ, operation_id="listZones", tags=_TAGS)
async def list_zones(gateway: Gateway, caller: Caller, request: PlatformRequest) -> Answer:
    """The zones of the settings, or the one of this name."""
    query = request.query_params
    wanted, account = query.get("name"), query.get("account.id") or ""
    if account:
        check_account(caller, account)
    found = [
        zone_object(name, identifier, account)
        for name, identifier in gateway.zones().items()
        if wanted is None or wanted == name
    ]
    return listed(found, query)


@get("/zones/{zone:str}/workers/routes", guards=_READ, operation_id="listZoneRoutes", tags=_TAGS)
async def list_zone_routes(gateway: Gateway, caller: Caller, zone: str) -> Answer:
    """The routes of a zone, of every script: a tool sees in it that a pattern is another script's."""
    name = _zone_name(gateway, zone)

    def find() -> list[dict[str, Any]]:  # a token may be for thousands of accounts
        accounts = _accounts(gateway, caller)
        return [route for account in accounts for route in scripts.zone_routes(account, zone, name)]

    return answer(await asyncio.to_thread(find))


@post("/zones/{zone:str}/workers/routes", guards=_WRITE, status_code=200, operation_id="addZoneRoute", tags=_TAGS)
async def add_zone_route(gateway: Gateway, caller: Caller, request: PlatformRequest, zone: str) -> Answer:
    """Give one route to a script: what the tools do where they may not set all of a script's."""
    body = read_object(await request.body())
    script, data = triggers.zone_route(zone, body)
    account = await asyncio.to_thread(_account_of, gateway, caller, script)
    written = await changed(Call(gateway, caller, request, account), script, data)
    routes = scripts.routes_of(account, script, written.script.script.triggers)
    return answer(next((route for route in routes if route["pattern"] == body["pattern"]), None))


# --- storage, subdomain, what is only asked ------------------------------------------------------------------------------------------


@get(f"{_ACCOUNT}/workers/subdomain", guards=_READ, operation_id="getAccountSubdomain", tags=_TAGS)
async def get_account_subdomain(gateway: Gateway) -> Answer:
    """The account's subdomain, as the settings say."""
    return answer({"subdomain": gateway.settings.platform_subdomain})


@get(
    [f"{_ACCOUNT}/storage/kv/namespaces", f"{_ACCOUNT}/workers/durable_objects/namespaces"],
    guards=_READ,
    operation_id="listNamespaces",
    tags=_TAGS,
)
async def list_namespaces(request: PlatformRequest) -> Answer:
    """None: the ledger knows of no namespace."""
    return listed([], request.query_params)


@get(f"{_ACCOUNT}/r2/buckets/{{name:str}}", guards=_READ, operation_id="getBucket", tags=_TAGS)
async def get_bucket(name: str) -> Answer:
    """The bucket of this name, which is taken to be there."""
    return answer({"name": name})


@get(f"{_ACCOUNT}/d1/database/{{identifier:str}}", guards=_READ, operation_id="getDatabase", tags=_TAGS)
async def get_database(identifier: str) -> Answer:
    """The database with this id, which is taken to be there."""
    return answer({"uuid": identifier, "name": identifier})


@post(
    f"{_ACCOUNT}/workers/scripts/{{script:str}}/domains/changeset",
    guards=_READ,
    status_code=200,
    operation_id="getDomainChangeset",
    tags=_TAGS,
)
async def domain_changeset(request: PlatformRequest) -> Answer:
    """What setting custom domains would meet outside the ledger: nothing that it knows of."""
    read_list(await request.body())
    return answer({"added": [], "removed": [], "updated": [], "conflicting": []})


# --- what is refused -----------------------------------------------------------------------------------------------------------------


@put(
    f"{_ACCOUNT}/workers/services/{{script:str}}/environments/{{environment:str}}",
    guards=_WRITE,
    status_code=200,
    operation_id="uploadEnvironment",
    tags=_TAGS,
)
async def refuse_environment() -> Answer:
    """Refused: a script has one environment; `--env NAME` makes a script of its own."""
    raise refuse(
        "service environments are not supported: use `--env` without `--legacy-env false`, which makes a script of its own"
    )


@put(f"{_ACCOUNT}/workers/subdomain", guards=_WRITE, status_code=200, operation_id="putAccountSubdomain", tags=_TAGS)
async def refuse_subdomain() -> Answer:
    """Refused: the account's subdomain is in the server's settings."""
    raise refuse("the account's subdomain is in the settings of this server (platform_subdomain)")


@put(f"{_ACCOUNT}/workflows/{{name:str}}", guards=_WRITE, status_code=200, operation_id="putWorkflow", tags=_TAGS)
async def refuse_workflow() -> Answer:
    """Refused: a workflow is no part of what the ledger records; the binding to one is."""
    raise refuse("workflows are not recorded here: the ledger has a workflow's binding, not the workflow")


@patch(f"{_ACCOUNT}/workers/scripts/{{script:str}}", guards=_WRITE, operation_id="patchScript", tags=_TAGS)
async def refuse_patch() -> Answer:
    """Refused: there is no such edit."""
    raise refuse("a script is changed by an upload, or by its settings, secrets, routes and schedules", 405)


def _accounts(gateway: Gateway, caller: Caller) -> list[Account]:
    found = (gateway.state(name) for name in gateway.live.accounts() if caller.sees(name))
    return [account for account in found if account is not None]


def _zone_name(gateway: Gateway, zone: str) -> str | None:
    return next((name for name, identifier in gateway.zones().items() if identifier == zone), None)


def _account_of(gateway: Gateway, caller: Caller, script: str) -> str:
    """The one account of the caller that has a script of this name: a zone's path says none.

    Raises:
        GatewayError: none has, or several.
    """
    named = [account for account in caller.token.accounts if not set("*?[") & set(account)]
    if len(named) == 1 and len(caller.token.accounts) == 1:
        return named[0]
    having = [
        account.name
        for account in _accounts(gateway, caller)
        if script in account.scripts and account.scripts[script].newest is not None
    ]
    if not having:
        raise no_script()
    if len(having) > 1:
        raise GatewayError(
            403, (NOT_ALLOWED, "several accounts have a script of this name: use a token of one account")
        )
    return having[0]


def elsewhere_routes() -> Router:
    """These handlers."""
    handlers = [
        list_zones,
        list_zone_routes,
        add_zone_route,
        get_account_subdomain,
        list_namespaces,
        get_bucket,
        get_database,
        domain_changeset,
        refuse_environment,
        refuse_subdomain,
        refuse_workflow,
        refuse_patch,
    ]
    return Router("/", route_handlers=handlers)
