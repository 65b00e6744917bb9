"""compact: older segments become Parquet."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import msgspec
import typer

from cli.messages import say
from cli.options import Format, Json, Ledger, Output, chosen_format, examples
from cli.output import Column, emit
from cli.progress import counting
from ledger.errors import UsageError

__all__ = ["register"]

_AGE: Final = re.compile(r"([0-9]{1,9})(s|m|h|d|w)")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class CompactedShard(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to a shard, as it is printed."""

    shard: int
    entries: int
    """That were compacted now,"""
    segments: int
    """of so many segments,"""
    segment_bytes: int
    packs: list[str]
    """which became these Parquet objects,"""
    pack_bytes: int
    """of so many bytes."""
    removed: int
    """Segments that were removed, what an earlier run had left included."""
    compacted: int
    """Entries that are compacted now, from the first on."""


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger compact --ledger ./audit",
        "ledger compact --older-than 7d --keep-segments",
        "ledger compact --older-than 0s --least 1 --json",
    )
    app.command(epilog=shown)(compact)


def compact(
    ledger: Ledger,
    older_than: Annotated[
        str,
        typer.Option("--older-than", metavar="AGE", help="Leave segments that were recorded later (s, m, h, d, w)."),
    ] = "1h",
    pack_entries: Annotated[
        int, typer.Option("--pack-entries", min=1, metavar="N", help="Entries in one pack (a Parquet object), about.")
    ] = 200_000,
    least: Annotated[
        int, typer.Option("--least", min=1, metavar="N", help="Leave a rest of fewer entries as segments.")
    ] = 10_000,
    keep_segments: Annotated[
        bool, typer.Option("--keep-segments", help="Remove no segment; a later run without this does.")
    ] = False,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Turn older segments into Parquet for quick questions.

    No segment is removed before what was written is read back and checked. The bytes of entries and the signed checkpoints stay
    what they are, and every command reads both forms. Workers may write
    meanwhile, and a run that was killed is finished by the next.
    """
    from ledger.compact.compacting import Policy, compact_shard
    from ledger.query.opened import read_about
    from ledger.verify.pool import cores

    policy = Policy(
        pack_entries=pack_entries,
        least_entries=min(least, pack_entries),
        older_than=_age(older_than),
        keep_segments=keep_segments,
        threads=cores(),
    )
    store, about = read_about(ledger)
    now = datetime.now(UTC)
    done: list[CompactedShard] = []
    with counting("compacting", None) as progress:
        for shard in range(about.shards):
            made = compact_shard(store, about, shard, policy, now, progress)
            done.append(
                CompactedShard(
                    shard=shard,
                    entries=made.entries,
                    segments=made.segments,
                    segment_bytes=made.segment_bytes,
                    packs=made.packs,
                    pack_bytes=made.pack_bytes,
                    removed=made.removed,
                    compacted=made.until,
                )
            )
    emit(done, _COLUMNS, chosen_format(output, as_json), CompactedShard)
    if not any(shard.packs or shard.removed for shard in done):
        say(f"Nothing to compact: no {policy.least_entries} entries in segments are older than {older_than}.")


_COLUMNS: Final = (
    Column("shard", lambda row: str(row.shard)),
    Column("compacted now", lambda row: str(row.entries)),
    Column("of segments", lambda row: str(row.segments)),
    Column("bytes", lambda row: str(row.segment_bytes)),
    Column("made packs", lambda row: str(len(row.packs))),
    Column("bytes", lambda row: str(row.pack_bytes)),
    Column("segments removed", lambda row: str(row.removed)),
    Column("compacted in all", lambda row: str(row.compacted)),
)


def _age(text: str) -> timedelta:
    match = _AGE.fullmatch(text.strip())
    try:
        if match:
            return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        pass
    raise UsageError("bad_age", f"not an age: {text!r}", "write 90s, 30m, 1h, 7d or 2w; 0s for everything")
