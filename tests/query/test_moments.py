"""Times as people write them."""

from datetime import UTC, datetime

import pytest

from ledger.errors import UsageError
from ledger.query.moments import parse_duration, parse_moment

NOW = datetime(2022, 11, 28, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2022-11-28T09:15:02Z", datetime(2022, 11, 28, 9, 15, 2, tzinfo=UTC)),
        ("2022-11-28T09:15:02.120Z", datetime(2022, 11, 28, 9, 15, 2, 120_000, tzinfo=UTC)),
        ("2022-11-28T10:15:02+01:00", datetime(2022, 11, 28, 9, 15, 2, tzinfo=UTC)),
        ("2022-11-28 09:15", datetime(2022, 11, 28, 9, 15, tzinfo=UTC)),
        ("2022-11-28", datetime(2022, 11, 28, tzinfo=UTC)),
        ("2h ago", datetime(2022, 11, 28, 10, 0, tzinfo=UTC)),
        ("90 s ago", datetime(2022, 11, 28, 11, 58, 30, tzinfo=UTC)),
        ("1w ago", datetime(2022, 11, 21, 12, 0, tzinfo=UTC)),
        ("now", NOW),
    ],
)
def test_a_time_is_understood(text: str, expected: datetime) -> None:
    """RFC 3339, a date's first instant, a time without an offset as UTC, and how long ago."""
    assert parse_moment(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2022-13-01", "2022-11-28T25:00Z", "28.11.2022", "2 ago", "99999999w ago", "20221128"]
)
def test_anything_else_is_refused(text: str) -> None:
    """A time that could be meant in two ways is not guessed."""
    with pytest.raises(UsageError, match="not a time"):
        parse_moment(text, NOW)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), (" 2 h ", 7200), ("1d", 86_400), ("1w", 604_800)]
)
def test_lengths_of_time_are_read(text: str, seconds: int) -> None:
    """A number and a unit."""
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 m ago", "999999999w", "٣m"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(UsageError) as caught:
        parse_duration(text)
    assert (caught.value.code, caught.value.hint) == ("bad_duration", "write 90s, 5m, 2h or 1d")
