"""The load: the real data's events, repeated under fresh ids and fresh accounts for as long as is wanted.

A repetition differs from the data in two places of each event: the id's last four digits and the account's name. Bytes, shapes and
the order within an account stay, so a script's history is as real in the last repetition as in the first, and no event is refused.
"""

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import zstandard

__all__ = ["HEADERS", "Load", "Sent", "real_events"]

HEADERS: Final = (("content-type", b"application/cloudevents+json"),)
"""Of every record, as `ledger publish` sends them and consumers get them."""

_EXAMPLES: Final = Path(__file__).resolve().parent.parent / "examples" / "real-changes.ndjson.zst"
_ID: Final = b'"id":"'
_ACCOUNT: Final = b'"accountid":"'
_NUMBER_DIGITS: Final = 4


class Sent(NamedTuple):
    """What a record is made of."""

    key: bytes
    """The account."""
    value: bytes


class _Template(NamedTuple):
    """An event in pieces, with room for another id and account between them."""

    head: bytes
    id: bytes
    middle: bytes
    account: bytes
    tail: bytes


class Load:
    """Any number of events of the real data's shape; the same ones each time."""

    def __init__(self, source: Path = _EXAMPLES) -> None:
        self._templates = [_template(line) for line in real_events(source)]

    def events(self, count: int) -> Iterator[Sent]:
        """The first `count` events."""
        for number in range(count):
            repetition, place = divmod(number, len(self._templates))
            yield _filled(self._templates[place], repetition)

    def partitions(self, count: int, partitions: int) -> dict[bytes, int]:
        """A partition for each account among the first `count` events, so that all partitions get about as many of them.

        Left to a hash they differ by half, and consumers are then measured on how a broker answers while three of four partitions
        are read to their end.
        """
        sizes = Counter(event.key for event in self.events(count))
        filled = [0] * partitions
        chosen = {}
        for account, size in sizes.most_common():
            chosen[account] = filled.index(min(filled))
            filled[chosen[account]] += size
        return chosen


def real_events(source: Path = _EXAMPLES) -> Iterator[bytes]:
    """The real data's events, JSON each, in their order."""
    with source.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as lines:
        for line in io.BufferedReader(lines):
            yield line.rstrip(b"\n")


def _template(line: bytes) -> _Template:
    start = line.index(_ID) + len(_ID)
    end = line.index(b'"', start)
    account = line.index(_ACCOUNT, end) + len(_ACCOUNT)
    account_end = line.index(b'"', account)
    return _Template(line[:start], line[start:end], line[end:account], line[account:account_end], line[account_end:])


def _filled(template: _Template, repetition: int) -> Sent:
    head, identifier, middle, account, tail = template
    if repetition:
        identifier = identifier[:-_NUMBER_DIGITS] + b"%04x" % repetition
        account = b"%b-%d" % (account, repetition)
    return Sent(account, b"".join((head, identifier, middle, account, tail)))
