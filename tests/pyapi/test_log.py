"""A ledger in Python: what it sees and when, errors, threads, what importing it costs."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import ledger
from cli.main import main
from ledger.errors import IntegrityError, LedgerError, NotFoundError, UsageError
from ledger.proof.boundanswers import parse_bound_answer
from ledger.pyapi.given import moment_of
from ledger.pyapi.log import Log
from ledger.query import helper, sql
from ledger.query.plain import plain
from ledger.query.sql import Limits
from ledger.storage import layout
from ledger.storage.local import LocalStore
from tests.compact.rig import compact
from tests.log.rig import Log as Written
from tests.log.rig import append, story
from tests.query.build import write_ledger

ROOT = Path(__file__).parents[2]
RECORDS = story(80)


def count(log: Log, **options: Any) -> int:
    """How many entries are seen."""
    return int(log.sql("SELECT count(*) AS n FROM entries", **options)[0].n)


def test_importing_it_imports_nothing_else() -> None:
    """The command line starts with it: no database, no codec, no table."""
    program = (
        "import sys; before = set(sys.modules); import ledger; new = set(sys.modules) - before; "
        "print(sorted({name.split('.')[0] for name in new} - {'typing', '_typing', 'collections'}), ledger.__version__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == f"['ledger'] {ledger.__version__}"


def test_what_was_there_is_seen_until_it_is_refreshed(tmp_path: Path) -> None:
    """Also after it was compacted; what was known then too."""
    log = Written(LocalStore(tmp_path), LocalStore(tmp_path / "keys"))
    append(log.open(), RECORDS[:40])
    with ledger.open(tmp_path) as opened:
        before, known = opened.scripts(), opened.history("a", account="acme", as_known_at="2022-11-28T09:00:20Z")
        assert count(opened) == 40
        append(log.open(), RECORDS[40:])
        assert (count(opened), opened.scripts()) == (40, before)
        compact(log, pack=30)
        assert (count(opened), opened.scripts()) == (40, before)
        assert opened.history("a", account="acme", as_known_at="2022-11-28T09:00:20Z") == known
        assert opened.history("a", account="acme", as_known_at="2022-11-28T09:00:21Z")
        assert [rest.size for rest in opened.rests_on()] == [40]
        opened.refresh()
        assert count(opened) == 80
        assert opened.checkpoint().startswith(b"test/0000\n80\n")


def test_it_can_be_opened_as_it_was_known(tmp_path: Path) -> None:
    """All questions are of that day then, but one that names its own."""
    log = Written(LocalStore(tmp_path), LocalStore(tmp_path / "keys"))
    append(log.open(), RECORDS[:40])
    moment = datetime(2022, 11, 28, 9, 0, 9, tzinfo=UTC)
    with ledger.open(tmp_path, as_known_at=moment) as opened:
        assert count(opened) == 10
        assert count(opened, as_known_at=moment + timedelta(seconds=5)) == 15
        opened.refresh()
        assert count(opened) == 10


def test_times_are_given_in_any_form() -> None:
    """Text, dates, datetimes; without a time zone they are UTC."""
    expected = datetime(2022, 11, 28, tzinfo=UTC)
    there = datetime(2022, 11, 28, 2, tzinfo=timezone(timedelta(hours=2)))
    for when in ("2022-11-28", date(2022, 11, 28), datetime(2022, 11, 28), there):  # noqa: DTZ001 - that is the point
        assert moment_of(when) == expected
    with pytest.raises(UsageError, match="not a time"):
        moment_of("yesterday")


def test_a_closed_one_says_so(story: Path) -> None:
    """Answers that were given stay."""
    log = ledger.open(story)
    rows = log.scripts()
    log.close()
    log.close()
    assert rows[0].account == "acme"
    for ask in (log.scripts, log.refresh, log.__enter__):
        with pytest.raises(UsageError) as error:
            ask()
        assert error.value.code == "ledger_closed"
    assert "closed" in repr(log)
    list(log.watch(since="2022-01-01", limit=1))  # of its own


@pytest.mark.parametrize(
    ("location", "kind", "code"),
    [
        ("nowhere", NotFoundError, "no_ledger"),
        ("file", UsageError, "not_a_directory"),
        ("newer", UsageError, "newer_format"),
    ],
)
def test_what_cannot_be_opened_says_why(tmp_path: Path, location: str, kind: type[LedgerError], code: str) -> None:
    """When it is opened."""
    (tmp_path / "file").write_text("")
    write_ledger(tmp_path / "newer", [[]], format=99)
    with pytest.raises(kind) as error:
        ledger.open(tmp_path / location)
    assert error.value.code == code
    with pytest.raises(NotFoundError, match="no keys"):
        ledger.open(write_ledger(tmp_path / "ledger", [[]]), keys=str(tmp_path / "nokeys"))


def test_an_empty_ledger_has_empty_answers(tmp_path: Path) -> None:
    """Typed all the same."""
    with ledger.open(write_ledger(tmp_path, [[], []])) as log:
        assert (len(log.scripts()), log.status().size, count(log)) == (0, 0, 0)
        assert log.stats().arrow().num_rows == 0
        assert log.fleet().column_names[:2] == ["account", "script"]
        assert log.rests_on() == []


def test_a_missing_segment_is_warned_about(story: Path, tmp_path: Path) -> None:
    """Where the ledger is opened, as the command line does."""
    root = tmp_path / "ledger"
    shutil.copytree(story, root)
    (root / layout.segment(0, 4)).unlink()
    with pytest.warns(UserWarning, match="nothing from entry 0/4 on is seen"), ledger.open(root) as log:
        assert count(log) == 5


def test_errors_are_those_of_the_commands(log: Log) -> None:
    """With code, message and hint."""
    for ask, code in (
        (lambda: log.deployments("nothing"), "script_not_found"),
        (lambda: log.deployments("shop"), "ambiguous_script"),
        (lambda: log.show("zzz"), "bad_id"),
        (lambda: log.blame("shop", first=True, origin=True), "two_questions"),
        (log.exposure, "nothing_sought"),
        (lambda: log.drawing([], "png"), "bad_form"),
        (lambda: log.sql("DROP VIEW entries"), "sql_not_read_only"),
        (lambda: log.sql("SELECT nonsense"), "bad_sql"),
        (lambda: log.sql("SELECT $x"), "parameter_missing"),
        (lambda: log.sql("SELECT 1", x="1"), "parameter_unknown"),
        (lambda: log.sql("FROM entries", limits=Limits(rows=3)), "sql_too_many_rows"),
        (lambda: log.bind("SELECT 1"), "keys_missing"),
        (lambda: log.script("shop", account="acme", at="2000-01-01"), "script_not_found"),
    ):
        with pytest.raises(LedgerError) as error:
            ask()
        assert error.value.code == code


def test_one_script_is_the_row_of_all_scripts(log: Log) -> None:
    """At each time, deleted ones too."""
    for minute in (0, 25, 45, 90):
        at = datetime(2022, 11, 28, 9, tzinfo=UTC) + timedelta(minutes=minute)
        for row in log.scripts(at=at, deleted=True):
            assert log.script(row.script, account=row.account, at=at) == row


def test_parameters_of_sql_are_typed(log: Log) -> None:
    """Numbers, times, text and nothing."""
    moment = datetime(2022, 11, 28, 9, 45, tzinfo=UTC)
    query = "SELECT $n + 1 AS n, $t AS t, $s AS s, $x IS NULL AS x, typeof($b) AS b, $f AS f"
    (row,) = log.sql(query, n=1, t=moment, s="'; --é", x=None, b=True, f=0.1)
    assert (row.n, row.t, row.s, row.x, row.b, row.f) == (2, moment, "'; --é", True, "BOOLEAN", 0.1)
    assert count(log) == 11


def test_an_answer_is_bound(tmp_path: Path) -> None:
    """As `ledger sql --bind` does."""
    written = Written(LocalStore(tmp_path), LocalStore(tmp_path / "keys"))
    append(written.open(), RECORDS[:14])
    with ledger.open(tmp_path) as log:
        bound = log.bind("SELECT count(*) AS n FROM entries WHERE account = $a", a="acme")
        assert log.key() == written.file.vkey
    answer = parse_bound_answer(bound.data)
    assert (answer.parameters, answer.checkpoints[0].size) == ({"a": "acme"}, 14)


def test_a_ledger_is_verified(tmp_path: Path) -> None:
    """As it is now; a changed byte is a problem, not an exception."""
    written = Written(LocalStore(tmp_path), LocalStore(tmp_path / "keys"))
    append(written.open(), RECORDS[:14])
    with ledger.open(tmp_path) as log:
        report = log.verify(vkey=log.key())
        assert (report.ok, report.entries, report.trust) == (True, 14, "pinned")
        assert log.verify().extends  # what the run before saw
        path = tmp_path / layout.segment(0, 7)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        assert not log.verify(remember=False).ok


def test_the_log_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From when it was asked for, beside other questions."""
    written = Written(LocalStore(tmp_path), LocalStore(tmp_path / "keys"))
    append(written.open(), RECORDS[:14])
    with ledger.open(tmp_path) as log:
        followed = log.watch(interval=0.05)
        append(written.open(), RECORDS[14:21])
        assert [next(followed).entry for _ in range(3)] == ["0/14", "0/15", "0/16"]
        assert count(log) == 14
        assert [row.entry for row in log.watch(since=datetime(2000, 1, 1, tzinfo=UTC), limit=2)] == ["0/0", "0/1"]
        del followed
        assert (
            main(["watch", "a", "-a", "acme", "--since", "2000-01-01", "-n", "3", "--json", "-l", str(tmp_path)]) == 0
        )
        shown = log.watch("a", account="acme", since="2000-01-01", limit=3)
        assert json.loads(capsys.readouterr().out) == [plain(row) for row in shown]


