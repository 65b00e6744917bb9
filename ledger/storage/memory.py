"""A store in memory, for replays that leave nothing behind."""

from collections.abc import Iterator, Sequence

from ledger.errors import NotFoundError, StoreConflictError
from ledger.storage.store import check_name, check_prefix

__all__ = ["MemoryStore"]


class MemoryStore:
    """Create-only objects in a dict; gone with the process."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}

    def put(self, name: str, data: bytes) -> None:
        """Create an object; raises StoreConflictError where the name exists."""
        if self.put_many([(name, data)]) == [False]:
            raise StoreConflictError("object_exists", f"{name} exists")

    def put_many(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """Create objects; True where one was created, False where the name existed."""
        for name, _ in objects:
            check_name(name)
        created = []
        for name, data in objects:
            created.append(name not in self._objects)
            self._objects.setdefault(name, bytes(data))
        return created

    def get(self, name: str) -> bytes:
        """An object's bytes; raises NotFoundError."""
        try:
            return self._objects[check_name(name)]
        except KeyError:
            raise NotFoundError("object_not_found", f"there is no {name}") from None

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """The names that start with `prefix` and come after `after`, ascending."""
        check_prefix(prefix)
        yield from sorted(name for name in self._objects if name.startswith(prefix) and name > after)

    def delete(self, name: str) -> None:
        """Remove an object; no error where there is none."""
        self._objects.pop(check_name(name), None)
