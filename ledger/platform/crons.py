"""Cron expressions as the platform reads them: five fields, UTC, weekdays 1 (Sunday) to 7, and L, W and # as in Quartz.

No library reads this dialect whole. Fields are spelled out for cronsim, which does the arithmetic; days that depend on the month in
ways that it does not know (`15W`, `L-3`, `L-3W`) are worked out month by month. docs/INCIDENTS.md has the dialect.
"""

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from cron_descriptor import FormatException, Options, get_description
from cronsim import CronSim, CronSimError
from msgspec import Struct

__all__ = ["Cron", "parse_cron"]

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_ITEM: Final = re.compile(r"(?:\*|([0-9]{1,2}|[A-Z]{3})(?:-([0-9]{1,2}|[A-Z]{3}))?)(?:/([0-9]{1,2}))?")
_NEAREST: Final = re.compile(r"(?:([0-9]{1,2})W|L-([0-9]{1,2})(W)?)")
_WEEKDAY: Final = re.compile(r"([1-7]|[A-Z]{3})(L|#[1-5])")
_SEARCHED_MONTHS: Final = 12 * 8 + 1
"""A 29 February comes again within eight years."""


class Cron(Struct, frozen=True, kw_only=True):
    """A cron expression that is valid."""

    text: str
    minute: str
    """The fields as cronsim takes them, weekdays from 0 (Sunday)."""
    hour: str
    day: str
    month: str
    weekday: str
    nearest: str | None
    """The day of the month where it depends on the month (`15W`, `L-3`, `L-3W`); `day` says nothing then."""

    def next_after(self, moment: datetime) -> datetime | None:
        """When it fires next, later than a moment; None if never."""
        return self._fire(moment.astimezone(UTC), backwards=False)

    def last_by(self, moment: datetime) -> datetime | None:
        """When it fired last, at that moment or before; None if never."""
        minute = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        return self._fire(minute, backwards=True)

    @property
    def words(self) -> str | None:
        """The expression in words; None where there are none for it."""
        options = Options()
        options.day_of_week_start_index_zero = False
        options.use_24hour_time_format = True
        try:
            text = str(
                get_description(
                    re.sub(r"(?i)\bL$", "7", self.text.strip()) if self.weekday == "6" else self.text, options
                )
            )
        except (FormatException, ValueError, LookupError):
            return None
        return (
            text.replace(", 1 days before", ", 1 day before")
            if self.nearest is None
            else _nearest_words(text, self.nearest)
        )

    def _fire(self, moment: datetime, *, backwards: bool) -> datetime | None:
        if self.nearest is None:
            return _simulate(self._fields(self.day), moment, backwards=backwards)
        for start, year, month in _months(moment, backwards=backwards):
            day = _nearest_day(self.nearest, year, month)
            if day is None and self.weekday == "*":
                continue
            found = _simulate(self._fields("*" if day is None else str(day)), start, backwards=backwards)
            if found is not None and (found.year, found.month) == (year, month):
                return found
        return None

    def _fields(self, day: str) -> str:
        return f"{self.minute} {self.hour} {day} {self.month} {self.weekday}"


def parse_cron(text: str) -> Cron:
    """The cron that a text is.

    Raises:
        ValueError: which field is not valid.
    """
    fields = text.upper().split()
    if len(fields) != 5 or not text.isascii():
        raise ValueError("it has not five fields")
    minute, hour, day, month, weekday = fields
    nearest = _NEAREST.fullmatch(day)
    if nearest and not (1 <= int(nearest[1] or nearest[2]) <= (31 if nearest[1] else 30)):
        raise ValueError(f"the day of the month is not valid: {day}")
    return Cron(
        text=text,
        minute=_spelled(minute, "minute", 0, 59),
        hour=_spelled(hour, "hour", 0, 23),
        day="*" if nearest else day if day in {"L", "LW"} else _spelled(day, "day of the month", 1, 31),
        month=_spelled(month, "month", 1, 12, _MONTHS),
        weekday=_spelled_weekday(weekday),
        nearest=day if nearest else None,
    )


def _spelled(text: str, field: str, least: int, most: int, names: tuple[str, ...] = ()) -> str:
    """A field as a list of numbers, ranges over the end and steps included; `*` stays."""
    if text == "*":
        return text
    numbers: set[int] = set()
    for item in text.split(","):
        matched = _ITEM.fullmatch(item)
        if matched is None:
            raise ValueError(f"the {field} is not valid: {text}")
        first, last, step = matched.groups()
        start = least if first is None else _number(first, names, least)
        end = _number(last, names, least) if last else most if first is None or step else start
        every = int(step) if step else 1
        if not (least <= start <= most and least <= end <= most and 1 <= every <= max(1, most - least)):
            raise ValueError(f"the {field} is not valid: {text}")
        around = range(start, end + 1) if start <= end else [*range(start, most + 1), *range(least, end + 1)]
        numbers.update(around[::every])
    return ",".join(str(number) for number in sorted(numbers))


def _spelled_weekday(text: str) -> str:
    """Weekdays from 0 for Sunday, as cronsim counts; `L` alone is Saturday."""
    if matched := _WEEKDAY.fullmatch(text):
        day = _number(matched[1], _DAYS, 1)
        if 1 <= day <= 7:
            return f"{day - 1}{matched[2]}"
    spelled = _spelled("SAT" if text == "L" else text, "weekday", 1, 7, _DAYS)
    return spelled if spelled == "*" else ",".join(str(int(day) - 1) for day in spelled.split(","))


def _number(text: str, names: tuple[str, ...], least: int) -> int:
    """The number of a value or a name; -1 for a name that there is not."""
    if text.isdigit():
        return int(text)
    return names.index(text) + least if text in names else -1


def _simulate(fields: str, moment: datetime, *, backwards: bool) -> datetime | None:
    try:
        return next(CronSim(fields, moment, reverse=backwards), None)
    except CronSimError:
        return None  # a day that no such month has


def _months(moment: datetime, *, backwards: bool) -> Iterator[tuple[datetime, int, int]]:
    """Months from a moment on, each with the time to search from."""
    place, start = moment.year * 12 + moment.month - 1, moment
    if backwards and moment == moment.replace(day=1, hour=0, minute=0):
        place -= 1
    for _ in range(_SEARCHED_MONTHS):
        year, month = divmod(place, 12)
        if not 1 < year < 9999:
            return
        yield start, year, month + 1
        start = datetime(year, month + 1, 1, tzinfo=UTC)
        if not backwards:
            start = (start + timedelta(days=32)).replace(day=1) - timedelta(minutes=1)
        place += -1 if backwards else 1


def _nearest_day(form: str, year: int, month: int) -> int | None:
    """The day of a month that `15W`, `L-3` or `L-3W` means; None where the month has no such day."""
    last = calendar.monthrange(year, month)[1]
    day = last - int(form[2:].rstrip("W")) if form.startswith("L") else int(form[:-1])
    if not 1 <= day <= last or not form.endswith("W"):
        return day if 1 <= day <= last else None
    weekday = calendar.weekday(year, month, day)
    if weekday == calendar.SATURDAY:
        return day - 1 if day > 1 else day + 2
    if weekday == calendar.SUNDAY:
        return day + 1 if day < last else day - 2
    return day


def _nearest_words(text: str, form: str) -> str:
    if not form.startswith("L"):
        return text
    days = int(form[2:].rstrip("W"))
    said = f"{days} day{'' if days == 1 else 's'} before the last day of the month"
    found = re.sub(r"\d+ days? before the last day of the month", said, text)
    return found.replace(said, f"on the weekday nearest to {said}") if form.endswith("W") else found
