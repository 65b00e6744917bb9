"""The product as the tests of the fold see it: records in, decoded entries out, all in memory."""

from collections.abc import Collection, Sequence
from typing import Any

from ledger.log import records as product_records
from ledger.log.replay import entries_of
from tests.fold.building import TOPIC
from tests.reference.decoding import Record


def run(records: Sequence[Record], *, elsewhere: Collection[str] = (), batch: int = 500) -> list[dict[str, Any]]:
    """The entries that the product's fold and encoder make of the records of shard 0; `elsewhere` as in `evaluate`."""
    taken = [
        product_records.Record(record.offset, record.timestamp_ms, record.key, record.value, record.headers)
        for record in records
    ]
    homes = dict.fromkeys(elsewhere, 1)
    return entries_of(taken, topic=TOPIC, shard=0, shards=2, homes=homes, batch=batch)
