"""What a writer tells of its work, in plain numbers: counted once a batch, never once a record. Whoever shows them is elsewhere."""

from collections.abc import Callable, Mapping
from itertools import islice
from time import perf_counter
from typing import Final

import msgspec

from ledger.model.state import Account

__all__ = ["STEPS", "Committed", "Extent", "Stopwatch", "extent_of"]

STEPS: Final = ("keys", "accounts", "objects", "encode", "segment", "snapshot")
"""The steps of a commit, in their order; `segment` is the create-only put, on stable storage when it ends."""

_ACCOUNTS: Final = 64
_SCRIPTS: Final = 4
"""From so many accounts, and so many scripts of each, the size of all is estimated."""

_pack = msgspec.msgpack.Encoder().encode


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """A batch that is on stable storage."""

    entries: int
    size: int
    """Of the log after it, which is its checkpoint's."""
    outcomes: Mapping[str, int]
    """Entries by outcome; one without entries may be left out."""
    reasons: Mapping[str, int]
    """Rejected entries by reason code."""
    recorded_at: str
    """Recorded time of the last entry, RFC 3339."""
    entry_bytes: int
    """The entries' own,"""
    segment_bytes: int
    """and what the segment has of them on storage."""
    seconds: Mapping[str, float]
    """Wall time of each of `STEPS`; those that there was nothing to do for are left out."""


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """How large the state of a shard is."""

    accounts: int
    scripts: int
    approximate_bytes: int
    """Of the scripts as a snapshot holds them, estimated from some of them."""


class Stopwatch:
    """Wall time by step."""

    __slots__ = ("seconds",)

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def run(self, step: str, work: Callable[[], None]) -> None:
        """Do something, and note how long it took, also where it fails."""
        started = perf_counter()
        try:
            work()
        finally:
            self.seconds[step] = perf_counter() - started


def extent_of(accounts: Mapping[str, Account]) -> Extent:
    """How large this state is. May be asked while another thread folds; costs a step for each account, and a sample's packing."""
    known = list(accounts.values())
    scripts = sum(len(account.scripts) for account in known)
    sampled = [
        script
        for account in known[:: max(1, len(known) // _ACCOUNTS)]
        for script in islice(list(account.scripts.values()), _SCRIPTS)
    ]
    size = sum(len(_pack(script)) for script in sampled)
    estimated = size * scripts // len(sampled) if sampled else 0
    return Extent(accounts=len(known), scripts=scripts, approximate_bytes=estimated)
