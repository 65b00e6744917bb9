"""`ledger quarantine`: rejected records, sent again once their cause is gone, or dropped."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.configuring import Commands, configuration
from cli.describing import print_pairs
from cli.messages import complain, say, warn
from cli.noting import By, Wait, now, operator
from cli.opening import opened
from cli.options import Account, Bootstrap, Format, Json, Keys, Ledger, Output, Set, chosen_format, examples
from cli.output import Column, clock, emit, emit_one
from cli.tables import printable
from ledger.errors import EXIT_USAGE, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.broker.cluster import Cluster
    from ledger.operators.delivery import Delivery
    from ledger.operators.redriving import Planned, RedriveRow
    from ledger.operators.rehearsal import Rehearsal
    from ledger.query.opened import OpenLedger
    from ledger.query.quarantine import QuarantinedRecord, QuarantineRow, Select

__all__ = ["register"]

Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Rejected entries, as SHARD/INDEX.")]
ReasonCode = Annotated[
    str | None,
    typer.Option("--reason", metavar="CODE", help="Only what was rejected for this: misrouted, conflict, ..."),
]
Shard = Annotated[int | None, typer.Option("--shard", min=0, metavar="N", help="Only of this shard.")]

_ROWS: Final = [
    Column("entry", lambda row: row.entry),
    Column("recorded", lambda row: clock(row.recorded_at)),
    Column("reason", lambda row: row.code),
    Column("path", lambda row: row.path),
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("event", lambda row: row.event_id),
    Column("bytes", lambda row: "" if row.size is None else str(row.size)),
    Column("offset", lambda row: str(row.offset)),
    Column("state", lambda row: row.state),
    Column("became", lambda row: row.became),
    Column("note", lambda row: row.note),
]
_REDRIVEN: Final = [
    Column("entry", lambda row: row.entry),
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("event", lambda row: row.event_id),
    Column("did", lambda row: row.did),
    Column("partition", lambda row: None if row.partition is None else str(row.partition)),
    Column("became", lambda row: row.became),
    Column("outcome", lambda row: row.outcome),
    Column("why", lambda row: None if row.code is None else f"{row.code} at {row.path}: {row.detail}"),
]
_DROPPED: Final = [
    Column("entry", lambda row: row.entry),
    Column("note", lambda row: row.note),
    Column("bytes", lambda row: "" if row.size is None else str(row.size)),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = Commands(no_args_is_help=True, help="List, show, redrive and drop rejected records.")
    group.command(
        "list", epilog=examples("ledger quarantine list", "ledger quarantine list --reason misrouted --json")
    )(list_)
    group.command(epilog=examples("ledger quarantine show 3/41", "ledger quarantine show 3/41 --raw -o record.json"))(
        show
    )
    group.command(
        epilog=examples(
            "ledger quarantine redrive 3/41",
            "ledger quarantine redrive --reason misrouted --dry-run",
            "ledger quarantine redrive 3/41 --replace corrected.json --by ana@acme.example",
        )
    )(redrive)
    group.command(epilog=examples("ledger quarantine drop 3/41 3/42 --reason 'load test, never real'"))(drop)
    shown = examples("ledger quarantine list", "ledger quarantine redrive --reason misrouted --bootstrap kafka:9092")
    app.add_typer(group, name="quarantine", epilog=shown)


def list_(
    ledger: Ledger,
    account: Account = None,
    reason: ReasonCode = None,
    shard: Shard = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those of which no bytes were kept.")] = False,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Rejected records, and what became of each.

    State: kept, redriven (a later entry has the event), known (an earlier one has), dropped, damaged, gone (no bytes and no note).
    """
    from ledger.query.quarantine import QuarantineRow, Select, quarantine

    with opened(ledger, keys) as found:
        answers = quarantine(found, Select(accounts=account, code=reason, shard=shard), gone=everything)
    emit(answers, _ROWS, chosen_format(output, as_json), QuarantineRow)


