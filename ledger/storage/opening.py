"""Which store is at a location."""

from pathlib import Path

from ledger.storage.local import LocalStore
from ledger.storage.store import Store

__all__ = ["open_store"]


def open_store(location: str, *, file_mode: int = 0o644, dir_mode: int = 0o755) -> Store:
    """The store at a location: a directory's path (or `file://` URL), or an object store's URL (`s3://bucket/prefix`, ...).

    Args:
        location: where; nothing is created or contacted before the first call needs it.
        file_mode: permissions of the files that a local store creates.
        dir_mode: permissions of the directories that it creates.

    Raises:
        UsageError: `bad_location`, `extra_missing`.
    """
    scheme, separator, rest = location.partition("://")
    if separator and scheme != "file":
        from ledger.storage.objects import ObjectStore  # its library is an optional extra

        return ObjectStore(location)
    return LocalStore(Path(rest if separator else location), file_mode=file_mode, dir_mode=dir_mode)
