"""Sessions in which the tools upload static assets; no event is made of them until a version has them."""

import asyncio
import time
from typing import Any

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from litestar import Router, post

from ledger.api.access import OPEN, presented_token, require
from ledger.api.platform.envelopes import Answer, answer
from ledger.api.platform.gateway import Gateway, PlatformRequest
from ledger.api.tokens import Scope
from ledger.errors import InputError, NotFoundError
from ledger.gateway.assets import (
    MAX_MANIFEST_BYTES,
    TOKEN_LIFE_S,
    AssetToken,
    Files,
    buckets,
    check_files,
    files_of,
    manifest_bytes,
    read_manifest,
    read_token,
    write_token,
)
from ledger.gateway.events import check_names
from ledger.gateway.items import manifest_of
from ledger.gateway.jsonbody import read_object
from ledger.gateway.parts import read_parts
from ledger.gateway.refusals import refuse
from ledger.gateway.resolving import AssetSet
from ledger.model.state import Version

__all__ = ["asset_routes", "asset_set"]

_WRITE = [require(Scope.write)]
_TAGS = ["platform: static assets"]
_KEY_BYTES = 32

_decode = msgspec.json.Decoder(dict[str, Any]).decode


@post(
    "/scripts/{script:str}/assets-upload-session",
    guards=_WRITE,
    status_code=200,
    operation_id="beginAssets",
    tags=_TAGS,
)
async def begin_assets(gateway: Gateway, request: PlatformRequest, account: str, script: str) -> Answer:
    """Say which assets a version is to have; the answer names those that are to be uploaded."""
    check_names(account, script)
    body = await request.body()
    manifest = await asyncio.to_thread(lambda: read_manifest(read_object(body, MAX_MANIFEST_BYTES)))
    state = gateway.script_state(account, script)

    def begin() -> tuple[str, list[list[str]]]:
        known = _known(gateway, None if state is None else state.newest)
        missing = buckets(files_of(manifest), known)
        token = AssetToken(
            account=account,
            script=script,
            sha256=gateway.blobs.put(manifest_bytes(manifest)),
            count=len(manifest),
            complete=not missing,
            exp=int(time.time()) + TOKEN_LIFE_S,
        )
        return write_token(token, _derived(gateway.keys.key(account))), missing

    text, missing = await asyncio.to_thread(begin)
    return answer({"jwt": text, "buckets": missing})


@post("/assets/upload", opt={OPEN: True}, status_code=201, operation_id="uploadAssets", tags=_TAGS)
async def upload_assets(gateway: Gateway, request: PlatformRequest, account: str) -> Answer:
    """Take a portion of a session's assets. Who asks shows the session's token, not their own."""
    shown = presented_token(request.headers)
    # No key is made for somebody who shows no more than the name of an account.
    found = await asyncio.to_thread(gateway.keys.find, account)
    if shown is None or found is None:
        raise refuse("this needs the token of an upload session", 401)
    key = _derived(found)
    token = read_token(shown[0], account, key, time.time())
    content_type, body = request.headers.get("content-type", ""), await request.body()

    def check() -> None:
        check_files(read_parts(content_type, body), _files(gateway, token.sha256))

    await asyncio.to_thread(check)
    complete = msgspec.structs.replace(token, complete=True)
    return answer({"jwt": write_token(complete, key)}, 201)


async def asset_set(gateway: Gateway, account: str, script: str, text: str) -> AssetSet:
    """The assets that a token stands for.

    Raises:
        GatewayError: it is none for this script, or the assets were not uploaded.
    """
    found = await asyncio.to_thread(gateway.keys.key, account)
    token = read_token(text, account, _derived(found), time.time())
    if token.script != script or not token.complete:
        raise refuse("the assets' token is another script's, or the assets were not uploaded")
    return AssetSet(token.sha256, token.count)


def _derived(account_key: bytes) -> bytes:
    """The key of tokens: another one than that of secrets' MACs, which stand in the log (RFC 5869)."""
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=b"ledger asset tokens").derive(account_key)


def _known(gateway: Gateway, version: Version | None) -> Files:
    """The files of a version's assets: they were uploaded before."""
    assets = manifest_of(version).code.get("assets")
    return _files(gateway, assets["sha256"]) if isinstance(assets, dict) and "sha256" in assets else {}


def _files(gateway: Gateway, digest: str) -> Files:
    try:
        return files_of(_decode(gateway.blobs.get(digest)))
    except (NotFoundError, InputError, msgspec.MsgspecError, KeyError, TypeError):
        return {}  # another producer's, which keeps its manifests elsewhere or in another form


def asset_routes() -> Router:
    """These handlers."""
    return Router("/accounts/{account:str}/workers", route_handlers=[begin_assets, upload_assets])
