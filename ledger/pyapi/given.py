"""What is given to a question in Python, as the questions take it."""

from datetime import UTC, date, datetime, timedelta
from typing import overload

from ledger.query.moments import parse_duration, parse_moment

__all__ = ["Length", "When", "as_text", "length_of", "moment_of"]

When = str | date | datetime
"""A time: text as on the command line (`2022-11-28T09:15:02Z`, `2022-11-28`, `2h ago`, `now`), a date (its first instant) or a datetime;
what has no time zone is UTC."""

Length = str | timedelta
"""A length of time, `90s`, `5m`, `2h`, or a timedelta."""


@overload
def moment_of(when: When) -> datetime: ...
@overload
def moment_of(when: When | None) -> datetime | None: ...
def moment_of(when: When | None) -> datetime | None:
    """The point in time, in UTC; raises UsageError `bad_time`."""
    match when:
        case None:
            return None
        case datetime():
            return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
        case date():
            return datetime(when.year, when.month, when.day, tzinfo=UTC)
        case _:
            return parse_moment(when, datetime.now(UTC))


def length_of(length: Length) -> timedelta:
    """The length of time; raises UsageError `bad_duration`."""
    return length if isinstance(length, timedelta) else parse_duration(length)


def as_text(point: When) -> str:
    """A time, or what else is compared, as the command line takes it."""
    if isinstance(point, str):
        return point
    return moment_of(point).isoformat().replace("+00:00", "Z")
