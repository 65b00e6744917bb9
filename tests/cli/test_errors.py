"""What goes wrong: one clear line, the documented exit code, no traceback."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from cli import asking
from tests.cli.conftest import ROOT, Run
from tests.query.build import entry, write_ledger

Process = Callable[..., CompletedProcess[str]]

QUESTIONS = (
    ("status",),
    ("scripts",),
    ("deployments", "shop"),
    ("versions", "shop"),
    ("show", "0/0"),
    ("history", "shop"),
    ("rejected",),
    ("watch",),
    ("sql", "FROM entries"),
    ("verify",),
    ("prove", "0/0"),
    ("checkpoint",),
    ("key",),
    ("tiles", "/nonexistent/tiles"),
    ("witness", "list"),
    ("witness", "push"),
    ("quarantine", "list"),
    ("quarantine", "show", "0/0"),
    ("note", "list"),
    ("witness", "add", "https://witness.example", "--vkey", "witness.example+24b5d9fe+BP0X"),
)
RUNNING = (
    ("worker", "--bootstrap", "127.0.0.1:1"),
    ("publish", "-", "--bootstrap", "127.0.0.1:1"),
    ("up", "--port", "0"),
    ("quarantine", "redrive", "0/0", "--bootstrap", "127.0.0.1:1"),
    ("quarantine", "drop", "0/0", "--reason", "x", "--bootstrap", "127.0.0.1:1"),
    ("note", "add", "--subject", "x", "--action", "y", "--bootstrap", "127.0.0.1:1"),
    ("erase", "x", "--bootstrap", "127.0.0.1:1"),
)


@pytest.mark.parametrize("arguments", QUESTIONS + RUNNING)
@pytest.mark.parametrize(
    ("kind", "code", "message"),
    [
        ("missing", 4, "there is no ledger at"),
        ("file", 2, "is a file, not a ledger's directory"),
        ("empty", 4, "there is no ledger at"),
        ("newer", 2, "has format 99"),
        ("damaged", 3, "ledger.json is damaged"),
    ],
)
def test_what_is_no_ledger_is_said_to(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], kind: str, code: int, message: str
) -> None:
    """Every command on every kind of wrong directory."""
    place = tmp_path / "place"
    match kind:
        case "file":
            place.write_text("hello")
        case "empty":
            place.mkdir()
        case "newer":
            place.mkdir()
            (place / "ledger.json").write_text('{"format":99,"name":"x","new_thing":true}')
        case "damaged":
            place.mkdir()
            (place / "ledger.json").write_text('{"format":')
        case _:
            pass
    got, out, err = run(*arguments, "--ledger", str(place))
    assert (got, out) == (code, "")
    assert err.startswith("error: ")
    assert message in err
    assert len(err.splitlines()) <= 2


@pytest.mark.parametrize(
    ("member", "value"),
    [("shards", -1), ("shards", 0), ("shards", 10**9), ("topic", "a b"), ("name", "a b"), ("format", 0)],
)
def test_a_ledger_that_init_never_made_is_damaged(run: Run, tmp_path: Path, member: str, value: object) -> None:
    """A billion shards would be walked over for ever, none would be verified in no time."""
    assert run("init", "--ledger", str(tmp_path / "audit"))[0] == 0
    file = tmp_path / "audit" / "ledger.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {member: value}))
    for command in ("status", "verify"):
        code, out, err = run(command, "--ledger", str(tmp_path / "audit"))
        assert (code, out) == (3, "")
        assert "ledger.json is damaged" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("deployments", "nothing"), 4, "there is no script nothing"),
        (("deployments", "shop"), 2, "2 accounts have a script shop"),
        (("deployments", "shop", "--account", "nobody"), 4, "in the account nobody"),
        (("show", "ffffffff"), 4, "begins with ffffffff"),
        (("show", "9/9"), 4, "there is no entry 9/9"),
        (("show", "0/0", "--bytes"), 4, "no bytes are kept"),
        (("scripts", "--at", "yesterday"), 2, "not a time: 'yesterday'"),
        (("scripts", "--format", "xml"), 2, "'xml' is not one of"),
        (("deployments", "shop", "--limit", "0"), 2, "greater than or equal to 1"),
        (("sql", "DROP VIEW entries"), 2, "only read"),
        (("scripts", "--keys", "nowhere"), 4, "there are no keys at nowhere"),
        (("deployments", "shop\udcff"), 4, "there is no script shop\\udcff"),
        (("deployments", "shop", "--account", "\udcff"), 4, "in the account \\udcff"),
        (("sql", "SELECT '\udcff'"), 2, "the statement is not UTF-8"),
        (("sql", "--file", "nowhere"), 2, "nowhere cannot be read: No such file or directory\n"),
        (("sql", "SELECT 1", "--timeout", "inf"), 2, "less than or equal to 86400"),
        (("sql", "SELECT 1", "--memory", "9" * 20), 2, "less than or equal to"),
        (("sql", "SELECT 1", "--max-rows", "9" * 20), 2, "less than or equal to"),
        (("nonsense",), 2, "No such command 'nonsense'"),
        (("scripts", "--nonsense"), 2, "No such option: --nonsense"),
    ],
)
def test_a_mistake_is_explained(run: Run, story: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    """The message says what, the exit code which kind."""
    place = () if arguments == ("nonsense",) else ("--ledger", str(story))
    got, out, err = run(*arguments, *place)
    assert (got, out) == (code, "")
    assert message in err


def test_the_ledger_must_be_named(run: Run) -> None:
    """Option or environment."""
    code, _, err = run("scripts")
    assert code == 2
    assert "LEDGER_DIR" in err


def test_a_broker_that_does_not_answer_is_exit_5(process: Process, story: Path, tmp_path: Path) -> None:
    """For the worker and for publishing."""
    (tmp_path / "events").write_text("")
    address = ("--ledger", str(story), "--bootstrap", "127.0.0.1:1")
    assert process("publish", str(tmp_path / "events"), *address).returncode == 5


def test_an_internal_error_is_one_line(run: Run, story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 70; the traceback only where it is asked for."""

    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("out of cheese")

    monkeypatch.setattr(asking, "opened", fail)
    code, out, err = run("scripts", "--ledger", str(story))
    assert (code, out) == (70, "")
    assert err.splitlines()[0] == "internal error: RuntimeError: out of cheese"
    assert "Traceback" not in err
    monkeypatch.setenv("LEDGER_DEBUG", "1")
    assert "Traceback" in run("scripts", "--ledger", str(story))[2]


