"""What was made last and may be wanted again: whole lists between two of their pages, and answers as they were sent."""

import threading
from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["Kept"]

Thing = TypeVar("Thing")


class Kept(Generic[Thing]):
    """Keeps things by a name of each; its methods are for any thread.

    Args:
        most: what all of them together may weigh.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._weight = 0
        self._lock = threading.Lock()
        self._things: OrderedDict[str, tuple[Thing, int]] = OrderedDict()

    def get(self, name: str) -> Thing | None:
        """What has this name, if it is here."""
        with self._lock:
            found = self._things.get(name)
            if found is None:
                return None
            self._things.move_to_end(name)
            return found[0]

    def put(self, name: str, thing: Thing, weight: int) -> None:
        """Keep something, unless it is too heavy; what was not asked for for longest goes."""
        with self._lock:
            if weight > self._most or name in self._things:
                return
            self._things[name] = thing, weight
            self._weight += weight
            while self._weight > self._most:
                _, (_, lighter) = self._things.popitem(last=False)
                self._weight -= lighter
