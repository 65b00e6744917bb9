"""Witnesses as processes: the commands as typed, kill -9 between remembering and answering, stopping."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cli.main import main
from ledger.storage.local import LocalStore
from ledger.witness.registry import add_witness
from ledger.witness.stored import cosigned_checkpoint
from tests.log.rig import SHARD, Log
from tests.processes import ROOT, TIMEOUT_S, started
from tests.witness.rig import (
    forget_witnesses,
    grow,
    logs_of,
    new_log,
    process,
    pushed,
    same_name_and_key,
    witness,
)

# Remembers like any witness, and dies before it answers: the crash that a signature must survive.
DYING = """
import os, signal, sys
from pathlib import Path
from ledger.proof.cosignatures import WitnessSigner
from ledger.witness.server import WitnessServer, serving
from ledger.witness.service import WitnessService, read_logs
from ledger.witness.state import LogStates

class Dying(LogStates):
    def save(self, key, note):
        super().save(key, note)
        os.kill(os.getpid(), signal.SIGKILL)

states = Dying(Path(sys.argv[1]))
service = WitnessService(WitnessSigner("witness.example/w1", bytes([9]) * 32), read_logs([sys.argv[2]]), states)
with serving(WitnessServer(service, "127.0.0.1", 0, print)) as server:
    print(server.url, flush=True)
    signal.pause()
"""


@pytest.fixture
def audit(tmp_path: Path) -> Log:
    """A ledger of one shard on disk."""
    place = tmp_path / "audit"
    log = Log(LocalStore(place), LocalStore(place / "keys", file_mode=0o600, dir_mode=0o700))
    grow(log, 14)
    return log


def run(*arguments: str, place: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run `ledger witness ...` on a ledger: exit code, stdout, stderr."""
    code = main(["witness", *arguments, "--ledger", str(place)])
    out, err = capsys.readouterr()
    return code, out, err


def test_two_commands_and_a_witness(audit: Log, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """add, push, list, cut off, push: what a user types, what they see, and the exit codes."""
    place = tmp_path / "audit"
    arguments = (
        "--log",
        audit.file.vkey,
        "--key",
        str(tmp_path / "w"),
        "--state",
        str(tmp_path / "s"),
        "--name",
        "w.example",
    )
    with process(*arguments) as (running, url, vkey):
        assert vkey.startswith("w.example+")
        assert run("add", url, "--vkey", vkey, place=place, capsys=capsys)[:2] == (0, f"{audit.file.vkey}\n")
        code, out, err = run("push", "--json", place=place, capsys=capsys)
        assert (code, err) == (0, "")
        (row,) = json.loads(out)
        assert (row["shard"], row["witness"], row["size"], row["state"]) == (0, "w.example", 14, "cosigned")
        _, out, _ = run("list", "--json", place=place, capsys=capsys)
        assert json.loads(out)[0]["cosigned"] == {"0": 14}
        max((place / "log" / "0000").iterdir()).unlink()
        code, out, err = run("push", place=place, capsys=capsys)
        assert code == 3
        assert "rollback" in out
        assert "error: shard 0 at w.example: the log was cut off" in err
        running.send_signal(signal.SIGTERM)
        assert running.wait(TIMEOUT_S) == 0
    code, out, err = run("push", place=place, capsys=capsys)
    assert code == 3  # its own cosignatures say so, with nobody there
    assert "the log was cut off" in err


def test_the_key_is_made_once_and_is_the_witnesss_own(audit: Log, tmp_path: Path) -> None:
    """Mode 0600; the same on the next start, a file's name as good as its directory's; a log's signing key is refused."""
    arguments = ("--log", audit.file.vkey, "--state", str(tmp_path / "s"))
    with process(*arguments, "--key", str(tmp_path / "w")) as (_, _, first):
        pass
    file = tmp_path / "w" / "witness.json"
    assert file.stat().st_mode & 0o777 == 0o600
    with process(*arguments, "--key", str(file)) as (_, _, second):
        assert second == first
    signing = str(tmp_path / "audit" / "keys" / "signing.json")
    for key, code, message in (
        (("--key", signing), 3, "is not the key of a witness"),
        (("--key", str(file), "--name", "other"), 2, "is that of witness"),
        (("--key", str(tmp_path / "x"), "--name", "a b"), 2, "is no name for a witness"),
    ):
        command = [sys.executable, "-m", "cli", "witness", "serve", "--port", "0", *arguments, *key]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=ROOT)
        assert (done.returncode, done.stdout) == (code, "")
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_said_to_be(audit: Log, tmp_path: Path) -> None:
    """Exit code 5, one line and a hint."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "cli", "witness", "serve", "--log", audit.file.vkey, "--port", port]
        command += ["--key", str(tmp_path / "w"), "--state", str(tmp_path / "s")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=ROOT)
    assert done.returncode == 5
    assert "cannot listen at 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_witness_killed_between_remembering_and_answering_answers_next_time(tmp_path: Path) -> None:
    """The cosignature is lost and the memory is not: the next push is told the size and gets its cosignature, fork refused."""
    log = new_log(14)
    state = tmp_path / "state"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with started([sys.executable, "-c", DYING, str(state), log.file.vkey], environment) as dying:
        assert dying.stdout is not None
        url = dying.stdout.readline().strip()
        row = pushed(log, url)
        assert row.state in {"witness_answer", "witness_unreachable"}
        assert dying.wait(TIMEOUT_S) == -signal.SIGKILL
    assert cosigned_checkpoint(log.store, SHARD) is None
    assert len(list(state.glob("*.checkpoint"))) == 1
    with witness(state, logs_of(log.file)) as server:
        forget_witnesses(log)
        assert pushed(same_name_and_key(log, 14, flavour="other"), server.url).state == "fork"
        assert pushed(log, server.url).state == "cosigned"


def test_a_witness_that_is_killed_at_any_time_stays_sound(audit: Log, tmp_path: Path) -> None:
    """Kill -9 while submissions come, many times: every push after it succeeds, and no state is torn."""
    arguments = ("--log", audit.file.vkey, "--key", str(tmp_path / "w"), "--state", str(tmp_path / "s"))
    for round_number in range(4):
        with process(*arguments) as (running, url, vkey):
            forget_witnesses(audit)
            add_witness(audit.store, audit.file, url, vkey)
            grow(audit, 14 + 7 * round_number)
            assert pushed(audit).state == "cosigned"
            killer = threading.Timer(0.02 + 0.03 * round_number, running.kill)
            killer.start()
            while running.poll() is None:
                row = pushed(audit, seconds=5)
                assert row.state in {"cosigned", "witness_answer", "witness_unreachable"}
            killer.join()


def test_ctrl_c_stops_a_witness_with_exit_0(audit: Log, tmp_path: Path) -> None:
    """At once, even while a client is silent."""
    arguments = ("--log", audit.file.vkey, "--key", str(tmp_path / "w"), "--state", str(tmp_path / "s"))
    with process(*arguments) as (running, url, _):
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=5):
            time.sleep(0.2)
            running.send_signal(signal.SIGINT)
            assert running.wait(5) == 0
