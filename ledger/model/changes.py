"""Changes: an aspect's stored bytes before and after a patch, and what changed, name by name."""

from typing import Any

import msgspec

from ledger.model.aspects import NESTED, Patch, apply_patch, check_code
from ledger.model.jsontext import sorted_json
from ledger.model.state import Change

__all__ = ["patched"]

_decode = msgspec.json.Decoder().decode


def patched(aspect: str, before: bytes, patch: Patch, changes: list[Change]) -> bytes:
    """An aspect's stored bytes after a patch; appends what changes."""
    old = _decode(before)
    new = apply_patch(aspect, old, patch)
    if aspect == "code":
        check_code(new, f"$.data.code.{'replace' if patch.replace else 'merge'}")
    after = sorted_json(new)
    marked = _without_mac(patch) if aspect == "config" else ()
    if after == before and not marked:
        return before
    nested = NESTED.get(aspect, ())
    for name in old.keys() | new.keys():
        if name in nested:
            _compare(
                aspect, old.get(name, {}), new.get(name, {}), f"{name}/", changes, marked if name == "secrets" else ()
            )
        else:
            _compare_one(aspect, old, new, name, name, changes)
    return after


def _without_mac(patch: Patch) -> tuple[str, ...]:
    """The secrets that an event mentions without a MAC: each mention counts as a change."""
    secrets = patch.names.get("secrets") or {}
    return tuple(name for name, value in secrets.items() if value is not None and "mac" not in value)


def _compare(
    aspect: str, old: dict[str, Any], new: dict[str, Any], prefix: str, changes: list[Change], marked: tuple[str, ...]
) -> None:
    for name in old.keys() | new.keys():
        _compare_one(aspect, old, new, name, prefix + name, changes, marked=name in marked)


def _compare_one(
    aspect: str,
    old: dict[str, Any],
    new: dict[str, Any],
    name: str,
    shown: str,
    changes: list[Change],
    *,
    marked: bool = False,
) -> None:
    if name not in old:
        changes.append((aspect, shown, "added"))
    elif name not in new:
        changes.append((aspect, shown, "removed"))
    elif marked or (old[name] is not new[name] and sorted_json(old[name]) != sorted_json(new[name])):
        changes.append((aspect, shown, "changed"))
