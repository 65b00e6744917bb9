"""The report: what was measured as JSON and as tables, and how it stands to the goals."""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from rich.console import Console

from bench.compaction import Compaction
from bench.consume import Consumed, Contender
from bench.core import Core
from bench.growth import Growth
from bench.latency import Latency
from bench.live import Live
from bench.machine import Machine
from bench.memory import Memory
from bench.outage import Outage
from bench.proofs import Proofs
from bench.restart import Restart
from bench.scaling import Scaling
from bench.tables import Goal, Titled, at_least, at_most, goals_table, new_table, print_tables
from bench.verify import Verified

__all__ = ["Report", "goals", "show"]

MIN_RATIO: Final = 3.5
"""Of the worker's events/s over those of a no-op Faust agent, message at a time."""
MAX_CPU_US: Final = 28.0
"""The worker's CPU time for an event."""
MIN_GAIN: Final = 1.6
"""Of two worker processes' events/s over those of one, where the broker leaves a core for it."""
MAX_P50_MS: Final = 150.0
MAX_P99_MS: Final = 700.0
MAX_RESTART_S: Final = 3.0
"""From the start of a process to a shard that can be appended to; with 1,000,000 entries, 100,000 scripts and a snapshot."""
MAX_REREAD_S: Final = 60.0
"""The same, the whole log read again."""
MAX_OPEN_S: Final = 1.5
"""To open a server's view of 1,000,000 entries and 20,000 scripts, with a snapshot."""
MAX_SEEN_MS: Final = 10.0
"""From a durable segment to its entries being visible there."""
MAX_HELD_BYTES: Final = 12_288.0
"""Of a server's memory for a script with ten versions and ten deployments or more, its manifest included."""
MAX_SCRIPT_BYTES: Final = 2048.0
"""Of memory for a script, beyond its manifest."""
MAX_MADE_MS: Final = 5.0
MAX_CHECKED_MS: Final = 1.0
MAX_RECEIPT_BYTES: Final = 2048.0
MIN_OF_BARE: Final = 0.25
"""Of a full verification's entries/s over those of bare SHA-256 in one process."""
MAX_VERIFY_CPU_US: Final = 10.0
"""A full verification's CPU time for an entry."""
MAX_SINCE: Final = 0.05
"""Of the time for the last hundredth of a log over that for all of it."""
MIN_REPLAYED: Final = 40_000.0
"""Entries folded again in a second of CPU time."""
MAX_MEMORY_GROWTH: Final = 1.25
"""Of a verification's peak memory over that at a quarter of the log, and of a writer's over that after a fifth of the events."""


MIN_COMPACTED: Final = 35_000.0
"""Entries compacted in a second."""
MAX_OF_SEGMENTS: Final = 1.3
"""Of the packs' bytes over those of the segments that they were made of."""


class Report(msgspec.Struct, kw_only=True):
    """One run; what was not asked for is null."""

    format: int = 1
    started_at: str
    machine: Machine
    consume: Consumed | None = None
    core: Core | None = None
    scaling: Scaling | None = None
    outage: Outage | None = None
    latency: list[Latency] = []
    """A rate each."""
    memory: Memory | None = None
    restart: Restart | None = None
    growth: Growth | None = None
    live: Live | None = None
    proofs: Proofs | None = None
    verify: Verified | None = None
    compaction: Compaction | None = None
    goals: list[Goal] = []


