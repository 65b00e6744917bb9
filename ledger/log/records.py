"""Kafka records as the log's writer takes them: whatever has these attributes (aiokafka's `ConsumerRecord` does)."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["Record", "RecordLike"]


class RecordLike(Protocol):
    """One Kafka record of a known topic and partition."""

    @property
    def offset(self) -> int:
        """Kafka's offset in the partition."""

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970; -1 where there is none."""

    @property
    def key(self) -> bytes | None:
        """The account, as the producer keyed it."""

    @property
    def value(self) -> bytes | None:
        """The event's bytes."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """CloudEvents attributes in binary mode, and whatever else a producer sends."""


class Record(NamedTuple):
    """A record made by hand, for replays and tests."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
