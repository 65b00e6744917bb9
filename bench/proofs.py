"""Proofs: how long opening a shard's tree takes, making receipts from it, and checking them with nothing but the key."""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from bench.ledgers import make_ledger
from bench.load import Load
from bench.machine import json_us
from bench.places import new_place
from ledger.log.tree import open_tree
from ledger.proof.notes import Verifier
from ledger.proof.receipts import parse_receipt, verify_receipt
from ledger.query.lookup import EntryId
from ledger.query.opened import open_ledger
from ledger.query.proofs import make_receipt
from ledger.storage.local import LocalStore

__all__ = ["Proofs", "measure_proofs"]

_SEED: Final = 7
T = TypeVar("T")


class Proofs(msgspec.Struct, frozen=True, kw_only=True):
    """What proving costs on a ledger of one shard."""

    entries: int
    receipts: int
    """How many were made and checked, of entries drawn at random."""
    json_us: float
    first_open_s: float
    """Opening the tree where nothing is cached: the whole log is read."""
    open_ms: float
    """The same with the cache that the first one left."""
    made_ms: float
    """The median; `checked_ms` likewise."""
    made_p99_ms: float
    checked_ms: float
    checked_p99_ms: float
    largest_bytes: int
    """Of the receipts, without the entry."""


def measure_proofs(load: Load, entries: int, receipts: int, work: Path) -> Proofs:
    """Make a ledger, and receipts of some of its entries.

    Args:
        load: the events.
        entries: how many the ledger is to have.
        receipts: how many to make and check.
        work: a directory on disk.
    """
    place = new_place(work)
    root, cache = place / "ledger", place / "cache"
    file = make_ledger(load, entries, root)
    quickness = json_us(load)
    store = LocalStore(root)
    first_open_s, _ = _timed(lambda: open_tree(store, file, 0, cache))
    open_s, tree = _timed(lambda: open_tree(store, file, 0, cache))
    drawn = random.Random(_SEED).sample(range(entries), min(receipts, entries))
    with open_ledger(str(root)) as opened:
        _ = opened.shards
        made = [_timed(partial(make_receipt, opened, EntryId(0, index), tree)) for index in drawn]
    key = Verifier.from_vkey(file.vkey)
    sent = [(bytes(receipt.receipt), receipt.entry) for _, receipt in made]
    checked = [_timed(partial(_check, data, entry, key)) for data, entry in sent]
    return Proofs(
        entries=entries,
        receipts=len(drawn),
        json_us=quickness,
        first_open_s=first_open_s,
        open_ms=open_s * 1e3,
        made_ms=_median_ms(made),
        made_p99_ms=_p99_ms(made),
        checked_ms=_median_ms(checked),
        checked_p99_ms=_p99_ms(checked),
        largest_bytes=max(len(data) for data, _ in sent),
    )


def _check(data: bytes, entry: bytes, key: Verifier) -> None:
    verify_receipt(parse_receipt(data), entry, key)


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def _median_ms(timed: Sequence[tuple[float, object]]) -> float:
    return statistics.median(seconds for seconds, _ in timed) * 1e3


def _p99_ms(timed: Sequence[tuple[float, object]]) -> float:
    return sorted(seconds for seconds, _ in timed)[len(timed) * 99 // 100] * 1e3
