"""Times as text: RFC 3339 in UTC with `Z`, at most six fractional digits.

The log stores times as text and compares them here, so that a time is never re-formatted and loses nothing. A `Time` holds
the text beside a key of fixed width whose order as text is the order in time.
"""

import re
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

__all__ = ["EARLIEST", "PATTERN", "Time", "from_milliseconds", "key_of", "parse"]

PATTERN: Final = "[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?Z"
_FORM = re.compile(PATTERN)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MILLISECONDS: Final = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z
_REMEMBERED: Final = 100_000
_days: set[str] = set()
"""Days that were checked, `YYYY-MM-DD`. Most times are of one; and most times of day, what follows it, come again too."""
_clocks: set[str] = set()


class Time(msgspec.Struct, frozen=True, gc=False):
    """A point in time."""

    key: str
    """`YYYY-MM-DDTHH:MM:SSffffff`: compares as text in the order of time."""
    text: str
    """As it was written."""


def parse(text: str) -> Time:
    """Read a time strictly.

    Raises:
        ValueError: not RFC 3339 in UTC with `Z`, more than six fractional digits, or no such day.
    """
    if text[:10] not in _days or text[10:] not in _clocks:
        _check(text)
    return Time(text[:19] + text[20:-1].ljust(6, "0"), text)  # `key_of`, but for the call


def key_of(text: str) -> str:
    """The key of a time that was read before (requires that `parse` accepts the text)."""
    return text[:19] + text[20:-1].ljust(6, "0")


def from_milliseconds(milliseconds: int) -> Time:
    """The time of a Kafka record (milliseconds since 1970), printed with three fractional digits.

    What a record without a timestamp (-1) or one beyond the year 9999 says is held within what the format can hold, so that
    folding stays total.
    """
    held = min(max(milliseconds, 0), _MAX_MILLISECONDS)
    second, millisecond = divmod(held, 1000)
    prefix = _second(second)
    return Time(f"{prefix}{millisecond:03d}000", f"{prefix}.{millisecond:03d}Z")


@lru_cache(maxsize=1024)
def _second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def _check(text: str) -> None:
    if _FORM.fullmatch(text) is None:
        raise ValueError(text)
    date.fromisoformat(text[:10])
    for known, part in ((_days, text[:10]), (_clocks, text[10:])):
        if len(known) >= _REMEMBERED:
            known.clear()
        known.add(part)


EARLIEST: Final = from_milliseconds(0)
