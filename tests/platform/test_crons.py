"""Cron expressions in the platform's dialect: the documentation's examples, what is refused, and a plain search as the judge."""

import calendar
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ledger.platform.crons import parse_cron

TUESDAY = datetime(2026, 11, 24, 10, 7, 30, tzinfo=UTC)


def at(text: str) -> datetime:
    """A time of the tables."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "last", "following", "words"),
    [
        ("* * * * *", "2026-11-24 10:07", "2026-11-24 10:08", "Every minute"),
        ("*/30 * * * *", "2026-11-24 10:00", "2026-11-24 10:30", "Every 30 minutes"),
        ("45 * * * *", "2026-11-24 09:45", "2026-11-24 10:45", "At 45 minutes past the hour"),
        ("0 17 * * sun", "2026-11-22 17:00", "2026-11-29 17:00", "At 17:00, only on Sunday"),
        ("0 17 * * 1", "2026-11-22 17:00", "2026-11-29 17:00", "At 17:00, only on Sunday"),
        ("10 7 * * mon-fri", "2026-11-24 07:10", "2026-11-25 07:10", "At 07:10, Monday through Friday"),
        ("10 7 * * 2-6", "2026-11-24 07:10", "2026-11-25 07:10", "At 07:10, Monday through Friday"),
        ("0 15 1 * *", "2026-11-01 15:00", "2026-12-01 15:00", "At 15:00, on day 1 of the month"),
        ("0 18 * * 6L", "2026-10-30 18:00", "2026-11-27 18:00", "At 18:00, on the last Friday of the month"),
        ("0 18 * * friL", "2026-10-30 18:00", "2026-11-27 18:00", "At 18:00, on the last Friday of the month"),
        ("59 23 LW * *", "2026-10-30 23:59", "2026-11-30 23:59", "At 23:59, on the last weekday of the month"),
        ("0 0 L * *", "2026-10-31 00:00", "2026-11-30 00:00", "At 00:00, on the last day of the month"),
        ("0 0 15W * *", "2026-11-16 00:00", "2026-12-15 00:00", "At 00:00, on the weekday nearest day 15 of the month"),
        ("0 0 1W * *", "2026-11-02 00:00", "2026-12-01 00:00", None),
        ("0 0 L-3 * *", "2026-10-28 00:00", "2026-11-27 00:00", "At 00:00, 3 days before the last day of the month"),
        ("0 0 L-2W * *", "2026-10-29 00:00", "2026-11-27 00:00", "At 00:00, on the weekday nearest to 2 days before the last day of the month"),
        ("0 0 * * 6#2", "2026-11-13 00:00", "2026-12-11 00:00", "At 00:00, on the second Friday of the month"),
        ("0 0 * * L", "2026-11-21 00:00", "2026-11-28 00:00", None),
        ("0 0 * * fri-mon", "2026-11-23 00:00", "2026-11-27 00:00", "At 00:00, Friday through Monday"),
        ("0 22-2 * * *", "2026-11-24 02:00", "2026-11-24 22:00", None),
        ("0 0 1 * sun", "2026-11-22 00:00", "2026-11-29 00:00", None),
        ("0 0 15W * sun", "2026-11-22 00:00", "2026-11-29 00:00", None),
        ("0 0 */10 * mon", "2026-11-23 00:00", "2026-11-30 00:00", None),
        ("0 0 29 feb *", "2024-02-29 00:00", "2028-02-29 00:00", None),
        ("0 0 31W JAN,aug *", "2026-08-31 00:00", "2027-01-29 00:00", None),
        ("00 05 * * *", "2026-11-24 05:00", "2026-11-25 05:00", "At 05:00"),
        ("5/20 * * * *", "2026-11-24 10:05", "2026-11-24 10:25", None),
    ],
)  # fmt: skip
def test_a_cron_fires_as_documented(text: str, last: str, following: str, words: str | None) -> None:
    """Seen from Tuesday, 2026-11-24 10:07:30."""
    cron = parse_cron(text)
    assert (cron.last_by(TUESDAY), cron.next_after(TUESDAY)) == (at(last), at(following))
    assert cron.words
    assert words is None or cron.words == words


def test_the_moment_of_firing_is_the_last_and_not_the_next() -> None:
    """To the second; also at the beginning of a month."""
    cron = parse_cron("0 0 1W * *")
    first = at("2026-12-01 00:00")
    assert (cron.last_by(first), cron.next_after(first)) == (first, at("2027-01-01 00:00"))
    assert cron.last_by(first - timedelta(microseconds=1)) == at("2026-11-02 00:00")
    assert cron.next_after(first - timedelta(microseconds=1)) == first


@pytest.mark.parametrize("text", ["0 0 30 2 *", "0 0 L-30 2 *"])
def test_a_day_that_there_is_not_never_comes(text: str) -> None:
    """Neither before nor after."""
    cron = parse_cron(text)
    assert (cron.last_by(TUESDAY), cron.next_after(TUESDAY)) == (None, None)


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 0", "* * * * 8", "* * * * foo",
     "* * * foo *", "*/0 * * * *", "*/60 * * * *", "-1 * * * *", "1- * * * *", "a * * * *", "* * 32W * *", "* * 0W * *", "* * L-0 * *", "* * L-31 * *",
     "* * * * 6#6", "* * * * 6#0", "* * * * 8L", "* * * * fooL", "@daily", "? * * * *", "1,,2 * * * *", "٣ * * * *"],
)  # fmt: skip
def test_what_the_platform_does_not_document_is_refused(text: str) -> None:
    """With the field that is not valid."""
    with pytest.raises(ValueError, match=r"not valid|five fields"):
        parse_cron(text)


def _matches(text: str, moment: datetime) -> bool:
    """Whether a cron of simple fields and special days fires at a minute, by asking of each part."""
    minute, hour, day, month, weekday = text.split()

    def within(field: str, value: int, least: int, most: int) -> bool:
        for item in field.split(","):
            body, _, step = item.partition("/")
            low, _, high = (f"{least}-{most}" if body == "*" else body).partition("-")
            last = int(high) if high else most if step else int(low)
            if int(low) <= value <= last and (value - int(low)) % int(step or 1) == 0:
                return True
        return False

    days = calendar.monthrange(moment.year, moment.month)[1]
    today = moment.isoweekday() % 7 + 1

    def nearest(wanted: int) -> bool:
        if not 1 <= wanted <= days or today in {1, 7}:
            return False
        weekdays = [one for one in range(1, days + 1) if calendar.weekday(moment.year, moment.month, one) < 5]
        return moment.day == min(weekdays, key=lambda one: (abs(one - wanted), one))

    if day == "L":
        by_day = moment.day == days
    elif day == "LW" or (day.startswith("L-") and day.endswith("W")):
        by_day = nearest(days - int(day[2:-1] or 0) if "-" in day else days)
    elif day.startswith("L-"):
        by_day = moment.day == days - int(day[2:])
    elif day.endswith("W"):
        by_day = nearest(int(day[:-1]))
    else:
        by_day = within(day, moment.day, 1, 31)
    if weekday.endswith("L"):
        by_weekday = today == int(weekday[:-1]) and moment.day + 7 > days
    elif "#" in weekday:
        by_weekday = weekday == f"{today}#{(moment.day - 1) // 7 + 1}"
    else:
        by_weekday = within(weekday, today, 1, 7)
    both = by_day and by_weekday if "*" in {day, weekday} else by_day or by_weekday
    return (
        both
        and within(minute, moment.minute, 0, 59)
        and within(hour, moment.hour, 0, 23)
        and within(month, moment.month, 1, 12)
    )


_CRON = st.tuples(
    st.just("0"),
    st.sampled_from(["0", "*/6", "3-9/3", "22,4"]),
    st.sampled_from(["*", "1", "*/9", "10-20/5", "L", "LW", "15W", "1W", "31W", "L-3", "L-4W", "L-29"]),
    st.sampled_from(["*", "2", "1-12/3", "11,12"]),
    st.sampled_from(["*", "1", "2-6", "7L", "3#2", "1#5", "*/3"]),
).map(" ".join)


@settings(max_examples=25, deadline=None)
@given(_CRON, st.integers(0, 24 * 900))
def test_no_firing_is_missed_and_none_made_up(text: str, hours: int) -> None:
    """The next and the last within some months, found hour by hour."""
    moment, cron = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours, minutes=1), parse_cron(text)
    reach = 24 * 100
    after = next(
        (one for step in range(reach) if _matches(text, one := moment + timedelta(hours=step, minutes=59))), None
    )
    before = next(
        (one for step in range(reach) if _matches(text, one := moment - timedelta(hours=step, minutes=1))), None
    )
    assume(after is not None and before is not None)
    assert (cron.next_after(moment), cron.last_by(moment)) == (after, before)
