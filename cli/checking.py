"""Evidence received: check, with no ledger at hand."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from cli.files import pinned_key, read_file, witness_policy
from cli.options import Format, Json, Output, Quorum, Witness, chosen_format, examples
from cli.output import Column, clock, emit_one
from cli.tables import print_table, printable
from ledger.errors import IntegrityError

if TYPE_CHECKING:
    from ledger.proof.checking import Checked

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
    )
    app.command(epilog=shown)(check)


def check(
    proof: Annotated[str, typer.Argument(metavar="PROOF", help="A file that `ledger prove` wrote.")],
    vkey: Annotated[
        str,
        typer.Option(
            "--vkey", metavar="VKEY", help="The public key of the ledger as you know it, or a file that holds it."
        ),
    ],
    entry: Annotated[
        str | None,
        typer.Option("--entry", metavar="F", help="The entry's exact bytes; default: the .json beside a receipt."),
    ] = None,
    witness: Witness = None,
    witnesses: Quorum = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Check a proof without the ledger.

    Says in plain words what was proved and what that rests on; exit code 3 where it does not hold.
    """
    from ledger.proof.checking import check_proof, needs_entry

    key, policy, data = pinned_key(vkey), witness_policy(witness, witnesses), read_file(proof, MAX_PROOF_BYTES)
    chosen = chosen_format(output, as_json)
    if entry is None and needs_entry(data):
        entry = f"{proof.removesuffix('.tlog-proof')}.json"
    hint = "a receipt is checked with the entry's exact bytes: say where they are with --entry"
    line = None if entry is None else read_file(entry, MAX_ENTRY_BYTES, hint)
    try:
        checked = check_proof(data, key, line, policy)
    except IntegrityError as error:
        if chosen is not Format.table:
            emit_one(Refused(code=error.code, message=error.message), lambda: None, chosen)
        raise IntegrityError(error.code, f"{Path(proof).name} does not hold: {error.message}", error.hint) from error
    emit_one(checked, lambda: _show(checked), chosen)


def _show(checked: "Checked") -> None:
    from ledger.proof.checking import CheckedAccount

    print("holds")
    print(f"proved    {printable(checked.statement)}")
    print(f"rests on  {printable(checked.rests_on)}")
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
