"""Evidence received: check, with no ledger at hand; a bound answer also with one."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from cli.files import pinned_key, read_file, witness_policy
from cli.opening import opened
from cli.options import Format, Json, Output, Quorum, Witness, chosen_format, examples
from cli.output import Column, clock, emit_one
from cli.progress import counting
from cli.tables import print_table, printable
from ledger.errors import IntegrityError, UsageError

if TYPE_CHECKING:
    from ledger.proof.answerchecks import CheckedAnswer
    from ledger.proof.checking import Checked
    from ledger.query.sql import Limits

__all__ = ["register"]

MAX_PROOF_BYTES: Final = 1 << 28
MAX_ENTRY_BYTES: Final = 1 << 20
"""More than an entry may have, so that one that was added to is said to be another, not too large."""


ENTRIES: Final = [
    Column("entry", lambda row: str(row.index)),
    Column("of the account", lambda row: str(row.account_index)),
    Column("recorded", lambda row: row.recorded_at),
    Column("script", lambda row: row.script),
    Column("what", lambda row: row.what),
]


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A proof that does not hold."""

    holds: bool = False
    code: str
    """The kind, as in the error."""
    message: str


def register(app: typer.Typer) -> None:
    """Add these commands."""
    shown = examples(
        "ledger check 41.tlog-proof --vkey 'audit.example+1a2b3c4d+AX...'",
        "ledger check 41.tlog-proof --vkey audit.vkey --entry 41.json --json",
        "ledger check 41.tlog-proof --vkey audit.vkey --witness w1.vkey --witness w2.vkey --witnesses 1",
        "ledger check report.answer --vkey audit.vkey --ledger ./audit    asks the bound query again",
    )
    app.command(epilog=shown)(check)


def check(
    context: typer.Context,
    proof: Annotated[
        str, typer.Argument(metavar="PROOF", help="A file that `ledger prove` or `ledger sql --bind` wrote.")
    ],
    vkey: Annotated[
        str | None,
        typer.Option(
            "--vkey",
            metavar="VKEY",
            help="The public key of the ledger as you know it, or a file that holds it; needed without --ledger.",
        ),
    ] = None,
    entry: Annotated[
        str | None,
        typer.Option("--entry", metavar="F", help="The entry's exact bytes; default: the .json beside a receipt."),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger",
            "-l",
            metavar="DIR",
            help="Of a bound answer: ask its query again of this ledger, cut at the answer's checkpoints.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=86_400, metavar="SECONDS", help="Stop that query after so long.")
    ] = 60.0,
    memory: Annotated[
        int, typer.Option("--memory", min=50, max=1_000_000, metavar="MB", help="Stop it where it needs more.")
    ] = 1000,
    witness: Witness = None,
    witnesses: Quorum = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Check a proof without the ledger.

    Says in plain words what was proved and what that rests on; exit code 3 where it does not hold. A bound answer proves what the
    ledger's key signed; with --ledger its query is asked again, read-only and within limits as `ledger sql` does.
    """
    from ledger.query.sql import Limits

    source = context.get_parameter_source("ledger")
    if source is None or source.name != "COMMANDLINE":
        ledger = None  # evidence is checked by itself, unless somebody says otherwise here and now
    data = read_file(proof, MAX_PROOF_BYTES)
    chosen = chosen_format(output, as_json)
    try:
        if ledger is None:
            checked = _alone(proof, data, _needed(vkey), entry, witness, witnesses)
        else:
            _check_options(data, entry, witness, witnesses)
            checked = _asked_again(data, ledger, vkey, Limits(seconds=timeout, memory_mb=memory))
    except IntegrityError as error:
        if chosen is not Format.table:
            emit_one(Refused(code=error.code, message=error.message), lambda: None, chosen)
        raise IntegrityError(error.code, f"{Path(proof).name} does not hold: {error.message}", error.hint) from error
    emit_one(checked, lambda: _show(checked), chosen)


def _alone(
    proof: str, data: bytes, vkey: str, entry: str | None, witness: list[str] | None, witnesses: int | None
) -> "Checked":
    from ledger.proof.checking import check_proof, needs_entry

    key, policy = pinned_key(vkey), witness_policy(witness, witnesses)
    if entry is None and needs_entry(data):
        entry = f"{proof.removesuffix('.tlog-proof')}.json"
    hint = "a receipt is checked with the entry's exact bytes: say where they are with --entry"
    line = None if entry is None else read_file(entry, MAX_ENTRY_BYTES, hint)
    return check_proof(data, key, line, policy)


def _asked_again(data: bytes, ledger: str, vkey: str | None, limits: "Limits") -> "CheckedAnswer":
    from ledger.proof.answerchecks import check_answer, reproduced
    from ledger.proof.boundanswers import open_bound_answer
    from ledger.proof.notes import Verifier
    from ledger.query.binding import ask_again

    with opened(ledger, None) as found:
        key: Verifier = Verifier.from_vkey(found.about.vkey) if vkey is None else pinned_key(vkey)
        checked, answer = check_answer(data, key), open_bound_answer(data, key)
        with counting("reading the log") as progress:
            ask_again(found, answer, key, limits, progress)
    return reproduced(checked, answer, key, pinned=vkey is not None)


def _needed(vkey: str | None) -> str:
    if vkey is None:
        raise UsageError(
            "no_vkey",
            "a proof is as good as the key that it is checked with: give --vkey",
            "what `ledger key` or `ledger init` printed, kept elsewhere than the proof",
        )
    return vkey


def _check_options(data: bytes, entry: str | None, witness: list[str] | None, witnesses: int | None) -> None:
    """What goes together with `--ledger`."""
    from ledger.proof.checking import is_answer

    if not is_answer(data):
        raise UsageError(
            "ledger_unneeded",
            "only a bound answer is checked with the ledger",
            "leave --ledger out: the proof stands alone",
        )
    if entry is not None or witness or witnesses is not None:
        raise UsageError("bad_options", "--entry and --witness are for proofs, not for bound answers", "leave them out")


def _show(checked: "Checked") -> None:
    from ledger.proof.answerchecks import CheckedAnswer
    from ledger.proof.checking import CheckedAccount

    print("holds")
    print(f"proved    {printable(checked.statement)}")
    print(f"rests on  {printable(checked.rests_on)}")
    if isinstance(checked, CheckedAnswer):
        _show_answer(checked)
        return
    if checked.witnessed is not None:
        by = zip(checked.witnessed.by, checked.witnessed.times, strict=True)
        named = ", ".join(f"{printable(name)} at {clock(datetime.fromtimestamp(time, UTC))}" for name, time in by)
        print(f"witnessed {named or 'by nobody'}: {checked.witnessed.asked} asked for")
    if isinstance(checked, CheckedAccount) and checked.entries:
        print()
        print_table(
            [column.title for column in ENTRIES],
            [[column.cell(row) or "" for column in ENTRIES] for row in checked.entries],
        )


def _show_answer(checked: "CheckedAnswer") -> None:
    print(f"query     {printable(checked.query)}")
    for name, value in checked.parameters.items():
        print(f"with      {printable(name)} = {printable(value)}")
    print(f"rows      {checked.rows}, digest {checked.digest}")
    for one in checked.checkpoints:
        print(f"as of     {printable(one.log)} with {one.size} entries, root {one.root}")
