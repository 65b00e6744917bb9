"""Ledgers of any size, made by the real writer from the real data's shape of events."""

from itertools import islice
from pathlib import Path
from typing import Final

from bench.load import HEADERS, Load
from ledger.log.ledgerfile import LedgerFile, accept_topic, create_ledger
from ledger.log.records import Record
from ledger.log.writer import open_writer
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore

__all__ = ["make_ledger"]

_BATCH: Final = 1000
_TOPIC_ID: Final = "bench"
_SENT_AT_MS: Final = 1_800_000_000_000


def make_ledger(load: Load, entries: int, directory: Path) -> LedgerFile:
    """Make a ledger of one shard in a directory, its keys in `keys` below it; records are made as they are needed."""
    store, keys = LocalStore(directory), LocalStore(directory / "keys", file_mode=0o600, dir_mode=0o700)
    file = create_ledger(store, keys, name="bench.example", topic="ledger.changes", shards=1)
    accept_topic(store, file.topic, _TOPIC_ID)
    writer = open_writer(store, file, KeyStore.open(keys, file.name), 0, _TOPIC_ID)
    records = (
        Record(offset, _SENT_AT_MS + offset, event.key, event.value, HEADERS)
        for offset, event in enumerate(load.events(entries))
    )
    while batch := list(islice(records, _BATCH)):
        draft = writer.fold(batch)
        if draft is None:
            raise RuntimeError("the writer found nothing new")
        writer.commit(draft)
    return file
