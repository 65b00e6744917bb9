"""Accepted gaps: records that had expired before they were read, and whose loss an operator accepted (`gaps/`, create-only).

A worker stops where records are lost. Accepting says that this is known; the first entry after the gap then carries it, for whoever
reads the log. The part that decides what an entry carries is pure, and the same for who writes it and who verifies it.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from ledger.errors import IntegrityError, UsageError
from ledger.log.ledgerfile import is_topic_id
from ledger.model.entries import Gap
from ledger.storage import layout
from ledger.storage.store import Store

__all__ = [
    "Accepted",
    "AcceptedGap",
    "accept_gap",
    "check",
    "first_not_accepted",
    "gap_before",
    "gap_file",
    "parse_gap",
    "read_gaps",
]

MAX_OFFSET: Final = (1 << 63) - 1
_MAX_BY: Final = 100
_MAX_REASON: Final = 1000
_encode = msgspec.json.Encoder().encode


class AcceptedGap(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """That the records of a partition with these offsets are lost, and who accepted it; both offsets inclusive."""

    topic_id: str
    partition: int
    from_: int = msgspec.field(name="from")
    to: int
    accepted_by: str
    reason: str | UnsetType = UNSET


Accepted = Mapping[int, AcceptedGap]
"""The accepted gaps of one partition of one topic id, by their first offset."""


def gap_before(accepted: Accepted, expected: int, offset: int) -> Gap | None:
    """What an entry says of accepted gaps before its record; None where none begins at the offset that was expected.

    Gaps that follow one another are one: while somebody accepts a loss, more records may expire.

    Args:
        accepted: of the record's partition and topic id.
        expected: the ledger's next offset.
        offset: the record's (requires expected <= offset). No gap reaches beyond it, whatever was accepted: this record is not lost.
    """
    to, names = expected - 1, list[str]()
    while to + 1 < offset and (found := accepted.get(to + 1)) is not None:
        to = found.to
        if found.accepted_by not in names:
            names.append(found.accepted_by)
    return Gap(from_=expected, to=min(to, offset - 1), accepted_by=", ".join(names)) if names else None


def first_not_accepted(accepted: Accepted, expected: int) -> int:
    """The first offset from the ledger's next one on whose loss nobody has accepted."""
    while (found := accepted.get(expected)) is not None:
        expected = found.to + 1
    return expected


def accept_gap(store: Store, gap: AcceptedGap) -> bool:
    """Accept a gap; durable on return. False where the very same was accepted before.

    Raises:
        UsageError: `bad_gap` for one that cannot be; `gap_differs`, where another was accepted that begins at the same offset.
    """
    check(gap)
    name, content = layout.gap(gap.partition, gap.topic_id, gap.from_), gap_file(gap)
    if store.put_many([(name, content)])[0]:
        return True
    found = store.get(name)
    if found != content:
        before = parse_gap(name, found)
        raise UsageError(
            "gap_differs",
            f"a gap of partition {gap.partition} from offset {gap.from_} to {before.to} was accepted by {before.accepted_by} already",
            "what was accepted is never changed; run the worker, it says what it still lacks",
        )
    return False


def read_gaps(store: Store, shard: int, topic_id: str) -> dict[int, AcceptedGap]:
    """The accepted gaps of a partition of the topic with this id, by their first offset.

    Raises:
        IntegrityError: `bad_gap`.
    """
    return {gap.from_: gap for gap in _gaps(store, layout.gap_prefix(shard, topic_id))}


def _gaps(store: Store, prefix: str) -> Iterator[AcceptedGap]:
    for name in store.list(prefix):
        yield parse_gap(name, store.get(name))


def gap_file(gap: AcceptedGap) -> bytes:
    """What says that a gap is accepted."""
    return _encode(gap) + b"\n"


def parse_gap(name: str, data: bytes) -> AcceptedGap:
    """The accepted gap in an object (requires its name).

    Raises:
        IntegrityError: `bad_gap`: it is not as it was written.
    """
    try:
        gap = msgspec.json.decode(data, type=AcceptedGap)
        check(gap)
        if gap_file(gap) == data and layout.gap(gap.partition, gap.topic_id, gap.from_) == name:
            return gap
    except (msgspec.MsgspecError, UnicodeDecodeError, UsageError):
        pass
    raise IntegrityError("bad_gap", f"{name} does not say that a gap is accepted", "run: ledger verify")


def check(gap: AcceptedGap) -> None:
    """Refuse what no accepted gap can be.

    Raises:
        UsageError: `bad_gap`.
    """
    if not 0 <= gap.partition < layout.MAX_SHARDS or not is_topic_id(gap.topic_id):
        raise UsageError("bad_gap", f"no partition {gap.partition} of a topic {gap.topic_id!r} can be")
    if not 0 <= gap.from_ <= gap.to < MAX_OFFSET:
        raise UsageError(
            "bad_gap",
            f"no records have the offsets {gap.from_} to {gap.to}",
            "both are lost: --from may not exceed --to",
        )
    _check_text("--by", gap.accepted_by, _MAX_BY)
    if gap.reason is not UNSET:
        _check_text("--reason", gap.reason, _MAX_REASON)


def _check_text(option: str, text: str, limit: int) -> None:
    if not 0 < len(text) <= limit or text != text.strip() or not text.isprintable():
        raise UsageError(
            "bad_gap",
            f"{option} {text[:limit]!r} is not one line of 1 to {limit} characters that can be printed",
            f"say {option} in one line",
        )
