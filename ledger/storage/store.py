"""The one interface to stable storage: create-only objects by name."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Protocol, runtime_checkable

from ledger.errors import InputError

__all__ = ["TEMPORARY_PREFIX", "Store", "check_name", "check_prefix"]

TEMPORARY_PREFIX: Final = ".tmp-"
"""Names of files that are being written begin so; no object's name may have a part that does."""
_MAX_PART_BYTES: Final = 255
_NO_TEXT: Final = re.compile(r"[\x00-\x1f\x7f\\]")


@runtime_checkable
class Store(Protocol):
    """Objects that are created once, never changed, and found by name (`a/b/c`: relative, `/` between its parts).

    **Durability.** When `put` or `put_many` returns, what it created is on stable storage, and so is what it found to exist
    already: it survives a power cut. When one of them raises, each object may or may not have been created, whole or not at
    all; ask again. `delete` is durable on return too.

    **Exclusion.** Of any number of concurrent puts of one name, by any number of processes on any machines, exactly one
    creates. A put that is repeated after an error (or that the store's client repeats by itself) can meet its own object: a
    conflict says that the name exists, not that somebody else won. Compare the bytes where the difference matters.

    **Reading.** An object is seen whole or not at all. A listing made while others write holds all that existed when it began;
    of what is created meanwhile it may hold any part, a later one without an earlier one too.

    Any method may be called from any thread. Errors: `InputError("bad_name")` for names that break the rules of `check_name`,
    `StoreError` (`disk_full`, `read_only`, `permission_denied`, `store_io`, `store_unavailable`) for what the storage refused.
    """

    def put(self, name: str, data: bytes) -> None:
        """Create an object.

        Raises:
            StoreConflictError: `object_exists`; nothing was written.
            StoreError: see above; whether it was created is unknown.
        """
        ...

    def put_many(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """Create many objects that become durable together: faster than one after the other, not atomic.

        Returns:
            For each object whether it was created; False where the name existed (and was left as it is).

        Raises:
            StoreError: see above; any of them may have been created.
        """
        ...

    def get(self, name: str) -> bytes:
        """The bytes of an object.

        Raises:
            NotFoundError: `object_not_found`.
        """
        ...

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """The names that start with `prefix` (which may end inside a part) and are greater than `after`, sorted by code point."""
        ...

    def delete(self, name: str) -> None:
        """Remove an object; no error where there is none."""
        ...


def check_name(name: str) -> str:
    """Give the name back where it may be an object's.

    Raises:
        InputError: `bad_name`: empty, absolute, an empty part, a part `.` or `..`, one that begins like a temporary file's or
            has more than 255 bytes, a backslash, a control character, or what UTF-8 can't encode. Such a name could leave the
            store's root or be read back as another.
    """
    for part in name.split("/"):
        if part in {"", ".", ".."} or part.startswith(TEMPORARY_PREFIX) or not _is_text(part):
            raise InputError("bad_name", f"not the name of an object: {name!r}", "names look like log/0003/0000.zst")
    return name


def check_prefix(prefix: str) -> str:
    """Give the prefix back where names may start with it.

    Raises:
        InputError: `bad_name`, by the rules of `check_name` for every part but the last, which may be unfinished.
    """
    folder, slash, unfinished = prefix.rpartition("/")
    if slash:
        check_name(folder)
    if not _is_text(unfinished):
        raise InputError("bad_name", f"no object's name starts with {prefix!r}")
    return prefix


def _is_text(part: str) -> bool:
    if _NO_TEXT.search(part):
        return False
    try:
        return len(part.encode()) <= _MAX_PART_BYTES
    except UnicodeEncodeError:  # a lone surrogate
        return False
