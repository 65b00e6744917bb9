"""Processes that commands start: the worker, beside an embedded broker, and their end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import ledger

__all__ = ["Stopped", "start_worker", "stop_process", "stopped_by_signals", "worker_arguments", "worker_environment"]

STOP_TIMEOUT_S: Final = 30.0
"""How long a worker may take to finish its batch and leave the group before it is killed, which loses nothing."""


# The worker must not outlive us, however we end: a shell beside it reads from a pipe whose other end only we have. Kill -9 of
# this process closes the pipe, `read` returns, and the worker is told to stop; killed if it has not after 30 s. Its process
# group's number cannot become another's while that shell is in it.
_GUARD: Final = """
exec 3<&0 </dev/null
{
    trap '' TERM INT
    read -r _ <&3
    kill -s TERM -- "-$$"
    seconds=0
    while kill -s 0 "$$" && [ "$seconds" -lt 30 ]; do sleep 1; seconds=$((seconds + 1)); done
    kill -s KILL -- "-$$"
} >/dev/null 2>&1 &
exec 3<&-
exec "$@"
"""


class Stopped(Exception):  # noqa: N818 (not an error: somebody asked for the end)
    """SIGTERM or Ctrl-C arrived."""


def worker_arguments(
    location: str,
    keys: str,
    bootstrap: str,
    *,
    group: str,
    extra: tuple[str, ...] = (),
) -> list[str]:
    """The command line of a worker process."""
    return [
        sys.executable,
        "-m",
        "consumers",
        "--ledger",
        location,
        "--keys",
        keys,
        "--bootstrap",
        bootstrap,
        "--group",
        group,
        *extra,
    ]


def worker_environment() -> dict[str, str]:
    """The environment in which `-m consumers` means this program's package, whatever lies in the current directory."""
    home = str(Path(ledger.__file__).resolve().parent.parent)
    path = os.pathsep.join(part for part in (home, os.environ.get("PYTHONPATH", "")) if part)
    return os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def start_worker(arguments: list[str]) -> "subprocess.Popen[bytes]":
    """Start a worker in a session of its own: Ctrl-C reaches us alone, and we decide the order in which things stop."""
    return subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "ledger-worker", *arguments],
        stdin=subprocess.PIPE,
        start_new_session=True,
        env=worker_environment(),
    )


def stop_process(process: "subprocess.Popen[bytes]") -> int:
    """Ask a process to stop, wait until it has, and return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    code = process.wait()
    if process.stdin is not None:
        process.stdin.close()
    return code


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Within the block SIGTERM and Ctrl-C raise `Stopped`, once: what stops things is not interrupted itself."""
    is_stopped = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal is_stopped
        is_stopped = True
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    except RuntimeError as error:
        if is_stopped:  # DuckDB, in the middle of a query, makes one of what a handler raised
            raise Stopped from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
