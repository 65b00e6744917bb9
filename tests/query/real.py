"""The real data as a ledger that the real writer made: one shard, every change recorded just when it happened."""

from pathlib import Path

from ledger.log.ledgerfile import create_ledger
from ledger.log.records import Record
from ledger.log.writer import open_writer
from ledger.storage.keys import KeyStore
from ledger.storage.opening import open_store
from tests.reference.test_evaluator import real_records

__all__ = ["write_real"]

_BATCH = 1000


def write_real(root: Path) -> Path:
    """Write the ledger, its keys below it, into a directory and return it."""
    store = open_store(str(root))
    key_store = open_store(str(root / "keys"), file_mode=0o600, dir_mode=0o700)
    file = create_ledger(store, key_store, name="real", topic="ledger.changes", shards=1)
    writer = open_writer(store, file, KeyStore.open(key_store, file.name), 0, "of-the-tests")
    records = [Record(record.offset, record.timestamp_ms, record.key, record.value) for record in real_records()]
    for start in range(0, len(records), _BATCH):
        draft = writer.fold(records[start : start + _BATCH])
        assert draft is not None
        writer.commit(draft)
    return root
