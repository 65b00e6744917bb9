"""Questions of an incident: at, blame, who, explain, skew."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.describing import change_text, made, percent, some
from cli.differing import readable
from cli.messages import say
from cli.opening import opened
from cli.options import Account, At, Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples, moment
from cli.output import Column, clock, emit, emit_one, short
from cli.tables import printable

if TYPE_CHECKING:
    from ledger.query.forensics import BlameRow, FleetRow, SkewExample, Way

__all__ = ["register"]

_LONG: Final = 60
"""Characters of a value that a table shows; JSON has it whole."""

EXAMPLES: Final = {
    "at": (
        "ledger at 2022-11-28T09:15:02Z",
        "ledger at '2h ago' --account 'acme-*' --json",
        "ledger at 2022-11-28 --as-known-at 2022-11-29    the report of that day again",
    ),
    "blame": (
        "ledger blame checkout",
        "ledger blame checkout STRIPE_KEY --at 2022-11-28",
        "ledger blame checkout 'bindings/*' --first",
        "ledger blame checkout --origin --json | jq '.[].author'",
    ),
    "who": (
        "ledger who ana@acme.example",
        "ledger who 9f86d081 --account acme    by pseudonym, where the keys are not at hand",
        "ledger who ana@acme.example --summary --json",
    ),
    "explain": ("ledger explain b6dec083", "ledger explain 3/41 --json | jq -r '.sentences[]'"),
    "skew": (
        "ledger skew",
        "ledger skew --delay 1h --json | jq '.[0].examples'",
        "ledger skew --account acme --examples 10 --at 2022-12-24",
    ),
}


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (at, blame, who, explain, skew):
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


def blame(
    script: Annotated[str, typer.Argument(metavar="SCRIPT", help="Name of the script.")],
    ledger: Ledger,
    glob: Annotated[
        str | None,
        typer.Argument(metavar="[NAME-GLOB]", help="Only these names: CART, 'modules/*', 'bindings/*', STRIPE_KEY."),
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="Who introduced each name, whatever its value.")] = False,
    origin: Annotated[
        bool, typer.Option("--origin", help="Who made each value, rather than who made it live or brought it back.")
    ] = False,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Which entry gave each name of a script its value.

    Of code, bindings and configuration: the deployment since which the value has been served without a break; a rollback
    gave what it brought back. Of routes, domains, crons and the rest: the last entry that added or changed it. Sending
    a value again gives nothing; a deletion of the script ends all runs.
    """
    from ledger.errors import UsageError
    from ledger.query.blame import Asked
    from ledger.query.blame import blame as ask
    from ledger.query.forensics import BlameRow

    if first and origin:
        raise UsageError("two_questions", "--first and --origin are two questions", "give one of them")
    when = moment(at)
    with opened(ledger, keys, known_at) as found:
        asked: Asked = "first" if first else "origin" if origin else "value"
        answers = ask(found, script, glob, account=account, at=when, asked=asked)
    emit(answers, _BLAME, chosen_format(output, as_json), BlameRow)
    if not answers:
        say("there is no such name" if glob else "nothing was active, and nothing led to the script")


def who(
    person: Annotated[
        str,
        typer.Argument(
            metavar="PERSON", help="E-mail address or id of a person or token, or the start of a pseudonym."
        ),
    ],
    ledger: Ledger,
    summary: Annotated[bool, typer.Option("--summary", help="Only how much, by script and interface.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many; default all.")
    ] = None,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """What a person or token changed, newest first.

    Also what a token did on the person's behalf. Needs the key store to find anybody by address or id; without it a
    pseudonym is enough. With an erased person's key their address is gone too.
    """
    from ledger.query.forensics import DoneRow, DoneSummary
    from ledger.query.persons import done_by, summed_up

    when, chosen = moment(at), chosen_format(output, as_json)
    with opened(ledger, keys, known_at) as found:
        answers = done_by(found, person, account=account, at=when)
    if summary:
        emit(summed_up(answers)[:limit], _SUMMARY, chosen, DoneSummary)
        return
    emit(answers[:limit], _DONE, chosen, DoneRow)
    if chosen is Format.table:
        say(f"{len(answers)} in all; --summary counts them by script and interface")


def explain(
    id: Annotated[
        str, typer.Argument(metavar="ID", help="Start of a version's or deployment's id, or an entry as SHARD/INDEX.")
    ],
    ledger: Ledger,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """What an entry, deployment or version was, in sentences.

    What changed and from what, by whom, how it was reached, how long it was live and what replaced it. In JSON the facts
    stand beside the sentences.
    """
    from ledger.query.explaining import explain as ask

    when = moment(at)
    with opened(ledger, keys, known_at) as found:
        answer = ask(found, id, when)

    def show() -> None:
        for sentence in answer.sentences:
            print(printable(sentence))
        say(f"To prove it: ledger prove {answer.entry}")

    emit_one(answer, show, chosen_format(output, as_json))


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


def _made(row: "BlameRow") -> str:
    if row.deployment is not None:
        return f"deployment {row.deployment}"
    return row.outcome if row.version is None else f"version {row.version}, {row.outcome}"


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

_BLAME: Final = [
    Column("name", lambda row: f"{row.aspect}/{row.name}"),
    Column("value", lambda row: readable(row.name, row.value, _LONG)),
    Column("versions", lambda row: ", ".join(f"v{number}" for number in row.versions)),
    Column("", lambda row: row.op),
    Column("by", _made),
    Column("time", lambda row: clock(row.effective_at)),
    Column("author", lambda row: short(row.author)),
    Column("source", lambda row: row.interface),
    Column("entry", lambda row: row.entry),
    Column("message", lambda row: row.message),
]

_DONE: Final = [
    Column("time", lambda row: clock(row.effective_at)),
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("what", made),
    Column("author", lambda row: short(row.author)),
    Column("source", lambda row: row.interface),
    Column("entry", lambda row: row.entry),
    Column("changes", lambda row: some([change_text(change) for change in row.changes])),
    Column("message", lambda row: row.message),
]

_SUMMARY: Final = [
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("source", lambda row: row.interface),
    Column("entries", lambda row: str(row.entries)),
    Column("deployments", lambda row: str(row.deployments)),
    Column("first", lambda row: clock(row.first_at)),
    Column("last", lambda row: clock(row.last_at)),
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
