"""`skew`: the events whose clocks were off or that came late, by source."""

from datetime import datetime, timedelta
from typing import Final

from ledger.query.forensics import SkewExample, SkewRow
from ledger.query.lookup import Accounts, find_accounts
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME, Row, rows

__all__ = ["skew"]

# Of a rejected record the time may be anything; a repeated delivery says nothing about its source's clock.
_SOURCES: Final = """
WITH timed AS (
    SELECT shard, "index", account, subject AS script, source, skew, effective_at, recorded_at,
        CASE WHEN skew IS NULL AND outcome NOT IN ('rejected', 'noted') THEN effective_at ELSE try_cast(event.time AS TIMESTAMPTZ) END AS stated
    FROM _log
    WHERE outcome <> 'duplicate' AND source IS NOT NULL AND effective_at <= $at
        AND ($accounts IS NULL OR list_contains($accounts, account))
), measured AS (
    SELECT *,
        CASE WHEN skew = 'ahead' THEN epoch(stated - effective_at) END AS ahead,
        CASE WHEN skew = 'late' THEN epoch(effective_at - stated) END AS late,
        CASE WHEN recorded_at - stated >= $delay THEN epoch(recorded_at - stated) END AS delayed
    FROM timed
), ranked AS (
    SELECT *, greatest(ahead, late, delayed) AS seconds, row_number() OVER (
        PARTITION BY source ORDER BY greatest(ahead, late, delayed) DESC NULLS LAST, shard, "index"
    ) AS place
    FROM measured
)
SELECT
    source, count(*) AS events, count(ahead) AS ahead, count(late) AS late, count(delayed) AS delayed,
    max(ahead) AS largest_ahead_s, max(late) AS largest_late_s, max(delayed) AS largest_delay_s,
    max(recorded_at) FILTER (seconds IS NOT NULL) AS last_recorded_at,
    list({
        'shard': shard, 'index': "index", 'account': account, 'script': script, 'stated': stated, 'effective_at': effective_at,
        'recorded_at': recorded_at, 'seconds': seconds,
        'kind': CASE WHEN ahead = seconds THEN 'ahead' WHEN late = seconds THEN 'late' ELSE 'delayed' END
    } ORDER BY place) FILTER (seconds IS NOT NULL AND place <= $examples) AS examples
FROM ranked
GROUP BY source
HAVING count(seconds) > 0
ORDER BY max(seconds) DESC, source
"""


def skew(
    ledger: OpenLedger,
    *,
    account: Accounts = None,
    at: datetime | None = None,
    delay: timedelta = timedelta(minutes=5),
    examples: int = 3,
) -> list[SkewRow]:
    """The sources with events that were ahead, late or delayed, the largest difference first.

    Args:
        ledger: the ledger asked.
        account: which accounts' events.
        at: only events of this effective time or before.
        delay: an event that was recorded so long after its own time, or longer, counts as delayed.
        examples: at most so many events of each source, the largest.
    """
    found = rows(
        ledger,
        _SOURCES,
        accounts=find_accounts(ledger, account),
        at=at or END_OF_TIME,
        delay=delay,
        examples=examples,
    )
    return [SkewRow(**(row | {"examples": [_example(example) for example in row["examples"] or []]})) for row in found]


def _example(row: Row) -> SkewExample:
    known = {name: row[name] for name in SkewExample.__struct_fields__ if name != "entry"}
    return SkewExample(entry=f"{row['shard']}/{row['index']}", **known)
