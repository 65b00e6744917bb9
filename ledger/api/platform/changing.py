"""Changes without an upload: secrets, settings, the ways to a script, its deletion."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from litestar import Router, delete, patch, post, put

from ledger.api.access import require
from ledger.api.platform.envelopes import Answer, answer
from ledger.api.platform.gateway import CALL, Call
from ledger.api.platform.uploading import answer_version
from ledger.api.platform.writing import Written, change
from ledger.api.tokens import Scope
from ledger.gateway import edits, scripts, triggers
from ledger.gateway.events import check_names
from ledger.gateway.jsonbody import read_list, read_object
from ledger.gateway.parts import read_parts
from ledger.gateway.refusals import no_script, no_service, refuse
from ledger.gateway.secretvalues import Seal
from ledger.model.state import Script

__all__ = ["change_routes", "changed"]

_WRITE = [require(Scope.write)]
_TAGS = ["platform: changes"]

T = TypeVar("T")


@put("/scripts/{script:str}/secrets", guards=_WRITE, status_code=200, operation_id="putSecret", tags=_TAGS)
async def put_secret(call: Call, script: str) -> Answer:
    """Set a secret. Its value is a MAC before anything else is done."""
    secret = await _sealed(call, script, edits.read_secret)
    await _edited(call, script, lambda state: edits.put_secret(state, secret))
    return answer({"name": secret.name, "type": secret.type})


@delete(
    "/scripts/{script:str}/secrets/{name:str}",
    guards=_WRITE,
    status_code=200,
    operation_id="deleteSecret",
    tags=_TAGS,
)
async def delete_secret(call: Call, script: str, name: str) -> Answer:
    """Take a secret away."""
    await _edited(call, script, lambda state: edits.delete_secret(state, name))
    return answer(None)


@patch("/scripts/{script:str}/secrets-bulk", guards=_WRITE, operation_id="patchSecrets", tags=_TAGS)
async def patch_secrets(call: Call, script: str) -> Answer:
    """Set and take away several secrets at once."""
    values = await _sealed(call, script, edits.read_secrets)
    written = await _edited(call, script, lambda state: edits.put_secrets(state, values))
    return answer(edits.secret_names(edits.base_of_edits(written.script.script)))


@patch("/scripts/{script:str}/settings", guards=_WRITE, operation_id="patchSettings", tags=_TAGS)
async def patch_settings(call: Call, script: str) -> Answer:
    """Edit the active version, and deploy it: `secret bulk` does so."""
    edit = await _sealed(call, script, edits.read_settings, part="settings")
    written = await change(
        call,
        script,
        lambda _, state: edits.edit_settings(state, edit),
        about_secrets=False,
    )
    state = written.script.script
    return answer(scripts.settings(state, edits.base_of_edits(state)))


@patch("/workers/{script:str}/versions/latest", guards=_WRITE, operation_id="patchLatestVersion", tags=_TAGS)
async def patch_latest(call: Call, script: str) -> Answer:
    """Make a version of the newest one, with other variables, secrets and bindings; it is not deployed."""
    edit = await _sealed(call, script, edits.read_latest)
    written = await _edited(call, script, lambda state: edits.edit_latest(state, edit))
    return await answer_version(call, written)


@patch("/scripts/{script:str}/script-settings", guards=_WRITE, operation_id="patchScriptSettings", tags=_TAGS)
async def patch_script_settings(call: Call, script: str) -> Answer:
    """Set settings that are no version's."""
    data = triggers.script_settings(read_object(await call.request.body()))
    written = await changed(call, script, data)
    return answer(scripts.settings_aspect(written.script.script.triggers))


@put("/scripts/{script:str}/schedules", guards=_WRITE, status_code=200, operation_id="putSchedules", tags=_TAGS)
async def put_schedules(call: Call, script: str) -> Answer:
    """Set all crons of a script."""
    written = await changed(call, script, triggers.schedules(read_list(await call.request.body())))
    return answer(scripts.schedules_of(written.script))


