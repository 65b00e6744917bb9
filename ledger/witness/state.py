"""What a witness remembers of each log: the last checkpoint that it cosigned, one file each, replaced whole and durably."""

import fcntl
import os
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ledger.errors import StoreError, UsageError
from ledger.storage.durable import fsync_directory, store_errors

__all__ = ["LogStates"]

_LOCK: Final = "lock"
_MODE: Final = 0o644


class LogStates:
    """The state directory of one witness: `<hex SHA-256 of the origin>.checkpoint`. One process has it at a time.

    Args:
        directory: made where it is missing.

    Raises:
        UsageError: `state_in_use`.
        StoreError: what the file system refused.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with store_errors("make the directory", directory):
            directory.mkdir(parents=True, exist_ok=True)
        fsync_directory(directory.parent)
        with store_errors("open", directory / _LOCK):
            self._lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            # Two that don't know of each other's answers could cosign two histories of a log.
            raise UsageError(
                "state_in_use", f"another witness uses {directory}", "stop it first, or give another --state"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._lock)

    def load(self, key: str) -> bytes | None:
        """The last checkpoint cosigned under a key (see `key_of`); None where there is none.

        Raises:
            StoreError: what the file system refused.
        """
        path = self._path(key)
        try:
            with store_errors("read", path):
                return path.read_bytes()
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def save(self, key: str, note: bytes) -> None:
        """Replace it; durable on return. Where this raises, the old one or the new one is there, whole: answer nothing.

        Raises:
            StoreError: what the file system refused.
        """
        path, temporary = self._path(key), self.directory / f".tmp-{key}"
        with store_errors("write", temporary):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _MODE)
            try:
                view = memoryview(note)
                while view:
                    view = view[os.write(descriptor, view) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            # Crash here: a whole temporary file, overwritten the next time; the old state counts.
            temporary.replace(path)
        # Crash here: the new state counts, or after a power cut the old one. Nobody has the cosignature yet.
        fsync_directory(self.directory)

    @staticmethod
    def key_of(origin: str) -> str:
        """The name under which a log's state is kept and served: lower-case hex SHA-256 of its origin."""
        return sha256(origin.encode()).hexdigest()

    def _path(self, key: str) -> Path:
        return self.directory / f"{key}.checkpoint"
