"""Cursors and places: what was made here is read back, and nothing else."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.api.native.cursors import Cursor, decode_cursor, encode_cursor
from ledger.api.native.places import format_places, parse_places
from ledger.errors import InputError

NOW = datetime(2022, 11, 28, 9, 15, tzinfo=UTC)
SIZES = (3, 700, 0)
CURSOR = Cursor(start=100, now=NOW, sizes=SIZES)


@given(
    st.integers(0, 1 << 50),
    st.lists(st.integers(0, 1 << 50), min_size=1, max_size=5),
    st.text(),
    st.datetimes(timezones=st.just(UTC)),
)
def test_a_cursor_reads_back(start: int, sizes: list[int], question: str, now: datetime) -> None:
    """Whatever the question is."""
    cursor = Cursor(start=start, now=now, sizes=tuple(sizes))
    assert decode_cursor(encode_cursor(cursor, question), question, len(sizes)) == cursor


def test_every_changed_letter_is_noticed() -> None:
    """Also one that decodes to the same bytes."""
    text = encode_cursor(CURSOR, "q")
    for place in range(len(text)):
        for letter in "A_z9":
            changed = text[:place] + letter + text[place + 1 :]
            if changed != text:
                with pytest.raises(InputError, match="none of this question's"):
                    decode_cursor(changed, "q", 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A",
        "=",
        "é",
        "A" * 70_000,
        encode_cursor(CURSOR, "q") + "=",
        encode_cursor(CURSOR, "q")[:-1],
        encode_cursor(CURSOR, "p"),
    ],
)
def test_what_is_no_cursor_of_the_question_is_refused(text: str) -> None:
    """With one code, and no exception of another kind."""
    with pytest.raises(InputError) as caught:
        decode_cursor(text, "q", 3)
    assert caught.value.code == "bad_cursor"


@pytest.mark.parametrize(
    ("cursor", "shards"),
    [
        (CURSOR, 2),
        (CURSOR, 4),
        (Cursor(start=-1, now=NOW, sizes=SIZES), 3),
        (Cursor(start=0, now=NOW, sizes=(-1, 0, 0)), 3),
        (Cursor(start=1 << 60, now=NOW, sizes=SIZES), 3),
    ],
)
def test_a_cursor_that_somebody_made_up_gets_no_further(cursor: Cursor, shards: int) -> None:
    """With a good check, for how that is made is no secret."""
    with pytest.raises(InputError):
        decode_cursor(encode_cursor(cursor, "q"), "q", shards)


@given(st.lists(st.integers(0, 10**16 - 1), min_size=1, max_size=9))
def test_places_read_back(places: list[int]) -> None:
    """As the text that was given out."""
    assert parse_places(format_places(places), len(places)) == places


@pytest.mark.parametrize(
    "text", ["", "1", "1.2.3", "01.2", "+1.2", "1. 2", "1_0.2", "1.٣", "-1.2", "1..2", "1.2\n", "9" * 17 + ".1"]
)
def test_what_is_no_place_is_refused(text: str) -> None:
    """Digits of other scripts too."""
    with pytest.raises(InputError) as caught:
        parse_places(text, 2)
    assert caught.value.code == "bad_place"
