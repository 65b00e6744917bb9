"""Bound answers: made, asked again on a log that grew or was compacted, and refused on any other."""

import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest
from msgspec import structs

from ledger.errors import IntegrityError, LedgerError, NotFoundError, UsageError
from ledger.model.entries import decode_entry
from ledger.proof.answerchecks import check_answer, reproduced
from ledger.proof.boundanswers import BoundAnswer, open_bound_answer
from ledger.proof.notes import Verifier
from ledger.query.binding import ask_again, bind
from ledger.query.opened import open_ledger
from ledger.query.sql import Limits
from ledger.storage import layout
from ledger.storage.local import LocalStore
from tests.compact.rig import compact, rewrite_index
from tests.log.rig import Log, append, story
from tests.verify.tampering import change_line

RECORDS = story(120)
ROWS = 'SELECT "index", script, effective_at, versions, author FROM deployments'


def new_ledger(root: Path, count: int = 80) -> Log:
    """A ledger on disk, its keys in it, with so many of the records."""
    log = Log(LocalStore(root), LocalStore(root / "keys"))
    append(log.open(), RECORDS[:count])
    return log


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger that no test changes."""
    root = tmp_path_factory.mktemp("shared")
    new_ledger(root, 40)
    return root


def bound(root: Path, sql: str = ROWS, known_at: datetime | None = None, **parameters: str) -> bytes:
    """The file."""
    with open_ledger(str(root), known_at=known_at) as ledger:
        return bind(ledger, sql, None, parameters).data


def asked(root: Path, data: bytes, vkey: str) -> BoundAnswer:
    """What a bound answer says, once it was asked again."""
    key = Verifier.from_vkey(vkey)
    answer = open_bound_answer(data, key)
    with open_ledger(str(root)) as ledger:
        result = ask_again(ledger, answer, key)
    assert len(result.rows) == answer.rows
    checked = reproduced(check_answer(data, key), answer, key, pinned=True)
    assert (checked.holds, checked.reproduced) == (True, True)
    return answer


def refused(root: Path, data: bytes, vkey: str) -> str:
    """Why it is refused."""
    with pytest.raises(LedgerError) as error:
        asked(root, data, vkey)
    assert isinstance(error.value, IntegrityError)
    return error.value.code


def test_it_holds_on_the_log_that_it_is_of_and_after_it_grew_and_was_compacted(tmp_path: Path) -> None:
    """Without keys too; rows that came since are not in it."""
    log = new_ledger(tmp_path)
    files = [bound(tmp_path), bound(tmp_path, "SELECT count(*) AS n FROM entries WHERE account = $a", a="acme")]
    answers = [asked(tmp_path, data, log.file.vkey) for data in files]
    assert [one.checkpoints[0].size for one in answers] == [80, 80]
    append(log.open(), RECORDS[80:])
    assert [asked(tmp_path, data, log.file.vkey) for data in files] == answers
    compact(log, pack=30)
    shutil.rmtree(tmp_path / "keys")
    assert [asked(tmp_path, data, log.file.vkey) for data in files] == answers


def test_what_was_known_is_bound_as_it_was_known(tmp_path: Path) -> None:
    """At the checkpoint that has it all, up to a time inside it."""
    log = new_ledger(tmp_path)
    moment = datetime.fromisoformat(decode_entry(log.lines()[30]).recorded_at)
    data = bound(tmp_path, "SELECT count(*) AS n FROM entries", moment)
    answer = asked(tmp_path, data, log.file.vkey)
    assert (answer.checkpoints[0].size, answer.known_at) == (35, "2022-11-28T09:00:30Z")
    append(log.open(), RECORDS[80:])
    compact(log, pack=30)
    assert asked(tmp_path, data, log.file.vkey) == answer


def test_people_are_pseudonyms(shared: Path) -> None:
    """So that it can be asked again without keys, and says nothing of who they are."""
    with open_ledger(str(shared)) as ledger:
        result = bind(ledger, "SELECT author, actor FROM entries WHERE actor IS NOT NULL").result
    assert result.rows
    assert all(author == actor and len(author) == 32 for author, actor in result.rows)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 AS a, NULL, 'é' || chr(10), 0.1 + 0.2, 1.50::DECIMAL(4, 2), 1::HUGEINT << 100, true, 'nan'::DOUBLE, -0.0::DOUBLE",
        "SELECT effective_at, effective_at::DATE, effective_at - recorded_at, 'x'::BLOB, '00000000-0000-8000-8000-0000000000ab'::UUID FROM entries",
        "SELECT event, deployment, changes, triggers, map([1, 2], [[NULL], []]), '{\"a\": 1}'::JSON, reason FROM entries",
        "SELECT avg(percentage), round(sum(percentage / 3), 6), percentage / 3 FROM activations GROUP BY ALL",
        "SELECT script, list(deployment ORDER BY number) FROM deployments GROUP BY account, script",
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 9), o AS (FROM r) FROM o",
        "FROM scripts_at('2022-11-28 09:01Z')",
        'SELECT age(effective_at, recorded_at) FROM entries ORDER BY shard, "index" LIMIT 3',
        "FROM deployments -- no ORDER BY;",
        "FROM entries WHERE false",
        "SELECT year(effective_at), strftime(effective_at, '%H'), date_trunc('day', recorded_at), count(*) FROM entries GROUP BY ALL",
    ],
)
def test_values_of_every_type_are_bound(shared: Path, sql: str) -> None:
    """And come out the same."""
    with open_ledger(str(shared)) as ledger:
        vkey = ledger.about.vkey
    assert asked(shared, bound(shared, sql), vkey).query == sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT list(script) FROM entries",
        'SELECT "index" FROM deployments ORDER BY 1 > 100 LIMIT 1',
        "SELECT script, row_number() OVER () FROM entries",
    ],
)
def test_an_answer_that_depends_on_the_order_of_reading_is_not_bound(shared: Path, sql: str) -> None:
    """It is asked twice, and the reader is told."""
    with pytest.raises(UsageError, match="the order in which the log is read") as error:
        bound(shared, sql)
    assert error.value.code == "answer_unsteady"


def test_what_is_refused_by_name_is_not_bound(shared: Path) -> None:
    """Whatever it answers today; functions that give another value each time are known to the database."""
    for sql in ("SELECT now()", "SELECT uuid()", "FROM _log", "FROM entries LIMIT 3"):
        with pytest.raises(UsageError) as error:
            bound(shared, sql)
        assert error.value.code == "answer_unsteady"


def test_a_shorter_log_is_a_rollback(tmp_path: Path) -> None:
    """The segments that are missing are those that it rests on."""
    log = new_ledger(tmp_path)
    data = bound(tmp_path)
    (tmp_path / layout.segment(0, 77)).unlink()
    assert refused(tmp_path, data, log.file.vkey) == "rollback"


def test_another_history_is_a_fork(tmp_path: Path) -> None:
    """Signed with the same key, as long or longer, and not what it rests on."""
    log = new_ledger(tmp_path)
    data = bound(tmp_path)
    for name in list(log.store.list(layout.LOG)):
        log.store.delete(name)
    append(log.open(), [*RECORDS[:70], *RECORDS[71:]])
    assert refused(tmp_path, data, log.file.vkey) == "fork"


def test_a_changed_entry_is_found(tmp_path: Path) -> None:
    """Its segment's checkpoint does not cover it."""
    log = new_ledger(tmp_path)
    data = bound(tmp_path)
    change_line(log, 20, lambda line: line.replace(b'"v":1', b'"v":2'))
    assert refused(tmp_path, data, log.file.vkey) == "root_mismatch"


