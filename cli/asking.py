"""Questions about what ran: status, scripts, deployments, versions, show, history, rejected."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import sys
from typing import Annotated, Final

import typer

from cli import describing
from cli.messages import say
from cli.opening import opened
from cli.options import Account, At, Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples, moment
from cli.output import emit, emit_one

__all__ = ["register"]

Script = Annotated[str, typer.Argument(metavar="SCRIPT", help="Name of the script.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]


EXAMPLES: Final = {
    "status": ("ledger status --ledger ./demo-ledger", "ledger status --json | jq .outcomes"),
    "scripts": (
        "ledger scripts",
        "ledger scripts --account acme --at 2022-11-28T09:15:02Z",
        "ledger scripts --account 'acme-*' --at 2022-11-28 --as-known-at 2022-11-29",
    ),
    "deployments": (
        "ledger deployments checkout",
        "ledger deployments checkout --all --format csv",
        "ledger deployments checkout --at '2h ago'",
    ),
    "versions": ("ledger versions checkout", "ledger versions checkout --all --json"),
    "show": ("ledger show 9f86d081", "ledger show 3/41 --json", "ledger show 3/41 --bytes > record.json"),
    "history": ("ledger history checkout", "ledger history checkout --at 2022-12-24 --limit 5"),
    "rejected": (
        "ledger rejected",
        "ledger rejected --json | jq '.[].code'",
        "ledger show 3/41 --bytes    what was received",
    ),
}


def register(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (status, scripts, deployments, versions, show, history, rejected):
        app.command(epilog=examples(*EXAMPLES[command.__name__]))(command)


def status(
    ledger: Ledger,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Sizes, checkpoints, last recorded time, outcomes."""
    from ledger.query import questions

    with opened(ledger, keys, known_at) as found:
        answer = questions.status(found)
    emit_one(answer, lambda: describing.show_status(answer), chosen_format(output, as_json))


def scripts(
    ledger: Ledger,
    account: Account = None,
    at: At = None,
    deleted: Annotated[bool, typer.Option("--deleted", help="Deleted ones too.")] = False,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """What is active, by whom, since when, how reached."""
    from ledger.query import questions
    from ledger.query.answers import ScriptRow

    when = moment(at)
    with opened(ledger, keys, known_at) as found:
        answers = questions.scripts(found, account=account, at=when, deleted=deleted)
    emit(answers, describing.SCRIPTS, chosen_format(output, as_json), ScriptRow)


def deployments(
    script: Script,
    ledger: Ledger,
    limit: Limit = 10,
    everything: All = False,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """The deployments of a script, newest first.

    The active one is marked with *, rollbacks are named.
    """
    from ledger.query import questions
    from ledger.query.answers import DeploymentRow

    when = moment(at)
    with opened(ledger, keys, known_at) as found:
        answers = questions.deployments(found, script, account=account, at=when, limit=None if everything else limit)
    emit(answers, describing.DEPLOYMENTS, chosen_format(output, as_json), DeploymentRow)


def versions(
    script: Script,
    ledger: Ledger,
    limit: Limit = 10,
    everything: All = False,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """The versions of a script, newest first.

    With the part of the traffic that each has.
    """
    from ledger.query import questions
    from ledger.query.answers import VersionRow

    when = moment(at)
    with opened(ledger, keys, known_at) as found:
        answers = questions.versions(found, script, account=account, at=when, limit=None if everything else limit)
    emit(answers, describing.VERSIONS, chosen_format(output, as_json), VersionRow)


def show(
    id: Annotated[
        str, typer.Argument(metavar="ID", help="Start of a version's or deployment's id, or an entry as SHARD/INDEX.")
    ],
    ledger: Ledger,
    raw: Annotated[
        bool, typer.Option("--bytes", help="Of a rejected entry: the bytes that were received, from quarantine.")
    ] = False,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Show one version, deployment or entry, whole."""
    from ledger.query import showing

    with opened(ledger, keys, known_at) as found:
        if raw:
            sys.stdout.flush()
            sys.stdout.buffer.write(showing.quarantined_bytes(found, id))
            return
        answer = showing.show(found, id)
    emit_one(answer, lambda: describing.show_whole(answer), chosen_format(output, as_json))


def history(
    script: Script,
    ledger: Ledger,
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
    """Every recorded change of a script, newest first.

    Changes of its routes and other triggers too, and what it lost to other scripts.
    """
    from ledger.query import questions
    from ledger.query.answers import HistoryRow

    when = moment(at)
    with opened(ledger, keys, known_at) as found:
        answers = questions.history(found, script, account=account, at=when, limit=limit)
    emit(answers, describing.HISTORY, chosen_format(output, as_json), HistoryRow)


def rejected(
    ledger: Ledger,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many; default all.")
    ] = None,
    account: Account = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Records that became no change, and why."""
    from ledger.query import questions
    from ledger.query.answers import RejectedRow

    with opened(ledger, keys, known_at) as found:
        answers = questions.rejected(found, account=account, limit=limit)
    emit(answers, describing.REJECTED, chosen_format(output, as_json), RejectedRow)
    kept = next((answer.entry for answer in answers if answer.quarantine), None)
    if kept and chosen_format(output, as_json) is Format.table:
        say(f"To see the bytes of one: ledger show {kept} --bytes")
