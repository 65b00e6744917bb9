"""The lists that were asked for last, so that a walk over the pages of one does not ask for all of it each time."""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

__all__ = ["Lists"]


class Lists:
    """Keeps lists by a name of each; its methods are for any thread.

    Args:
        rows: in all of them together, at most.
    """

    def __init__(self, rows: int = 50_000) -> None:
        self._most = rows
        self._held = 0
        self._lock = threading.Lock()
        self._lists: OrderedDict[str, Sequence[Any]] = OrderedDict()

    def get(self, tag: str) -> Sequence[Any] | None:
        """The list with this name, if it is here."""
        with self._lock:
            found = self._lists.get(tag)
            if found is not None:
                self._lists.move_to_end(tag)
            return found

    def put(self, tag: str, rows: Sequence[Any]) -> None:
        """Keep a list, unless it is too long; those that were not asked for go."""
        with self._lock:
            if len(rows) > self._most or tag in self._lists:
                return
            self._lists[tag] = rows
            self._held += len(rows)
            while self._held > self._most:
                self._held -= len(self._lists.popitem(last=False)[1])