def test_ctrl_c_is_exit_130(run: Run, story: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it interrupts."""

    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(asking, "opened", interrupt)
    code, out, err = run("scripts", "--ledger", str(story))
    assert (code, out, err) == (130, "", "")


def test_a_reader_that_leaves_early_is_no_error(story: Path) -> None:
    """`ledger sql ... | head -1` is quiet."""
    command = (
        f"{sys.executable} -m cli sql --ledger '{story}' --format jsonl 'SELECT range FROM range(90000)' | head -1"
    )
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"range": 0}\n', "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_statement_does_not_outlive_its_command(story: Path, number: signal.Signals) -> None:
    """Killed at 3 a.m. because the machine is busy: the machine is busy no more."""
    endless = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b"
    command = [sys.executable, "-m", "cli", "sql", endless, "--ledger", str(story), "--timeout", "100"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as started:
        time.sleep(2)
        assert started.poll() is None
        started.send_signal(number)
        started.communicate(timeout=10)  # the output ends when nobody is left who could write to it


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("rows", [1, 90_000])
def test_an_answer_that_cannot_be_written_is_exit_5(story: Path, rows: int) -> None:
    """One line, whether it was noticed at the end or before."""
    command = f"{sys.executable} -m cli sql --ledger '{story}' 'SELECT range FROM range({rows})' > /dev/full"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == 5
    assert done.stderr.splitlines()[0] == "error: could not write the answer: No space left on device"
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "closed", "code"),
    [
        ("scripts", ">&-", 0),
        ("scripts", "2>&-", 0),
        ("verify", ">&- 2>&-", 3),
        ("verify", "2>/dev/full", 3),
        ("nonsense", "2>&-", 2),
        ("sql -", "<&-", 2),
        ("worker --bootstrap 127.0.0.1:1", "<&- >&- 2>&-", 4),
    ],
)
def test_a_closed_stream_changes_no_exit_code(story: Path, arguments: str, closed: str, code: int) -> None:
    """Nor does what belongs on stderr come out on stdout."""
    command = f"LEDGER_DIR='{story}' {sys.executable} -m cli {arguments} {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT)
    assert done.returncode == code
    assert "Error" not in done.stdout + done.stderr
    assert "error" not in done.stdout


@pytest.mark.parametrize("locale", [{"LC_ALL": "C", "PYTHONUTF8": "0"}, {"PYTHONIOENCODING": "ascii"}])
def test_an_answer_is_utf_8_whatever_the_locale(story: Path, locale: dict[str, str]) -> None:
    """Names and messages are of everywhere; half an answer is worse than a strange character."""
    command = [sys.executable, "-m", "cli", "sql", "SELECT chr(233) AS e", "--json", "--ledger", str(story)]
    environment = os.environ | {"PYTHONCOERCECLOCALE": "0"} | locale
    done = subprocess.run(command, capture_output=True, timeout=60, check=False, cwd=ROOT, env=environment)
    assert done.returncode == 0
    assert all(line.startswith(b"rests on ") for line in done.stderr.splitlines())
    assert json.loads(done.stdout.decode()) == [{"e": "é"}]


@pytest.mark.parametrize("shards", [1, 500])
def test_a_verdict_outlives_its_reader(tmp_path: Path, shards: int) -> None:
    """`ledger verify | head` fails where the ledger does not verify, whether the report was still being printed or not."""
    write_ledger(tmp_path, [[entry(0, "changed")]] * shards)
    command = f"{sys.executable} -m cli verify --ledger '{tmp_path}' --json | true"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
    )
    assert done.returncode == 3
    assert "is not what was written" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_directory_that_may_not_be_read_is_exit_5(run: Run, story: Path) -> None:
    """It is there, and closed."""
    story.chmod(0o000)
    try:
        code, _, err = run("scripts", "--ledger", str(story))
    finally:
        story.chmod(0o755)
    assert code == 5
    assert "Permission denied" in err
