"""verify: the whole ledger against its key, its own rules, and what it was before."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import describing
from cli.files import pinned_key, witness_policy
from cli.messages import complain, say, warn
from cli.options import Format, Json, Ledger, Output, Quorum, Witness, chosen_format, examples
from cli.output import emit_one
from cli.progress import counting
from ledger.errors import EXIT_VERIFICATION

if TYPE_CHECKING:
    from ledger.verify.findings import Report
    from ledger.verify.remembered import Memory

__all__ = ["forget", "register"]

_NONE: list[str] = []


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger verify --ledger ./demo-ledger && echo untouched",
        "ledger verify --vkey 'audit.acme.example+1a2b3c4d+AX...' --json",
        "ledger verify --vkey ./audit.vkey --against ./kept.checkpoint --against https://audit.acme.example/checkpoint",
        "ledger verify --since last",
        "ledger verify --replay --no-remember",
        "ledger verify --witness w1.vkey --witness w2.vkey --witnesses 1",
    )
    app.command(epilog=shown)(verify)


def verify(
    ledger: Ledger,
    vkey: Annotated[
        str | None,
        typer.Option(
            "--vkey",
            metavar="VKEY|FILE",
            help="The ledger's public key as you know it; default: the one seen before, or beside the log.",
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against",
            metavar="FILE|URL|DIR",
            help="An earlier checkpoint, or a copy of the ledger, that the log must extend; may be given again.",
        ),
    ] = None,
    since: Annotated[
        list[str] | None,
        typer.Option(
            "--since",
            metavar="CHECKPOINT|last",
            help="Read only what came after a checkpoint that an earlier run here has verified; may be given again.",
        ),
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Fold the recorded events again too, and compare every entry.")
    ] = False,
    witness: Witness = None,
    witnesses: Quorum = None,
    no_remember: Annotated[
        bool, typer.Option("--no-remember", help="Use nothing that earlier runs kept, and keep nothing.")
    ] = False,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Check every byte, chain, root, signature and offset.

    Exit code 3 where anything differs, with the first place of each shard. It never repairs, and writes nothing into the ledger.
    What it saw last is kept in ~/.local/state/deployment-ledger, so that a log that was cut off, or has another history or key, is
    found by the next run. docs/TAMPERING.md explains each kind.
    """
    from ledger.errors import UsageError
    from ledger.query.opened import read_about
    from ledger.verify import api
    from ledger.verify.reading import claimed_entries

    if since and no_remember:
        raise UsageError("bad_options", "--since needs what earlier runs kept", "leave --no-remember away")
    store, about = read_about(ledger)
    policy = witness_policy(witness, witnesses)
    memory = None if no_remember else _memory(ledger)
    total = None if since else claimed_entries(store, about.shards) * (1 + replay)
    with counting("verifying", total) as progress:
        report = api.verify(
            store,
            vkey=None if vkey is None else pinned_key(vkey).vkey,
            against=against or _NONE,
            since=since or _NONE,
            replay=replay,
            memory=memory,
            witnesses=policy,
            progress=progress,
        )
    _tell(report, ledger, chosen_format(output, as_json))


def forget(ledger: str) -> None:
    """Forget what ledger was seen at a place, where another is made on purpose."""
    _memory(ledger).forget()


def _tell(report: "Report", ledger: str, output: Format) -> None:
    """Print the report, and end with the exit code that it asks for: the verdict, whoever reads how much of it."""
    try:
        emit_one(report, lambda: describing.show_report(report), output)
    except BrokenPipeError:
        if report.ok:
            raise
    _say_more(report, ledger)


def _say_more(report: "Report", ledger: str) -> None:
    for warning in report.warnings:
        warn(warning)
    for notice in report.notices:
        say(f"note: {notice.file}: {notice.message}")
    if not report.ok:
        count = len(report.problems)
        complain(
            f"the ledger at {ledger} is not what was written: {count} problem{'s' * (count > 1)}",
            "keep this directory as evidence; restore the log from a copy that verifies",
        )
        raise typer.Exit(EXIT_VERIFICATION)
    if report.trust == "beside":
        say(
            f"Checked against the key beside the log. To trust more than that, keep it elsewhere: --vkey '{report.vkey}'"
        )


def _memory(ledger: str) -> "Memory":
    from ledger.verify.remembered import Memory, state_directory

    location = ledger if "://" in ledger else str(Path(ledger).resolve())
    return Memory(state_directory(os.environ), location)
