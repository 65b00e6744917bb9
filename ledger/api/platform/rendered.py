"""Answers that were made before, kept as long as nothing in them can have changed."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from msgspec import Struct

__all__ = ["Rendered", "Shown"]

_MOST: Final = 2048
_MOST_BYTES: Final = 32 << 20
_LARGEST: Final = 256 << 10
_CHECK_S: Final = 1.0

Key = tuple[str, ...]


class Shown(Struct):
    """An answer: whom it names, and what it was made of."""

    of: object
    """The script, as it was: another object means that it has changed."""
    epoch: int
    """Of who is known in the account: another means that people have come or were erased."""
    checked: float
    body: bytes
    named: frozenset[str]
    """Pseudonyms of people whom only some may be shown."""


class Rendered:
    """The newest answers of a server. For one thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Shown] = OrderedDict()
        self._bytes = 0

    def get(self, key: Key, of: object) -> Shown | None:
        """An answer made of the same script; whether people have come or were erased since is to be asked where it is not `fresh`."""
        found = self._kept.get(key)
        if found is None or found.of is not of:
            return None
        self._kept.move_to_end(key)
        return found

    def keep(self, key: Key, shown: Shown) -> None:
        """Remember an answer, unless it is too large."""
        if len(shown.body) > _LARGEST:
            return
        before = self._kept.pop(key, None)
        self._bytes += len(shown.body) - (len(before.body) if before else 0)
        self._kept[key] = shown
        while len(self._kept) > _MOST or self._bytes > _MOST_BYTES:
            _, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped.body)


def is_fresh(shown: Shown, clock: Callable[[], float] = time.monotonic) -> bool:
    """Whether it was asked a moment ago who is known."""
    return clock() - shown.checked < _CHECK_S
