"""Changes: an aspect's stored bytes before and after a patch, and what changed, name by name."""

from collections.abc import Mapping
from typing import Any

import msgspec

from ledger.model.aspects import NESTED, Patch, PlainCode, apply_patch, check_code, decode_plain_code
from ledger.model.jsontext import sorted_json
from ledger.model.state import Change

__all__ = ["patched"]

_decode = msgspec.json.Decoder().decode


def patched(aspect: str, before: bytes, patch: Patch, changes: list[Change]) -> bytes:
    """An aspect's stored bytes after a patch; appends what changes."""
    if patch.code is not None:
        return _replaced_code(before, patch.stored, patch.code, changes)
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


def _replaced_code(before: bytes, after: bytes, code: PlainCode, changes: list[Change]) -> bytes:
    """The same for code that is modules and nothing else, before and after."""
    if after == before:
        return before
    try:
        old = decode_plain_code(before)
    except msgspec.ValidationError:  # there was none, or it had other members
        old_members = _decode(before)
        _compare_modules(old_members.get("modules", {}), _decode(after)["modules"], changes)
        changes.extend(("code", name, "removed") for name in old_members.keys() - {"modules", "main"})
        if old_members.get("main") != code.main:
            changes.append(("code", "main", "changed" if "main" in old_members else "added"))
        return after
    _compare_modules(old.modules, code.modules, changes)
    if old.main != code.main:
        changes.append(("code", "main", "changed"))
    return after


def _compare_modules(old: Mapping[str, Any], new: Mapping[str, Any], changes: list[Change]) -> None:
    kept = 0
    for name, module in new.items():
        was = old.get(name)
        if was is None:
            changes.append(("code", f"modules/{name}", "added"))
        else:
            kept += 1
            if was != module:
                changes.append(("code", f"modules/{name}", "changed"))
    if kept < len(old):
        changes.extend(("code", f"modules/{name}", "removed") for name in old if name not in new)


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
