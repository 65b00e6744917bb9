"""What was measured of the HTTP API, as JSON and as tables, and how it stands to the goals."""

from collections.abc import Iterator
from typing import Final

import msgspec
from rich.console import Console

from bench.machine import Machine
from bench.publishing import Publishing
from bench.tables import Goal, Titled, at_least, at_most, goals_table, new_table, print_tables

__all__ = ["ApiReport", "Reads", "Served", "Writes", "api_goals", "show_api"]

MIN_PER_CORE: Final = 800.0
"""Requests for a script's deployments in a second of the server's CPU time."""
MAX_P99_MS: Final = 50.0
MAX_ADDED_MS: Final = 300.0
"""By the ledger to what a wrangler takes to publish against a stand-in."""


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """One server, asked as quickly as it answers."""

    per_s: float
    """Requests answered in a second,"""
    per_core: float
    """and in a second of the server's CPU time."""
    p50_ms: float
    p99_ms: float


class Reads(msgspec.Struct, frozen=True, kw_only=True):
    """A script's deployments, asked for over some connections at once."""

    entries: int
    connections: int
    json_us: float
    ready_s: float
    """From the start of the server to its first answer."""
    resident_bytes: int
    answer_bytes: float
    """Of a body, on average."""
    ledger: Served
    """Asked by a token that may read: people are pseudonyms,"""
    named: Served
    """and by one that may see who they are: each answer waits until it is on storage that it was given."""
    bare: Served
    """A handler of the same framework and server that answers with as many bytes, and does nothing else."""


class Writes(msgspec.Struct, frozen=True, kw_only=True):
    """Uploads by many at once, each to a script of its own."""

    writers: int
    accounts: int
    seconds: float
    answered: int
    """With an id."""
    otherwise: int
    """Answered in another way."""
    lost: int
    """Ids that were answered and are not in the log, or were answered twice."""
    doubled: int
    """Versions in the log beyond those that were asked for, and ids that stand in it twice."""
    per_s: float
    p50_ms: float
    p99_ms: float


class ApiReport(msgspec.Struct, kw_only=True):
    """One run."""

    format: int = 1
    started_at: str
    machine: Machine
    broker: str
    reads: Reads
    writes: Writes
    publishing: list[Publishing]
    """A wrangler each, of those that are installed."""
    goals: list[Goal] = []


def api_goals(report: ApiReport) -> list[Goal]:
    """The goals, and how far they are met."""
    reads, writes = report.reads, report.writes
    name = f"deployments of a script, {reads.connections} connections"
    found = [
        at_least(f"{name}, requests/s per core", reads.ledger.per_core, MIN_PER_CORE, ""),
        at_most(f"{name}, p99", reads.ledger.p99_ms, MAX_P99_MS, "ms"),
        at_most("uploads lost, or there twice", writes.lost + writes.doubled, 0, ""),
    ]
    added = ((f"added to a publish of wrangler {item.version}", item.added_ms) for item in report.publishing)
    return found + [at_most(what, milliseconds, MAX_ADDED_MS, "ms") for what, milliseconds in added]


def show_api(report: ApiReport, console: Console, *, markdown: bool = False) -> None:
    """Print the tables, as Markdown where that is asked for."""
    print_tables(report.started_at, report.machine, _tables(report), console, markdown=markdown)


def _tables(report: ApiReport) -> Iterator[Titled]:
    reads, writes = report.reads, report.writes
    table = new_table("", "requests/s", "per core", "CPU µs/request", "p50 ms", "p99 ms")
    for name, served in (
        ("ledger serve", reads.ledger),
        ("the same, people named", reads.named),
        ("a bare handler, as many bytes", reads.bare),
    ):
        cells = (f"{cell:,.0f}" for cell in (served.per_s, served.per_core, 1e6 / served.per_core))
        table.add_row(name, *cells, f"{served.p50_ms:.1f}", f"{served.p99_ms:.1f}")
    title = (
        f"Deployments of a script, of {reads.entries:,} entries, {reads.connections} connections, answers of "
        f"{reads.answer_bytes:,.0f} bytes; ready after {reads.ready_s:.1f} s, {reads.resident_bytes / 1e6:.0f} MB; "
        f"json.loads of an event took {reads.json_us:.1f} µs"
    )
    yield title, table
    table = new_table("uploads/s", "answered", "otherwise", "lost", "there twice", "p50 ms", "p99 ms")
    counts = (f"{count:,}" for count in (writes.answered, writes.otherwise, writes.lost, writes.doubled))
    table.add_row(f"{writes.per_s:,.0f}", *counts, f"{writes.p50_ms:.0f}", f"{writes.p99_ms:.0f}")
    title = f"{writes.writers} writers in {writes.accounts} accounts at once for {writes.seconds:.0f} s, broker {report.broker}"
    yield title, table
    if report.publishing:
        table = new_table("wrangler", "against a stand-in ms", "against the ledger ms", "added ms")
        for item in report.publishing:
            table.add_row(item.version, *(f"{ms:,.0f}" for ms in (item.stand_in_ms, item.ledger_ms, item.added_ms)))
        yield f"A publish, median of {report.publishing[0].runs}", table
    yield goals_table(report.goals)
