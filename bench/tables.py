"""Tables and goals, as all reports of the bench have them."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec
from rich.box import MARKDOWN, SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bench.machine import Machine

__all__ = ["Goal", "Titled", "at_least", "at_most", "goals_table", "new_table", "now", "print_tables"]

Titled = tuple[str, Table]


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """A goal and how far it is met."""

    name: str
    goal: str
    measured: float
    met: bool


def at_least(name: str, measured: float, limit: float, unit: str) -> Goal:
    """A goal that is met by this much or more."""
    return Goal(name=name, goal=f"at least {limit:g} {unit}".strip(), measured=measured, met=measured >= limit)


def at_most(name: str, measured: float, limit: float, unit: str) -> Goal:
    """A goal that is met by no more than this."""
    return Goal(name=name, goal=f"at most {limit:g} {unit}".strip(), measured=measured, met=measured <= limit)


def now() -> str:
    """The time, for a report."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def new_table(*columns: str) -> Table:
    """A table of numbers but for its first column."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    return table


def goals_table(found: Iterable[Goal]) -> Titled:
    """All goals, and whether they are met."""
    table = new_table("", "goal", "measured", "")
    for goal in found:
        table.add_row(goal.name, goal.goal, f"{goal.measured:,.2f}", "met" if goal.met else "not met")
    return "Goals", table


def print_tables(
    started_at: str, there: Machine, tables: Iterable[Titled], console: Console, *, markdown: bool = False
) -> None:
    """Print where and when it was measured, then the tables, as Markdown where that is asked for."""
    console.print(
        f"{started_at}, {there.cpus} × {there.processor}, {there.system}, Python {there.python}, "
        f"{there.file_system}; load average {there.load_before:g} before",
        soft_wrap=True,
    )
    for title, table in tables:
        console.print()
        console.print(f"**{title}**" if markdown else title, soft_wrap=True)
        if markdown:
            table.box = MARKDOWN
            table.pad_edge = True
            console.print()
        console.print(table)
