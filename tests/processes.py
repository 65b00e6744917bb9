"""Processes that tests start, and that end with them."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "TIMEOUT_S", "environment", "started"]

ROOT: Final = Path(__file__).parents[1]
TIMEOUT_S: Final = 30


def environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of the product's, and with these."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LEDGER_")} | more


@contextmanager
def started(
    command: list[str], environment: dict[str, str], *, at_most_s: float = TIMEOUT_S
) -> Iterator["subprocess.Popen[str]"]:
    """A process that ends with the block, whatever happens; killed after so many seconds, lest a test that hangs leave it behind."""
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environment
    )
    timer = threading.Timer(at_most_s, running.kill)
    timer.start()
    try:
        yield running
    finally:
        timer.cancel()
        if running.poll() is None:
            running.send_signal(signal.SIGTERM)
        try:
            running.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