def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="A rejected entry, as SHARD/INDEX.")],
    ledger: Ledger,
    raw: Annotated[bool, typer.Option("--raw", help="The exact bytes of its value and nothing else.")] = False,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="With --raw: write them to this file.")
    ] = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Show a raw record: where it lay, key, headers, value.

    What could move a terminal's cursor or colour it is made visible. The bytes may name people.
    """
    from cli.files import write_file
    from ledger.query.quarantine import show_record

    if out is not None and not raw:
        raise UsageError("needs_raw", "-o is for exact bytes", "add --raw, or send the answer to a file with >")
    chosen = chosen_format(output, as_json)
    if chosen is Format.csv:
        raise UsageError("no_rows", "a record is no table of rows", "use --format json, or --raw -o FILE")
    with opened(ledger, keys) as found:
        record, value = show_record(found, id)
    if not raw:
        emit_one(record, lambda: _show(record, value), chosen)
    elif out is not None:
        write_file(out, value or b"")
        say(f"{printable(str(out))}  {len(value or b'')} bytes")
    elif sys.stdout.isatty():
        raise UsageError("terminal", "exact bytes may hold anything, and a terminal obeys some of it", "give -o FILE")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(value or b"")


def redrive(
    context: typer.Context,
    ledger: Ledger,
    bootstrap: Bootstrap,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID...]", help="Rejected entries, as SHARD/INDEX.")
    ] = None,
    reason: ReasonCode = None,
    everything: Annotated[bool, typer.Option("--all", help="All that is kept.")] = False,
    account: Account = None,
    shard: Shard = None,
    replace: Annotated[
        str | None,
        typer.Option("--replace", metavar="FILE", help="Send this corrected event in the place of the one record."),
    ] = None,
    rekey: Annotated[
        bool, typer.Option("--rekey", help="Key each record with its event's account, whatever its key was.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Send also what would be rejected again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent and become, and send nothing.")
    ] = False,
    by: By = None,
    wait: Wait = 30.0,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
    pairs: Set = None,
) -> None:
    """Send rejected records again, to the right partition.

    As they were, with the same event id; each is first folded on the shard as it is now, and held back where it would be rejected
    once more. Waits until the entries are durable. Run again after a crash, it finds what arrived: nothing is recorded twice.
    Exit code 2 where a record was held back or rejected.
    """
    from ledger.operators.redriving import RedriveRow, Wishes, plan, shown
    from ledger.operators.redriving import redrive as send

    select = _select(ids, reason, everything=everything, account=account, shard=shard)
    replacement = _replacement(replace, ids)
    who = operator(by) if replacement is not None else ""
    with opened(ledger, keys) as found:
        delivery, rehearsal = _tools(found, ledger, configuration(context, pairs).cluster(bootstrap), wait)
        planned = plan(
            found,
            _chosen(found, select),
            delivery,
            rehearsal,
            Wishes(force=force, rekey=rekey, replacement=replacement),
        )
        _warn_of(planned)
        if dry_run:
            rows = [shown(item) for item in planned]
        else:
            if replacement is not None:
                _note_replacement(found, planned, delivery, who)
            rows = send(planned, delivery)
    emit(rows, _REDRIVEN, chosen_format(output, as_json), RedriveRow)
    if not _say_redriven(rows):
        raise typer.Exit(EXIT_USAGE)


def drop(
    context: typer.Context,
    ids: Ids,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why; it stays in the log for ever: no names of people.")
    ],
    ledger: Ledger,
    bootstrap: Bootstrap,
    by: By = None,
    wait: Wait = 30.0,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
    pairs: Set = None,
) -> None:
    """Delete raw records, and say so in the log.

    The note is written first; the bytes go when it is durable. After a crash, run it again: there is one note for each record.
    """
    from ledger.operators.delivery import Delivery
    from ledger.operators.dropping import DropRow
    from ledger.operators.dropping import drop as drop_all
    from ledger.query.quarantine import Select, parse_entries, quarantine

    who = operator(by)
    with opened(ledger, keys) as found:
        chosen = quarantine(found, Select(entries=parse_entries(ids)))
        delivery = Delivery(found.store, found.about, configuration(context, pairs).cluster(bootstrap), wait)
        rows = list(drop_all(found, chosen, delivery, reason=reason, by=who, time=now()))
    emit(rows, _DROPPED, chosen_format(output, as_json), DropRow)
    for row in rows:
        if not row.is_new:
            say(
                f"{row.entry} was dropped before (note {row.note})"
                + ("" if row.size is None else "; its bytes were still there, and are gone now")
            )


def _select(
    ids: "Sequence[str] | None",
    reason: str | None,
    *,
    everything: bool,
    account: "Sequence[str] | None",
    shard: int | None,
) -> "Select":
    from ledger.model.reasons import CODES
    from ledger.query.quarantine import Select, parse_entries

    if bool(ids) + (reason is not None) + everything != 1:
        raise UsageError("which", "which records?", "give ids, or --reason CODE, or --all")
    if reason is not None and reason not in CODES:
        raise UsageError("bad_reason", f"{reason!r} is no reason code", f"one of {', '.join(CODES)}")
    entries = parse_entries(ids) if ids else None
    return Select(accounts=account, code=reason, shard=shard, entries=entries)


def _chosen(found: "OpenLedger", select: "Select") -> "list[QuarantineRow]":
    """What is to be redriven: those named, or all whose bytes are there and whose event is in no entry."""
    from ledger.query.quarantine import quarantine

    rows = quarantine(found, select)
    return rows if select.entries is not None else [row for row in rows if row.state == "kept"]


def _replacement(file: str | None, ids: "Sequence[str] | None") -> bytes | None:
    from cli.files import read_file
    from ledger.model.events import MAX_EVENT_BYTES

    if file is None:
        return None
    if ids is None or len(ids) != 1:
        raise UsageError(
            "which", "--replace is for one record", "name it: ledger quarantine redrive 3/41 --replace FILE"
        )
    return read_file(file, MAX_EVENT_BYTES + 1).removesuffix(b"\n")


def _tools(found: "OpenLedger", location: str, where: "Cluster", wait: float) -> "tuple[Delivery, Rehearsal]":
    from ledger.operators.delivery import Delivery
    from ledger.operators.rehearsal import Rehearsal

    delivery = Delivery(found.store, found.about, where, wait)
    cache = None if "://" in location else Path(location) / "cache"
    rehearsal = Rehearsal(found.store, found.about, delivery.check_topic(), int(time.time() * 1000), cache)
    return delivery, rehearsal


def _note_replacement(found: "OpenLedger", planned: "list[Planned]", delivery: "Delivery", who: str) -> None:
    """Say in the log, before the corrected event is sent, that an operator wrote it."""
    from ledger.operators.dropping import replace_note
    from ledger.operators.noting import write_note

    for item in planned:
        if item.outgoing is not None and item.known.source is not None and item.known.id is not None:
            note = replace_note(found, item.row, source=item.known.source, event_id=item.known.id, by=who, time=now())
            say(f"noted: replaced, entry {write_note(found, delivery, note).entry}")


def _warn_of(planned: "list[Planned]") -> None:
    for item in planned:
        if item.overtaken_by is not None:
            warn(
                f"{item.row.entry}: {printable(item.known.subject or '')} was changed since (entry {item.overtaken_by}); "
                "what this event sets takes the place of that"
            )


def _say_redriven(rows: "list[RedriveRow]") -> bool:
    """Say how it went; whether everything is in the log, or would be."""
    if not rows:
        say("nothing is kept that is not in the log already")
    for row in rows:
        if row.did == "nothing":
            where = (
                "is that of a record before it"
                if row.became is None
                else f"is in the log already, as entry {row.became}"
            )
            say(f"{row.entry}: its event {where}; nothing was sent")
        elif row.did == "held back":
            complain(
                f"{row.entry}: {row.code} at {row.path}: {row.detail}",
                "" if row.code != "key_mismatch" else "--rekey keys it with its event's account",
                kind="held back",
            )
        elif row.outcome == "rejected":
            complain(f"{row.entry}: {row.code} at {row.path}: {row.detail}", kind="rejected again")
    return not any(row.did == "held back" or row.outcome == "rejected" for row in rows)


def _show(record: "QuarantinedRecord", value: bytes | None) -> None:
    row = record.record
    print_pairs(
        [
            ("entry", row.entry),
            ("recorded", clock(row.recorded_at)),
            ("rejected", f"{row.code} at {row.path}: {row.detail}"),
            (
                "state",
                row.state
                + (f", note {row.note}" if row.note else "")
                + (f", entry {row.became}" if row.became else ""),
            ),
            ("record", f"{row.topic}/{row.partition}/{row.offset}"),
            ("timestamp", clock(record.timestamp)),
            ("key", record.key),
            *((f"header {name}", text) for name, text in record.headers),
            ("bytes", "no value" if value is None else str(len(value))),
        ]
    )
    if value:
        print()
        for line in value.decode(errors="backslashreplace").split("\n"):
            print(printable(line))
