"""Times as people write them: RFC 3339, a date, or how long ago; and how long something takes."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from ledger.errors import UsageError

__all__ = ["is_duration", "parse_duration", "parse_moment"]

_LENGTH: Final = r"([0-9]{1,9})\s*(s|m|min|h|d|w)"
_AGO = re.compile(_LENGTH + r"\s+ago")
_DURATION = re.compile(_LENGTH)
_UNITS: Final = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FORM = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|z|[+-][0-9]{2}:[0-9]{2})?)?"
)


def parse_moment(text: str, now: datetime) -> datetime:
    """The point in time, in UTC, that somebody means.

    A date is its first instant; a time without an offset is UTC.

    Args:
        text: `2022-11-28T09:15:02Z`, `2022-11-28 09:15`, `2022-11-28`, `2h ago` (s, m, h, d, w) or `now`.
        now: what `ago` is counted from; aware.

    Raises:
        UsageError: `bad_time`.
    """
    cleaned = text.strip()
    try:
        if cleaned == "now":
            return now.astimezone(UTC)
        if ago := _AGO.fullmatch(cleaned):
            return now.astimezone(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if _FORM.fullmatch(cleaned):
            moment = datetime.fromisoformat(cleaned.upper())
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UsageError(
        "bad_time", f"not a time: {text!r}", "write 2022-11-28T09:15:02Z, 2022-11-28 (its first instant) or '2h ago'"
    )


def is_duration(text: str) -> bool:
    """Whether a text has the form of a length of time."""
    return _DURATION.fullmatch(text.strip()) is not None


def parse_duration(text: str) -> timedelta:
    """How long somebody means: `90s`, `5m`, `2h`, `1d`, `1w`.

    Raises:
        UsageError: `bad_duration`.
    """
    if match := _DURATION.fullmatch(text.strip()):
        with suppress(OverflowError):
            return timedelta(**{_UNITS[match[2]]: int(match[1])})
    raise UsageError("bad_duration", f"not a length of time: {text!r}", "write 90s, 5m, 2h or 1d")
