"""The audit trail: who used which token for what, and who was shown the names of which people.

One line of JSON for each, in `<day>.ndjson`; each line holds the SHA-256 of the one before it, over all days. A line says the template of
a path and never the path, and neither bodies, queries nor tokens. The trail is no part of the ledger: whoever can write its directory
can write another one. Keep a copy of its last line elsewhere, as of a checkpoint.
"""

import fcntl
import os
import queue
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import Final

from ledger.api.traillines import FIRST, Line, encode_line, name_of_day, names_in, read_end
from ledger.errors import StoreError, UsageError
from ledger.logs import Log
from ledger.storage.durable import fsync_directory, store_errors

__all__ = ["Trail", "trail_directory"]

_GATHER_S: Final = 0.02
"""Lines that nobody waits for are written together: so long after the first."""
_MAX_WAITING: Final = 100_000
"""Lines in memory; with more the disk does not keep up, and the server stops answering."""
_CLOSE_S: Final = 10.0
_LOCK: Final = "lock"


class Trail:
    """Writes the trail, in a thread of its own. Any number of processes may write into one directory. Its methods are for any thread.

    Args:
        directory: made where it is missing.
        log: is told when it cannot be written.
        clock: what time it is.

    Raises:
        StoreError: it cannot be written.
    """

    def __init__(self, directory: Path, log: Log, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._directory = directory
        self._log = log
        self._clock = clock
        self._waiting: queue.SimpleQueue[tuple[Line | None, Future[None] | None]] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._urgent = threading.Event()
        """Somebody waits for what is waiting to be written."""
        self._last: tuple[str, int, int, str] | None = None
        """The newest file as we left it (its name, its size), and the number and hash of its last line."""
        self.failure: str | None = None
        """Why nothing can be written now."""
        with store_errors("make", directory):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write([])
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def use(self, *, token: str, name: str, method: str, route: str, account: str | None, status: int) -> None:
        """Record the use of a token; on storage a moment later."""
        self._put(
            Line(
                kind="use",
                at=self._clock(),
                token=token,
                name=name,
                method=method,
                route=route,
                account=account,
                status=status,
            )
        )

    def named(self, *, token: str, name: str, route: str, account: str, pseudonyms: Collection[str]) -> "Future[None]":
        """Record who is shown who these people are.

        Returns:
            Done once that is on storage: only then may it be shown. Its exception is a StoreError, `audit_unwritten`.
        """
        done: Future[None] = Future()
        whose = tuple(sorted(set(pseudonyms)))
        line = Line(
            kind="named", at=self._clock(), token=token, name=name, route=route, account=account, pseudonyms=whose
        )
        self._put(line, done)
        return done

    def close(self) -> None:
        """Write what waits, and end."""
        self._closing.set()
        self._put(None)
        self._thread.join(_CLOSE_S)

    def _put(self, line: Line | None, done: "Future[None] | None" = None) -> None:
        if line is not None and self._waiting.qsize() > _MAX_WAITING:
            self.failure = "the audit trail is not written fast enough"
            _fail(done)
        else:
            self._waiting.put((line, done))
            if line is None or done is not None:
                self._urgent.set()

    def _run(self) -> None:
        try:
            while self._write_next():
                pass
        except BaseException as error:
            # Nobody writes any more: nothing is answered any more.
            self.failure = "the audit trail is not written any more"
            self._log.caution("audit_unwritten", f"{self.failure}: {type(error).__name__}")
            raise

    def _write_next(self) -> bool:
        """Write what waits, or comes within a moment; whether more may come."""
        taken = [self._waiting.get()]
        self._urgent.wait(_GATHER_S)
        self._urgent.clear()
        while not self._waiting.empty():
            taken.append(self._waiting.get())
        waiting = [done for _, done in taken if done is not None]
        self._write_again([line for line, _ in taken if line is not None], waiting)
        for done in waiting:
            if not done.done():
                done.set_result(None)
        return all(line is not None for line, _ in taken)

    def _write_again(self, lines: list[Line], waiting: "list[Future[None]]") -> None:
        """Write lines, trying again until they are written: what happened is recorded, late rather than never.

        Whoever waits is told of the first failure. Once the server ends, each failure is the last.
        """
        pause_s = 0.1
        while True:
            try:
                self._write(lines)
            except (StoreError, OSError) as error:
                if self.failure is None:
                    self._log.caution("audit_unwritten", f"the audit trail cannot be written: {error}")
                self.failure = "the audit trail cannot be written"
                for done in waiting:
                    _fail(done)
                if self._closing.wait(pause_s):
                    return
                pause_s = min(2 * pause_s, 5.0)
            else:
                if self.failure is not None:
                    self._log.tell("audit_written", "the audit trail is written again")
                self.failure = None
                return

    def _write(self, lines: list[Line]) -> None:
        """Write lines, and take those that are written out of the list."""
        with self._locked():
            number, prev = self._end()
            while lines:
                name = name_of_day(lines[0].at)
                today = list(takewhile(lambda line, name=name: name_of_day(line.at) == name, lines))  # type: ignore[misc]
                encoded = []
                for line in today:
                    encoded.append(encode_line(line, number, prev))
                    number, prev = number + 1, sha256(encoded[-1]).hexdigest()
                size = self._append(name, b"".join(data + b"\n" for data in encoded))
                self._last = name, size, number, prev
                del lines[: len(today)]

    def _append(self, name: str, data: bytes) -> int:
        """Append to a day's file, all or nothing; durable on return. Its size then."""
        path = self._directory / name
        is_new = not path.exists()
        with store_errors("write", path):
            descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                before = os.fstat(descriptor).st_size
                try:
                    view = memoryview(data)
                    while view:
                        # Crash here: a line may be torn. The next one stands on a line of its own, with the torn one's hash.
                        view = view[os.write(descriptor, view) :]
                    os.fsync(descriptor)
                except OSError:
                    os.ftruncate(descriptor, before)  # we have the lock: nobody has written after it
                    raise
            finally:
                os.close(descriptor)
        if is_new:
            fsync_directory(self._directory)
        return before + len(data)

    def _end(self) -> tuple[int, str]:
        """The number that the next line has, and the hash of the last one; read again where another process has written."""
        names = names_in(self._directory)
        if not names:
            return 0, FIRST
        newest = self._directory / names[-1]
        size = newest.stat().st_size
        if self._last is not None and self._last[:2] == (names[-1], size):
            return self._last[2], self._last[3]
        end = read_end(self._directory, names)
        if end.torn is not None:
            with store_errors("write", end.torn), end.torn.open("ab") as file:
                file.write(b"\n")  # it stays where it is, on a line of its own
        return end.number, end.prev

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self._directory / _LOCK
        with store_errors("lock", path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            with store_errors("lock", path):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def trail_directory(ledger: str, audit_dir: str | None) -> Path:
    """Where a ledger's audit trail is.

    Raises:
        UsageError: `no_audit_dir`, where the ledger is in an object store and nothing is said.
    """
    if audit_dir is not None:
        return Path(audit_dir)
    if "://" in ledger:
        raise UsageError(
            "no_audit_dir", "the ledger is in an object store: where is the audit trail to be?", "give --audit-dir DIR"
        )
    return Path(ledger) / "audit"


def _fail(done: "Future[None] | None") -> None:
    if done is not None and not done.done():
        done.set_exception(StoreError("audit_unwritten", "the audit trail cannot be written", "see the server's log"))
