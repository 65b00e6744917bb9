"""Answers as rows, tables of Arrow, data frames and HTML."""

import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from msgspec import Struct

from ledger.errors import UsageError
from ledger.pyapi.answers import Rows, SqlRows
from ledger.pyapi.log import Log
from ledger.pyapi.page import html_table
from ledger.query.sql import Result

AT = "2022-11-28T09:45:00Z"


class Inner(Struct, frozen=True):
    """A part."""

    name: str
    at: datetime | None


class Row(Struct, frozen=True):
    """A row of every kind of field."""

    text: str | None
    number: int
    part: float | None
    truth: bool
    at: datetime
    day: date
    long: timedelta | None
    inner: Inner | None
    inners: list[Inner]
    words: list[str]
    counts: dict[str, int]
    anything: Any


MOMENT = datetime(2022, 11, 28, 9, 15, 2, 120000, tzinfo=UTC)
ROWS = [
    Row("é", 1, 0.5, True, MOMENT, date(2022, 11, 28), timedelta(seconds=1), Inner("i", MOMENT), [Inner("j", None)], ["a"], {"x": 1}, {"y": [1]}),
    Row(None, 2, None, False, MOMENT, date(2022, 1, 1), None, None, [], [], {}, None),
]  # fmt: skip


def test_rows_are_a_sequence() -> None:
    """Of the answers themselves."""
    rows = Rows(Row, ROWS)
    assert (len(rows), rows[0], rows[-1], list(rows), rows[:1][0]) == (2, ROWS[0], ROWS[1], ROWS, ROWS[0])
    assert (rows == ROWS, rows == ROWS[:1], rows == "x", ROWS[1] in rows) == (True, False, False, True)
    assert rows.where(lambda row: row.number > 1) == [ROWS[1]]
    assert (repr(rows), rows.columns[:2]) == ("<2 Row>", ["text", "number"])
    with pytest.raises(TypeError):
        hash(rows)


def test_a_table_has_the_types_of_the_fields() -> None:
    """Nested answers are structs, what may be anything is JSON; the same types without rows."""
    table = Rows(Row, ROWS).arrow()
    moment = pa.timestamp("us", "UTC")
    inner = pa.struct([("name", pa.string()), ("at", moment)])
    assert dict(zip(table.schema.names, table.schema.types, strict=True)) == {
        "text": pa.string(), "number": pa.int64(), "part": pa.float64(), "truth": pa.bool_(), "at": moment, "day": pa.date32(),
        "long": pa.duration("us"), "inner": inner, "inners": pa.list_(inner), "words": pa.list_(pa.string()),
        "counts": pa.string(), "anything": pa.string(),
    }  # fmt: skip
    assert Rows(Row, []).arrow().schema == table.schema
    first, second = table.to_pylist()
    assert (first["text"], first["at"], first["inner"]["at"], first["inners"]) == (
        "é",
        MOMENT,
        MOMENT,
        [{"name": "j", "at": None}],
    )
    assert (first["anything"], first["counts"], second["anything"], second["part"]) == (
        '{"y":[1]}',
        '{"x":1}',
        None,
        None,
    )


def test_data_frames_are_made_of_it() -> None:
    """With times that know their zone."""
    rows = Rows(Row, ROWS)
    frame = rows.pandas()
    assert (list(frame.columns), len(frame), str(frame["at"].dtype)) == (rows.columns, 2, "datetime64[us, UTC]")
    other = rows.polars()
    assert (other.columns, other.height, other["number"].to_list()) == (rows.columns, 2, [1, 2])
    assert other["at"].to_list()[0] == MOMENT


def test_every_answer_of_a_ledger_becomes_a_table(log: Log) -> None:
    """Whatever is asked."""
    for rows in (
        log.scripts(at=AT), log.deployments("shop", account="acme"), log.versions("shop", account="acme"), log.history("shop", account="acme"),
        log.rejected(), log.notes(), log.at(AT), log.blame("shop", account="acme", at=AT), log.who("aaaaaaaa"), log.who_summary("aaaaaaaa"),
        log.skew(delay="1s"), log.diff("2022-11-28T09:05Z", AT), log.diff_stat("2022-11-28T09:05Z", AT), log.entrances("shop", account="acme", at=AT),
        log.exposure(binding="kv_namespace"), log.during("2022-11-28", "2022-11-29"), log.schedule(at=AT), log.stats(),
    ):  # fmt: skip
        assert rows, rows
        for table in (rows.arrow(), rows.polars().to_arrow()):
            assert (table.num_rows, table.column_names) == (len(rows), rows.columns)
        assert len(rows.pandas()) == len(rows)
        assert rows._repr_html_().count("<tr>") == len(rows) + 1
    assert log.calls().arrow().num_rows == 0


def test_the_fleet_is_a_table_without_rows(log: Log, real: Log) -> None:
    """What `scripts` says, made by the database: people by name, whatever the keys know."""
    for ledger in (log, real):
        choices: list[dict[str, Any]] = [{}, {"deleted": True}, {"account": ["a*"]}]
        for options in choices if ledger is log else choices[2:]:
            table = ledger.fleet(AT if ledger is log else "2024-06-01", **options)
            rows = ledger.scripts(at=AT if ledger is log else "2024-06-01", **options)
            assert [row["script"] for row in table.to_pylist()] == [row.script for row in rows]
            for found, row in zip(table.to_pylist(), rows, strict=True):
                shares = {share.version: share.percentage for share in row.versions}
                assert dict(found.pop("versions") or []) == shares
                assert found == {name: getattr(row, name) for name in found}
    assert any("@" in (row["author"] or "") for row in real.fleet("2024-06-01").to_pylist())


