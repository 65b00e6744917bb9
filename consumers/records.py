r"""What aiokafka unpacks of a fetch: light records, and none that stops it.

Two things of aiokafka's are replaced, in this process alone:

- its `ConsumerRecord`, of which the ledger needs five members of eleven, becomes the ledger's `Record`;
- a header whose name is not UTF-8, which Kafka carries and aiokafka's parser refuses, would stop the worker for good at that record.
  Batches are then parsed once more by aiokafka's own parser in Python, with names that show such bytes as `\xff`.

`check_aiokafka` refuses to start where what is replaced is not as it was when this was tried.
"""

import inspect
import struct
from collections.abc import Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy

from ledger.errors import UsageError
from ledger.log.records import Record

__all__ = ["check_aiokafka", "install"]

_MemoryRecords: Final = fetcher.MemoryRecords
_PartitionRecords: Final[Any] = fetcher.PartitionRecords
_HEAD: Final = struct.Struct(">qi")
"""Of a record batch: base offset, and the length of what follows in bytes."""
_MAGIC_AT: Final = 16
_MIN_MAGIC: Final = 2


def check_aiokafka() -> None:
    """Refuse an aiokafka whose internals are not those that are replaced here.

    Raises:
        UsageError: `untested_aiokafka`.
    """
    parts = vars(_PartitionRecords)
    if "_unpack_records" not in parts or _parameters(parts.get("_consumer_record")) != ["self", "tp", "record"]:
        raise UsageError(
            "untested_aiokafka", "this aiokafka is not one that the worker was tested with", "install aiokafka 0.14.x"
        )


def install() -> None:
    """Let aiokafka use what is here. Idempotent."""
    fetcher.MemoryRecords = _Fetched
    fetcher.PartitionRecords = _Unpacked


def _parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters) if callable(function) else []


class _Fetched:
    """A fetched record set whose bytes are kept, to be parsed again."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        records = _MemoryRecords(data)
        self.has_next, self.next_batch, self.size_in_bytes = records.has_next, records.next_batch, records.size_in_bytes


class _Unpacked(_PartitionRecords):
    """The records of a fetched record set, one after the other."""

    _records: Any

    def _unpack_records(self) -> Iterator[Record]:
        try:
            yield from super()._unpack_records()
        except UnicodeDecodeError:
            self._records = _Tolerant(self._records.data, self.next_fetch_offset)
            yield from super()._unpack_records()

    def _consumer_record(self, tp: Any, record: Any) -> Record:  # noqa: ARG002 - aiokafka's
        return Record(record.offset, record.timestamp, record.key, record.value, tuple(record.headers))


class _Tolerant:
    """The batches of a record set from one that reaches beyond an offset, whatever their headers are called."""

    def __init__(self, data: bytes, offset: int) -> None:
        self._batches = [batch for batch in _batches(data) if batch.next_offset > offset]
        self._place = 0

    def has_next(self) -> bool:
        """Whether there is one more."""
        return self._place < len(self._batches)

    def next_batch(self) -> "_TolerantBatch":
        """The next one."""
        self._place += 1
        return self._batches[self._place - 1]


def _batches(data: bytes) -> Iterator["_TolerantBatch"]:
    """Whole batches; the broker may have cut the last one. Older formats than 2 have no headers."""
    start = 0
    while start + _HEAD.size <= len(data):
        end = start + _HEAD.size + _HEAD.unpack_from(data, start)[1]
        if end > len(data):
            return
        if data[start + _MAGIC_AT] >= _MIN_MAGIC:
            yield _TolerantBatch(data[start:end])
        start = end


class _TolerantBatch(_DefaultRecordBatchPy):
    """A batch parsed in Python."""

    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Buffer(self._buffer)


class _Buffer(bytearray):
    """Bytes whose slices decode whatever they hold."""

    def __getitem__(self, place: Any) -> Any:
        found = super().__getitem__(place)
        return _Buffer(found) if isinstance(place, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        r"""As text; bytes that are none become `\xff`."""
        return super().decode(encoding, errors)
