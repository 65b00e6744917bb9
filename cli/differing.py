"""`ledger diff`: what differs between two deployments, versions, times or accounts."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import os
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from cli.messages import say
from cli.opening import opened
from cli.options import Account, At, Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples, moment
from cli.output import Column, emit, json_text, plain, short
from cli.tables import printable

if TYPE_CHECKING:
    from ledger.query.forensics import Difference

__all__ = ["readable", "register"]

EXAMPLES: Final = (
    "ledger diff 345a0eaf b6dec083                        two deployments or versions, by id",
    "ledger diff '2h ago' now checkout --account acme",
    "ledger diff 2022-11-28 2022-11-29 --stat             the whole fleet",
    "ledger diff acme-staging acme-live checkout          two accounts; --at TIME as of then",
    "ledger diff b6dec083 now --json | jq '.[].name'",
)

_SIGNS: Final = {"added": "+", "removed": "-", "changed": "~"}
_COLOURS: Final = {"added": typer.colors.GREEN, "removed": typer.colors.RED, "changed": typer.colors.YELLOW}
_LONG: Final = 160
"""Characters of a value that are shown of it to people; JSON has it whole."""


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=examples(*EXAMPLES))(diff)


def diff(
    a: Annotated[
        str, typer.Argument(metavar="A", help="A time, an account, or the start of a deployment's or version's id.")
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="Likewise.")],
    ledger: Ledger,
    script: Annotated[
        str | None, typer.Argument(metavar="[SCRIPT]", help="Of times and accounts: only this script.")
    ] = None,
    stat: Annotated[bool, typer.Option("--stat", help="Only how much differs, script by script.")] = False,
    no_code: Annotated[bool, typer.Option("--no-code", help="Don't compare the text of modules.")] = False,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """What differs between two ids, times or accounts.

    An id is that of a deployment or version. Name by name with the values before and after; modules line by line where the ledger has both texts. Of times and
    accounts also what leads to a script (routes, domains, crons, ...). A deployment or version may be compared with what
    its script served at a time. `account:NAME` and `id:DIGITS` say what is meant where a name is both.
    """
    from ledger.query.differences import differences, summed
    from ledger.query.forensics import Difference, DifferenceStat

    when, chosen = moment(at), chosen_format(output, as_json)
    with opened(ledger, keys, known_at) as found:
        answers = differences(found, a, b, script, account=account, at=when, code=not no_code)
    if stat:
        emit(summed(answers), _STAT, chosen, DifferenceStat)
    elif chosen is Format.table:
        _show(answers)
    else:
        emit(answers, (), chosen, Difference)
    if not answers and chosen is Format.table:
        say("no differences")


def readable(name: str, value: Any, longest: int = _LONG) -> str:
    """A value as people read it: short; a module as its type, size and digest, a deployment as its number and id."""
    if isinstance(value, dict) and name == "active" and {"number", "id"} <= value.keys():
        return f"{value['number']} ({short(str(value['id']))})"
    if isinstance(value, dict) and name.startswith("modules/") and {"type", "size", "sha256"} <= value.keys():
        return f"{value['type']}, {value['size']} bytes, {short(str(value['sha256']))}"
    text = json_text(plain(value))
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


def _show(answers: "Sequence[Difference]") -> None:
    for number, (title, group) in enumerate(groupby(answers, _title)):
        if number:
            print()
        _print(title, bold=True)
        for one in group:
            _print(f"  {_SIGNS[one.op]} {one.aspect}/{one.name}  {_values(one)}".rstrip(), colour=_COLOURS[one.op])
            for line in (one.text or "").split("\n")[:-1]:
                _print(f"      {line}", colour=_line_colour(line))


def _title(one: "Difference") -> str:
    here = f"{one.account}/{one.script}"
    return here if one.other is None else f"{one.other} -> {here}"


def _values(one: "Difference") -> str:
    before, after = readable(one.name, one.before), readable(one.name, one.after)
    return {"added": after, "removed": before}.get(one.op, f"{before} -> {after}")


def _line_colour(line: str) -> str | None:
    if line.startswith(("---", "+++", "@@")):
        return typer.colors.CYAN
    return {"+": typer.colors.GREEN, "-": typer.colors.RED}.get(line[:1])


def _print(text: str, *, colour: str | None = None, bold: bool | None = None) -> None:
    line = printable(text)
    print(typer.style(line, fg=colour, bold=bold) if _is_coloured() else line)


def _is_coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


_STAT: Final = [
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("from", lambda row: row.other),
    Column("aspects", lambda row: ", ".join(row.aspects)),
    Column("added", lambda row: str(row.added or "")),
    Column("removed", lambda row: str(row.removed or "")),
    Column("changed", lambda row: str(row.changed or "")),
    Column(
        "lines", lambda row: f"+{row.lines_added} -{row.lines_removed}" if row.lines_added or row.lines_removed else ""
    ),
]
