"""Points in time through the library, in one process that keeps the ledger open: how long an answer takes once the first was given."""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from bench.queries import MOMENT
from ledger.query.fleet import fleet_at
from ledger.query.opened import open_ledger

__all__ = ["Warm"]

_RUNS: Final = 15


class Warm(msgspec.Struct, frozen=True, kw_only=True):
    """Medians, in seconds; each run asks about another time of the same day."""

    fleet_s: float
    """The whole fleet at a time."""
    script_s: float
    """One script at a time."""
    rows: int
    """Of the fleet."""


def main() -> None:
    """`python -m bench.querywarm LEDGER ACCOUNT SCRIPT`: print a `Warm` as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.querywarm")
    parser.add_argument("ledger")
    parser.add_argument("account")
    parser.add_argument("script")
    options = parser.parse_args()
    with open_ledger(options.ledger) as opened:
        fleet_s, found = _median_s(lambda at: fleet_at(opened, at))
        script_s, _ = _median_s(
            lambda at: [row for row in fleet_at(opened, at, account=options.account) if row.script == options.script]
        )
    sys.stdout.buffer.write(msgspec.json.encode(Warm(fleet_s=fleet_s, script_s=script_s, rows=len(found))))


def _median_s(ask: Callable[[datetime], list[Any]]) -> tuple[float, list[Any]]:
    start = datetime.fromisoformat(MOMENT)
    answer = ask(start)
    times = []
    for run in range(_RUNS):
        moment = start + timedelta(minutes=run)
        started = time.perf_counter()
        answer = ask(moment)
        times.append(time.perf_counter() - started)
    return statistics.median(times), answer


if __name__ == "__main__":
    main()
