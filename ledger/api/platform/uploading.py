"""Uploads and what makes a version active: modules to the blob store first, then one event."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Router, post, put
from msgspec import UNSET

from ledger.api.access import require
from ledger.api.platform.assets import asset_set
from ledger.api.platform.envelopes import Answer, answer
from ledger.api.platform.gateway import CALL, Call, Gateway
from ledger.api.platform.listing import deployment_of, version_of
from ledger.api.platform.writing import Written, change
from ledger.api.tokens import Scope
from ledger.gateway import objects, scripts
from ledger.gateway.deployments import deploy, uuid_of
from ledger.gateway.events import check_names
from ledger.gateway.jsonbody import read_object
from ledger.gateway.patches import upload_change
from ledger.gateway.refusals import no_script, refuse
from ledger.gateway.resolving import AssetSet, Bases, inherited_versions, resolve
from ledger.gateway.uploads import Upload, read_rollback, read_upload
from ledger.live.made import LiveDeployment
from ledger.model.state import Account, Script, Version

__all__ = ["answer_version", "upload_routes"]

_WRITE = [require(Scope.write)]
_TAGS = ["platform: uploads and deployments"]
_OF_2 = ("rollback_to", "include_subdomain_availability")
"""Parameters of wrangler 2, to which `deployment_id` is a deployment's; to later ones it is a version's."""


class _Based(msgspec.Struct, frozen=True):
    base: str | None = None


_decode_base = msgspec.json.Decoder(_Based).decode


@put("/scripts/{script:str}", guards=_WRITE, status_code=200, operation_id="uploadScript", tags=_TAGS)
async def put_script(call: Call, script: str) -> Answer:
    """Upload a script and deploy it; with `rollback_to` bring back what a deployment deployed."""
    if "rollback_to" in call.request.query_params:
        written = await _roll_back(call, script)
    else:
        written = await _upload(call, script, activate=True)
    made, content = await _active(written)
    of_2 = any(name in call.request.query_params for name in _OF_2)
    identifier = made.id if of_2 else objects.main_version(made.versions)
    return answer(scripts.uploaded(written.script, content, identifier))


@post("/scripts/{script:str}/versions", guards=_WRITE, status_code=200, operation_id="uploadVersion", tags=_TAGS)
async def post_version(call: Call, script: str) -> Answer:
    """Upload a version without deploying it. One that changes nothing is the newest version again."""
    call.existing(script)
    written = await _upload(call, script, activate=False)
    return await answer_version(call, written)


@post("/scripts/{script:str}/deployments", guards=_WRITE, status_code=200, operation_id="deploy", tags=_TAGS)
async def post_deployment(call: Call, script: str) -> Answer:
    """Give traffic to versions. Giving all of it to an older one is a rollback, which the ledger sees by itself."""
    data = deploy(read_object(await call.request.body()))
    written = await change(call, script, lambda *_: data)
    made, _ = await _active(written)
    name, _ = await call.names([made.actor])
    return answer(objects.deployment(made, name))


async def answer_version(call: Call, written: Written) -> Answer:
    """The answer to what makes a version and no deployment: that version, or where nothing changed the one it was built on."""
    entry = written.entry
    identifier = entry.version.id if entry.version else await asyncio.to_thread(_base, written)
    made = await version_of(written.script, identifier)
    content = await asyncio.to_thread(written.script.content, identifier)
    name, _ = await call.names([made.actor])
    return answer(objects.version(made, name, content))


async def _upload(call: Call, script: str, *, activate: bool) -> Written:
    check_names(call.account, script)
    content_type, body = call.request.headers.get("content-type", ""), await call.request.body()
    upload = await asyncio.to_thread(read_upload, content_type, body, call.gateway.seal(call.account))
    assets = (
        None
        if upload.assets_token is None
        else await asset_set(call.gateway, call.account, script, upload.assets_token)
    )
    named = await asyncio.to_thread(_named, call.gateway, call.account, script, upload)
    if upload.contents:
        # Crash after this: bytes that no version refers to; the same upload finds them again.
        await asyncio.to_thread(call.gateway.blobs.put_many, upload.contents)

    def make(_: Account | None, state: Script | None) -> Mapping[str, Any]:
        if state is None and not activate:
            raise no_script()
        return _change(upload, state, named, assets, activate=activate)

    return await change(call, script, make)


def _change(
    upload: Upload, state: Script | None, named: Mapping[str, Version], assets: AssetSet | None, *, activate: bool
) -> dict[str, Any]:
    newest = None if state is None else state.newest
    bases = Bases(newest=newest, active=None if state is None else state.serving, named=named)
    return upload_change(upload, resolve(upload, bases, assets), newest, activate=activate, with_settings=activate)


def _named(gateway: Gateway, account: str, script: str, upload: Upload) -> dict[str, Version]:
    live = gateway.live.script(account, script)
    wanted = () if live is None else inherited_versions(upload)
    found = {name: live.content(uuid_of(name)) for name in wanted} if live else {}
    return {name: version for name, version in found.items() if version is not None}


async def _roll_back(call: Call, script: str) -> Written:
    target = call.request.query_params.get("rollback_to", "")
    said = read_rollback(call.request.headers.get("content-type", ""), await call.request.body())
    made = await deployment_of(call.existing(script), target)
    return await change(call, script, lambda *_: {**said, "rollback_to": made.id})


async def _active(written: Written) -> tuple[LiveDeployment, Version | None]:
    """The deployment that a change made, or the one that was active where it changed nothing; and its version's content."""
    live, entry = written.script, written.entry
    identifier = entry.deployment.id if entry.deployment else None
    if identifier is None:
        newest = live.deployments[:1]
        if not newest:
            raise refuse("the script has no deployment any more: others have deleted it", 409)
        made = newest[0]
    else:
        made = await deployment_of(live, identifier)
    return made, await asyncio.to_thread(live.content, objects.main_version(made.versions))


def _base(written: Written) -> str:
    """The version that an upload without effect was built on: the script's newest as it was then."""
    said = written.entry.event.data
    base = _decode_base(said).base if said is not UNSET else None
    if base is not None:
        return base
    newest = written.script.versions[:1]
    if not newest:
        raise no_script()
    return newest[0].id


def upload_routes() -> Router:
    """These handlers."""
    return Router(
        "/accounts/{account:str}/workers", route_handlers=[put_script, post_version, post_deployment], dependencies=CALL
    )
