"""How often and how fast: stats."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.files import write_file
from cli.messages import say
from cli.opening import opened
from cli.options import Account, At, Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples, moment
from cli.output import Column, clock, emit
from cli.tracing import length
from ledger.errors import UsageError

if TYPE_CHECKING:
    from ledger.query.statistics import AccountStats

__all__ = ["register"]

EXAMPLES: Final = (
    "ledger stats",
    "ledger stats --since 2022-01-01 --at 2023-01-01 --account 'acme-*'",
    "ledger stats --since '90d ago' --plot deployments.svg",
    "ledger stats --json | jq '.[] | {account, median_restore_s}'",
)
_SPARK_WEEKS: Final = 26


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=examples(*EXAMPLES))(stats)


def stats(
    ledger: Ledger,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Only deployments from then on.")] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.svg", help="Draw deployments and rollbacks a week, too.")
    ] = None,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """How often accounts deploy, go back, and how fast.

    Deployments a week, rollbacks, time to restore, lead time by interface, busiest scripts; by account.
    """
    from ledger.query.plotting import svg
    from ledger.query.statistics import AccountStats, total_weeks
    from ledger.query.statistics import stats as ask

    if plot is not None and plot.suffix.lower() != ".svg":
        raise UsageError("bad_plot", f"cannot draw {plot.name}: only SVG is written", "name a file that ends in .svg")
    first, when = moment(since), moment(at)
    with opened(ledger, keys, known_at) as found:
        answers = ask(found, account=account, since=first, at=when)
    if plot is not None:
        write_file(plot, svg(total_weeks(answers), "Deployments a week, and rollbacks").encode())
        say(f"drew {plot}")
    emit(answers, _columns(answers), chosen_format(output, as_json), AccountStats)


def _columns(answers: "Sequence[AccountStats]") -> list[Column]:
    """The last weeks are drawn for eyes at a terminal only."""
    if not answers or not sys.stdout.isatty():
        return _STATS
    from ledger.query.plotting import filled, sparkline

    last = max(answer.weeks[-1].week for answer in answers)

    def drawn(row: "AccountStats") -> str:
        counts = [week.deployments for week in filled(row.weeks, last)][-_SPARK_WEEKS:]
        return sparkline(counts).rjust(_SPARK_WEEKS)

    return [*_STATS, Column(f"{_SPARK_WEEKS} weeks to {last}", drawn)]


def _interfaces(row: "AccountStats") -> str:
    return ", ".join(
        f"{one.interface} {one.deployments}" + (f" (lead {length(one.median_lead_s)})" if one.median_lead_s else "")
        for one in row.interfaces
    )


_STATS: Final = [
    Column("account", lambda row: row.account),
    Column("scripts", lambda row: str(row.scripts)),
    Column("deployments", lambda row: str(row.deployments)),
    Column("busiest week", lambda row: str(max(week.deployments for week in row.weeks))),
    Column("rollbacks", lambda row: str(row.rollbacks)),
    Column("to restore", lambda row: length(row.median_restore_s)),
    Column("longest", lambda row: length(row.longest_restore_s)),
    Column("interfaces", _interfaces),
    Column("busiest", lambda row: ", ".join(f"{one.script} {one.deployments}" for one in row.busiest[:2])),
    Column("last", lambda row: clock(row.last_at)),
]
