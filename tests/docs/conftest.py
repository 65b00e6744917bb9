"""The ledger that the documents' examples are about."""

from collections import defaultdict
from pathlib import Path

import pytest
from kafka.partitioner.default import murmur2

from ledger.broker.lines import open_source
from ledger.log.ledgerfile import create_ledger
from ledger.log.records import Record
from ledger.log.writer import open_writer
from ledger.model.decoding import decode
from ledger.model.events import Event
from ledger.storage.keys import KeyStore
from ledger.storage.opening import open_store
from tests.docs.reading import ROOT

_SHARDS = 4


@pytest.fixture(scope="session")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real data in a ledger of four shards, partitioned as `ledger publish` does."""
    root = tmp_path_factory.mktemp("readme") / "audit"
    store = open_store(str(root))
    key_store = open_store(str(root / "keys"), file_mode=0o600, dir_mode=0o700)
    file = create_ledger(store, key_store, name="audit.example", topic="ledger.changes", shards=_SHARDS)
    records: dict[int, list[Record]] = defaultdict(list)
    with open_source(str(ROOT / "examples" / "real-changes.ndjson.zst")) as source:
        for line in source.lines():
            event = decode(line.value)
            assert isinstance(event, Event)
            key = event.account.encode()
            ours = records[(murmur2(key) & 0x7FFFFFFF) % _SHARDS]
            ours.append(Record(len(ours), 1_790_000_000_000, key, line.value))
    keys = KeyStore.open(key_store, file.name)
    for shard, batch in records.items():
        writer = open_writer(store, file, keys, shard, "of-the-readme")
        draft = writer.fold(batch)
        assert draft is not None
        writer.commit(draft)
    return root
