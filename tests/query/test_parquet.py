"""Answers as Parquet: the same rows, types kept, within the same limits."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from ledger.errors import UsageError
from ledger.query.opened import OpenLedger
from ledger.query.sql import Limits, run_sql, run_sql_to_parquet


def read(tmp_path: Path, data: bytes) -> tuple[list[tuple[str, str]], list[tuple[Any, ...]]]:
    """Names and types, and rows, as DuckDB reads the file."""
    path = tmp_path / "answer.parquet"
    path.write_bytes(data)
    with duckdb.connect() as connection:
        cursor = connection.execute(f"FROM '{path}'")
        return [(column[0], str(column[1])) for column in cursor.description or []], cursor.fetchall()


@pytest.mark.parametrize("view", ["entries", "changes", "activations", "scripts", "rejected", "bindings"])
def test_every_row_and_type_of_a_view_is_kept(ledger: OpenLedger, tmp_path: Path, view: str) -> None:
    """Structs, maps, lists, JSON and times with a zone."""
    sql = f"SELECT * FROM {view} ORDER BY ALL"
    answer = run_sql(ledger, sql)
    written = run_sql_to_parquet(ledger, sql)
    columns, rows = read(tmp_path, written.data)
    assert columns == list(zip(answer.columns, answer.types, strict=True))
    assert rows == answer.rows
    assert written.rows == len(rows) > 0


@pytest.mark.parametrize("end", ["", ";", " ; -- the end;", " -- the end"])
def test_the_end_of_a_statement_does_not_matter(ledger: OpenLedger, tmp_path: Path, end: str) -> None:
    """A semicolon within a string or a name is none, behind letters of several bytes neither."""
    written = run_sql_to_parquet(ledger, f"SELECT $v AS \"é;\", ';' AS b{end}", parameters={"v": "ü"})
    assert read(tmp_path, written.data) == ([("é;", "VARCHAR"), ("b", "VARCHAR")], [("ü", ";")])


def test_wide_sums_stay_exact(ledger: OpenLedger, tmp_path: Path) -> None:
    """Parquet has no integers of 128 bits; as doubles they would lose digits."""
    written = run_sql_to_parquet(ledger, "SELECT sum(9007199254740993) AS s FROM range(1)")
    assert read(tmp_path, written.data) == ([("s", "DECIMAL(38,0)")], [(Decimal(9007199254740993),)])


def test_columns_of_the_same_name_get_numbers(ledger: OpenLedger, tmp_path: Path) -> None:
    """Also where only their case differs, and where they are wide."""
    sql = 'SELECT 1 AS n, 2 AS n, sum(3) AS N, 4 AS n_1, sum(5) AS "a""b" FROM range(1)'
    columns, rows = read(tmp_path, run_sql_to_parquet(ledger, sql).data)
    assert rows == [(1, 2, 3, 4, 5)]
    assert len({name.casefold() for name, _ in columns}) == 5
    assert (columns[0], columns[4]) == (("n", "INTEGER"), ('a"b', "DECIMAL(38,0)"))


def test_an_answer_without_rows_has_its_columns(ledger: OpenLedger, tmp_path: Path) -> None:
    """With their types."""
    written = run_sql_to_parquet(ledger, "SELECT recorded_at FROM entries WHERE false")
    assert (written.rows, *read(tmp_path, written.data)) == (0, [("recorded_at", "TIMESTAMP WITH TIME ZONE")], [])


@pytest.mark.parametrize(
    ("sql", "limits", "code"),
    [
        ("FROM entries", Limits(rows=5), "sql_too_many_rows"),
        ("SELECT nonsense FROM entries", Limits(), "bad_sql"),
        ("EXPLAIN SELECT 1", Limits(), "sql_no_rows"),
        ("DROP VIEW entries", Limits(), "sql_not_read_only"),
        ("SELECT 1) TO '/dev/null'; --", Limits(), "bad_sql"),
        ("SELECT * FROM read_text('/etc/passwd')", Limits(), "sql_refused"),
        ("SELECT sum(a.range * b.range) FROM range(10000000) a, range(1000000) b", Limits(seconds=1), "sql_timeout"),
        ("SELECT repeat('x', 4000000000)", Limits(memory_mb=100), "sql_memory"),
    ],
)
def test_what_is_refused_or_stopped_elsewhere_is_here_too(
    ledger: OpenLedger, sql: str, limits: Limits, code: str
) -> None:
    """Nothing is looser because a file comes out."""
    with pytest.raises(UsageError) as caught:
        run_sql_to_parquet(ledger, sql, limits)
    assert caught.value.code == code


def test_a_large_answer_comes_through_the_pipe(ledger: OpenLedger, tmp_path: Path) -> None:
    """More than a pipe holds at once."""
    written = run_sql_to_parquet(ledger, "SELECT md5(range::VARCHAR) AS m FROM range(90000)")
    assert len(written.data) > 1 << 20
    assert len(read(tmp_path, written.data)[1]) == written.rows == 90_000
