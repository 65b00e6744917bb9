"""The oracle: a ledger holds what its topic holds. One entry for each record, in order, and the bytes that nobody's faults changed."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ledger.log.ledgerfile import read_ledger_file
from ledger.log.records import Record
from ledger.log.segments import parse_segment
from ledger.log.writer import open_writer
from ledger.storage import layout
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore
from ledger.storage.memory import MemoryStore
from ledger.storage.store import Store
from ledger.verify.api import verify
from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, check_log

__all__ = ["check_against_topic"]

_BATCH = 200


def check_against_topic(ledger: Ledger, broker: Broker, sent: int) -> None:
    """Hold a ledger that nobody writes to at the moment against its topic.

    Args:
        ledger: of one topic id, all its records folded.
        broker: which still holds the whole topic.
        sent: how many records were acknowledged to their producers.

    Raises:
        AssertionError: a record is missing, doubled or out of place, the ledger does not verify, or is not the one that the
            same records give with the same keys where nothing goes wrong.
    """
    topic = read_ledger_file(ledger.store).topic
    records = _records_of(broker, topic, sent)
    assert sum(map(len, records.values())) == sent
    check_log(ledger, sent)
    report = verify(ledger.store, replay=True)
    assert report.problems == [], report.problems
    expected = _undisturbed(ledger, records)
    lines = ledger.lines()
    assert lines.keys() == records.keys()
    for shard, of_shard in lines.items():
        assert of_shard == _lines(expected, shard)
    for name in expected.list(""):
        if not name.startswith(layout.LOG):
            assert ledger.store.get(name) == expected.get(name), name


def _records_of(broker: Broker, topic: str, count: int) -> dict[int, list[Record]]:
    """The records of a topic by partition, once there are this many."""
    found: dict[int, list[Record]] = {}
    for item in broker.read(topic, count, timeout_s=60):
        record = Record(item.offset, item.timestamp_ms, item.key, item.value, item.headers)
        found.setdefault(item.partition, []).append(record)
    return found


def _undisturbed(ledger: Ledger, records: Mapping[int, Sequence[Record]]) -> Store:
    """The log that these records give with the same keys and registrations, in memory, where nothing goes wrong."""
    store = MemoryStore()
    for prefix in (layout.LEDGER_FILE, layout.TOPICS, layout.ACCOUNTS):
        for name in ledger.store.list(prefix):
            store.put(name, ledger.store.get(name))
    file = read_ledger_file(store)
    (topic_id,) = (Path(name).stem for name in store.list(layout.TOPICS))
    keys = KeyStore.open(LocalStore(ledger.root / "keys"), file.name)
    for shard, of_shard in sorted(records.items()):
        writer = open_writer(store, file, keys, shard, topic_id)
        for start in range(0, len(of_shard), _BATCH):
            draft = writer.fold(of_shard[start : start + _BATCH])
            assert draft is not None
            assert draft.keys == (), "an entry uses a key that was never kept"
            writer.commit(draft)
    return store


def _lines(store: Store, shard: int) -> list[bytes]:
    names = store.list(layout.shard_prefix(shard))
    return [line for name in names for line in parse_segment(store.get(name), name).lines]
