"""Which statements have one answer, told from their text."""

import duckdb
import pytest

from ledger.errors import UsageError
from ledger.query.statements import read_only, split_statements, without_end
from ledger.query.steady import check_steady

VIEWS = ("entries", "deployments")


def check(sql: str) -> None:
    """Whether it is refused."""
    with duckdb.connect() as connection:
        check_steady(read_only(connection, sql), VIEWS, {"random", "uuid"})


@pytest.mark.parametrize(
    "sql",
    [
        "FROM entries",
        'FROM main.Entries AS e, "deployments"',
        "FROM entries ORDER BY script LIMIT 3",
        "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 9), o AS MATERIALIZED (FROM r) FROM o",
        "FROM scripts_at($t::TIMESTAMPTZ)",
        "SELECT age(effective_at, recorded_at), year(effective_at) FROM entries",
        "VALUES (1), (2)",
        "SELECT unnest([1, 2]), e.i FROM range(3) AS e(i)",
        "SELECT 'now', list_transform([1], lambda x: x + 1)",
    ],
)
def test_what_asks_the_log_alone_is_taken(sql: str) -> None:
    """Views under any spelling, names that a statement gives itself, functions of what they are given."""
    check(sql)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT now()", "the clock (now)"),
        ("SELECT current_timestamp", "the clock (current_timestamp)"),
        ("SELECT 1 WHERE CURRENT_DATE > '2000-01-01'", "the clock"),
        ("SELECT age(effective_at) FROM entries", "the clock (age)"),
        ("FROM entries WHERE effective_at > today()", "the clock (today)"),
        ("SELECT random()", "the function random"),
        ("SELECT uuid()", "the function uuid"),
        ("SELECT current_setting('threads')", "the function current_setting"),
        ("SELECT getvariable('readable')", "the function getvariable"),
        ("FROM duckdb_settings()", "the table function duckdb_settings"),
        ("FROM duckdb_views", "duckdb_views is none of the documented views"),
        ("FROM _log", "_log is none"),
        ("FROM entries TABLESAMPLE 3 ROWS", "a sample"),
        ("FROM entries USING SAMPLE 3", "a sample"),
        ("FROM entries LIMIT 3", "a LIMIT and no ORDER BY"),
        ("SELECT (SELECT script FROM entries LIMIT 1)", "a LIMIT and no ORDER BY"),
        ("DESCRIBE entries", "describes"),
        ("SUMMARIZE entries", "describes"),
        ("SELECT NOW()", "the clock (now)"),
        ("SELECT 1 UNION ALL (FROM _log)", "_log is none"),
        ("SELECT list(i ORDER BY random()) FROM range(3) AS e(i)", "the function random"),
    ],
)
def test_what_has_no_one_answer_is_refused(sql: str, why: str) -> None:
    """The reader is told why."""
    with pytest.raises(UsageError) as error:
        check(sql)
    assert error.value.code == "answer_unsteady"
    assert why in error.value.message


def test_a_plan_is_no_answer() -> None:
    """It says how long it took."""
    with pytest.raises(UsageError) as error:
        check("EXPLAIN ANALYZE FROM entries")
    assert error.value.code == "sql_no_rows"


@pytest.mark.parametrize(
    ("text", "statements", "rest"),
    [
        ("", [], ""),
        ("SELECT 1", [], "SELECT 1"),
        ("SELECT 1;", ["SELECT 1"], ""),
        (
            "SELECT ';' -- ;\n; FROM \"a;b\" /* ; */;SELECT $$;$$",
            ["SELECT ';' -- ;\n", ' FROM "a;b" /* ; */'],
            "SELECT $$;$$",
        ),
        ("SELECT 'é;é'; SELECT 'unfinished ;", ["SELECT 'é;é'"], " SELECT 'unfinished ;"),
        ("/* unfinished ;", [], "/* unfinished ;"),
        (";;", ["", ""], ""),
    ],
)
def test_statements_are_parted_by_their_grammar(text: str, statements: list[str], rest: str) -> None:
    """A semicolon in a string, a name or a comment ends nothing."""
    assert split_statements(text) == (statements, rest)
    assert without_end(text) == (statements[0] if statements else rest)
