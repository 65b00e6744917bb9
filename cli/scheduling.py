"""Crons: schedule."""

from typing import Annotated, Final

import typer

from cli.opening import opened
from cli.options import Account, At, Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples, moment
from cli.output import Column, clock, emit, short

__all__ = ["register"]

EXAMPLES: Final = (
    "ledger schedule",
    "ledger schedule checkout --account acme",
    "ledger schedule --at 2022-11-28T09:15:02Z --json | jq '.[] | {script, next}'",
)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=examples(*EXAMPLES))(schedule)


def schedule(
    ledger: Ledger,
    script: Annotated[str | None, typer.Argument(metavar="SCRIPT", help="Only this script's.")] = None,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Crons in words, and when each fired last and fires next.

    Seen from --at, or from now. Times are when the platform means to call, UTC; whether it did is not in the log.
    """
    from ledger.query.lookup import find_script
    from ledger.query.scheduled import Scheduled
    from ledger.query.scheduled import schedule as ask

    when = moment("now" if at is None else at)
    with opened(ledger, keys, known_at) as found:
        homes = account if script is None else [find_script(found, script, account)]
        answers = ask(found, when, script=script, account=homes)
    emit(answers, _SCHEDULED, chosen_format(output, as_json), Scheduled)


_SCHEDULED: Final = [
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("cron", lambda row: row.expression),
    Column("meaning", lambda row: row.words or row.problem),
    Column("last", lambda row: clock(row.last)),
    Column("next", lambda row: clock(row.next) or "never"),
    Column("", lambda row: "" if row.state == "active" else row.state),
    Column("since", lambda row: clock(row.since)),
    Column("author", lambda row: short(row.author)),
    Column("entry", lambda row: row.entry),
]
