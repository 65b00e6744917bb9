"""Questions of an incident: at, skew."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.describing import percent
from cli.opening import opened
from cli.options import Account, At, Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples, moment
from cli.output import Column, clock, emit, short

if TYPE_CHECKING:
    from ledger.query.forensics import FleetRow, SkewExample, Way

__all__ = ["register"]

EXAMPLES: Final = {
    "at": (
        "ledger at 2022-11-28T09:15:02Z",
        "ledger at '2h ago' --account 'acme-*' --json",
        "ledger at 2022-11-28 --as-known-at 2022-11-29    the report of that day again",
    ),
    "skew": (
        "ledger skew",
        "ledger skew --delay 1h --json | jq '.[0].examples'",
        "ledger skew --account acme --examples 10 --at 2022-12-24",
    ),
}


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (at, skew):
        app.command(epilog=examples(*EXAMPLES[command.__name__]))(command)


def at(
    time: Annotated[
        str, typer.Argument(metavar="TIME", help="Effective time: 2022-11-28T09:15:02Z, a date, '2h ago' or now.")
    ],
    ledger: Ledger,
    account: Account = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Scripts that were deleted by then too.")] = False,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """The whole fleet as it was at a time.

    As `scripts --at`, and with each version's digest and maker, the entry behind each deployment, and since when each
    route, domain, cron and queue has led to the script.
    """
    from ledger.query.fleet import fleet_at
    from ledger.query.forensics import FleetRow

    when = moment(time)
    with opened(ledger, keys, known_at) as found:
        answers = fleet_at(found, when, account=account, deleted=deleted)
    emit(answers, _FLEET, chosen_format(output, as_json), FleetRow)


def skew(
    ledger: Ledger,
    delay: Annotated[
        str,
        typer.Option(
            "--delay", metavar="LENGTH", help="Recorded so long after its own time, an event came late: 90s, 5m, 2h."
        ),
    ] = "5m",
    shown: Annotated[int, typer.Option("--examples", min=0, max=1000, metavar="N", help="So many events of each.")] = 3,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Events whose clocks were off or that came late, by source.

    ahead: from the future, taken as of when it was recorded. late: from before something that its script has on record
    already, taken as of that. delayed: recorded long after its own time. Repeated deliveries are not counted.
    """
    from ledger.query.forensics import SkewRow
    from ledger.query.moments import parse_duration
    from ledger.query.skewed import skew as ask

    when, longest = moment(at), parse_duration(delay)
    with opened(ledger, keys, known_at) as found:
        answers = ask(found, account=account, at=when, delay=longest, examples=shown)
    emit(answers, _SKEW, chosen_format(output, as_json), SkewRow)


def _versions(row: "FleetRow") -> str:
    return ", ".join(
        f"v{version.number}" + ("" if version.percentage == 100 else f" {percent(version.percentage)}")
        for version in row.versions
    )


def _reached(ways: "list[Way]") -> str:
    plain = {"route", "domain"}
    return ", ".join(way.name if way.by in plain else f"{way.by} {way.name}".rstrip() for way in ways)


def length(seconds: float | None) -> str:
    """A length of time for people: `0.4 s`, `75 s`, `12 min`, `5.5 h`, `3 d`."""
    if seconds is None:
        return ""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + " s"


def _counted(count: int, largest: float | None) -> str:
    return f"{count}, up to {length(largest)}" if count else ""


def _example(example: "SkewExample") -> str:
    return f"{example.entry} {example.kind} {length(example.seconds)}"


_FLEET: Final = [
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("state", lambda row: row.state),
    Column("deployment", lambda row: "" if row.number is None else f"{row.number} ({short(row.deployment)})"),
    Column("versions", _versions),
    Column("", lambda row: "rollback" if row.rollback else ""),
    Column("since", lambda row: clock(row.since)),
    Column("author", lambda row: short(row.author)),
    Column("source", lambda row: row.interface),
    Column("entry", lambda row: row.entry),
    Column("reached by", lambda row: _reached(row.reached)),
]

_SKEW: Final = [
    Column("source", lambda row: row.source),
    Column("events", lambda row: str(row.events)),
    Column("ahead", lambda row: _counted(row.ahead, row.largest_ahead_s)),
    Column("late", lambda row: _counted(row.late, row.largest_late_s)),
    Column("delayed", lambda row: _counted(row.delayed, row.largest_delay_s)),
    Column("last recorded", lambda row: clock(row.last_recorded_at)),
    Column("largest", lambda row: ", ".join(_example(example) for example in row.examples)),
]
