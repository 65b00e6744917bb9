"""What changed in a window of time: during."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.describing import change_text, some
from cli.opening import opened
from cli.options import Account, At, Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples, moment
from cli.output import Column, clock, emit, short

if TYPE_CHECKING:
    from ledger.query.window import ChangedRow

__all__ = ["register"]

EXAMPLES: Final = (
    "ledger during 2022-11-28T09:00Z 2022-11-28T10:00Z",
    "ledger during 2022-11-28 2022-11-29 --only-marked --account 'acme-*'",
    "ledger during '2h ago' now --rule secret --rule rollback --json",
    "ledger during '1d ago' now --no-rule newcomer",
)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=examples(*EXAMPLES))(during)


def during(
    start: Annotated[str, typer.Argument(metavar="FROM", help="Beginning of the window (effective time).")],
    end: Annotated[str, typer.Argument(metavar="TO", help="Its end, which is not in it.")],
    ledger: Ledger,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", metavar="NAME", help="Apply this rule only; may be given again.")
    ] = None,
    no_rule: Annotated[
        list[str] | None, typer.Option("--no-rule", metavar="NAME", help="Apply all but this rule; may be given again.")
    ] = None,
    only_marked: Annotated[bool, typer.Option("--only-marked", help="Only what stands out.")] = False,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """What changed in a window of time, and what stands out.

    Rules: rollback, secret, by-hand, newcomer, hour, many; docs/INCIDENTS.md says what each marks.
    """
    from ledger.query.window import ChangedRow
    from ledger.query.window import during as ask

    first, last, when = moment(start), moment(end), moment(at)
    with opened(ledger, keys, known_at) as found:
        answers = ask(
            found,
            first,
            last,
            account=account,
            at=when,
            only=rule or (),
            without=no_rule or (),
            only_marked=only_marked,
        )
    emit(answers, _CHANGED, chosen_format(output, as_json), ChangedRow)


def _what(row: "ChangedRow") -> str:
    made = [f"v{row.version}"] if row.version is not None else []
    made += [f"d{row.deployment}"] if row.deployment is not None else []
    made += [f"took from {', '.join(row.took_from)}"] if row.took_from else []
    return " ".join([row.outcome, *made])


_CHANGED: Final = [
    Column("", lambda row: "!" if row.marks else ""),
    Column("time", lambda row: clock(row.effective_at)),
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("what", _what),
    Column("author", lambda row: short(row.author)),
    Column("source", lambda row: row.interface),
    Column("changes", lambda row: some([change_text(change) for change in row.changes])),
    Column("entry", lambda row: row.entry),
    Column("stands out", lambda row: "; ".join(f"{mark.rule}: {mark.why}" for mark in row.marks)),
]
