"""What an upload comes to: inherited and carried-over items are looked up in versions that exist, before anything is digested."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from ledger.gateway.items import Inherited, Item, Manifest, by_place, held, manifest_of
from ledger.gateway.refusals import NOT_INHERITED, GatewayError, refuse
from ledger.gateway.uploads import Upload
from ledger.model.aspects import SECRET_TYPES
from ledger.model.state import Version

__all__ = ["AssetSet", "Bases", "inherited_versions", "resolve"]

_SECRETS: Final = frozenset(SECRET_TYPES)
_STAYING: Final = ("usage_model", "migration_tag")
"""Configuration that stays where an upload does not name it."""


class AssetSet(Struct, frozen=True):
    """Static assets that were uploaded before: the digest of their manifest, and how many there are."""

    sha256: str
    count: int


class Bases(Struct, frozen=True, kw_only=True):
    """The versions that an upload may refer to."""

    newest: Version | None
    active: Version | None
    """The one that takes all traffic."""
    named: Mapping[str, Version]
    """Those that it names by id."""


def inherited_versions(upload: Upload) -> frozenset[str]:
    """The ids of the versions that an upload inherits from by name."""
    items = upload.items.values()
    return frozenset(item.version for item in items if isinstance(item, Inherited) and item.version)


def resolve(upload: Upload, bases: Bases, assets: AssetSet | None) -> Manifest:
    """The content of the version that an upload makes.

    Args:
        upload: as it was sent.
        bases: what it may refer to.
        assets: what its assets' token stands for.

    Raises:
        GatewayError: something inherited is not there: one error for each name.
    """
    base = manifest_of(bases.newest)
    found = {name: _Found(item, base) for name, item in held(base).items() if _stays(item, upload.keep_types)}
    carried = dict(found)
    missing = []
    for name, item in upload.items.items():
        carried.pop(name, None)
        if isinstance(item, Item):
            found[name] = _Found(item, base)
        elif isinstance(item, Inherited) and (there := _inherit(item, bases)) is not None:
            found[name] = carried[name] = there
        else:
            missing.append((NOT_INHERITED, f"inherit binding '{name}' is invalid"))
    if missing:
        raise GatewayError(400, *missing)
    placed = dict(by_place({name: there.item for name, there in found.items()}))
    return Manifest(
        _code(upload, assets, base, _carried_modules(carried.values())),
        placed["bindings"],
        _config(upload, base, placed["vars"], placed["secrets"]),
    )


class _Found(NamedTuple):
    """An item, and the version's content that it is from."""

    item: Item
    source: Manifest


def _stays(item: Item, keep_types: frozenset[str] | None) -> bool:
    """Whether an item of the newest version stays unless the upload has one of its name."""
    if item.place == "secrets":
        named = _SECRETS & (keep_types or frozenset())
        return not named or item.type in named
    return keep_types is not None and item.type in keep_types


def _inherit(item: Inherited, bases: Bases) -> _Found | None:
    first = bases.newest if item.version is None else bases.named.get(item.version)
    for version in (first, bases.active):
        manifest = manifest_of(version)
        there = held(manifest).get(item.name)
        if there is not None:
            return _Found(there, manifest)
    return None


def _carried_modules(carried: Iterable[_Found]) -> dict[str, Any]:
    """The modules that items which were not uploaded name as their `part`: without them such an item would be of no use."""
    modules = {}
    for item, source in carried:
        part = item.value.get("part") if item.place == "bindings" else None
        there = source.code.get("modules", {})
        if isinstance(part, str) and part in there:
            modules[part] = there[part]
    return modules


def _code(upload: Upload, assets: AssetSet | None, base: Manifest, carried: Mapping[str, Any]) -> dict[str, Any]:
    code: dict[str, Any] = {}
    if upload.main is not None:
        code = {"main": upload.main, "modules": {**carried, **upload.modules}}
    if assets is not None:
        code["assets"] = {"sha256": assets.sha256, "count": assets.count}
    elif upload.keep_assets and "assets" in base.code:
        code["assets"] = base.code["assets"]
    if not code:
        raise refuse("the upload has neither modules nor assets")
    return code


def _config(upload: Upload, base: Manifest, variables: Mapping[str, Any], secrets: Mapping[str, Any]) -> dict[str, Any]:
    config = {name: base.config[name] for name in _STAYING if name in base.config} | dict(upload.config)
    if upload.migration_tag is not None:
        config["migration_tag"] = upload.migration_tag
    kept: Mapping[str, Any] = base.config.get("assets", {}) if upload.keep_assets else {}
    if upload.assets_config is not None:
        kept = upload.assets_config
    for name, value in (("assets", kept), ("vars", dict(variables)), ("secrets", dict(secrets))):
        if value:
            config[name] = value
    return config
