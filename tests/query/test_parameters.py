"""Parameters of a statement: what is given, and whether it is what the statement wants."""

import pytest

from ledger.errors import UsageError
from ledger.query.opened import OpenLedger
from ledger.query.parameters import check_parameters, parse_parameters
from ledger.query.sql import run_sql


def test_a_value_is_all_after_the_first_equals_sign() -> None:
    """Empty, with spaces, quotes and more equals signs."""
    given = ["a=", "b=x=y", "_c1= ' \" é "]
    assert parse_parameters(given) == {"a": "", "b": "x=y", "_c1": " ' \" é "}


@pytest.mark.parametrize("given", [["a"], ["=x"], ["1=x"], ["a b=x"], ["$a=x"], [""], ["a=1", "A=2"], ["a=\udcff"]])
def test_what_is_no_parameter_is_refused(given: list[str]) -> None:
    """No name, none that SQL has, one twice, bytes that are no text."""
    with pytest.raises(UsageError) as caught:
        parse_parameters(given)
    assert caught.value.code == "bad_parameter"


@pytest.mark.parametrize(
    ("wanted", "given", "code", "message"),
    [
        ({"a", "b"}, {"b": "1"}, "parameter_missing", "no value is given for $a"),
        ({"1"}, {"a": "1"}, "parameter_missing", "without a name"),
        ({"a"}, {"a": "1", "c": "2"}, "parameter_unknown", "does not use $c"),
        (set[str](), {"a": "1"}, "parameter_unknown", "does not use $a"),
    ],
)
def test_parameters_are_those_of_the_statement(
    wanted: set[str], given: dict[str, str], code: str, message: str
) -> None:
    """Each has a value, and each value is used."""
    with pytest.raises(UsageError) as caught:
        check_parameters(wanted, given)
    assert caught.value.code == code
    assert message in caught.value.message


def test_upper_and_lower_case_are_the_same(ledger: OpenLedger) -> None:
    """As in SQL."""
    assert run_sql(ledger, "SELECT $Name, $NAME", parameters={"name": "x"}).rows == [("x", "x")]


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT DISTINCT script FROM changes WHERE script = $x", []),
        ("SELECT $x", [("shop' OR 'a' = 'a",)]),
    ],
)
def test_a_value_is_never_read_as_sql(ledger: OpenLedger, sql: str, rows: list[tuple[str]]) -> None:
    """Quotes in it are text."""
    assert run_sql(ledger, sql, parameters={"x": "shop' OR 'a' = 'a"}).rows == rows


def test_the_statement_casts_what_is_text(ledger: OpenLedger) -> None:
    """To numbers and times; also in EXPLAIN, LIMIT and the argument of a macro."""
    sql = "FROM scripts_at($t::TIMESTAMPTZ) SELECT script, number + $n::INT ORDER BY account LIMIT $n::INT"
    given = {"t": "2022-11-28 09:25Z", "n": "1"}
    assert run_sql(ledger, sql, parameters=given).rows == [("shop", 3)]
    assert run_sql(ledger, f"EXPLAIN {sql}", parameters=given).rows


def test_a_value_that_cannot_be_cast_is_the_questions_fault(ledger: OpenLedger) -> None:
    """The message has the value."""
    with pytest.raises(UsageError, match="Could not convert string 'many'"):
        run_sql(ledger, "SELECT $n::INT", parameters={"n": "many"})
