"""Columns' names as members of an object. Pure."""

from collections.abc import Iterable

__all__ = ["distinct_names"]


def distinct_names(names: Iterable[str]) -> list[str]:
    """Of several names that are alike the later ones get a number."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return distinct
