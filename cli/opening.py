"""Opening a ledger for a question, and saying where the answer is not the whole story."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.messages import warn
from cli.options import moment

if TYPE_CHECKING:
    from ledger.query.opened import OpenLedger

__all__ = ["opened"]


@contextmanager
def opened(ledger: str, keys: str | None, known_at: str | None = None) -> "Iterator[OpenLedger]":
    """Open a ledger, as it was known at the time that `--as-known-at` names; raises `bad_time` and what `ledger.query.opened.open_ledger` does."""
    from ledger.query.opened import open_ledger

    with open_ledger(ledger, keys=keys, known_at=moment(known_at)) as found:
        for shard in found.shards:
            if shard.missing_at is not None:
                warn(
                    f"a segment of shard {shard.shard} is missing: nothing from entry {shard.shard}/{shard.missing_at} on is shown; "
                    "run `ledger verify`"
                )
        yield found
