"""Ledgers of any size, made by the real writer from the real data's shape of events."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from bench.load import HEADERS, Load
from ledger.log.ledgerfile import LedgerFile, accept_topic, create_ledger
from ledger.log.records import Record
from ledger.log.writer import ShardWriter, open_writer
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore

__all__ = ["TOPIC_ID", "begin_ledger", "make_ledger", "records_of", "write_until"]

_BATCH: Final = 1000
TOPIC_ID: Final = "bench"
"""Of the topic that all records are of."""
_SENT_AT_MS: Final = 1_800_000_000_000


def make_ledger(load: Load, entries: int, directory: Path) -> LedgerFile:
    """A ledger of one shard with so many entries; see `begin_ledger`."""
    file, writer = begin_ledger(directory)
    write_until(writer, records_of(load, entries), entries)
    return file


def begin_ledger(directory: Path, cache: Path | None = None) -> tuple[LedgerFile, ShardWriter]:
    """Make an empty ledger of one shard in a directory, its keys in `keys` below it, and open it for writing, with snapshots or without."""
    store, keys = LocalStore(directory), LocalStore(directory / "keys", file_mode=0o600, dir_mode=0o700)
    file = create_ledger(store, keys, name="bench.example", topic="ledger.changes", shards=1)
    accept_topic(store, file.topic, TOPIC_ID)
    return file, open_writer(store, file, KeyStore.open(keys, file.name), 0, TOPIC_ID, cache)


def records_of(load: Load, count: int) -> Iterator[Record]:
    """The load as records from offset 0 on, made as they are needed."""
    for offset, event in enumerate(load.events(count)):
        yield Record(offset, _SENT_AT_MS + offset, event.key, event.value, HEADERS)


def write_until(writer: ShardWriter, records: Iterator[Record], size: int) -> None:
    """Append until the log has so many entries, in segments of 1,000."""
    while writer.size < size:
        draft = writer.fold(list(islice(records, min(_BATCH, size - writer.size))))
        if draft is None:
            raise RuntimeError("the writer found nothing new")
        writer.commit(draft)
