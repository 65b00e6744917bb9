"""Reads of what was made: deployments and versions of a script, as each generation of the tools asks for them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from litestar import Router, get

from ledger.api.access import require
from ledger.api.platform.envelopes import Answer, answer, encoded, page_of
from ledger.api.platform.gateway import CALL, Call
from ledger.api.platform.rendered import Shown, is_fresh
from ledger.api.tokens import Scope
from ledger.gateway import objects
from ledger.gateway.deployments import uuid_of
from ledger.gateway.objects import Name
from ledger.gateway.refusals import NO_VERSIONS, GatewayError, no_script, refuse
from ledger.live.made import LiveDeployment, LiveVersion
from ledger.live.script import LiveScript
from ledger.model.said import SealedActor

__all__ = ["deployment_of", "list_routes", "version_of"]

_PER_PAGE = 10
_READ = [require(Scope.read)]
_TAGS = ["platform: versions and deployments"]

Actors = list[SealedActor | None]
Render = Callable[[Name], Any]


@get("/scripts/{script:str}/deployments", guards=_READ, operation_id="listDeployments", tags=_TAGS)
async def list_deployments(call: Call, script: str) -> Answer:
    """The ten newest deployments of a script, newest first: the first one is active.

    They are under `deployments`, where the platform has them, and once more in `items`, where its Python client looks for them and asks
    page after page until there are none.
    """
    live = call.existing(script)
    skip, _ = page_of(call.request.query_params, _PER_PAGE)

    async def load() -> tuple[Actors, Render]:
        made = () if skip else live.deployments

        def render(name: Name) -> Any:
            shown = {"deployments": [objects.deployment(item, name) for item in made]}
            return {**shown, "items": [] if skip else [shown]}

        return [item.actor for item in made], render

    return await _rendered(call, live, ("deployments", str(bool(skip))), load)


@get("/scripts/{script:str}/deployments/{deployment:str}", guards=_READ, operation_id="getDeployment", tags=_TAGS)
async def get_deployment(call: Call, script: str, deployment: str) -> Answer:
    """One deployment of a script, however old."""
    live = call.existing(script)
    made = await deployment_of(live, deployment)
    name, _ = await call.names([made.actor])
    return answer(objects.deployment(made, name))


@get("/scripts/{script:str}/versions", guards=_READ, operation_id="listVersions", tags=_TAGS)
async def list_versions(call: Call, script: str) -> Answer:
    """The versions of a script, newest first, ten a page; past the last there are none."""
    live = call.existing(script)
    skip, size = page_of(call.request.query_params, _PER_PAGE)

    async def load() -> tuple[Actors, Render]:
        made = await asyncio.to_thread(live.more_versions, skip, size)
        return [item.actor for item in made], lambda name: {"items": [objects.version(item, name) for item in made]}

    return await _rendered(call, live, ("versions", str(skip), str(size)), load)


@get("/scripts/{script:str}/versions/{version:str}", guards=_READ, operation_id="getVersion", tags=_TAGS)
async def get_version(call: Call, script: str, version: str) -> Answer:
    """One version of a script with its resources, however old. `latest` is the newest."""
    live = call.existing(script)

    async def load() -> tuple[Actors, Render]:
        made = await version_of(live, version)
        content = await asyncio.to_thread(live.content, made.id)
        return [made.actor], lambda name: objects.version(made, name, content)

    return await _rendered(call, live, ("version", version), load)


@get("/deployments/by-script/{tag:str}", guards=_READ, operation_id="listWorkerDeployments", tags=_TAGS)
async def list_by_script(call: Call, tag: str) -> Answer:
    """The ten newest deployments of a script by its tag, as wrangler 2 asks: with `order=asc` the oldest first."""
    live = _by_tag(call, tag)
    ascending = call.request.query_params.get("order") == "asc"

    async def load() -> tuple[Actors, Render]:
        made = live.deployments
        contents = await asyncio.to_thread(lambda: [live.content(objects.main_version(item.versions)) for item in made])

        def render(name: Name) -> Any:
            items = [
                objects.worker_deployment(item, name, content) for item, content in zip(made, contents, strict=True)
            ]
            latest = items[0] if items else None
            return {"latest": latest, "items": items[::-1] if ascending else items}

        return [item.actor for item in made], render

    return await _rendered(call, live, ("by-script", str(ascending)), load)


@get(
    "/deployments/by-script/{tag:str}/detail/{deployment:str}",
    guards=_READ,
    operation_id="getWorkerDeployment",
    tags=_TAGS,
)
async def get_by_script(call: Call, tag: str, deployment: str) -> Answer:
    """One deployment of a script by its tag, with its resources."""
    live = _by_tag(call, tag)
    made = await deployment_of(live, deployment)
    content = await asyncio.to_thread(live.content, objects.main_version(made.versions))
    name, _ = await call.names([made.actor])
    return answer(objects.worker_deployment(made, name, content))


async def version_of(live: LiveScript, identifier: str) -> LiveVersion:
    """A version of a script by its id, or `latest`.

    Raises:
        GatewayError: 404.
    """
    newest = live.versions[:1]
    if identifier == "latest":
        found = newest[0] if newest else None
    else:
        found = await asyncio.to_thread(live.version, uuid_of(identifier))
    if found is None:
        raise GatewayError(404, (NO_VERSIONS, "the script has no such version"))
    return found


async def deployment_of(live: LiveScript, identifier: str) -> LiveDeployment:
    """A deployment of a script by its id.

    Raises:
        GatewayError: 404.
    """
    found = await asyncio.to_thread(live.deployment, uuid_of(identifier))
    if found is None:
        raise refuse("the script has no such deployment", 404)
    return found


def _by_tag(call: Call, tag: str) -> LiveScript:
    found = call.gateway.live.by_tag(call.account, tag)
    if found is None or found.script.newest is None:
        raise no_script()
    return found


async def _rendered(
    call: Call,
    live: LiveScript,
    what: tuple[str, ...],
    load: Callable[[], Awaitable[tuple[Actors, Render]]],
) -> Answer:
    """An answer about a script, made anew only where the script or who is known has changed."""
    key = (live.account, live.name, call.caller.id, *what)
    shown = call.gateway.rendered.get(key, live)
    if shown is not None and not is_fresh(shown):
        if await asyncio.to_thread(call.gateway.live.names.epoch, live.account) == shown.epoch:
            shown.checked = time.monotonic()
        else:
            shown = None
    # What names people was allowed once, but each time that it is shown is recorded.
    if shown is not None and await call.may_show(shown.named):
        return Answer(shown.body, media_type="application/json")
    epoch = await asyncio.to_thread(call.gateway.live.names.epoch, live.account)
    actors, render = await load()
    name, named = await call.names(actors)
    body = encoded(render(name))
    call.gateway.rendered.keep(key, Shown(live, epoch, time.monotonic(), body, named))
    return Answer(body, media_type="application/json")


def list_routes() -> Router:
    """These handlers."""
    handlers = [list_deployments, get_deployment, list_versions, get_version, list_by_script, get_by_script]
    return Router("/accounts/{account:str}/workers", route_handlers=handlers, dependencies=CALL)
