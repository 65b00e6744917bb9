"""The helper that forks for programs with threads."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from ledger.errors import LedgerError, NotFoundError, StoreError, UsageError
from ledger.query import helper as module
from ledger.query.helper import Helper, is_alone, run_beside
from ledger.query.opened import open_ledger
from ledger.query.sql import Limits, run_sql, run_sql_to_parquet

ROOT = Path(__file__).parents[2]


def _fail(kind: type[LedgerError]) -> None:
    raise kind("a_code", "a message", "a hint")


def _pid_of_helper(number: int) -> int:
    return os.getppid() + 0 * number


def test_work_comes_back_from_another_process() -> None:
    """Its result or its error, whole; the helper has no threads but its own two."""
    assert run_beside(os.getpid, seconds=20, memory_bytes=10**8) != os.getpid()
    for kind in (UsageError, NotFoundError):
        with pytest.raises(kind, match="a message") as error:
            run_beside(partial(_fail, kind), seconds=20, memory_bytes=10**8)
        assert (error.value.code, error.value.hint) == ("a_code", "a hint")


def test_one_helper_serves_all_threads() -> None:
    """One after another."""
    with ThreadPoolExecutor(8) as pool:
        asked = partial(run_beside, partial(_pid_of_helper, 1), seconds=20, memory_bytes=10**8)
        pids = {one.result() for one in [pool.submit(asked) for _ in range(16)]}
    assert len(pids) == 1


def test_work_that_takes_too_long_is_stopped() -> None:
    """And the helper goes on."""
    with pytest.raises(UsageError) as error:
        run_beside(partial(time.sleep, 60), seconds=0.1, memory_bytes=10**8)
    assert error.value.code == "sql_timeout"
    assert run_beside(partial(abs, -1), seconds=20, memory_bytes=10**8) == 1


def test_a_helper_that_was_killed_is_an_error_and_the_next_question_has_another() -> None:
    """Of the store's kind: asking again helps."""
    helper = Helper()
    try:
        pid = helper.run(os.getppid, seconds=20, memory_bytes=10**8)
        threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
        with pytest.raises(StoreError, match="has ended"):
            helper.run(partial(time.sleep, 30), seconds=30, memory_bytes=10**8)
        assert helper.run(os.getppid, seconds=20, memory_bytes=10**8) != pid
    finally:
        helper.close()


def test_ctrl_c_ends_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not waited for, and is nowhere afterwards."""
    helper = Helper()
    try:
        pid = helper.run(os.getppid, seconds=20, memory_bytes=10**8)

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(module, "_exchange", interrupt)
        with pytest.raises(KeyboardInterrupt):
            helper.run(partial(time.sleep, 30), seconds=30, memory_bytes=10**8)
        monkeypatch.undo()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert helper.run(partial(abs, -1), seconds=20, memory_bytes=10**8) == 1
    finally:
        helper.close()


def test_nothing_outlives_the_program() -> None:
    """Killed outright, it takes the helper and the work with it."""
    program = (
        "import os, sys, threading, time\n"
        "from functools import partial\n"
        "from ledger.query.helper import run_beside\n"
        "print(run_beside(os.getppid, seconds=20, memory_bytes=10**8), flush=True)\n"
        "run_beside(partial(time.sleep, 100), seconds=100, memory_bytes=10**8)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.kill()
    process.communicate(timeout=30)
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


def test_statements_are_answered_beside_threads(story: Path) -> None:
    """The same as without: rows, Parquet, errors, limits, whatever this process does meanwhile."""
    with open_ledger(str(story)) as ledger:
        assert ledger.connection.execute("SELECT count(*) FROM entries").fetchone() == (11,)  # has threads
        assert not is_alone()
        assert run_sql(ledger, "SELECT count(*), $x FROM entries", None, {"x": "é"}).rows == [(11, "é")]
        assert run_sql_to_parquet(ledger, "FROM entries").rows == 11
        with pytest.raises(UsageError, match="nonsense"):
            run_sql(ledger, "SELECT nonsense FROM entries")
        with pytest.raises(UsageError, match="more than 5 rows"):
            run_sql(ledger, "FROM entries", Limits(rows=5))
        with pytest.raises(UsageError, match="refused"):
            run_sql(ledger, "SELECT * FROM read_text('/etc/passwd')")


def test_what_was_seen_is_seen_there_too(story: Path) -> None:
    """As it was known, and cut."""
    with open_ledger(str(story), sizes=[4, 0]) as ledger:
        assert ledger.connection.execute("SELECT count(*) FROM entries").fetchone() == (4,)
        assert run_sql(ledger, "SELECT count(*) FROM entries").rows == [(4,)]
        known = ledger.as_known(ledger.connection.execute("SELECT min(recorded_at) FROM entries").fetchall()[0][0])
        assert run_sql(known, "SELECT count(*) FROM entries").rows == [(1,)]
