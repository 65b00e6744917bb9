"""Confined work for a program that has threads: a process with none beside it forks the child.

A fork copies one thread, and the locks that the others held at that moment: the child of a program with threads (a database's,
a notebook's) may wait for one for ever. So such a program has the child made by a helper, a fresh interpreter that starts with
the first question and ends with the program.
"""

import atexit
import os
import pickle
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, TypeVar

from ledger.errors import LedgerError, StoreError
from ledger.query.confined import GRACE_SECONDS, outcome_of, result_of, run_confined

__all__ = ["Helper", "is_alone", "run_beside"]

T = TypeVar("T")

_LENGTH_BYTES: Final = 8
_START_SECONDS: Final = 60.0
"""How much longer than its work a helper may take: it may have to start first."""


def is_alone() -> bool:
    """Whether this process has one thread, those of libraries counted, and so may fork."""
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:  # no Linux
        return threading.active_count() == 1


def run_beside(work: Callable[[], T], *, seconds: float, memory_bytes: int) -> T:
    """As `run_confined`, from any thread; one after another. The work must be picklable.

    Raises:
        LedgerError: what the work raised.
        UsageError: `sql_timeout`, `sql_memory`: it had to be killed.
        StoreError: `no_helper`: the helper could not be started, or was killed.
    """
    return _helper.run(work, seconds=seconds, memory_bytes=memory_bytes)


class Helper:
    """The process that forks, started when it is needed; for any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._life = -1
        """The end of a pipe that only this process has: when it closes, the helper ends."""
        self._owner = 0

    def run(self, work: Callable[[], T], *, seconds: float, memory_bytes: int) -> T:
        """See `run_beside`."""
        request = pickle.dumps((work, seconds, memory_bytes))
        with self._lock:
            process = self._started()
            try:
                answer = _exchange(process, request, time.monotonic() + seconds + GRACE_SECONDS + _START_SECONDS)
            except BaseException:
                self._close()  # Ctrl-C too: the work goes with it, and the next question starts another
                raise
            if answer is None:
                self._close()
                raise StoreError("no_helper", "the process that asks for this one has ended", "ask again")
        result: T = result_of(answer)
        return result

    def close(self) -> None:
        """End it, and what it has under way."""
        with self._lock:
            self._close()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._owner != os.getpid():
            self._process = None  # a fork of the program: the helper is the parent's
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._close()
        watched, self._life = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ledger.query.helper", str(watched)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=(watched,),
                start_new_session=True,  # Ctrl-C is for the program, which then ends it
                env={**os.environ, "PYTHONPATH": _search_path()},
            )
        except OSError as error:
            os.close(self._life)
            raise StoreError("no_helper", f"cannot start {sys.executable}: {error.strerror}") from error
        finally:
            os.close(watched)
        self._owner = os.getpid()
        return self._process

    def _close(self) -> None:
        process, self._process = self._process, None
        if process is None or self._owner != os.getpid():
            return
        os.close(self._life)
        process.kill()
        with suppress(BrokenPipeError):
            process.communicate()


def serve(life: int) -> None:
    """Be the helper: do what standard input brings, one after another, until it closes."""
    threading.Thread(target=_end_with_program, args=(life,), daemon=True).start()
    while (request := _read_message(sys.stdin.buffer)) is not None:
        work, seconds, memory_bytes = pickle.loads(request)  # noqa: S301 (written by our own program)
        outcome = outcome_of(lambda: run_confined(work, seconds=seconds, memory_bytes=memory_bytes))  # noqa: B023
        _write_message(sys.stdout.buffer, outcome)


def _end_with_program(life: int) -> None:
    os.read(life, 1)
    os._exit(1)


def _search_path() -> str:
    """Where the helper finds this package, whatever directory the program is in."""
    here = str(Path(__file__).parents[2])
    return os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])


def _exchange(process: "subprocess.Popen[bytes]", request: bytes, deadline: float) -> bytes | None:
    """The answer; None where the helper ended instead."""
    if process.stdin is None or process.stdout is None:
        raise LedgerError("internal", "the helper has no pipes")
    try:
        _write_message(process.stdin, request)
    except BrokenPipeError:
        return None
    while not select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0]:
        if time.monotonic() > deadline:
            return None
    return _read_message(process.stdout)


def _write_message(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
    stream.flush()


def _read_message(stream: IO[bytes]) -> bytes | None:
    """The next message; None where there is none, or not all of it."""
    head = stream.read(_LENGTH_BYTES)
    length = int.from_bytes(head, "big") if len(head) == _LENGTH_BYTES else -1
    data = stream.read(length) if length >= 0 else b""
    return data if len(data) == length else None


_helper: Final = Helper()
atexit.register(_helper.close)

if __name__ == "__main__":
    serve(int(sys.argv[1]))
