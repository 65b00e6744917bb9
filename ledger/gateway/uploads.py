"""Uploads: a multipart body becomes modules, and metadata in which secrets are MACs already."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct, structs

from ledger.gateway.annotations import read_annotations, said
from ledger.gateway.items import Inherited, Item, Kept, read_items
from ledger.gateway.jsonbody import member, read_object
from ledger.gateway.modules import described, module_type
from ledger.gateway.parts import FILES, Part, check_name, read_parts
from ledger.gateway.refusals import refuse
from ledger.gateway.secretvalues import Seal, refuse_hidden

__all__ = ["INSTRUCTIONS", "SETTINGS", "Upload", "read_rollback", "read_upload", "settings_of", "split_metadata"]

SETTINGS: Final = ("logpush", "tail_consumers", "streaming_tail_consumers", "observability", "tags")
"""What of the metadata is a script's setting, not a version's."""

_METADATA: Final = "metadata"
INSTRUCTIONS: Final = frozenset(
    (
        "annotations",
        "assets",
        "bindings",
        "body_part",
        "code_update_strategy",
        "containers",
        "keep_assets",
        "keep_bindings",
        "main_module",
        "migrations",
    )
)
"""What of the metadata is not configuration as it stands."""
_TAKEN: Final = ("vars", "secrets")
"""Names in the configuration that hold what bindings say."""


class Upload(Struct, frozen=True, kw_only=True):
    """An upload, as it was sent; nothing is resolved yet."""

    main: str | None
    modules: Mapping[str, Mapping[str, Any]]
    """Name to type, size and digest."""
    contents: tuple[bytes, ...]
    """The modules' bytes, for the blob store."""
    items: Mapping[str, Item | Inherited | Kept]
    """Bindings, variables and secrets, by name."""
    config: Mapping[str, Any]
    """What else is configuration, without empty objects and arrays at its top."""
    settings: Mapping[str, Any]
    """Settings of the script, as far as they are named."""
    keep_types: frozenset[str] | None
    """Types of items that stay; None where the upload does not say."""
    keep_assets: bool
    assets_token: str | None
    """Stands for the assets that were uploaded before."""
    assets_config: Mapping[str, Any] | None
    migration_tag: str | None
    said: Mapping[str, str]
    """Message and tag."""

    def __repr__(self) -> str:
        return f"Upload({self.main!r}, {len(self.modules)} modules, {len(self.items)} items)"


def read_upload(content_type: str, body: bytes, seal: Seal) -> Upload:
    """What `PUT .../scripts/{n}` and `POST .../versions` send.

    Args:
        content_type: the request's header.
        body: all of it.
        seal: makes MACs of secrets' values.

    Raises:
        GatewayError: it is no upload.
    """
    parts = read_parts(content_type, body)
    found = next((part for part in parts if part.name == _METADATA), None)
    if found is None:
        raise refuse("the upload has no part `metadata`")
    metadata = read_object(found.data)
    items = read_items(member(metadata, "bindings", list, []), seal)
    main, body_part = member(metadata, "main_module", str, ""), member(metadata, "body_part", str, "")
    modules = _modules([part for part in parts if part.name != _METADATA], main or body_part)
    if main and body_part:
        raise refuse("an upload has either `main_module` or `body_part`")
    assets = member(metadata, "assets", dict, {})
    config = split_metadata(metadata)
    return Upload(
        main=_check_main(main or body_part, modules),
        modules={part.name: _described(part, body_part) for part in modules},
        contents=tuple(part.data for part in modules),
        items=items,
        config=config,
        settings=settings_of(metadata),
        keep_types=_keep_types(metadata),
        keep_assets=member(metadata, "keep_assets", bool, False),
        assets_token=member(assets, "jwt", str, "") or None,
        assets_config=_assets_config(assets),
        migration_tag=member(member(metadata, "migrations", dict, {}), "new_tag", str, "") or None,
        said=read_annotations(metadata.get("annotations")),
    )


def read_rollback(content_type: str, body: bytes) -> dict[str, str]:
    """The message of `PUT .../scripts/{n}?rollback_to=`, as an event says it.

    Raises:
        GatewayError: the body is neither empty nor multipart with a message that can be one.
    """
    if not body:
        return {}
    message = next((part.data for part in read_parts(content_type, body) if part.name == "message"), b"")
    try:
        return said(message.decode())
    except UnicodeDecodeError:
        raise refuse("the message is not UTF-8") from None


def split_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration in an upload's metadata, without what is empty; null is what is not there.

    Raises:
        GatewayError: it would take the place of variables or secrets, or hold a secret's value.
    """
    if any(name in metadata for name in _TAKEN):
        raise refuse("variables and secrets are sent as bindings")
    config = {
        name: value
        for name, value in metadata.items()
        if name not in INSTRUCTIONS and name not in SETTINGS and value not in (None, {}, [])
    }
    refuse_hidden(config)
    return config


def settings_of(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The script's settings in an upload's metadata, as far as they are named.

    Raises:
        GatewayError: a secret's value is among them.
    """
    settings = {name: metadata[name] for name in SETTINGS if name in metadata}
    refuse_hidden(settings)
    return settings


def _modules(parts: list[Part], main: str) -> list[Part]:
    """The modules by their own names: those of their parts, or where all parts are called `files` of their file names."""
    found = parts
    if main != FILES and all(part.name == FILES for part in parts):
        found = [structs.replace(part, name=part.filename or FILES) for part in parts]
    if len({part.name for part in found}) != len(found):
        raise refuse("two modules have one name")
    return found


def _described(part: Part, body_part: str) -> dict[str, Any]:
    check_name(part.name)
    return described(module_type(part.content_type, is_body=part.name == body_part), part.data)


def _check_main(main: str, modules: list[Part]) -> str | None:
    names = [part.name for part in modules]
    if main and main not in names:
        raise refuse("the main module is not among the parts of the upload")
    if names and not main:
        raise refuse("an upload with modules says which is main: `main_module` or `body_part`")
    return main or None


def _assets_config(assets: Mapping[str, Any]) -> dict[str, Any] | None:
    if not assets:
        return None
    config = member(assets, "config", dict, {})
    refuse_hidden(config)
    return config


def _keep_types(metadata: Mapping[str, Any]) -> frozenset[str] | None:
    kept = metadata.get("keep_bindings")
    if kept is None:
        return None
    if not isinstance(kept, list) or not all(isinstance(kind, str) for kind in kept):
        raise refuse("`keep_bindings` must be an array of types")
    return frozenset(kept)
