"""What a fetch is unpacked to: the ledger's records, whatever their headers are called."""

import struct
from collections.abc import Sequence

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.util import calc_crc32c
from aiokafka.structs import TopicPartition

from consumers.records import _Fetched, _Unpacked, check_aiokafka
from ledger.errors import UsageError
from ledger.log.records import Record

CRC_AT = 17
ATTRIBUTES_AT = 21
PLACEHOLDER = "~name~"

Sent = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def batch(base: int, records: Sequence[Sent], *, compression: int = 0, name: bytes = b"") -> bytes:
    """A record batch as Kafka sends it; `name` stands where a header is called `~name~`."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for number, (key, value, headers) in enumerate(records):
        builder.append(number, 1000 + number, key, value, headers)
    data = bytearray(builder.build())
    if name:
        assert len(name) == len(PLACEHOLDER)
        data = data.replace(PLACEHOLDER.encode(), name)
    struct.pack_into(">q", data, 0, base)
    struct.pack_into(">I", data, CRC_AT, calc_crc32c(bytes(data[ATTRIBUTES_AT:])))
    return bytes(data)


def unpacked(data: bytes, start: int = 0) -> list[Record]:
    """What the worker's consumer makes of a fetch from offset `start`."""
    tp = TopicPartition("topic", 3)
    return list(_Unpacked(tp, _Fetched(data), [], start, None, None, True, fetcher.READ_COMMITTED))


def test_records_keep_what_the_ledger_needs() -> None:
    """Offset, timestamp, key, value and headers, absent ones as None."""
    sent: list[Sent] = [(b"acme", b"{}", [("content-type", b"x")]), (None, None, [("empty", None)])]
    assert unpacked(batch(40, sent)) == [
        Record(40, 1000, b"acme", b"{}", (("content-type", b"x"),)),
        Record(41, 1001, None, None, (("empty", None),)),
    ]


@pytest.mark.parametrize("compression", [0, 1, 4], ids=["plain", "gzip", "zstd"])
def test_a_fetch_from_the_middle_of_a_batch_begins_there(compression: int) -> None:
    """The broker sends whole batches; what lies before the offset asked for is passed over."""
    data = batch(0, [(b"k", b"%d" % number, []) for number in range(6)], compression=compression)
    assert [record.offset for record in unpacked(data, 4)] == [4, 5]


def test_a_header_whose_name_is_no_text_stops_nothing() -> None:
    """Each record comes once and in order, those before, with and after such a header; its name shows the bytes."""
    odd: Sent = (b"k", b"odd", [(PLACEHOLDER, b"v"), ("content-type", b"x")])
    good: Sent = (b"k", b"good", [])
    data = b"".join(
        [
            batch(0, [good, good]),
            batch(2, [good, odd, good], name=b"\xff\xfename"),
            batch(5, [good]),
            batch(6, [odd], name=b"na\x80\x80me"),
            batch(7, [good])[:-3],
        ]
    )
    records = unpacked(data, 1)
    assert [record.offset for record in records] == [1, 2, 3, 4, 5, 6]
    assert [record.value for record in records] == [b"good", b"good", b"odd", b"good", b"good", b"odd"]
    assert records[2].headers == (("\\xff\\xfename", b"v"), ("content-type", b"x"))
    assert records[5].headers[0][0] == "na\\x80\\x80me"


def test_an_aiokafka_that_was_not_tested_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where what is replaced has another form, the worker does not start."""
    check_aiokafka()
    monkeypatch.delattr(fetcher.PartitionRecords, "_consumer_record")
    with pytest.raises(UsageError) as caught:
        check_aiokafka()
    assert caught.value.code == "untested_aiokafka"
