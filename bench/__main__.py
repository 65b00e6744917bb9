"""`python -m bench`: measures, prints tables, writes JSON."""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from bench.brokers import Broker, start_broker
from bench.compaction import measure_compaction
from bench.consume import consume
from bench.core import measure_core
from bench.growth import measure_growth
from bench.latency import measure_latency
from bench.live import measure_live
from bench.load import Load
from bench.machine import machine
from bench.memory import measure_memory
from bench.outage import measure_outage
from bench.places import workplace
from bench.proofs import measure_proofs
from bench.report import Report, goals, show
from bench.restart import measure_restart
from bench.scaling import measure_scaling
from bench.tables import now
from bench.verify import measure_verify
from bench.workers import ROOT
from ledger.errors import LedgerError, NotFoundError

PARTS: Final = (
    "consume",
    "scaling",
    "outage",
    "latency",
    "core",
    "memory",
    "restart",
    "proofs",
    "verify",
    "compaction",
)
ON_DEMAND: Final = ("growth", "live")
"""Parts that say something only at sizes that take minutes."""
_ON_A_BROKER: Final = frozenset(("consume", "scaling", "outage", "latency"))
RESULTS: Final = ROOT / "bench" / "results" / "latest.json"
WORK: Final = ROOT / ".cache" / "bench"
"""Beside the code rather than in the system's temporary directory, which may be memory, where fsync costs nothing."""
_MAX_CORE_EVENTS: Final = 20_000
_RECEIPTS: Final = 1000
_RATES: Final = (1000, 10_000)
_SCALING: Final = 2
"""Times as many events as otherwise: two processes have to be at work together for a while."""
_LIVE: Final = 5000
"""Events a second after an outage."""
_TABLE_WIDTH: Final = 132


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to measure."""

    only: list[str]
    events: int
    slow_events: int
    rounds: int
    broker: str
    rate: list[int]
    seconds: float
    scripts: int
    entries: int
    output: Path
    work: Path
    show: bool
    markdown: bool


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for; returns the exit code."""
    options = _options(arguments)
    try:
        report = _read(options.output) if options.show else _measured(options)
    except LedgerError as error:
        _say(f"error: {error.message}")
        _say(f"hint: {error.hint}")
        return error.exit_code
    # No guess at a width where nobody looks: a table that is cut is of no use in a file.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _TABLE_WIDTH)
    show(report, console, markdown=options.markdown)
    return 0


def _read(path: Path) -> Report:
    if not path.exists():
        raise NotFoundError("no_results", f"there are no results at {path}", "measure first: python -m bench")
    return msgspec.json.decode(path.read_bytes(), type=Report)


def _measured(options: Options) -> Report:
    with workplace(options.work) as place:
        report = _measure(options, place)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    _say(f"written to {options.output}")
    return report


def _measure(options: Options, work: Path) -> Report:
    wanted = options.only or list(PARTS)
    report = Report(started_at=now(), machine=machine(work))
    load = Load()
    with ExitStack() as stack:
        if not _ON_A_BROKER.isdisjoint(wanted):
            broker = stack.enter_context(start_broker(options.broker, work))
            _measure_on(broker, options, wanted, load, report, work)
    if "core" in wanted:
        _say("the core, without Kafka")
        report.core = measure_core(load, min(options.events, _MAX_CORE_EVENTS), options.rounds, work)
    if "memory" in wanted:
        _say(f"memory: {options.scripts:,} scripts")
        report.memory = measure_memory(options.scripts, work)
    if "restart" in wanted:
        _say(f"restart: a log of {options.entries:,} entries")
        report.restart = measure_restart(options.entries, work)
    if "live" in wanted:
        _say(f"live: a server's view of {options.entries:,} entries")
        report.live = measure_live(options.entries, work)
    if "growth" in wanted:
        _say(f"growth: {options.entries:,} events of the same scripts")
        report.growth = measure_growth(options.entries, work)
    if "proofs" in wanted:
        _say(f"proofs: a ledger of {options.entries:,} entries")
        report.proofs = measure_proofs(load, options.entries, _RECEIPTS, work)
    if "verify" in wanted:
        _say(f"verify: {options.entries:,} entries")
        report.verify = measure_verify(load, options.entries, options.rounds, work)
    if "compaction" in wanted:
        _say(f"compaction: {options.entries:,} entries")
        report.compaction = measure_compaction(load, options.entries, work)
    report.goals = goals(report)
    return report


def _measure_on(broker: Broker, options: Options, wanted: list[str], load: Load, report: Report, work: Path) -> None:
    """What needs a broker."""
    if "consume" in wanted:
        report.consume = consume(broker, load, options.events, options.slow_events, options.rounds, work, _say)
    if "scaling" in wanted:
        _say("scaling: one worker process, and two")
        report.scaling = measure_scaling(broker, load, _SCALING * options.events, min(2, options.rounds), work)
    if "outage" in wanted:
        _say(f"outage: a backlog of {options.events:,} events, and {_LIVE:,} new ones a second")
        report.outage = measure_outage(broker, load, options.events, _LIVE, work)
    if "latency" in wanted:
        for rate in options.rate or _RATES:
            _say(f"latency: {rate:,} events/s for {options.seconds:g} s")
            report.latency.append(measure_latency(broker, load, rate, options.seconds, work))


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _options(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add(
        "--only",
        action="append",
        choices=PARTS + ON_DEMAND,
        default=[],
        help="measure this part only; may be given again",
    )
    add("--events", type=_positive, default=100_000, help="events to consume (500000: the full measurement)")
    add("--slow-events", type=_positive, default=20_000, help="how many of them the no-op Faust agents consume")
    add("--rounds", type=_positive, default=3, help="how often everything runs; the best of each counts")
    add(
        "--broker",
        default="embedded",
        metavar="embedded|jars|HOST:PORT",
        help="the embedded one, Apache Kafka from its jars (Java and Maven), or one that runs",
    )
    add("--kafka", dest="broker", metavar="HOST:PORT", help="short for --broker HOST:PORT")
    add(
        "--rate",
        type=_positive,
        action="append",
        default=[],
        help="events/s while latency is measured; may be given again (default: 1000, then 10000)",
    )
    add("--seconds", type=float, default=15.0, help="for how long")
    add("--scripts", type=_positive, default=100_000, help="how many scripts' memory is measured")
    add(
        "--entries",
        type=_positive,
        default=100_000,
        help="of the ledger that is opened again, proved, verified and compacted (1000000: the full measurement)",
    )
    add("--output", type=Path, default=RESULTS, help="where the JSON goes")
    add("--work", type=Path, default=WORK, help="a directory on the disk whose fsync is to count")
    add("--show", action="store_true", help="measure nothing: print the tables of the last run's JSON")
    add("--markdown", action="store_true", help="print the tables as Markdown")
    return Options(**vars(parser.parse_args(arguments)))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
