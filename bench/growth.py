"""Growth: whether a writer's memory stays the same while its log grows and its scripts do not become more."""

import argparse
import os
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from bench.children import measured_by, own_bytes
from bench.ledgers import begin_ledger, write_until
from bench.places import new_place
from bench.uploads import upload

__all__ = ["Growth", "measure_growth"]

_SCRIPTS: Final = 1000
_EARLY: Final = 0.2
"""Of the events, after which memory is looked at first: by then buffers and caches have their size."""
_TIMEOUT_S: Final = 3600.0


class Growth(msgspec.Struct, frozen=True, kw_only=True):
    """A writer's resident memory, pages of mapped files not counted, in bytes."""

    events: int
    scripts: int
    early_events: int
    early_bytes: int
    """After so many events,"""
    end_bytes: int
    """and after all of them."""

    @property
    def ratio(self) -> float:
        """At the end, of what it was early."""
        return self.end_bytes / self.early_bytes


def measure_growth(events: int, work: Path) -> Growth:
    """Write so many uploads of the same scripts in a new process, with snapshots, and watch its memory."""
    return measured_by(
        "bench.growth", Growth, "--events", str(events), "--directory", new_place(work), timeout_s=_TIMEOUT_S
    )


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    options = parser.parse_args()
    events, early = options.events, max(1, int(options.events * _EARLY))
    _, writer = begin_ledger(options.directory / "ledger", options.directory / "cache")
    records = (upload(number, number % _SCRIPTS).record for number in range(events))
    write_until(writer, islice(records, early), early)
    early_bytes = own_bytes()
    write_until(writer, records, events)
    growth = Growth(events=events, scripts=_SCRIPTS, early_events=early, early_bytes=early_bytes, end_bytes=own_bytes())
    os.write(1, msgspec.json.encode(growth))


if __name__ == "__main__":
    _main()