def test_threads_share_one_ledger(log: Log) -> None:
    """They take turns, and each gets the answer that it would get alone; refreshing and closing meanwhile breaks none."""
    asks: list[Callable[[], object]] = [
        lambda: log.scripts(deleted=True),
        lambda: log.blame("shop", account="acme", at="2022-11-28T09:45Z"),
        lambda: log.history("shop", account="acme"),
        lambda: count(log),
        lambda: log.scripts(as_known_at="2022-11-28T09:35Z"),
        lambda: log.fleet("2022-11-28T09:45Z").to_pylist(),
    ]
    alone = [ask() for ask in asks]
    with ThreadPoolExecutor(6) as pool:
        jobs = [(place, pool.submit(ask)) for _ in range(2) for place, ask in enumerate(asks)]
        pool.submit(log.refresh).result(timeout=60)
        for place, job in jobs:
            assert job.result(timeout=60) == alone[place]
        last = [pool.submit(asks[0]) for _ in range(8)]
        log.close()
        for job in last:
            error = job.exception(timeout=60)
            assert error is None or getattr(error, "code", "") == "ledger_closed"


def test_ledgers_of_their_own_can_be_asked_at_once(story: Path) -> None:
    """One for each thread."""

    def ask(_: int) -> tuple[int, int]:
        with ledger.open(story) as own:
            return len(own.scripts(deleted=True)), count(own)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4), timeout=100)) == {(3, 11)}


