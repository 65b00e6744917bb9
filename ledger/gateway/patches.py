"""The difference between what is and what is to be, as the aspects of a change event."""

from collections.abc import Collection, Mapping
from typing import Any, Final

from ledger.gateway.items import Item, Manifest, manifest_of
from ledger.gateway.uploads import Upload
from ledger.model.aspects import NESTED
from ledger.model.jsontext import sorted_json
from ledger.model.state import Version

__all__ = ["config_patch", "difference", "upload_change"]

_NESTED: Final = NESTED["config"]


def upload_change(
    upload: Upload, resolved: Manifest, base: Version | None, *, activate: bool, with_settings: bool
) -> dict[str, Any]:
    """What an upload does, as an event's `data` says it.

    Args:
        upload: as it was sent.
        resolved: what it comes to.
        base: the script's newest version; None where there is no such script.
        activate: whether what it makes is deployed.
        with_settings: whether it sets the script's settings too.
    """
    data: dict[str, Any] = dict(upload.said)
    if not activate:
        data["activate"] = False
    if base is not None:
        data["base"] = base.id
    data["code"] = {"replace": resolved.code}
    data["bindings"] = {"replace": resolved.bindings}
    if base is None:
        data["config"] = {"replace": resolved.config}
    else:
        set_here = [name for name, item in upload.items.items() if isinstance(item, Item) and item.place == "secrets"]
        patch = config_patch(manifest_of(base).config, resolved.config, set_here)
        if patch:
            data["config"] = {"merge": patch}
    if with_settings and upload.settings:
        data["settings"] = {"merge": upload.settings}
    return data


def config_patch(
    before: Mapping[str, Any], after: Mapping[str, Any], mentioned: Collection[str] = ()
) -> dict[str, Any]:
    """What must be merged into a configuration to make it another one: what is gone is null.

    Args:
        before: the configuration there is.
        after: the one to be.
        mentioned: secrets that are named though they have the value that they had: somebody set them.
    """
    patch = difference(_flat(before), _flat(after))
    for name in _NESTED:
        kept = mentioned if name == "secrets" else ()
        inner = difference(before.get(name, {}), after.get(name, {}), kept)
        if inner:
            patch[name] = inner
    return patch


def difference(before: Mapping[str, Any], after: Mapping[str, Any], mentioned: Collection[str] = ()) -> dict[str, Any]:
    """Name to new value where it differs (compared as stored bytes: 1, 1.0 and true are three), null where it is gone."""
    changed = {
        name: value
        for name, value in after.items()
        if name in mentioned or name not in before or sorted_json(before[name]) != sorted_json(value)
    }
    return changed | {name: None for name in before if name not in after}


def _flat(config: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name not in _NESTED}
