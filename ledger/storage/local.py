"""A store on a local file system: write aside, fsync, link, fsync the directory."""

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Final

from ledger.errors import NotFoundError, StoreConflictError, StoreError
from ledger.storage.durable import Syncer, fsync_directory, store_errors, syncer_for
from ledger.storage.store import TEMPORARY_PREFIX, check_name, check_prefix

__all__ = ["LocalStore"]

_NO_OBJECT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""No such name; a part of it is an object itself; it is only the beginning of names. Either way there is no object."""


class LocalStore:
    """A `Store` whose objects are files below a directory.

    A file is written under a temporary name in its own directory and then linked to its name: `link` fails where the name
    exists, which makes creating exclusive between processes. So the file system must know hard links and must be one that
    all writers share (not NFS with caching).

    Temporary files that a crash leaves (`.tmp-<process>-<random>`) are no objects: they are never listed and never read.

    Args:
        root: the directory; made on the first put where it is missing.
        file_mode: permissions of new files.
        dir_mode: permissions of new directories, the root included.
    """

    def __init__(self, root: Path, *, file_mode: int = 0o644, dir_mode: int = 0o755) -> None:
        self.root = Path(root)
        self._file_mode = file_mode
        self._dir_mode = dir_mode
        self._durable: set[Path] = set()

    def __repr__(self) -> str:
        return f"LocalStore({str(self.root)!r})"

    def put(self, name: str, data: bytes) -> None:
        """See `Store.put`."""
        if not self.put_many([(name, data)])[0]:
            raise StoreConflictError(
                "object_exists", f"{name} exists already in {self.root}", "read it: objects never change"
            )

    def put_many(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """See `Store.put_many`."""
        targets = [self._path(name) for name, _ in objects]
        folders = dict.fromkeys(target.parent for target in targets)
        to_sync = dict(folders)
        for folder in folders:
            to_sync.update(dict.fromkeys(self._make_directory(folder)))
        created = [False] * len(targets)
        staged: dict[int, Path] = {}
        try:
            with syncer_for(len(targets), self.root, folders) as syncer:
                for number, (target, (_, data)) in enumerate(zip(targets, objects, strict=True)):
                    if not os.path.lexists(target):
                        staged[number] = target.parent / f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
                        # Crash here: temporary files, some of them short, that nobody reads.
                        self._write(staged[number], data, syncer)
                syncer.all_written()
                # Crash here: whole temporary files; no name exists.
                for number, temporary in staged.items():
                    created[number] = self._link(temporary, targets[number])
                    # Crash here: the first names may exist, each with all of its bytes; the others don't.
                self._discard(staged)
                # Crash here: the names exist now, but a power cut may take any of them back. Nobody was told yet.
                syncer.linked(to_sync)
        finally:
            self._discard(staged)
        # Names that existed were synced like new ones: their writer may have died between its link and its fsync.
        self._durable.update(to_sync)
        return created

    def get(self, name: str) -> bytes:
        """See `Store.get`."""
        path = self._path(name)
        try:
            with store_errors("read", path):
                return path.read_bytes()
        except StoreError as error:
            if not isinstance(error.__cause__, _NO_OBJECT):
                raise
            raise NotFoundError("object_not_found", f"there is no {name} in {self.root}") from error

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See `Store.list`."""
        folder = check_prefix(prefix).rpartition("/")[0]
        return self._walk(f"{folder}/" if folder else "", prefix, after)

    def delete(self, name: str) -> None:
        """See `Store.delete`."""
        path = self._path(name)
        try:
            with store_errors("delete", path):
                path.unlink()
            fsync_directory(path.parent)  # before it, a power cut can bring the object back
        except StoreError as error:
            if not isinstance(error.__cause__, _NO_OBJECT):
                raise

    def _path(self, name: str) -> Path:
        return self.root / check_name(name)

    def _make_directory(self, folder: Path) -> Sequence[Path]:
        """Make a directory and its parents; the directories whose entries have to be synced for it to last.

        A directory that exists already counts as not durable until this store has synced its parent once: a process that made
        it may have died before its fsync.
        """
        if folder in self._durable and folder.is_dir():
            return []
        inside = [path for path in (folder, *folder.parents) if path == self.root or self.root in path.parents]
        gone = next((path for path in inside if path in self._durable and not path.is_dir()), None)
        if gone is not None:
            # Somebody moved the ledger away, or its disk is not mounted any more: what is written here now would not join it.
            message, hint = f"{gone} was removed while it was in use", "put it back or mount its disk, then start again"
            raise StoreError("store_io", message, hint)
        above = list(takewhile(lambda path: not path.is_dir(), self.root.parents))
        found_root = self.root.is_dir()
        for path in reversed([*inside, *above]):
            # Crash here: empty directories, which harm nobody.
            with store_errors("make the directory", path), suppress(FileExistsError):
                # What lies above the root is not this store's alone: a key store's narrow mode must not close the ledger around it.
                path.mkdir(self._dir_mode if path in inside else 0o777)
        to_sync = [path.parent for path in (*inside, *above)]
        if found_root and not os.access(self.root.parent, os.R_OK):
            # Made by somebody else in a place that we can't open: theirs to make durable.
            to_sync.remove(self.root.parent)
        return to_sync

    def _write(self, path: Path, data: bytes, syncer: Syncer) -> None:
        with store_errors("write", path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._file_mode)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                # A failed fsync is never repeated on the same file: the kernel may have dropped the pages and report
                # success the second time. The temporary file is thrown away instead.
                syncer.written(descriptor)
            finally:
                os.close(descriptor)

    def _link(self, temporary: Path, target: Path) -> bool:
        with store_errors("create", target):
            try:
                os.link(temporary, target)
            except FileExistsError:
                return False
        return True

    def _discard(self, staged: dict[int, Path]) -> None:
        """Remove temporary files. What can't be removed stays: it is never read, and the put has its result either way."""
        for temporary in staged.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        staged.clear()

    def _walk(self, folder: str, prefix: str, after: str) -> Iterator[str]:
        """All names below a folder ("" or "a/b/"), sorted as whole names: a directory sorts as if it ended in a slash."""
        for name in self._entries(folder):
            if not (name.startswith(prefix) or prefix.startswith(name)):
                continue
            if not name.endswith("/"):
                if name > after and name.startswith(prefix):
                    yield name
            elif name > after or after.startswith(name):
                yield from self._walk(name, prefix, after)

    def _entries(self, folder: str) -> Sequence[str]:
        path = self.root / folder
        try:
            with store_errors("list", path), os.scandir(path) as entries:
                found = [
                    f"{folder}{entry.name}{'/' if entry.is_dir() else ''}"
                    for entry in entries
                    if _is_object(entry.name)
                ]
        except StoreError as error:
            if isinstance(error.__cause__, _NO_OBJECT):
                return []
            raise
        return sorted(found)


def _is_object(file_name: str) -> bool:
    if file_name.startswith(TEMPORARY_PREFIX):
        return False
    try:
        file_name.encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8: nothing that a store wrote
        return False
    return True
