"""`ledger shell`: scripts piped in, and somebody at a terminal."""

import io
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from cli.completing import candidates
from cli.prompting import history_at
from ledger.query.opened import open_ledger
from ledger.query.vocabulary import Vocabulary, read_vocabulary
from tests.cli.conftest import Run

ROOT = Path(__file__).parents[2]
COUNT = "SELECT count(*) AS n FROM entries"


Piped = Callable[..., tuple[int, str, str]]


@pytest.fixture
def piped(story: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Piped:
    """What the shell makes of a script on standard input: exit code, stdout, stderr."""

    def piped(script: str | bytes, *options: str) -> tuple[int, str, str]:
        data = script.encode() if isinstance(script, str) else script
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))
        return run("shell", "-l", str(story), *options)

    return piped


def test_it_reads_standard_input(story: Path) -> None:
    """As a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "cli", "shell", "-l", str(story), "-f", "csv"],
        input=f"{COUNT};\n.quit", capture_output=True, timeout=100, check=False, cwd=ROOT, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "n\n11\n", "")


def test_a_script_is_answered_statement_by_statement(piped: Piped) -> None:
    """Several in a line, over several lines, with semicolons in strings; the last needs none."""
    script = f"{COUNT}; SELECT ';é' AS t;\nSELECT\n  1 AS a -- ; no\n  , 2 AS b\n;;\n/* ; */\nSELECT 3 AS c"
    assert piped(script, "-f", "csv") == (0, "n\n11\nt\n;é\na,b\n1,2\nc\n3\n", "")


def test_commands_stand_between_statements(piped: Piped) -> None:
    """The mode, parameters, what was known, the end."""
    script = (
        ".mode csv\n.param who=é'x\n.param n=1\nSELECT $who AS who, $N::INT + 1 AS n;\n.param n\n.param\n"
        f"{COUNT};\n.as-known-at 2022-11-28T09:25:00Z\n{COUNT};\n.as-known-at now\n  .mode json ;\n{COUNT};\n.quit\nSELECT nonsense;"
    )
    code, out, err = piped(script)
    assert (code, out) == (
        0,
        "who,n\né'x,2\nname,value\nwho,é'x\nn\n11\nn\n4\n" + json.dumps([{"n": 11}], indent=2) + "\n",
    )
    assert err == "what was recorded by 2022-11-28 09:25:00Z is seen\nall that the log has is seen\n"


def test_the_views_explain_themselves(piped: Piped) -> None:
    """What `ledger sql --views` says."""
    code, out, _ = piped(".views\n.schema DEPLOYMENTS\n.help\n.timing on\nSELECT 1;\n.refresh\n", "-f", "csv")
    assert code == 0
    assert "modules,One row per version and module of its code." in out
    assert '"rollback",BOOLEAN' in out.replace("rollback,BOOLEAN", '"rollback",BOOLEAN')
    assert ".as-known-at TIME|now" in out
    assert re.search(r"^1 row in \d+\.\d{3} s$\n0 more entries", piped(".timing\nSELECT 1;\n.refresh")[2], re.MULTILINE)


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("SELECT 1;\nSELECT nonsense\nFROM entries;\nSELECT 2;", 2, "LINE 1: SELECT nonsense"),
        ("SELECT 1; DROP VIEW entries; SELECT 2;", 2, "only read"),
        ("SELECT 1; SELECT * FROM read_text('/etc/passwd'); SELECT 2;", 2, "refused"),
        ("SELECT 1;\n.nonsense\nSELECT 2;", 2, "there is no command .nonsense"),
        ("SELECT 1;\n.mode xml\nSELECT 2;", 2, "there is no mode 'xml'"),
        ("SELECT 1;\n.timing maybe\nSELECT 2;", 2, "not on or off"),
        ("SELECT 1;\n.schema nonsense\nSELECT 2;", 4, "there is no view 'nonsense'"),
        ("SELECT 1;\n.param 9=9\nSELECT 2;", 2, "not a parameter"),
        ("SELECT 1;\n.param nothing\nSELECT 2;", 4, "there is no parameter nothing"),
        ("SELECT 1;\n.as-known-at yesterday\nSELECT 2;", 2, "not a time"),
        ("SELECT 1; SELECT $x; SELECT 2;", 2, "no value is given for $x"),
        ("SELECT 1; FROM entries; SELECT 2;", 2, "more than 9 rows"),
        ("SELECT 1; SELECT list_sum(range(400000000)); SELECT 2;", 2, "memory"),
        ("SELECT 1; SELECT 'unfinished ; SELECT 2;", 2, "unterminated string"),
        (b"SELECT 1;\n\xff;\nSELECT 2;", 2, "not UTF-8"),
    ],
)  # fmt: skip
def test_a_script_ends_with_what_fails(piped: Piped, script: str | bytes, code: int, message: str) -> None:
    """Its exit code and error are the shell's; what came before was answered."""
    found, out, err = piped(script, "-f", "csv", "--max-rows", "9", "--memory", "200")
    assert (found, out.splitlines()[:2], message in err) == (code, ["1", "1"], True), err
    assert "2" not in out
    assert "Traceback" not in err


