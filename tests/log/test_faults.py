"""Every write point, failing in every way: the log that is opened again goes on as if nothing had happened."""

from pathlib import Path

import pytest

from ledger.errors import StoreError
from ledger.log.writer import open_writer
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore
from tests.log.rig import (
    SHARD,
    TOPIC_ID,
    Faults,
    FaultyStore,
    Log,
    append,
    check,
    check_objects,
    code,
    event,
    large_config,
    record,
)

RECORDS = [
    record(0, event("first", code=code(1))),
    record(1, b"garbage"),
    record(2, event("other", account="beta", code=code(2)), "beta"),
    record(3, event("large", config=large_config(1))),
    record(4, event("first", code=code(1))),
    record(5, event("third", account="gamma", code=code(3)), "gamma"),
    record(6, b"\xff"),
    record(7, event("more", bindings={"merge": {"KV": {"type": "kv"}}})),
]
BATCH = 3
WRITES = 10
"""Keys, registrations, objects and segment of three batches, as far as they need them; a test holds the number."""


def attempt(log: Log, faults: Faults, cache: Path | None = None) -> None:
    """One life of a writer, with stores that may fail."""
    keys = KeyStore.open(FaultyStore(log.keys, faults), "test")
    append(open_writer(FaultyStore(log.store, faults), log.file, keys, SHARD, TOPIC_ID, cache), RECORDS, BATCH)


def on_disk(root: Path) -> Log:
    """A ledger on the local file system."""
    return Log(LocalStore(root / "ledger"), LocalStore(root / "ledger" / "keys"))


def test_the_matrix_covers_every_write(tmp_path: Path) -> None:
    """There are exactly as many writes as the matrix lets fail."""
    faults = Faults()
    attempt(on_disk(tmp_path), faults)
    assert faults.writes == WRITES


@pytest.mark.parametrize("how", ["lost", "half", "kept"])
@pytest.mark.parametrize("at", range(WRITES))
def test_a_failed_write_leaves_a_log_that_goes_on(tmp_path: Path, at: int, how: str) -> None:
    """A write that was lost, done by half, or done and reported failed: opened again, each record gets its one entry."""
    log = on_disk(tmp_path)
    with pytest.raises(StoreError):
        attempt(log, Faults(at, how))
    committed = log.lines()
    assert len(committed) <= len(RECORDS)
    attempt(log, Faults())
    entries = check(log, RECORDS)
    assert log.lines()[: len(committed)] == committed
    check_objects(log, entries)


@pytest.mark.parametrize("at", range(WRITES))
def test_a_second_failure_while_recovering_does_no_harm_either(tmp_path: Path, at: int) -> None:
    """Whatever fails first, and then again at the first write of the next life: the third one completes the log."""
    log = on_disk(tmp_path)
    for faults in (Faults(at, "kept"), Faults(0, "half")):
        with pytest.raises(StoreError):
            attempt(log, faults)
        if len(log.lines()) == len(RECORDS):
            break
    attempt(log, Faults())
    check_objects(log, check(log, RECORDS))
