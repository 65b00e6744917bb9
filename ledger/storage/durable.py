"""Making files and directory entries durable: fsync one by one for a few, one syncfs for many.

POSIX promises nothing about a file's directory entry when the file is fsynced: the directory needs its own.
"""

import ctypes
import errno
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from ledger.errors import StoreError

__all__ = ["EachFile", "Syncer", "WholeFileSystem", "fsync_directory", "store_errors", "syncer_for"]

MAX_SINGLE_SYNCS: Final = 8
"""Up to so many files are fsynced each; beyond, one syncfs is cheaper although it flushes what others wrote too."""
_SYNCFS_REPORTS_ERRORS: Final = (5, 8)
"""The first Linux whose syncfs returns the errors of writing back; an older one's success proves nothing."""
_CODES: Final = {
    errno.ENOSPC: ("disk_full", "free some space or move the ledger, then start again"),
    errno.EDQUOT: ("disk_full", "the disk quota is used up: raise it, then start again"),
    errno.EFBIG: ("disk_full", "a limit on the size of files is reached: raise it (ulimit -f), then start again"),
    errno.EROFS: ("read_only", "the file system is mounted read-only: find out why, then remount it"),
    errno.EACCES: ("permission_denied", "run as the user that owns the ledger, or correct the permissions"),
    errno.EPERM: ("permission_denied", "the file system may be one without hard links, or the file is immutable"),
    errno.ENOENT: ("store_io", "a directory of the ledger was removed while it was in use"),
    errno.ENOTDIR: ("store_io", "a part of the path is a file, not a directory"),
    errno.EMFILE: ("store_io", "too many open files: raise the limit (ulimit -n)"),
}
_ANY_OTHER: Final = ("store_io", "look at the kernel's log (dmesg) and the state of the disk")


@contextmanager
def store_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an OSError in the block into a StoreError that says what was done, to which path, and what may help.

    The OSError is its cause.
    """
    try:
        yield
    except OSError as error:
        code, hint = _CODES.get(error.errno or 0, _ANY_OTHER)
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise StoreError(code, f"could not {doing} {path}: {reason}", hint) from error


def fsync_directory(path: Path) -> None:
    """Make the entries of a directory durable: names created, linked or removed in it."""
    with store_errors("sync the directory", path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class EachFile:
    """Syncs each file as it is written and each directory: right for a few."""

    def written(self, descriptor: int) -> None:
        """A file was written: make its bytes durable."""
        os.fsync(descriptor)

    def all_written(self) -> None:
        """All files were written; nothing is left to do."""

    def linked(self, directories: Collection[Path]) -> None:
        """Names were made in these directories: make them durable."""
        for directory in directories:
            fsync_directory(directory)


class WholeFileSystem:
    """Syncs everything at once, files and directories: right for many on one file system.

    Args:
        syncfs: the system call, raising OSError.
        descriptor: a directory on that file system, opened before the first write: the kernel reports to a descriptor
            what failed since it was opened.
        path: of that directory, for messages.
    """

    def __init__(self, syncfs: Callable[[int], None], descriptor: int, path: Path) -> None:
        self._syncfs = syncfs
        self._descriptor = descriptor
        self._path = path

    def written(self, descriptor: int) -> None:
        """A file was written; its bytes become durable with all the others'."""

    def all_written(self) -> None:
        """All files were written: make their bytes durable."""
        with store_errors("sync the file system of", self._path):
            self._syncfs(self._descriptor)

    def linked(self, directories: Collection[Path]) -> None:
        """Names were made in these directories: make them durable."""
        if len(directories) > MAX_SINGLE_SYNCS:
            self.all_written()
        else:
            EachFile().linked(directories)


Syncer = EachFile | WholeFileSystem


@contextmanager
def syncer_for(count: int, root: Path, directories: Collection[Path]) -> Iterator[Syncer]:
    """The cheapest way to make `count` new files in these (existing) directories durable."""
    syncfs = _load_syncfs() if count > MAX_SINGLE_SYNCS else None
    if syncfs is None or not _on_one_file_system([root, *directories]):
        yield EachFile()
        return
    with store_errors("open", root):
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield WholeFileSystem(syncfs, descriptor, root)
    finally:
        os.close(descriptor)


def _on_one_file_system(directories: Collection[Path]) -> bool:
    devices = set()
    for directory in directories:
        with store_errors("look at", directory):
            devices.add(directory.stat().st_dev)
    return len(devices) == 1


@cache
def _load_syncfs() -> Callable[[int], None] | None:
    """The syncfs system call where there is one that reports errors."""
    kernel = os.uname()
    release = tuple(int(part) for part in kernel.release.split("-")[0].split(".")[:2] if part.isdecimal())
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if kernel.sysname != "Linux" or release < _SYNCFS_REPORTS_ERRORS or function is None:
        return None

    def syncfs(descriptor: int) -> None:
        if function(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return syncfs