def goals(report: Report) -> list[Goal]:
    """The goals that the run has something to say about."""
    found = []
    if report.consume is not None:
        worker = next(contender for contender in report.consume.contenders if contender.key == "c")
        found.append(at_least("c/a, events/s", report.consume.ratios["c/a"], MIN_RATIO, ""))
        found.append(at_most("c, CPU time for an event", worker.cpu_us_per_event or 0.0, MAX_CPU_US, "µs"))
    if report.scaling is not None:
        found.append(at_least("two worker processes / one, events/s", report.scaling.gain, MIN_GAIN, ""))
    for latency in report.latency:
        name = f"from sent to durable at {latency.rate_per_s:,.0f}/s"
        found.append(at_most(f"{name}, p50", latency.p50_ms, MAX_P50_MS, "ms"))
        found.append(at_most(f"{name}, p99", latency.p99_ms, MAX_P99_MS, "ms"))
    if report.memory is not None:
        found.append(at_most("memory for a script", report.memory.overhead_bytes, MAX_SCRIPT_BYTES, "bytes"))
    if report.restart is not None:
        found.append(at_most("restart with a snapshot", report.restart.with_snapshot_s, MAX_RESTART_S, "s"))
        found.append(at_most("restart without", report.restart.without_s, MAX_REREAD_S, "s"))
    if report.live is not None:
        found.append(at_most("a server's view opened from a snapshot", report.live.open_s, MAX_OPEN_S, "s"))
        found.append(at_most("an entry seen there, median", report.live.seen_ms, MAX_SEEN_MS, "ms"))
        held = report.live.own_bytes / report.live.scripts
        found.append(at_most("memory there for a script", held, MAX_HELD_BYTES, "bytes"))
    if report.growth is not None:
        name = f"memory after {report.growth.events:,} events / after {report.growth.early_events:,}"
        found.append(at_most(name, report.growth.ratio, MAX_MEMORY_GROWTH, ""))
    if report.proofs is not None:
        found.append(at_most("a receipt made, median", report.proofs.made_ms, MAX_MADE_MS, "ms"))
        found.append(at_most("a receipt checked, median", report.proofs.checked_ms, MAX_CHECKED_MS, "ms"))
        found.append(at_most("a receipt beside its entry", report.proofs.largest_bytes, MAX_RECEIPT_BYTES, "bytes"))
    if report.verify is not None:
        measured = report.verify
        found.append(at_least("verify / bare SHA-256, entries/s", measured.of_bare, MIN_OF_BARE, ""))
        cpu_us = measured.full.cpu_s * 1e6 / measured.full.entries
        found.append(at_most("verify, CPU time for an entry", cpu_us, MAX_VERIFY_CPU_US, "µs"))
        found.append(at_most("--since of the last 1 % / full run", measured.since_of_full, MAX_SINCE, ""))
        found.append(at_least("replay, entries/s per core", measured.replayed_per_s, MIN_REPLAYED, ""))
        found.append(
            at_most("verify, memory / at a quarter of the size", measured.memory_growth, MAX_MEMORY_GROWTH, "")
        )
    if report.compaction is not None:
        found.append(at_least("compaction, entries/s", report.compaction.entries_per_s, MIN_COMPACTED, ""))
        found.append(at_most("packs / segments, bytes", report.compaction.of_segments, MAX_OF_SEGMENTS, ""))
    return found


def show(report: Report, console: Console, *, markdown: bool = False) -> None:
    """Print the tables, as Markdown where that is asked for."""
    print_tables(report.started_at, report.machine, _tables(report), console, markdown=markdown)


def _tables(report: Report) -> Iterator[Titled]:
    for name, table in _TABLES.items():
        measured = getattr(report, name)
        if measured:
            yield table(measured)


def _quickness(measured_us: list[float]) -> str:
    low, high = min(measured_us), max(measured_us)
    return f"json.loads of an event took {low:.1f} to {high:.1f} µs"


def _consumed(consumed: Consumed) -> Titled:
    ran = [contender.key for contender in consumed.contenders if contender.rounds]
    title = (
        f"Consuming {consumed.events:,} events of {consumed.event_bytes:,.0f} bytes "
        f"(a, b: {consumed.slow_events:,}), broker {consumed.broker}; {_quickness(consumed.json_us)}"
    )
    table = new_table("", "events/s", "CPU µs/event", *(f"/ {key}" for key in ran))
    for contender in consumed.contenders:
        table.add_row(f"({contender.key}) {contender.name}", *_cells(contender, consumed.ratios, ran))
    return title, table