def test_a_changed_index_gives_another_answer(tmp_path: Path) -> None:
    """The entries hash to the roots all the same: what differs is the answer."""
    log = new_ledger(tmp_path)
    data = bound(tmp_path)
    compact(log, pack=1000)
    (name,) = (name for name in log.store.list(layout.INDEX) if not name.endswith("-ids.parquet"))
    rewrite_index(log, name, "SELECT * REPLACE ('elsewhere' AS script) FROM rows", tmp_path)
    assert refused(tmp_path, data, log.file.vkey) == "answer_differs"


def test_another_ledger_is_refused(tmp_path: Path) -> None:
    """Of another name; of the same name with another key, whichever key is given."""
    log, twin = new_ledger(tmp_path / "one"), new_ledger(tmp_path / "two")
    data = bound(tmp_path / "one")
    assert refused(tmp_path / "two", data, log.file.vkey) == "wrong_key"
    assert refused(tmp_path / "two", data, twin.file.vkey) == "wrong_key"
    other = tmp_path / "one" / layout.LEDGER_FILE
    other.write_text(other.read_text().replace('"name":"test"', '"name":"toast"'))
    assert refused(tmp_path / "one", data, log.file.vkey) == "wrong_origin"


@pytest.mark.parametrize(
    "changes",
    [
        {"query": ROWS.replace("script", "account")},
        {"query": f"{ROWS} WHERE script <> 'a'"},
        {"rows": 0},
        {"rows": 10_000},
        {"digest": bytes(32)},
        {"columns": [("x", "INTEGER")]},
    ],
)
def test_a_statement_that_is_not_so_is_refused(shared: Path, changes: Mapping[str, object]) -> None:
    """Although the ledger's key signed it: the rows decide."""
    with open_ledger(str(shared)) as ledger:
        key = Verifier.from_vkey(ledger.about.vkey)
        answer = structs.replace(open_bound_answer(bind(ledger, ROWS).data, key), **dict(changes))
        with pytest.raises(IntegrityError) as error:
            ask_again(ledger, answer, key)
    assert error.value.code == "answer_differs"


