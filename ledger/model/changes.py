"""Changes: an aspect's stored bytes before and after a patch, and what changed, name by name."""

from typing import Any

import msgspec

from ledger.model.aspects import NESTED, Patch, apply_patch, check_code
from ledger.model.jsontext import sorted_json
from ledger.model.state import EMPTY, Change

__all__ = ["patched"]

_decode = msgspec.json.Decoder().decode


def patched(aspect: str, before: bytes, patch: Patch, changes: list[Change]) -> bytes:
    """An aspect's stored bytes after a patch; appends what changes."""
    old = _decode(before) if before != EMPTY else {}
    new = apply_patch(aspect, old, patch)
    if aspect == "code":
        check_code(new, f"$.data.code.{'replace' if patch.replace else 'merge'}")
    after = sorted_json(new)
    marked = _without_mac(patch) if aspect == "config" else ()
    if after == before and not marked:
        return before
    nested = NESTED.get(aspect, ())
    for name in nested:
        if name in old or name in new:
            inner = marked if name == "secrets" else ()
            _compare(aspect, f"{name}/", old.get(name, {}), new.get(name, {}), changes, marked=inner)
    _compare(aspect, "", old, new, changes, passed_over=nested)
    return after


def _without_mac(patch: Patch) -> tuple[str, ...]:
    """The secrets that an event mentions without a MAC: each mention counts as a change."""
    secrets = patch.names.get("secrets") or {}
    return tuple(name for name, value in secrets.items() if value is not None and "mac" not in value)


def _compare(
    aspect: str,
    prefix: str,
    old: dict[str, Any],
    new: dict[str, Any],
    changes: list[Change],
    *,
    marked: tuple[str, ...] = (),
    passed_over: tuple[str, ...] = (),
) -> None:
    """Append what differs between the names of `old` and `new`; `marked` ones differ wherever they are in both."""
    for name, value in new.items():
        if name in passed_over:
            continue
        if name not in old:
            changes.append((aspect, prefix + name, "added"))
        elif name in marked or (old[name] is not value and sorted_json(old[name]) != sorted_json(value)):
            changes.append((aspect, prefix + name, "changed"))
    changes.extend((aspect, prefix + name, "removed") for name in old if name not in new and name not in passed_over)