@put("/scripts/{script:str}/routes", guards=_WRITE, status_code=200, operation_id="putRoutes", tags=_TAGS)
async def put_routes(call: Call, script: str) -> Answer:
    """Set all routes of a script; those of other scripts that are among them become its."""
    written = await changed(call, script, triggers.routes(read_list(await call.request.body())))
    return answer(scripts.routes_of(call.account, script, written.script.script.triggers))


@post("/scripts/{script:str}/subdomain", guards=_WRITE, status_code=200, operation_id="postSubdomain", tags=_TAGS)
async def post_subdomain(call: Call, script: str) -> Answer:
    """Say whether a script answers on the account's subdomain."""
    written = await changed(call, script, triggers.subdomain(read_object(await call.request.body())))
    return answer(scripts.subdomain(written.script.script.triggers))


@put("/scripts/{script:str}/domains/records", guards=_WRITE, status_code=200, operation_id="putDomains", tags=_TAGS)
async def put_domains(call: Call, script: str) -> Answer:
    """Set all custom domains of a script; those of other scripts that are among them become its."""
    written = await changed(call, script, triggers.domains(read_object(await call.request.body())))
    return answer(scripts.domains_of(call.account, script, written.script.script.triggers))


@delete("/scripts/{script:str}", guards=_WRITE, status_code=200, operation_id="deleteScript", tags=_TAGS)
async def delete_script(call: Call, script: str) -> Answer:
    """Delete a script; its history stays."""
    await changed(call, script, {"delete": True})
    return answer(None)


@delete("/services/{script:str}", guards=_WRITE, status_code=200, operation_id="deleteService", tags=_TAGS)
async def delete_service(call: Call, script: str) -> Answer:
    """The same, as the tools ask for it."""
    if call.gateway.script_state(call.account, script) is None:
        raise no_service()
    await changed(call, script, {"delete": True})
    return answer(None)


async def changed(
    call: Call,
    script: str,
    data: Mapping[str, Any],
) -> Written:
    """Make a change that is the same whatever the script is."""
    return await change(call, script, lambda *_: data)


async def _edited(
    call: Call,
    script: str,
    make: Callable[[Script | None], Mapping[str, Any]],
) -> Written:
    return await change(call, script, lambda _, state: make(state))


async def _sealed(
    call: Call,
    script: str,
    read: Callable[[Mapping[str, Any], Seal], T],
    *,
    part: str | None = None,
) -> T:
    """What a body says, its secrets sealed; the body itself goes no further.

    Args:
        call: the request with the body, about the account under whose key secrets are sealed.
        script: that the request is about.
        read: reads it.
        part: of a multipart body, the part that is meant.
    """
    check_names(call.account, script)
    body = await call.request.body()
    content_type = call.request.headers.get("content-type", "")

    def run() -> T:
        said = read_object(_part(content_type, body, part))
        if call.gateway.script_state(call.account, script) is None:  # no key is made for what is refused anyway
            raise no_script()
        return read(said, call.gateway.seal(call.account))

    return await asyncio.to_thread(run)


def _part(content_type: str, body: bytes, name: str | None) -> bytes:
    if name is None or not content_type.startswith("multipart/"):
        return body
    found = next((part.data for part in read_parts(content_type, body) if part.name == name), None)
    if found is None:
        raise refuse(f"the body has no part `{name}`")
    return found


def change_routes() -> Router:
    """These handlers."""
    handlers = [
        put_secret,
        delete_secret,
        patch_secrets,
        patch_settings,
        patch_latest,
        patch_script_settings,
        put_schedules,
        put_routes,
        post_subdomain,
        put_domains,
        delete_script,
        delete_service,
    ]
    return Router("/accounts/{account:str}/workers", route_handlers=handlers, dependencies=CALL)
