"""`ledger watch`: the log, live."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import io
import select
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.messages import say
from cli.opening import opened
from cli.options import Account, Format, Json, Keys, Ledger, Output, chosen_format, examples, moment
from cli.output import clock, emit_rows, short
from cli.tables import printable

if TYPE_CHECKING:
    from ledger.query.answers import WatchRow
    from ledger.query.following import Follower

__all__ = ["register"]

_WIDTHS: Final = (7, 20, 24, 18, 16, 9)
"""Of the columns before the changes, at least: what comes later is not known."""


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger watch",
        "ledger watch checkout --account 'acme-*'",
        "ledger watch --since 10m",
        "ledger watch --format jsonl | jq --unbuffered 'select(.outcome == \"rejected\")'",
        "ledger watch checkout --limit 1    waits for one",
    )
    app.command(epilog=shown)(watch)


def watch(
    ledger: Ledger,
    script: Annotated[
        str | None, typer.Argument(metavar="[SCRIPT]", help="Only this script, and what is taken from it.")
    ] = None,
    account: Account = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="TIME",
            help="Begin with what was recorded then or later: 10m (ago) or a time; default: now.",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="End after so many; default: never.")
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", min=0.05, max=3600, metavar="SECONDS", help="Look so often.")
    ] = 0.5,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Print every entry as it is recorded, until Ctrl-C.

    One line each: entry, time, account/script, what it did and made, author, source, changes, message. Of every outcome, rejected
    records too. Nothing is shown twice or left out, whatever is compacted meanwhile. Programs want --format jsonl: the array of
    --format json ends with --limit only.
    """
    from ledger.query.following import Follower, is_about

    begin = _begin(since)
    with opened(ledger, keys) as found:
        follower = Follower(found, begin)
        say(f"watching {found.about.name}; Ctrl-C ends it")
        wanted = (row for row in _endless(follower, _waiter(interval)) if is_about(row, script, account))
        _print(islice(wanted, limit), chosen_format(output, as_json))


def _print(rows: "Iterator[WatchRow]", chosen: Format) -> None:
    from ledger.query.answers import WatchRow

    if chosen is Format.table:
        for row in rows:
            print(_line(row))
    else:
        names = WatchRow.__struct_fields__
        emit_rows(names, ([getattr(row, name) for name in names] for row in rows), chosen)


def _begin(since: str | None) -> datetime | None:
    """The time that `--since` names; a length of time is so long ago."""
    from ledger.query.moments import is_duration

    return None if since is None else moment(f"{since} ago" if is_duration(since) else since)


def _endless(follower: "Follower", wait: Callable[[], None]) -> "Iterator[WatchRow]":
    while True:
        yield from follower.further()
        wait()


def _waiter(seconds: float) -> Callable[[], None]:
    """Shows what was printed, and waits, but no longer than somebody reads: a pipe that is closed would else be noticed with the next entry only."""
    try:
        stdout = sys.stdout.fileno()
    except io.UnsupportedOperation:
        return lambda: time.sleep(seconds)  # no file, as in tests
    poll = select.poll()
    poll.register(stdout, 0)

    def wait() -> None:
        sys.stdout.flush()
        if poll.poll(seconds * 1000):
            raise BrokenPipeError

    return wait


def _line(row: "WatchRow") -> str:
    from cli.describing import change_text, made, some, told

    taken = f"and takes from {some(row.taken_from)}" if row.taken_from else None
    cells = (
        row.entry,
        clock(row.effective_at),
        f"{row.account or '-'}/{short(row.script) or '-'}",
        " ".join(filter(None, (made(row), row.reason, row.action, taken))),
        short(row.author),
        row.interface or "",
        some([change_text(change) for change in row.changes]),
        row.message or told(row),
    )
    widths = (*_WIDTHS, 0, 0)
    return "  ".join(printable(cell).ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
