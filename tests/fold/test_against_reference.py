"""The product's fold says what the independent evaluator says: on made-up histories and on the real data."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fold import product
from tests.fold.building import TOPIC, case, change, code, merge, replace
from tests.fold.building import given as story
from tests.reference.comparing import disagreements
from tests.reference.decoding import Record
from tests.reference.evaluator import evaluate
from tests.reference.strategies import ELSEWHERE, histories
from tests.reference.test_evaluator import real_records


def _compare(records: list[Record], batch: int = 500) -> None:
    expected = evaluate(records, topic=TOPIC, partition=0, shard=0, elsewhere={ELSEWHERE})
    entries = product.run(records, elsewhere={ELSEWHERE}, batch=batch)
    assert len(entries) == len(expected)
    for entry, wanted in zip(entries, expected, strict=True):
        assert not disagreements(entry, wanted), f"entry {entry['index']}"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(records=histories(), batch=st.sampled_from([1, 3, 500]))
@pytest.mark.slow
def test_made_up_histories_are_folded_alike(records: list[Record], batch: int) -> None:
    """Every key-independent member of every entry is as the evaluator expects, however the records are batched."""
    _compare(records, batch)


@pytest.mark.slow
def test_the_real_data_is_folded_alike() -> None:
    """All real events give the entries that the evaluator expects."""
    _compare(list(real_records()))


def test_large_entries_are_folded_alike() -> None:
    """What a large entry leaves out is told by its digest, and later events build on the whole."""
    many = {f"B{number:04}": {"type": "d1", "id": "1"} for number in range(3000)}
    text = {"text": "x" * 40_000}
    steps = [
        change("v1", code=code(), config=replace(vars={"A": text})),
        change("v2", code=code("2")),
        change("v3", config=merge(vars={"B": text})),
        change("v4", bindings=replace(many)),
        change("e5", settings=replace(tags=["x" * 70_000])),
        change("v6", config=merge(vars={"A": None, "B": None})),
        change("v7", bindings=replace()),
        change("v8", code=code("8")),
    ]
    _compare(case("large", *(story(step) for step in steps)).records())