def test_a_query_in_a_file_of_others_is_kept_within_limits(tmp_path: Path) -> None:
    """Whoever has the key wrote it: it reads the log and nothing else, and is stopped."""
    log = new_ledger(tmp_path, 7)
    key = Verifier.from_vkey(log.file.vkey)
    answer = open_bound_answer(bound(tmp_path), key)
    for query, code in (
        ("COPY (SELECT 1) TO 'x'", "sql_not_read_only"),
        (f"SELECT * FROM read_text('{tmp_path}/keys/signing.json')", "answer_unsteady"),
        ("SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b", "sql_timeout"),
    ):
        with open_ledger(str(tmp_path)) as ledger, pytest.raises(UsageError) as error:
            ask_again(ledger, structs.replace(answer, query=query), key, Limits(seconds=0.5))
        assert error.value.code == code


def test_nothing_is_signed_for_a_log_that_contradicts_itself(tmp_path: Path) -> None:
    """The checkpoints are compared with the entries first."""
    log = new_ledger(tmp_path)
    change_line(log, 20, lambda line: line.replace(b'"v":1', b'"v":2'))
    with pytest.raises(IntegrityError, match="do not hash to the root"):
        bound(tmp_path)


def test_without_the_key_nothing_is_signed(tmp_path: Path) -> None:
    """No keys, another ledger's keys, another key of the same name."""
    new_ledger(tmp_path / "one", 7)
    new_ledger(tmp_path / "two", 7)
    shutil.move(tmp_path / "one" / "keys", tmp_path / "kept")
    with pytest.raises(NotFoundError) as missing:
        bound(tmp_path / "one")
    assert missing.value.code == "keys_missing"
    shutil.copytree(tmp_path / "two" / "keys", tmp_path / "one" / "keys")
    with pytest.raises(IntegrityError) as wrong:
        bound(tmp_path / "one")
    assert wrong.value.code == "wrong_key"


def test_an_empty_ledger_can_be_bound(tmp_path: Path) -> None:
    """It rests on no checkpoint, and reproduces when there are entries."""
    log = new_ledger(tmp_path, 0)
    data = bound(tmp_path, "SELECT count(*) AS n FROM entries")
    assert asked(tmp_path, data, log.file.vkey).checkpoints == []
    append(log.open(), RECORDS[:20])
    assert asked(tmp_path, data, log.file.vkey).rows == 1
