"""Ledgers of any size, made by the real writer from the real data's shape of events."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from bench.load import HEADERS, Load
from ledger.log.ledgerfile import LedgerFile, accept_topic, create_ledger, read_ledger_file
from ledger.log.records import Record
from ledger.log.writer import ShardWriter, open_writer
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore

__all__ = ["TOPIC_ID", "begin_ledger", "create_shards", "make_ledger", "open_shard", "records_of", "write_until"]

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
    create_shards(directory, 1)
    return read_ledger_file(LocalStore(directory)), open_shard(directory, 0, cache)


def create_shards(directory: Path, shards: int) -> None:
    """Make an empty ledger of so many shards in a directory, its keys in `keys` below it."""
    store = LocalStore(directory)
    file = create_ledger(store, _keys(directory), name="bench.example", topic="ledger.changes", shards=shards)
    accept_topic(store, file.topic, TOPIC_ID)


def open_shard(directory: Path, shard: int, cache: Path | None = None) -> ShardWriter:
    """Open a shard of a ledger for writing, with snapshots or without."""
    store = LocalStore(directory)
    file = read_ledger_file(store)
    return open_writer(store, file, KeyStore.open(_keys(directory), file.name), shard, TOPIC_ID, cache)


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


def _keys(directory: Path) -> LocalStore:
    return LocalStore(directory / "keys", file_mode=0o600, dir_mode=0o700)