@pytest.mark.parametrize("script", ["", "\n\n", "-- nothing\n", ";", "/* nothing"])
def test_nothing_asked_is_nothing_answered(piped: Piped, script: str) -> None:
    """Without an error."""
    assert piped(script) == (0, "", "")


def test_a_ledger_that_is_not_there_is_said_at_once(piped: Piped, tmp_path: Path) -> None:
    """As every command does."""
    assert piped(COUNT, "-l", str(tmp_path / "nowhere"))[0] == 4


_AT_A_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""A program whose terminal standard input is: Ctrl-C reaches it."""


class Terminal:
    """A shell at a terminal of its own."""

    def __init__(self, story: Path, *options: str) -> None:
        master, slave = pty.openpty()
        environment = os.environ | {"TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "COLUMNS": "100"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _AT_A_TERMINAL, "shell", "-l", str(story), *options],
            stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self._master = master
        self.seen = ""

    def type(self, text: str) -> None:
        """As somebody at the keyboard."""
        os.write(self._master, text.encode())

    def expect(self, text: str, seconds: float = 60) -> str:
        """Wait until something is on the screen, after what was waited for last; returns what came up to it."""
        deadline = time.monotonic() + seconds
        while (found := re.search(text, self.seen)) is None:
            if not select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError(f"{text!r} is not in {self.seen!r}")
            try:
                part = os.read(self._master, 4096)
            except OSError:  # it has ended
                part = b""
            if not part:
                raise EOFError(f"{text!r} is not in {self.seen!r}")
            self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", part.decode(errors="replace"))
        before, self.seen = self.seen[: found.start()], self.seen[found.end() :]
        return before

    def close(self) -> None:
        """End it, however."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(timeout=30)
        os.close(self._master)


