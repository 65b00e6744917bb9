"""Programs that tamper with a ledger, and an honest one to begin with."""

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from ledger.log.segments import encode_segment, parse_segment
from ledger.proof.checkpoints import Checkpoint, sign
from ledger.proof.merkle import Frontier, leaf_hash
from ledger.proof.notes import Signer
from ledger.storage import layout
from ledger.storage.keys import KeyStore
from ledger.storage.memory import MemoryStore
from ledger.verify.api import verify
from ledger.verify.findings import Problem
from tests.log.rig import SHARD, Log, append, code, event, large_config, memory_log, record

BATCH: Final = 4
Part = tuple[int, list[bytes], bytes]
"""A segment: first index, lines, note."""
Json = dict[str, Any]


def honest() -> Log:
    """Three segments of two accounts' entries: every outcome, a part in the blob store."""
    log = memory_log()
    values = [
        (event("e0", code=code(1), routes={"replace": {"a.example/*": {}}}), "acme"),
        (event("f0", account="beta", code=code(2)), "beta"),
        (event("e1", code=code(3), message="first, then second"), "acme"),
        (b"garbage", "acme"),
        (event("e2", config=large_config(1)), "acme"),
        (event("f1", account="beta", bindings={"merge": {"KV": {"type": "kv"}}}), "beta"),
        (event("e3", "other", code=code(4), routes={"merge": {"a.example/*": {}}}), "acme"),
        (event("e1", code=code(3)), "acme"),
        (event("f2", account="beta", code=code(5)), "beta"),
        (event("e4", code=code(6), message="a message"), "acme"),
        (event("f3", account="beta", crons={"replace": {"* * * * *": {}}}), "beta"),
        (event("e5", delete=True), "acme"),
    ]
    append(log.open(), [record(offset, value, key) for offset, (value, key) in enumerate(values)], BATCH)
    return log


def copied(log: Log) -> Log:
    """A ledger of its own with the same objects and keys."""
    copy = object.__new__(Log)
    copy.store, copy.keys, copy.file = MemoryStore(), log.keys, log.file
    for name in log.store.list(""):
        copy.store.put(name, log.store.get(name))
    return copy


def parts_of(log: Log) -> list[Part]:
    """The segments."""
    parts = []
    for name in list(log.store.list(layout.shard_prefix(SHARD))):
        parsed = layout.parse_segment(name)
        assert parsed is not None
        segment = parse_segment(log.store.get(name), name)
        parts.append((parsed.first, segment.lines, segment.note))
    return parts


def put_parts(log: Log, parts: Sequence[Part]) -> None:
    """Put these segments in the place of those that are there."""
    for name in list(log.store.list(layout.shard_prefix(SHARD))):
        log.store.delete(name)
    for first, lines, note in parts:
        log.store.put(layout.segment(SHARD, first), encode_segment(lines, note))


def replace(log: Log, name: str, data: bytes) -> None:
    """Put other bytes in the place of an object."""
    log.store.delete(name)
    log.store.put(name, data)


def change_line(log: Log, index: int, change: Callable[[bytes], bytes]) -> None:
    """Change one entry's bytes and nothing else: the segment is compressed anew, its checkpoint stays."""
    parts = [
        (first, [change(line) if place == index else line for place, line in enumerate(lines, first)], note)
        for first, lines, note in parts_of(log)
    ]
    put_parts(log, parts)


def rewrite(
    log: Log, change: Callable[[list[Json]], None], *, sign_with: Signer | None = None, batch: int = BATCH
) -> None:
    """Change entries and recompute every hash after them: indexes stay as the change leaves them, chains and roots are made anew.

    Args:
        log: the ledger.
        change: what is done to the decoded entries, in place.
        sign_with: the key of the new checkpoints; None to keep the old signatures under the new text.
        batch: entries to a segment.
    """
    notes = {first + len(lines): note for first, lines, note in parts_of(log)}
    entries = [json.loads(line) for line in log.lines()]
    change(entries)
    lines = chained(entries)
    frontier, parts = Frontier(), list[Part]()
    for first in range(0, len(lines), batch):
        some = lines[first : first + batch]
        frontier.extend([leaf_hash(line) for line in some])
        checkpoint = Checkpoint(origin="test/0000", size=frontier.size, root=frontier.root())
        note = (
            sign(checkpoint, sign_with)
            if sign_with
            else checkpoint.text.encode() + notes[frontier.size][notes[frontier.size].rfind(b"\n\n") + 1 :]
        )
        parts.append((first, some, note))
    put_parts(log, parts)


def chained(entries: Sequence[Json]) -> list[bytes]:
    """Entries' lines with `account_prev` recomputed."""
    last: dict[str, str | None] = {}
    lines = []
    for entry in entries:
        name = entry["account"]
        if name is not None:
            entry["account_prev"] = last.get(name)
        line = dumped(entry)
        if name is not None:
            last[name] = leaf_hash(line).hex()
        lines.append(line)
    return lines


def dumped(entry: Json) -> bytes:
    """An entry as it is written."""
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()


def signer(log: Log) -> Signer:
    """The log's real key."""
    return KeyStore.open(log.keys, "test").signer("test/0000")


def found(log: Log, **options: Any) -> Problem:
    """The first problem of a ledger that must have one."""
    report = verify(log.store, processes=1, **options)
    assert not report.ok
    return report.problems[0]


def flipped(data: bytes, bit: int) -> bytes:
    """The bytes with one bit flipped."""
    changed = bytearray(data)
    changed[bit >> 3] ^= 1 << (bit & 7)
    return bytes(changed)