def _cells(contender: Contender, ratios: dict[str, float], ran: list[str]) -> Iterator[str]:
    if contender.events_per_s is None or contender.cpu_us_per_event is None:
        yield f"skipped: {contender.skipped}"
        return
    yield f"{contender.events_per_s:,.0f}"
    yield f"{contender.cpu_us_per_event:.1f}"
    for key in ran:
        yield "1" if key == contender.key else f"{ratios[f'{contender.key}/{key}']:.2f}"


def _core(core: Core) -> Titled:
    title = (
        f"The core in one process, without Kafka: {core.events:,} events of {core.event_bytes:,.0f} bytes, "
        f"entries of {core.entry_bytes:,.0f}, batches of {core.batch:,}; {_quickness(core.json_us)}"
    )
    table = new_table("", "CPU µs/event", "wall µs/event", "× SHA-256")
    for part in core.parts:
        wall = "" if part.wall_us_per_event is None else f"{part.wall_us_per_event:.2f}"
        table.add_row(part.name, f"{part.cpu_us_per_event:.2f}", wall, f"{part.times_sha256:.1f}")
    return title, table


def _scaling(scaling: Scaling) -> Titled:
    title = (
        f"One worker process and two on {scaling.partitions} partitions, while all are at work, broker {scaling.broker}"
    )
    table = new_table("", "events/s", "CPU µs/event", "/ one")
    for name, run in (("one", scaling.one), ("two", scaling.two)):
        times = run.events_per_s / scaling.one.events_per_s
        table.add_row(name, f"{run.events_per_s:,.0f}", f"{run.cpu_us_per_event:.1f}", f"{times:.2f}")
    return title, table


def _outage(outage: Outage) -> Titled:
    title = f"After an outage: a backlog of {outage.backlog:,} events, live traffic meanwhile, broker {outage.broker}"
    table = new_table("live events/s", "caught up after s", "entries/s meanwhile", "so an hour's outage takes min")
    table.add_row(
        f"{outage.live_per_s:,.0f}",
        f"{outage.seconds:.1f}",
        f"{outage.entries / outage.seconds:,.0f}",
        f"{outage.hour_s / 60:.0f}",
    )
    return title, table


def _latency(rates: list[Latency]) -> Titled:
    title = (
        f"From sent to durable, broker {rates[0].broker}, looked at every {max(r.resolution_ms for r in rates):.1f} ms"
    )
    table = new_table("events/s", "events", "p50 ms", "p90 ms", "p99 ms", "max ms", "events a segment", "CPU µs/event")
    for latency in rates:
        values = (latency.p50_ms, latency.p90_ms, latency.p99_ms, latency.max_ms)
        table.add_row(
            f"{latency.rate_per_s:,.0f}",
            f"{latency.events:,}",
            *(f"{value:.1f}" for value in values),
            f"{latency.events_per_segment:.0f}",
            f"{latency.worker_cpu_us_per_event:.0f}",
        )
    return title, table


def _restart(restart: Restart) -> Titled:
    title = (
        f"Starting again on a log of {restart.entries:,} entries, {restart.scripts:,} scripts "
        f"({restart.imports_s:.2f} s of it loads Python and the worker)"
    )
    table = new_table("with a snapshot s", "without s", "resident MB")
    table.add_row(f"{restart.with_snapshot_s:.2f}", f"{restart.without_s:.2f}", f"{restart.resident_bytes / 1e6:.0f}")
    return title, table


def _memory(memory: Memory) -> Titled:
    title = f"Memory of {memory.scripts:,} scripts in accounts of {memory.scripts_per_account}"
    table = new_table("grown by MB", "manifest bytes", "bytes/script beyond its manifest")
    table.add_row(f"{memory.resident_bytes / 1e6:.1f}", f"{memory.manifest_bytes:.0f}", f"{memory.overhead_bytes:,.0f}")
    return title, table


