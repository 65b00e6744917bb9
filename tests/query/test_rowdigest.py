"""The digest of an answer's rows: the same for the same rows in any order, another for any other."""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.query.rowdigest import digest_rows, encode_row

MOMENT = datetime(2022, 11, 28, 9, 15, 2, 120000, tzinfo=UTC)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])) | st.floats(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1 << 100, str(1 << 100)),
        ('é\n\u2028"', '"é\\n\u2028\\""'),
        (0.1, "0.1"),
        (1e23, "1e+23"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (math.nan, '"nan"'),
        (-math.inf, '"-inf"'),
        (Decimal("1.50"), '"1.50"'),
        (Decimal("1E+3"), '"1000"'),
        (MOMENT, '"2022-11-28T09:15:02.120000Z"'),
        (MOMENT.astimezone(timezone(timedelta(hours=5))), '"2022-11-28T09:15:02.120000Z"'),
        (MOMENT.replace(tzinfo=None), '"2022-11-28T09:15:02.120000"'),
        (date(2022, 11, 28), '"2022-11-28"'),
        (time(9, 15), '"09:15:00"'),
        (timedelta(days=-1, microseconds=3), "-86399999997"),
        (b"\x00\xff", '"00ff"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ([1, [None]], "[1,[null]]"),
        ({"b": 1, "a": {"x": None}}, '[["a",[["x",null]]],["b",1]]'),
        ({2: "b", 1: "a"}, '[[1,"a"],[2,"b"]]'),
    ],
)
def test_each_value_is_written_in_one_way(value: object, text: str) -> None:
    """As docs/FORMAT.md says."""
    assert encode_row([value]).decode() == f"[{text}]"


def test_the_digest_is_that_of_the_sorted_lines() -> None:
    """So that any program can make it."""
    assert digest_rows([]) == sha256(b"").digest()
    assert digest_rows([["b", 1], ["a", 2]]) == sha256(b'["a",2]\n["b",1]\n').digest()


@given(st.lists(st.tuples(VALUES, VALUES), max_size=6), st.randoms())
def test_order_does_not_count_and_everything_else_does(rows: list[tuple[Any, ...]], chance: Any) -> None:
    """A row more, a row twice, a value changed or two that are swapped: another digest."""
    digest = digest_rows(rows)
    shuffled: list[Sequence[Any]] = list(rows)
    chance.shuffle(shuffled)
    assert digest_rows(shuffled) == digest
    assert digest_rows([*rows, ["more", None]]) != digest
    if rows:
        assert digest_rows([*rows, rows[0]]) != digest
        assert digest_rows([[rows[0][0], [rows[0][1]]], *rows[1:]]) != digest
        if encode_row(rows[0]) != encode_row(rows[0][::-1]):
            assert digest_rows([rows[0][::-1], *rows[1:]]) != digest
