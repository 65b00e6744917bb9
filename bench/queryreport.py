"""What was measured of questions, as JSON and as tables, and how it stands to the goals."""

from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from bench.fleetledger import FleetLedger
from bench.machine import Machine
from bench.queries import Question, Subjects
from bench.querywarm import Warm
from bench.tables import Goal, Titled, at_least, at_most, goals_table, new_table, print_tables

__all__ = ["Asked", "Beside", "QueryReport", "Run", "Size", "query_goals", "show_queries"]

MAX_HELP_S: Final = 0.25
MAX_PEAK_MB: Final = 500.0
"""Of a command's resident memory."""
MAX_FLEET_MS: Final = 25.0
MAX_SCRIPT_MS: Final = 2.0
MIN_OF_PLAIN_AT: Final = 3.0
"""Of the plain tables' time over the ledger's, for the whole fleet at a time,"""
MIN_OF_PLAIN: Final = 1.0
"""and for all else."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A command as a new process, some times over."""

    median_s: float
    least_s: float
    cpu_s: float
    """Median of the processor's time, all threads."""
    peak_bytes: int
    output_bytes: int
    sha256: str
    """Of what it printed, the same each time."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question, and what it cost."""

    question: Question
    packed: Run
    segments: Run | None
    """The same of segments alone, once; its answer is the same."""


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """The same question to the ledger and to the plain tables, with the same answer."""

    name: str
    rows: int
    cold_s: dict[str, float]
    """By engine, medians of new processes that print JSON,"""
    warm_s: dict[str, float]
    """and of the SQL alone in a process that goes on."""


class Size(msgspec.Struct, kw_only=True):
    """A ledger's questions."""

    ledger: FleetLedger
    subjects: Subjects
    asked: list[Asked] = []
    warm: Warm | None = None
    beside: list[Beside] = []
    """Of the smallest ledger alone."""


class QueryReport(msgspec.Struct, kw_only=True):
    """One run."""

    format: int = 1
    started_at: str
    machine: Machine
    runs: int
    help: Run | None = None
    sizes: list[Size] = []
    goals: list[Goal] = []


def query_goals(report: QueryReport) -> list[Goal]:
    """The goals, of the largest ledger."""
    found = []
    if report.help is not None:
        found.append(at_most("--help", report.help.median_s, MAX_HELP_S, "s"))
    largest = report.sizes[-1]
    found += [
        at_most(asked.question.name, asked.packed.median_s, asked.question.goal_s, "s")
        for asked in largest.asked
        if asked.question.goal_s is not None
    ]
    if largest.asked:
        peak = max(largest.asked, key=lambda asked: asked.packed.peak_bytes)
        found.append(
            at_most(f"memory, at most ({peak.question.name})", peak.packed.peak_bytes / 1e6, MAX_PEAK_MB, "MB")
        )
    if largest.warm is not None:
        found.append(at_most("the fleet at T, warm", largest.warm.fleet_s * 1000, MAX_FLEET_MS, "ms"))
        found.append(at_most("one script at T, warm", largest.warm.script_s * 1000, MAX_SCRIPT_MS, "ms"))
    for beside in report.sizes[0].beside:
        for engine in sorted(set(beside.cold_s) - {"ledger"}):
            limit = MIN_OF_PLAIN_AT if beside.name == "at T" else MIN_OF_PLAIN
            times = beside.cold_s[engine] / beside.cold_s["ledger"]
            found.append(at_least(f"{beside.name}: {engine} / ledger", times, limit, ""))
    return found


def show_queries(report: QueryReport, console: Console, *, markdown: bool = False) -> None:
    """Print the tables, as Markdown where that is asked for."""
    tables = [
        *(_asked(report, size) for size in report.sizes),
        *map(_beside, report.sizes[:1]),
        goals_table(report.goals),
    ]
    print_tables(report.started_at, report.machine, tables, console, markdown=markdown)


def _asked(report: QueryReport, size: Size) -> Titled:
    made = size.ledger
    title = (
        f"{made.fleet.entries:,} entries of {made.fleet.scripts:,} scripts in {made.fleet.accounts:,} accounts, {made.tail:,} of them not "
        f"compacted; {made.segment_bytes / made.fleet.entries:.0f} bytes an entry in segments, "
        f"{made.packed_bytes / made.fleet.entries:.0f} compacted; new processes, median of {report.runs}"
    )
    if size.warm is not None:
        title += f"; warm, the fleet at T {size.warm.fleet_s * 1000:.1f} ms, one script at T {size.warm.script_s * 1000:.1f} ms"
    smaller = {asked.question.name: asked for asked in report.sizes[0].asked} if size is not report.sizes[0] else {}
    last = "/ smallest ledger" if smaller else "segments alone / compacted"
    table = new_table("", "seconds", "least", "CPU s", "peak MB", "JSON KB", last)
    if report.help is not None:
        table.add_row(
            "--help",
            f"{report.help.median_s:.2f}",
            f"{report.help.least_s:.2f}",
            f"{report.help.cpu_s:.2f}",
            f"{report.help.peak_bytes / 1e6:.0f}",
            "",
            "",
        )
    for asked in size.asked:
        run = asked.packed
        other = smaller.get(asked.question.name)
        ratio = (
            asked.segments.median_s / run.median_s
            if asked.segments
            else run.median_s / other.packed.median_s
            if other
            else None
        )
        table.add_row(
            asked.question.name,
            f"{run.median_s:.2f}",
            f"{run.least_s:.2f}",
            f"{run.cpu_s:.2f}",
            f"{run.peak_bytes / 1e6:.0f}",
            f"{run.output_bytes / 1000:,.0f}",
            "" if ratio is None else f"{ratio:.1f}",
        )
    return title, table


def _beside(size: Size) -> Titled:
    title = f"The same answers from {size.ledger.fleet.entries:,} entries, and from plain tables of them; seconds, ms warm (the SQL alone)"
    table = _beside_table(size)
    return title, table


def _beside_table(size: Size) -> Table:
    table = new_table(
        "", "rows", "ledger", "DuckDB", "SQLite", "DuckDB / ledger", "SQLite / ledger", "DuckDB warm", "SQLite warm"
    )
    for beside in size.beside:
        cold, warm = beside.cold_s, beside.warm_s
        table.add_row(
            beside.name,
            f"{beside.rows:,}",
            *(f"{cold[engine]:.2f}" for engine in ("ledger", "duckdb", "sqlite")),
            *(f"{cold[engine] / cold['ledger']:.2f}" for engine in ("duckdb", "sqlite")),
            *(f"{warm[engine] * 1000:.1f}" for engine in ("duckdb", "sqlite")),
        )
    return table
