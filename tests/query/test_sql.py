"""`ledger sql`: answers, and everything that must be refused or stopped."""

from pathlib import Path

import duckdb
import pytest

from ledger.errors import IntegrityError, LedgerError, UsageError
from ledger.query import sql as sql_module
from ledger.query.opened import open_ledger
from ledger.query.sql import Limits, Result, run_sql
from ledger.storage import layout
from tests.query.story import write_story


def ask(story: Path, sql: str, limits: Limits | None = None) -> Result:
    """Run one statement on the story's ledger, opened anew."""
    with open_ledger(str(story)) as opened:
        return run_sql(opened, sql, limits)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The story's ledger with a key beside the log."""
    root = write_story(tmp_path_factory.mktemp("guarded") / "ledger")
    (root / "keys").mkdir()
    (root / "keys" / "signing.json").write_text('{"seed":"hunter2"}')
    return root


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM entries",
        "FROM entries SELECT count(*);",
        "WITH counted AS (SELECT count(*) AS entries FROM entries) SELECT * FROM counted",
        "-- how many?\nSELECT count(*) FROM entries",
    ],
)
def test_a_select_is_answered(guarded: Path, sql: str) -> None:
    """Any form of one SELECT."""
    assert ask(guarded, sql).rows == [(11,)]


@pytest.mark.parametrize(
    "sql",
    [
        "DESCRIBE entries",
        "SUMMARIZE rejected",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "explain analyze SELECT 1",
        "VALUES (1)",
        "SELECT 1 UNION SELECT 2",
    ],
)
def test_what_only_looks_is_answered(guarded: Path, sql: str) -> None:
    """Statements about the views and plans."""
    assert ask(guarded, sql).rows


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP VIEW entries",
        "DROP VIEW entries",
        "CREATE TABLE t(i INT)",
        "INSERT INTO entries VALUES (1)",
        "COPY (SELECT 1) TO '{ledger}/log/x.csv'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{ledger}/log/x.csv'",
        "EXPLAIN ANALYZE /* */ COPY (SELECT 1) TO '{ledger}/log/x.csv'",
        "/* */ EXPLAIN ANALYZE COPY (SELECT 1) TO '{ledger}/log/x.csv'",
        "EXPLAIN EXPLAIN ANALYZE COPY (SELECT 1) TO '{ledger}/log/x.csv'",
        "WITH a AS (COPY (SELECT 1) TO '{ledger}/log/x.csv') FROM a",
        "SELECT 1 WHERE EXISTS (WITH a AS (COPY (SELECT 1) TO '{ledger}/log/x.csv') FROM a)",
        "WITH a AS (INSERT INTO entries VALUES (1)) SELECT 1",
        "EXPORT DATABASE '{ledger}/log/x'",
        "ATTACH '{ledger}/log/x.db'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '99GB'",
        "RESET lock_configuration",
        "PRAGMA version",
        "CALL pragma_version()",
        "PREPARE p AS SELECT 1",
        "BEGIN",
        "VACUUM",
        "USE memory",
    ],
)
def test_what_does_more_than_read_is_refused(guarded: Path, sql: str) -> None:
    """The grammar decides, also inside EXPLAIN ANALYZE and in CTEs, which DuckDB would carry out."""
    before = sorted(path for path in guarded.rglob("*"))
    with pytest.raises(UsageError) as caught:
        ask(guarded, sql.replace("{ledger}", str(guarded)))
    assert caught.value.code == "sql_not_read_only"
    assert sorted(path for path in guarded.rglob("*")) == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('{ledger}/keys/signing.json')",
        "SELECT * FROM read_text('{ledger}/log/../keys/signing.json')",
        "SELECT * FROM read_blob('file://{ledger}/keys/signing.json')",
        "SELECT * FROM read_json('{ledger}/ledger.json')",
        "SELECT * FROM glob('{ledger}/keys/*')",
        "SELECT * FROM glob('/**')",
        "SELECT * FROM read_blob('/proc/self/environ')",
        "SELECT * FROM read_csv('http://127.0.0.1:1/x.csv')",
        "SELECT * FROM parquet_metadata('/etc/passwd')",
        "SELECT * FROM duckdb_secrets()",
        "FROM query('SELECT 1')",
        "FROM system.main.Query('SELECT 1')",
    ],
)
def test_nothing_but_the_log_can_be_read(guarded: Path, sql: str) -> None:
    """No other file, not even the keys inside the ledger's directory, and no network."""
    with pytest.raises(UsageError) as caught:
        ask(guarded, sql.replace("{ledger}", str(guarded)))
    assert caught.value.code == "sql_refused"


