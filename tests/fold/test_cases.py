"""Every case of the table, against the independent evaluator and against the product."""

import pytest

from tests.fold import cases, product, refusals
from tests.fold.building import TOPIC, Case, differences
from tests.reference.evaluator import evaluate

CASES = [*cases.CASES, *refusals.CASES]
REASONS = {
    "ambiguous_base",
    "bad_split",
    "bad_time",
    "bad_value",
    "conflict",
    "duplicate_member",
    "key_mismatch",
    "malformed_json",
    "misrouted",
    "missing_member",
    "not_utf8",
    "plaintext_secret",
    "script_absent",
    "too_large",
    "unknown_deployment",
    "unknown_member",
    "unknown_version",
    "unsupported_type",
    "wrong_type",
}

every_case = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


def check(case: Case, entries: list[dict[str, object]]) -> None:
    """One entry for every record, each saying what its step states."""
    assert [entry["index"] for entry in entries] == list(range(len(case.steps)))
    wrong = {
        number: found
        for number, (step, entry) in enumerate(zip(case.steps, entries, strict=True))
        if (found := differences(entry, step.expected))
    }
    assert not wrong


@every_case
def test_the_evaluator_agrees(case: Case) -> None:
    """The table and the evaluator, both made from the formats alone, say the same."""
    check(case, evaluate(case.records(), topic=TOPIC, partition=0, shard=0, elsewhere=case.elsewhere))


@every_case
def test_the_product_agrees(case: Case) -> None:
    """The product's entries say what the table states."""
    check(case, product.run(case.records(), elsewhere=case.elsewhere))


def test_every_reason_has_a_case() -> None:
    """No reason code but `oversized_entry`, which depends on the whole entry's size, is without a case."""
    stated = {step.expected.get("code") for case in CASES for step in case.steps}
    assert stated >= REASONS


def test_names_of_cases_are_unique() -> None:
    """A failing case can be found by its name."""
    names = [case.name for case in CASES]
    assert len(names) == len(set(names))
