"""Processes that commands start: the worker, beside an embedded broker, and their end."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Final

import ledger

__all__ = ["Stopped", "start_worker", "stop_process", "stopped_by_signals", "worker_arguments", "worker_environment"]

STOP_TIMEOUT_S: Final = 30.0
"""How long a worker may take to finish its batch and leave the group before it is killed, which loses nothing."""


class Stopped(Exception):  # noqa: N818 (not an error: somebody asked for the end)
    """SIGTERM or Ctrl-C arrived."""


def worker_arguments(
    location: str,
    keys: str,
    bootstrap: str,
    *,
    group: str,
    until_idle_s: float | None = None,
    extra: tuple[str, ...] = (),
) -> list[str]:
    """The command line of a worker process."""
    arguments = [
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
    ]
    if "://" not in location:
        arguments += ["--cache", str(Path(location) / "cache")]
    if until_idle_s is not None:
        arguments += ["--until-idle", str(until_idle_s)]
    return [*arguments, *extra]


def worker_environment() -> dict[str, str]:
    """The environment in which `-m consumers` means this program's package, whatever lies in the current directory."""
    home = str(Path(ledger.__file__).resolve().parent.parent)
    path = os.pathsep.join(part for part in (home, os.environ.get("PYTHONPATH", "")) if part)
    return os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def start_worker(arguments: list[str], log: IO[bytes] | None = None) -> "subprocess.Popen[bytes]":
    """Start a worker in a session of its own: Ctrl-C reaches us alone, and we decide the order in which things stop."""
    return subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=worker_environment()
    )


def stop_process(process: "subprocess.Popen[bytes]") -> int:
    """Ask a process to stop, wait until it has, and return its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Within the block SIGTERM and Ctrl-C raise `Stopped`, once: what stops things is not interrupted itself."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