def test_rows_of_sql_are_named(log: Log) -> None:
    """JSON is decoded; columns alike get numbers; what is no name is called by its place."""
    rows = log.sql('SELECT 1 AS n, 2 AS n, \'{"a": [1]}\'::JSON AS j, count(*), NULL::JSON AS "class" FROM entries')
    assert rows.columns == ["n", "n_2", "j", "count_star()", "class"]
    (row,) = rows
    assert (row.n, row.n_2, row.j, row[3], row[4], row._3) == (1, 2, {"a": [1]}, 11, None, 11)
    assert (rows.types[2], rows[:1], repr(rows)) == ("JSON", [row], "<1 rows of n, n_2, j, count_star(), class>")


def test_tables_of_sql_have_the_types_of_the_database(log: Log) -> None:
    """Each of them, nested and null too."""
    query = """SELECT 1::TINYINT AS a, 1::UBIGINT AS b, 1::HUGEINT AS c, 1.50::DECIMAL(4, 2) AS d, 0.5::FLOAT AS e, true AS f, 'x'::BLOB AS g,
        DATE '2022-11-28' AS h, TIME '09:15' AS i, TIMESTAMP '2022-11-28' AS j, TIMESTAMPTZ '2022-11-28 00:00Z' AS k,
        INTERVAL 1 DAY AS l, uuid AS m, {'a': 1, 'b': [NULL, 2]} AS n, map(['k'], [{'v': 1.5}]) AS o, '{"a": 1}'::JSON AS p, NULL AS q,
        [1, 2]::INTEGER[2] AS r, 'x'::ENUM('x') AS s, [1::HUGEINT] AS t
        FROM (SELECT '00000000-0000-8000-8000-000000000000'::UUID AS uuid UNION ALL SELECT NULL)"""
    table = log.sql(query).arrow()
    kinds = dict(zip(table.schema.names, map(str, table.schema.types), strict=True))
    assert kinds == {
        "a": "int8", "b": "uint64", "c": "decimal128(38, 0)", "d": "decimal128(4, 2)", "e": "float", "f": "bool", "g": "binary",
        "h": "date32[day]", "i": "time64[us]", "j": "timestamp[us]", "k": "timestamp[us, tz=UTC]", "l": "duration[us]", "m": "string",
        "n": "struct<a: int32, b: list<item: int32>>", "o": "map<string, struct<v: decimal128(2, 1)>>", "p": "string", "q": "null",
        "r": "list<item: int32>", "s": "string", "t": "list<item: decimal128(38, 0)>",
    }  # fmt: skip
    row = table.to_pylist()[0]
    assert (row["c"], row["n"], row["o"], row["p"]) == (
        1,
        {"a": 1, "b": [None, 2]},
        [("k", {"v": Decimal("1.5")})],
        '{"a": 1}',
    )
    assert len(log.sql(query).pandas()) == 2
    assert log.sql("FROM entries").polars().height == 11
    assert log.sql("FROM scripts WHERE false").arrow().num_rows == 0


def test_a_value_without_a_place_in_a_table_says_so(log: Log) -> None:
    """Which column, and what to do."""
    for query in (
        "SELECT 170141183460469231731687303715884105727::HUGEINT AS n",
        "SELECT TIMESTAMP '290000-01-01' AS n",
    ):
        rows = log.sql(query)
        with pytest.raises(UsageError, match="the column n") as error:
            rows.arrow()
        assert error.value.code == "no_table"


@pytest.mark.parametrize("missing", ["pyarrow", "pandas", "polars"])
def test_without_the_extra_the_error_says_what_to_install(
    log: Log, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    """And everything else works."""
    monkeypatch.setitem(sys.modules, missing, None)
    for rows in (log.scripts(), log.sql("SELECT 1")):
        assert len(list(rows)) == len(rows) > 0
        assert "<table>" in rows._repr_html_()
        ask = {"pyarrow": rows.arrow, "pandas": rows.pandas, "polars": rows.polars}[missing]
        with pytest.raises(UsageError) as error:
            ask()
        assert (error.value.code, error.value.hint) == (
            "dataframes_missing",
            "pip install 'deployment-ledger[dataframes]'",
        )


def test_html_shows_what_people_wrote_as_text() -> None:
    """Never as markup; long answers and long values are cut, and say so."""
    page = html_table(["<b>"], [["<script>alert('x')</script>"], [None], [{"a": "<i>"}], [MOMENT], ["x" * 500]])
    assert "<script>" not in page
    assert "<th>&lt;b&gt;</th>" in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;" in page
    assert "&lt;i&gt;" in page
    assert "<td>2022-11-28 09:15:02.120000Z</td>" in page
    assert "x" * 120 + "…" in page
    assert "<p>5 rows</p>" in page
    many = html_table(["n"], [[number] for number in range(51)])
    assert (many.count("<tr>"), "<p>51 rows, the first 50 of them shown</p>" in many) == (51, True)


def test_html_of_rows_of_every_type() -> None:
    """Values of the database that have no JSON are text."""
    values = (b"\x00", float("nan"), Decimal("1.5"), {1: "a"}, timedelta(1), (1, 2), date(2022, 1, 1))
    rows = SqlRows(Result(columns=[str(place) for place in range(7)], types=["VARCHAR"] * 7, rows=[values]))
    assert rows._repr_html_().count("<td>") == 7