def test_ctrl_c_stops_a_statement_and_not_the_ledger(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """It raises KeyboardInterrupt, also where the database says in its own way that it was cut off; the next question is answered."""

    def ended_by(error: BaseException) -> None:
        def question(_: object) -> None:
            raise error

        with pytest.raises(KeyboardInterrupt):
            log._ask(question, None)
        assert len(log.scripts(deleted=True)) == 3

    ended_by(KeyboardInterrupt())
    ended_by(RuntimeError("Query interrupted"))
    with monkeypatch.context() as patched:
        patched.setattr(helper, "_exchange", lambda *_: _interrupt())
        patched.setattr(sql, "is_alone", lambda: False)
        with pytest.raises(KeyboardInterrupt):
            count(log)
    assert count(log) == 11


def _interrupt() -> None:
    raise KeyboardInterrupt


def test_a_damaged_log_is_an_integrity_error(story: Path, tmp_path: Path) -> None:
    """Not an exception of the database."""
    root = tmp_path / "ledger"
    shutil.copytree(story, root)
    path = root / layout.segment(0, 0)
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF
    path.write_bytes(data)
    with ledger.open(root) as log:
        for ask in (log.scripts, log.fleet, lambda: log.sql("SELECT count(*) FROM entries WHERE script = 'shop'")):
            with pytest.raises(IntegrityError):
                ask()
