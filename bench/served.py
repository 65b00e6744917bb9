"""`ledger serve` as a process, and a bare handler beside it, both watched for what they cost."""

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

from bench.workers import cpu_s, environment
from ledger.api.tokens import Scope, Wish, create_token, token_store

__all__ = ["ServerProcess", "bare_handler", "ledger_server", "token_for"]

_START_TIMEOUT_S: Final = 120.0
_STOP_TIMEOUT_S: Final = 60.0
_UNLIMITED: Final = 999_999.0


class ServerProcess:
    """A program that prints its URL when it answers."""

    def __init__(self, *command: str, log: Path) -> None:
        """Start it.

        Args:
            command: its module and arguments, after `python -m`.
            log: a file for what it says beside the URL.
        """
        self._log = log.open("w+b")
        self._output = log.with_suffix(".url")
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=self._log,
                env=environment(),
            )
        self.url = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._log.close()

    def wait_until_ready(self) -> float:
        """Return once it answers, with the seconds since this was called.

        Raises:
            RuntimeError: it has ended.
            TimeoutError: it says nothing.
        """
        started = time.monotonic()
        while not (said := self._output.read_text()).endswith("\n"):
            self.check()
            if time.monotonic() > started + _START_TIMEOUT_S:
                raise TimeoutError(f"no answer after {_START_TIMEOUT_S:g} s: {self._said()}")
            time.sleep(0.02)
        self.url = said.split()[-1]
        return time.monotonic() - started

    def cpu_s(self) -> float:
        """User and system time of the process so far, all threads."""
        return cpu_s(self._process.pid)

    def resident_bytes(self) -> int:
        """Its resident memory."""
        lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) << 10

    def check(self) -> None:
        """Raise RuntimeError where it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the server ended with {self._process.returncode}: {self._said()}")

    def stop(self) -> None:
        """Tell it to stop, and require that it does so by itself."""
        self.check()
        self._process.send_signal(signal.SIGTERM)
        if self._process.wait(_STOP_TIMEOUT_S) not in {0, -signal.SIGTERM}:
            self.check()

    def _said(self) -> str:
        return Path(self._log.name).read_text(errors="replace")[-2000:]


def ledger_server(root: Path, log: Path, bootstrap: str | None = None) -> ServerProcess:
    """The server of a ledger, at a free port; one that takes changes where a broker is named."""
    broker = [] if bootstrap is None else ["--bootstrap", bootstrap]
    return ServerProcess("cli", "serve", "--ledger", str(root), "--port", "0", *broker, log=log)


def bare_handler(body: Path, log: Path) -> ServerProcess:
    """A Litestar application on uvicorn that answers everything with the bytes of a file, and does nothing else."""
    return ServerProcess("bench.bare", str(body), log=log)


def token_for(root: Path, *scopes: Scope) -> str:
    """A token of a ledger for all accounts, for everything where no scope is named, without a limit to its rate."""
    name = "-".join(("bench", *scopes))
    wish = Wish(name=name, accounts=("*",), scopes=scopes or (Scope.admin,), rate=_UNLIMITED)
    return create_token(token_store(str(root)), wish, datetime.now(UTC))[1]
