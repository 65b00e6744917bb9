"""Exact JSON: what numbers become."""

import msgspec
import pytest

from ledger.model.jsontext import parse, to_plain

LARGEST = 2**53 - 1


@pytest.mark.parametrize("number", [0, 10**15, LARGEST, -(10**15), -1_234_567_890_123_456, -LARGEST])
def test_integers_are_exact_on_both_sides_of_zero(number: int) -> None:
    """Within 2^53-1 an integer stays one, and its digits what they were."""
    digits = b"%d" % number
    assert msgspec.json.encode(to_plain(parse(digits))) == digits


@pytest.mark.parametrize("number", [LARGEST + 1, -LARGEST - 1, LARGEST + 2, 10**17])
def test_integers_beyond_are_doubles(number: int) -> None:
    """What a double may not hold exactly is stored as the double that it is read as."""
    value = to_plain(parse(b"%d" % number))
    assert isinstance(value, float)
    assert value == float(number)