def _live(live: Live) -> Titled:
    title = (
        f"A server's view of {live.entries:,} entries, {live.scripts:,} scripts; the first time, without a snapshot, "
        f"it took {live.first_open_s:.1f} s to open"
    )
    table = new_table("opened s", "own MB", "bytes/script", "ten deployments µs", "entry seen ms, median", "at most")
    table.add_row(
        f"{live.open_s:.2f}",
        f"{live.own_bytes / 1e6:.0f}",
        f"{live.own_bytes / live.scripts:,.0f}",
        f"{live.deployments_us:.0f}",
        f"{live.seen_ms:.1f}",
        f"{live.seen_max_ms:.1f}",
    )
    return title, table


def _growth(growth: Growth) -> Titled:
    title = f"A writer's memory over {growth.events:,} events of {growth.scripts:,} scripts"
    table = new_table("events", "own MB")
    for events, size in ((growth.early_events, growth.early_bytes), (growth.events, growth.end_bytes)):
        table.add_row(f"{events:,}", f"{size / 1e6:.1f}")
    return title, table


def _proofs(proofs: Proofs) -> Titled:
    title = (
        f"Receipts of {proofs.receipts:,} of {proofs.entries:,} entries; {_quickness([proofs.json_us])}; opening the tree took "
        f"{proofs.first_open_s:.1f} s at first, {proofs.open_ms:.1f} ms with its cache"
    )
    table = new_table("", "median ms", "p99 ms", "largest bytes")
    table.add_row("made", f"{proofs.made_ms:.2f}", f"{proofs.made_p99_ms:.2f}", f"{proofs.largest_bytes:,}")
    table.add_row("checked", f"{proofs.checked_ms:.2f}", f"{proofs.checked_p99_ms:.2f}", "")
    return title, table


def _verified(measured: Verified) -> Titled:
    title = f"Verifying {measured.entries:,} entries of {measured.entry_bytes:,.0f} bytes, {measured.cores} cores"
    table = new_table("", "entries", "seconds", "entries/s", "CPU µs/entry", "peak MB")
    for name, run in (
        ("bare SHA-256, one process", measured.bare),
        ("full run", measured.full),
        ("full run at a quarter", measured.small),
        ("--since, the last 1 % new", measured.since),
        ("replay, one process", measured.replay),
    ):
        each = f"{run.entries / run.wall_s:,.0f}", f"{run.cpu_s * 1e6 / run.entries:.2f}", f"{run.peak_bytes / 1e6:.0f}"
        table.add_row(name, f"{run.entries:,}", f"{run.wall_s:.3f}", *each)
    return title, table


def _compacted(measured: Compaction) -> Titled:
    title = f"Compacting {measured.entries:,} entries, {measured.cores} cores; {_quickness([measured.json_us])}"
    table = new_table("entries/s", "CPU µs/entry", "bytes/entry in segments", "in packs", "packs / segments")
    table.add_row(
        f"{measured.entries_per_s:,.0f}",
        f"{measured.cpu_s * 1e6 / measured.entries:.1f}",
        f"{measured.segment_bytes / measured.entries:.0f}",
        f"{measured.pack_bytes / measured.entries:.0f}",
        f"{measured.of_segments:.2f}",
    )
    return title, table


_TABLES: Final[dict[str, Callable[[Any], Titled]]] = {
    "consume": _consumed,
    "core": _core,
    "scaling": _scaling,
    "outage": _outage,
    "latency": _latency,
    "memory": _memory,
    "restart": _restart,
    "growth": _growth,
    "live": _live,
    "proofs": _proofs,
    "verify": _verified,
    "compaction": _compacted,
    "goals": goals_table,
}
"""How each part of a report is shown, in this order."""
