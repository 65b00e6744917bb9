"""Static assets: the manifest that an upload session is about, what of it is missing, and the token that stands for it.

The bytes of assets are not kept: the log has the digest of their manifest, which names each file, its hash and its size. The token is a
JSON Web Token (RFC 7519, HS256) and says all that is to be known, so that any server of the ledger can go on.
"""

import hmac
import re
from base64 import b64decode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Struct

from ledger.gateway.jsonbody import member
from ledger.gateway.parts import Part
from ledger.gateway.refusals import refuse
from ledger.model.jsontext import sorted_json

__all__ = [
    "MAX_MANIFEST_BYTES",
    "TOKEN_LIFE_S",
    "AssetToken",
    "Files",
    "buckets",
    "check_files",
    "files_of",
    "manifest_bytes",
    "read_manifest",
    "read_token",
    "write_token",
]

TOKEN_LIFE_S: Final = 3600
MAX_MANIFEST_BYTES: Final = 16 << 20
_MAX_FILES: Final = 100_000
_BUCKET_BYTES: Final = 5 << 20
_BUCKET_FILES: Final = 500
_HASH: Final = re.compile("[0-9a-f]{32}")
_HEADER: Final = b'{"alg":"HS256","typ":"JWT"}'

Files = dict[str, int]
"""Hash of a file, as the tools make it, to its size in bytes."""


class AssetToken(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a token says."""

    account: str
    script: str
    sha256: str
    """Of the manifest."""
    count: int
    """How many assets are in it."""
    complete: bool
    """Whether all of it was uploaded before."""
    exp: int
    """Seconds since 1970, when it ends."""


def read_manifest(body: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The manifest of an upload session: path to hash and size.

    Raises:
        GatewayError: it is none.
    """
    manifest = member(body, "manifest", dict, {})
    if len(manifest) > _MAX_FILES:
        raise refuse(f"a Worker has at most {_MAX_FILES} assets")
    for path, file in manifest.items():
        hashed = file.get("hash") if isinstance(file, dict) else None
        size = file.get("size") if isinstance(file, dict) else None
        if not path.startswith("/") or not isinstance(hashed, str) or not _HASH.fullmatch(hashed):
            raise refuse("the manifest maps paths, which begin with a slash, to hashes of 32 hex digits")
        if isinstance(size, bool) or not isinstance(size, int) or size < 0:
            raise refuse("the manifest must say the size of each file in bytes")
    return {path: {"hash": file["hash"], "size": file["size"]} for path, file in manifest.items()}


def manifest_bytes(manifest: Mapping[str, Any]) -> bytes:
    """A manifest as it is kept and digested."""
    return sorted_json(manifest)


def files_of(manifest: Mapping[str, Any]) -> Files:
    """The files of a manifest; one that is at several paths is one."""
    return {file["hash"]: file["size"] for file in manifest.values()}


def buckets(files: Files, known: Collection[str]) -> list[list[str]]:
    """The files that are to be uploaded, in the manifest's order and in portions for one request each; none where all are known."""
    found: list[list[str]] = []
    room = 0
    for hashed in [hashed for hashed in files if hashed not in known]:
        if not found or files[hashed] > room or len(found[-1]) >= _BUCKET_FILES:
            found.append([])
            room = _BUCKET_BYTES
        found[-1].append(hashed)
        room -= files[hashed]
    return found


def check_files(parts: Collection[Part], files: Files) -> None:
    """Check that uploaded parts (base64, named by their hash) are files of the manifest, of the size that it says.

    Raises:
        GatewayError: one is not.
    """
    for part in parts:
        try:
            size = len(b64decode(part.data, validate=True))
        except ValueError:
            raise refuse("an asset is not base64") from None
        if files.get(part.name) != size:
            raise refuse("an uploaded file is not in the session's manifest, or of another size than it says")


def write_token(token: AssetToken, key: bytes) -> str:
    """The token as text, signed with a key."""
    said = b".".join(map(_base64url, (_HEADER, msgspec.json.encode(token))))
    return b".".join((said, _base64url(hmac.digest(key, said, sha256)))).decode()


def read_token(text: str, account: str, key: bytes, now_s: float) -> AssetToken:
    """What a token says.

    Raises:
        GatewayError: it was signed with another key, is another account's, or has ended.
    """
    said, _, signature = text.encode("utf-8", "replace").rpartition(b".")
    expected = _base64url(hmac.digest(key, said, sha256))
    try:
        if not hmac.compare_digest(expected, signature):
            raise ValueError("signature")
        payload = said.partition(b".")[2]
        token = msgspec.json.decode(urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)), type=AssetToken)
        if token.account != account or token.exp <= now_s:
            raise ValueError("account or time")
    except (ValueError, msgspec.MsgspecError):
        raise refuse("the assets' token is none of this server's, or has ended: upload the assets again", 401) from None
    return token


def _base64url(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")