@pytest.fixture
def terminal(story: Path, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A shell, waiting."""
    opened = Terminal(story, *getattr(request, "param", ()))
    try:
        opened.expect("ledger>")
        yield opened
    finally:
        opened.close()


def _history() -> Path:
    return Path(os.environ["XDG_STATE_HOME"]) / "deployment-ledger" / "shell-history"


def _wait_until_asked(pid: int) -> None:
    """Until the shell has a child or a helper's child at work: the prompt is not what takes Ctrl-C any more."""
    deadline = time.monotonic() + 60
    while not Path(f"/proc/{pid}/task/{pid}/children").read_text().split() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_somebody_asks_at_a_terminal(terminal: Terminal) -> None:
    """Lines until the semicolon, Tab, an error in one line with a hint, Ctrl-C, Ctrl-D; history for its owner alone."""
    terminal.type("SELECT count(*) * 3 AS n\r")
    terminal.expect(r"\.\.\.>")
    terminal.type("FROM dep\t")
    terminal.expect("deployments")
    terminal.type(";\r")
    terminal.expect("15")
    terminal.expect("ledger>")
    terminal.type("SELECT nonsense FROM entries;\r")
    terminal.expect(r"error: Binder Error: [^\r\n]*nonsense[^\r\n]*LINE 1: SELECT nonsense FROM entries\r\nhint: ")
    terminal.expect("ledger>")
    terminal.type("SELECT 'given up\x03")
    terminal.expect("ledger>")
    terminal.type("SELECT 40 + 2 AS n;\r")
    terminal.expect("42")
    terminal.expect("ledger>")
    terminal.type("\x04")
    assert terminal.process.wait(timeout=60) == 0
    assert _history().stat().st_mode & 0o777 == 0o600
    assert "+FROM deployments;" in _history().read_text()


@pytest.mark.parametrize("terminal", [("--no-history",)], indirect=True)
def test_ctrl_c_stops_the_statement_and_not_the_shell(terminal: Terminal) -> None:
    """It goes on asking; nothing was kept."""
    terminal.type("SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b;\r")
    terminal.expect(r"range\(1000000\) b;")
    _wait_until_asked(terminal.process.pid)
    for _ in range(10):  # whoever presses it while the child is being made presses it again
        terminal.type("\x03")
        with suppress(TimeoutError):
            terminal.expect("stopped", 5)
            break
    terminal.type("SELECT 40 + 2 AS n;\r")
    terminal.expect("42")
    terminal.type(".quit\r")
    assert terminal.process.wait(timeout=60) == 0
    assert not _history().exists()


def test_history_is_its_owners_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where a file was readable before; where none can be written, there is one in memory and a warning."""
    path = tmp_path / "state" / "shell-history"
    history_at(path).append_string("SELECT 1;")
    path.chmod(0o644)
    assert list(history_at(path).load_history_strings()) == ["SELECT 1;"]
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "file").write_text("")
    history_at(tmp_path / "file" / "shell-history").append_string("SELECT 1;")
    assert "warning: no history is kept" in capsys.readouterr().err
    assert list(history_at(None).load_history_strings()) == []


@pytest.fixture(scope="module")
def words(story: Path) -> Vocabulary:
    """Those of the story's ledger."""
    with open_ledger(str(story)) as ledger:
        return read_vocabulary(ledger)


@pytest.mark.parametrize(
    ("before", "after", "first", "absent"),
    [
        ("SELECT scr", " FROM deployments", "script", "deployments"),
        ("SELECT d.ver", " FROM deployments AS d", "versions", "versioned"),
        ("SELECT deployments.", "", "shard", "select"),
        ("FROM dep", "", "deployments", "deployment"),
        ("FROM entries, ro", "", "routes", "round"),
        ("SELECT * FROM scripts_", "", "scripts_at", "scripts"),
        ("FROM entries JOIN mod", "", "modules", "module"),
        ("SEL", "", "SELECT", "select"),
        ("sel", "", "select", "SELECT"),
        ("SELECT regexp_mat", "", "regexp_matches", "REGEXP_MATCHES"),
        ("FROM deployments WHERE eff", "", "effective_at", "deployments"),
        (".sch", "", "schema", "script"),
        (".schema mo", "", "modules", "mode"),
        (".mode js", "", "json", "table"),
    ],
)
def test_completion_knows_what_may_stand_there(
    words: Vocabulary, before: str, after: str, first: str, absent: str
) -> None:
    """Views after FROM, columns of the views that are asked, keywords as they are written, functions, commands."""
    found = candidates(before, after, words)
    assert found[0] == first
    assert absent not in found


def test_nothing_to_complete_is_nothing(words: Vocabulary) -> None:
    """No guesses."""
    assert candidates("SELECT zzzzz", "", words) == []
    assert candidates("SELECT nothing.", "", words) == []
