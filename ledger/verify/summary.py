"""A segment by itself: all that can be checked without the segments before it, and what those have to agree with. Pure.

This is what the processes of a pool do. Where anything is wrong or unusual there is no summary, and the segment is looked at closely,
entry by entry, by the one process that knows what came before.
"""

from hashlib import sha256

import msgspec
from msgspec import UNSET

from ledger.errors import IntegrityError
from ledger.log.segments import Segment, parse_segment
from ledger.proof.checkpoints import open_checkpoint
from ledger.proof.notes import Verifier
from ledger.verify.content import moved_parts, read_exactly
from ledger.verify.damage import frame_flip
from ledger.verify.findings import BadError
from ledger.verify.forms import Entry, Facts, Origin
from ledger.verify.quick import read_quickly
from ledger.verify.ranges import Node, range_of
from ledger.verify.usual import UsualEntry, read_usual

__all__ = ["Place", "Summary", "summarise", "summarise_segment"]

AccountPart = tuple[str, int, str | None, int, str]
"""An account in a segment: its name; how many entries its chain must have before, and the last leaf; both after the segment."""


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Whose log it is."""

    shard: int
    topic: str
    vkey: str
    """What the shard's checkpoints are signed with."""


class Summary(msgspec.Struct, frozen=True, array_like=True):
    """A segment whose entries keep all rules among themselves, and whose checkpoint is signed."""

    first: int
    count: int
    nodes: list[Node]
    """The complete subtrees over its leaves."""
    accounts: list[AccountPart]
    offset: int
    """The offset that must be next before it; `next_offset` after it."""
    next_offset: int
    recorded: str
    """Of its first entry; `last_recorded` of its last."""
    last_recorded: str
    moved: list[str]
    """Digests of blobs that its entries refer to."""
    size: int
    """What its checkpoint says, likewise `root`."""
    root: bytes


def summarise(place: Place, verifier: Verifier, first: int, data: bytes) -> Summary | None:
    """The summary of a segment that begins at index `first`, or None where something about it takes a closer look."""
    try:
        segment = parse_segment(data, "")
        return None if frame_flip(segment, data) else summarise_segment(place, verifier, first, segment)
    except IntegrityError:
        return None


def summarise_segment(place: Place, verifier: Verifier, first: int, segment: Segment) -> Summary | None:
    """The same of one that was read."""
    try:
        return _summarised(place, verifier, first, segment)
    except (BadError, IntegrityError):
        return None


def _summarised(place: Place, verifier: Verifier, first: int, segment: Segment) -> Summary | None:
    accounts: dict[str, AccountPart] = {}
    leaves: list[bytes] = []
    moved: list[str] = []
    offset = expected = -1
    recorded = first_recorded = ""
    for index, line in enumerate(segment.lines, first):
        facts = read_usual(line) or read_quickly(line) or _read_exactly(line, moved)
        origin = facts.origin
        before = _offset_before(origin) if facts.index == index else None
        if before is None or origin.partition != place.shard or origin.topic != place.topic:
            return None
        if before != expected:
            if expected >= 0:
                return None
            offset, first_recorded = before, facts.recorded_at
        expected = origin.offset + 1
        leaf = sha256(b"\0" + line).digest()
        leaves.append(leaf)
        if facts.recorded_at < recorded or not _is_chained(accounts, facts, leaf.hex()):
            return None
        recorded = facts.recorded_at
    checkpoint = open_checkpoint(segment.note, verifier)
    return Summary(
        first,
        len(leaves),
        range_of(first, leaves),
        list(accounts.values()),
        offset,
        expected,
        first_recorded,
        recorded,
        moved,
        checkpoint.size,
        checkpoint.root,
    )


def _read_exactly(line: bytes, moved: list[str]) -> Facts:
    facts = read_exactly(line)
    moved += moved_parts(facts)
    return facts


def _offset_before(origin: Origin) -> int | None:
    """The offset that must be next before this record; None where that takes a closer look."""
    if origin.topic_id is not UNSET or origin.gap is not UNSET:
        return None
    if origin.skipped is UNSET:
        return origin.offset
    return origin.offset - origin.skipped if origin.skipped > 0 else None


def _is_chained(accounts: dict[str, AccountPart], facts: Facts | Entry | UsualEntry, leaf: str) -> bool:
    """Take the entry into its account's chain; False where it does not continue it."""
    name, number, previous = facts.account, facts.account_index, facts.account_prev
    if name is None:
        return facts.outcome == "rejected"
    if number is UNSET or previous is UNSET:
        return False
    part = accounts.get(name)
    if part is None:
        accounts[name] = name, number, previous, number + 1, leaf
    elif part[3] == number and part[4] == previous:
        accounts[name] = name, part[1], part[2], number + 1, leaf
    else:
        return False
    return True
