"""Entries' exact bytes by their places, from packs and segments: some at once, without reading what lies between them."""

from collections.abc import Iterable
from pathlib import Path

from ledger.errors import IntegrityError, StoreError
from ledger.log.segments import parse_segment
from ledger.query.opened import OpenLedger
from ledger.query.segments import Segment, ShardPrefix
from ledger.query.views import store_errors
from ledger.storage import layout

__all__ = ["Place", "entry_lines"]

Place = tuple[int, int]
"""Shard and index of an entry."""


def entry_lines(ledger: OpenLedger, places: Iterable[Place]) -> dict[Place, bytes]:
    """The bytes of these entries, without line feeds; of those that a reader does not see nothing.

    Raises:
        IntegrityError: `bad_segment`, `segment_unreadable`.
        StoreError: `store_unreadable`.
    """
    wanted: dict[int, list[int]] = {}
    for shard, index in sorted(set(places)):
        wanted.setdefault(shard, []).append(index)

    def read() -> dict[Place, bytes]:
        found: dict[Place, bytes] = {}
        for shard, indexes in wanted.items():
            if shard < len(ledger.shards):
                prefix = ledger.shards[shard]
                found |= _in_packs(ledger, prefix, indexes) | _in_segments(prefix, indexes)
        return found

    return ledger.again_if_compacted(read)


def _in_packs(ledger: OpenLedger, prefix: ShardPrefix, indexes: list[int]) -> dict[Place, bytes]:
    inside = [index for index in indexes if index < prefix.packed]
    paths = [pack.path for pack in prefix.packs if any(pack.first <= index < pack.size for index in inside)]
    if not paths:
        return {}
    listed = ", ".join(map(str, inside))
    with store_errors():
        rows = (
            ledger.database_for("")
            .execute(
                f'SELECT "index", entry FROM read_parquet($paths) WHERE "index" IN ({listed})',  # noqa: S608 - numbers
                {"paths": paths},
            )
            .fetchall()
        )
    return {(prefix.shard, index): bytes(entry) for index, entry in rows}


def _in_segments(prefix: ShardPrefix, indexes: list[int]) -> dict[Place, bytes]:
    found: dict[Place, bytes] = {}
    for segment in prefix.segments:
        inside = [index for index in indexes if segment.first <= index < segment.size]
        if inside:
            lines = _lines(prefix.shard, segment)
            found |= {(prefix.shard, index): lines[index - segment.first] for index in inside}
    return found


def _lines(shard: int, segment: Segment) -> list[bytes]:
    name = layout.segment(shard, segment.first)
    try:
        lines = parse_segment(Path(segment.path).read_bytes(), name).lines
    except OSError as error:
        message = f"cannot read {segment.path}: {error.strerror or error}"
        raise StoreError("store_unreadable", message, "check the permissions of the ledger's directory") from error
    if len(lines) != segment.size - segment.first + segment.unseen:
        message = f"{name} has {len(lines)} entries, its checkpoint says otherwise"
        raise IntegrityError("bad_segment", message, "run `ledger verify`")
    return lines