def test_a_serialised_statement_is_refused(guarded: Path) -> None:
    """DuckDB can run a syntax tree from a string, with whatever is in it."""
    with duckdb.connect() as connection:
        text = f"WITH a AS (COPY (SELECT 1) TO '{guarded}/log/x.csv') FROM a"
        (tree,) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [text]).fetchone() or ("",)
    with pytest.raises(UsageError, match="json_execute_serialized_sql"):
        ask(guarded, "FROM json_execute_serialized_sql('" + tree.replace("'", "''") + "')")
    assert not (guarded / "log" / "x.csv").exists()


@pytest.mark.parametrize(
    "sql", ["SELECT getenv('HOME')", "FROM '/etc/passwd'", "FROM enable_logging(storage = 'file')"]
)
def test_other_ways_out_do_not_exist(guarded: Path, sql: str) -> None:
    """No environment, no file as a table, no log file."""
    with pytest.raises(UsageError):
        ask(guarded, sql)


def test_an_error_points_at_its_place(guarded: Path) -> None:
    """The line and a caret below the word that is wrong."""
    with pytest.raises(UsageError) as caught:
        ask(guarded, "SELECT script\nFROM entries\nWHERE nonsense = 1")
    assert caught.value.code == "bad_sql"
    assert caught.value.message.splitlines()[-2:] == ["LINE 3: WHERE nonsense = 1", "              ^^^^^^^^"]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b",
        "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r) SELECT count(*) FROM r",
    ],
)
def test_an_endless_statement_is_stopped(guarded: Path, sql: str) -> None:
    """After the time limit, with an error that says so."""
    with pytest.raises(UsageError, match="stopped after 1 s"):
        ask(guarded, sql, Limits(seconds=1))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT repeat('x', 4000000000)",
        "SELECT list_sum(range(400000000))",
        "SELECT count(DISTINCT (range, hash(range))) FROM range(100000000)",
    ],
)
def test_a_greedy_statement_is_stopped(guarded: Path, sql: str) -> None:
    """At the memory limit, also where one function asks for everything at once."""
    with pytest.raises(UsageError) as caught:
        ask(guarded, sql, Limits(seconds=20, memory_mb=100))
    assert caught.value.code == "sql_memory"


def test_a_statement_as_deep_as_the_grammar_allows_is_refused(guarded: Path) -> None:
    """Its syntax tree is too deep to be looked through."""
    with pytest.raises(UsageError, match="nested too deeply"):
        ask(guarded, f"SELECT {'1+' * 900}1")


def test_a_mistake_of_ours_is_not_taken_for_a_lack_of_memory(guarded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an internal error, and says which."""

    def fail(*_arguments: object) -> None:
        raise ValueError("out of cheese")

    monkeypatch.setattr(sql_module, "is_alone", lambda: True)
    monkeypatch.setattr(sql_module, "_confine", fail)
    with pytest.raises(LedgerError, match="ValueError: out of cheese") as caught:
        ask(guarded, "SELECT 1")
    assert caught.value.exit_code == 70


def test_an_answer_that_is_too_long_is_refused(guarded: Path) -> None:
    """Never cut silently."""
    with pytest.raises(UsageError, match="more than 5 rows"):
        ask(guarded, "FROM entries", Limits(rows=5))


def test_values_of_every_type_come_back(guarded: Path) -> None:
    """Structs, maps, lists, times, decimals and JSON survive the way from the child process."""
    sql = """SELECT event, deployment.versions, '{"a":1}'::JSON, 1.50::DECIMAL(4, 2), effective_at, changes FROM entries ORDER BY ALL"""
    result = ask(guarded, sql)
    assert result.types[2] == "JSON"
    assert result.rows[0][0]["source"] == "gateway/eu-1"


def test_a_damaged_segment_is_an_integrity_error(tmp_path: Path) -> None:
    """Not the question's fault."""
    root = write_story(tmp_path)
    path = root / layout.segment(0, 0)
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(IntegrityError):
        ask(root, "SELECT count(*) FROM entries WHERE script = 'shop'")


def test_a_directory_with_odd_characters_is_read(tmp_path: Path) -> None:
    """Characters that file patterns are made of mean themselves."""
    assert ask(write_story(tmp_path / "a[b]'* ?"), "SELECT count(*) FROM entries").rows == [(11,)]
