"""Running one piece of work in a child process that can be stopped at any point and may use only so much.

A database can be asked to stop, but some of its functions never look (`list_sum(range(300000000))`) or allocate past its own
limit (`repeat('x', 4000000000)`). A process can be killed and the system counts its memory.
"""

import os
import pickle
import resource
import select
import signal
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from ledger.errors import LedgerError, UsageError

__all__ = ["GRACE_SECONDS", "outcome_of", "result_of", "run_confined"]

T = TypeVar("T")

GRACE_SECONDS: Final = 1.0
"""How long the work may take to notice by itself that its time is over, which gives the better message."""

OVERHEAD_BYTES: Final = 1 << 30
"""What the interpreter and the database's threads map beyond what they use."""


_TOO_MUCH_MEMORY: Final = (
    "sql_memory",
    "the statement ended its process: it needs more memory than it may use",
    "narrow it down",
)


def run_confined(work: Callable[[], T], *, seconds: float, memory_bytes: int) -> T:
    """Do the work in a forked child and return its result, which must be picklable.

    To be called while no other thread runs; a program that has some asks `ledger.query.helper`.

    The child cannot write to files (a size limit of 0), so what went wrong with every other guard would still change nothing.

    Raises:
        LedgerError: what the work raised.
        UsageError: `sql_timeout`, `sql_memory`: it had to be killed.
    """
    reading, writing = os.pipe()
    watched, ours = os.pipe()
    with warnings.catch_warnings():
        # Python warns of forking beside threads (also where the only ones belong to an idle library).
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.close(reading)
        os.close(ours)
        _be_child(work, writing, watched, memory_bytes)
    os.close(writing)
    os.close(watched)
    try:
        answer = _read_until(reading, time.monotonic() + seconds + GRACE_SECONDS)
    finally:
        os.close(reading)
        os.close(ours)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    if answer is None:
        raise UsageError(
            "sql_timeout", f"stopped after {seconds:g} s", "narrow the question down, or allow more with --timeout"
        )
    if not answer:
        raise UsageError(*_TOO_MUCH_MEMORY)
    result: T = result_of(answer)
    return result


def _be_child(work: Callable[[], T], writing: int, watched: int, memory_bytes: int) -> None:
    """Never returns: nothing of the parent (its buffers, its exit handlers) may run twice."""
    status = 1
    try:
        threading.Thread(target=_end_with_parent, args=(watched,), daemon=True).start()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        resource.setrlimit(resource.RLIMIT_DATA, (_mapped_bytes() + memory_bytes + OVERHEAD_BYTES,) * 2)
        with open(writing, "wb") as pipe:
            pipe.write(outcome_of(work))
        status = 0
    finally:
        os._exit(status)


def _mapped_bytes() -> int:
    """What this process has mapped for data already: a program that holds much may ask too."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
    except OSError:  # no Linux
        return 0


def _end_with_parent(watched: int) -> None:
    """However the parent ends: its end of this pipe closes then. Nobody waits for the answer any more, or stops the work."""
    os.read(watched, 1)
    os._exit(1)


def outcome_of(work: Callable[[], object]) -> bytes:
    """What became of some work, for the process that asked for it: the result, or the error as what can be pickled."""
    done: object = None
    failure: tuple[type[LedgerError], tuple[str, str, str]] | None = None
    try:
        done = work()
    except LedgerError as error:
        failure = type(error), (error.code, error.message, error.hint)
    except MemoryError:
        failure = UsageError, _TOO_MUCH_MEMORY
    except Exception as error:  # noqa: BLE001 - told as what it is, or a mistake of ours would be taken for a lack of memory
        failure = LedgerError, ("internal", f"{type(error).__name__}: {error}", "")
    return pickle.dumps((done, failure))


def result_of(outcome: bytes) -> Any:
    """The result in what `outcome_of` gave, which a process of ours has written; raises the error that is there instead."""
    result, failure = pickle.loads(outcome)  # noqa: S301 (written by our own process)
    if failure is not None:
        kind, arguments = failure
        raise kind(*arguments)
    return result


def _read_until(reading: int, deadline: float) -> bytes | None:
    """All that the child writes, or None where it has not ended by the deadline."""
    parts: list[bytes] = []
    while True:
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        part = os.read(reading, 1 << 20)
        if not part:
            return b"".join(parts)
        parts.append(part)
