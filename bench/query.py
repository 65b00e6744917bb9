"""`python -m bench.query`: how long questions take over ledgers of a whole fleet, and how that compares; prints tables, writes JSON."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console

from bench.children import measured_by, printed_by
from bench.fleetledger import FleetLedger, fleet_ledger, fleet_name
from bench.fleetload import Fleet
from bench.machine import machine
from bench.plainsql import DUCKDB
from bench.queries import COMMAND, MOMENT, Question, Subjects, choose, questions
from bench.queryplain import ENGINES, build
from bench.queryreport import Asked, Beside, QueryReport, Run, Size, query_goals, show_queries
from bench.querysame import joined, plain_rows
from bench.querywarm import Warm
from bench.tables import now
from bench.workers import ROOT

RESULTS: Final = ROOT / "bench" / "results" / "query.json"
CACHE: Final = ROOT / ".cache" / "fleets"
SIZES: Final = (1_000_000, 10_000_000)
_TIMEOUT_S: Final = 3600.0
_TABLE_WIDTH: Final = 132


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; returns the exit code."""
    options = _options(arguments)
    if options.show:
        report = msgspec.json.decode(options.output.read_bytes(), type=QueryReport)
    else:
        fleets = [Fleet(entries=entries, **_proportions(options)) for entries in sorted(set(options.entries or SIZES))]
        report = measure(fleets, options.cache, options.runs, options.only)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
        _say(f"written to {options.output}")
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _TABLE_WIDTH)
    show_queries(report, console, markdown=options.markdown)
    return 0


def measure(fleets: Sequence[Fleet], cache: Path, runs: int, only: Sequence[str] = ()) -> QueryReport:
    """Ask all questions of the ledgers of some fleets, made where they are not there yet.

    The smallest is asked as segments alone too, and is what the plain tables are made of.

    Raises:
        RuntimeError: two ways gave different answers to the same question.
    """
    cache.mkdir(parents=True, exist_ok=True)
    report = QueryReport(started_at=now(), machine=machine(cache), runs=runs)
    report.help = _cold([*COMMAND, "--help"], runs)
    for number, fleet in enumerate(fleets):
        _say(f"the ledger of {fleet.entries:,} entries")
        made = fleet_ledger(fleet, cache)
        about = choose(fleet, made.packed(cache))
        asked = [one for one in questions(about) if not only or one.name in only]
        size = Size(ledger=made, subjects=about)
        for question in asked:
            size.asked.append(_asked(question, made, cache, runs, also_segments=number == 0))
        size.warm = measured_by(
            "bench.querywarm", Warm, made.packed(cache), about.account, about.script, timeout_s=_TIMEOUT_S
        )
        if number == 0:
            files = build(made.packed(cache), cache / f"{fleet_name(fleet)}-plain")
            size.beside = [
                _beside(name, files, about, made.packed(cache), runs) for name in DUCKDB if not only or name in only
            ]
        report.sizes.append(size)
    report.goals = query_goals(report)
    return report


def _asked(question: Question, made: FleetLedger, cache: Path, runs: int, *, also_segments: bool) -> Asked:
    _say(f"  {question.name}")
    packed = _cold([*COMMAND, *question.arguments, "--ledger", str(made.packed(cache))], runs)
    segments = None
    if also_segments:
        segments = _cold([*COMMAND, *question.arguments, "--ledger", str(made.segments(cache))], 1)
        if segments.sha256 != packed.sha256:
            raise RuntimeError(f"{question.name}: another answer from segments than from packs")
    return Asked(question=question, packed=packed, segments=segments)


def _beside(name: str, files: dict[str, Path], about: Subjects, ledger: Path, runs: int) -> Beside:
    """One question asked of the plain tables, and of the ledger."""
    _say(f"  {name}, beside plain tables")
    parameters = json.dumps(
        {
            "at_us": plain_rows(
                "at T", [{"account": "", "script": "", "deployment": "-", "number": 0, "since": MOMENT}]
            )[0][4],
            "account": about.account,
            "script": about.script,
            "module": about.module,
            "pseudonym": about.pseudonym,
        }
    )
    own = [*COMMAND, *_arguments(name, about), "--ledger", str(ledger), "--json"]
    answer = _same_shape(name, plain_rows(name, _of(about, name, _printed(own))))
    times: dict[str, float] = {"ledger": _cold(own, runs).median_s}
    warm: dict[str, float] = {}
    for engine in ENGINES:
        command = [sys.executable, "-m", "bench.queryplain", engine, str(files[engine]), name, parameters]
        if _same_shape(name, _printed(command)) != answer:
            raise RuntimeError(f"{name}: another answer from {engine} than from the ledger")
        times[engine] = _cold(command, runs).median_s
        warm[engine] = _printed([*command, "--warm"])
    return Beside(name=name, rows=len(answer), cold_s=times, warm_s=warm)


def _arguments(name: str, about: Subjects) -> list[str]:
    if name == "one script at T":
        return ["at", MOMENT, "--account", about.account]
    return next(one.arguments for one in questions(about) if one.name == name)


def _of(about: Subjects, name: str, printed: Any) -> Any:
    """What was asked for: no command answers for one script at a time alone."""
    return [row for row in printed if row["script"] == about.script] if name == "one script at T" else printed


def _same_shape(name: str, rows: list[list[Any]]) -> list[list[Any]]:
    return joined(rows) if name == "exposure --module" else rows


def _cold(command: Sequence[str], runs: int) -> Run:
    return measured_by("bench.querycold", Run, "--runs", str(runs), "--", *command, timeout_s=_TIMEOUT_S)


def _printed(command: Sequence[str]) -> Any:
    return json.loads(printed_by(command, _TIMEOUT_S))


def _proportions(options: argparse.Namespace) -> dict[str, int]:
    return {"scripts": options.scripts, "accounts": options.accounts}


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.query", description=__doc__)
    add = parser.add_argument
    add(
        "--entries", type=int, action="append", help="of a ledger; may be given again (default: 1000000, then 10000000)"
    )
    add("--scripts", type=int, default=Fleet(entries=0).scripts, help="in all accounts together")
    add("--accounts", type=int, default=Fleet(entries=0).accounts)
    add("--runs", type=int, default=5, help="of each question, of which the median counts")
    add("--only", action="append", default=[], metavar="QUESTION", help="this question only, by its name in the table")
    add("--cache", type=Path, default=CACHE, help="where ledgers are kept: 0.5 KB an entry and as much again")
    add("--output", type=Path, default=RESULTS, help="where the JSON goes")
    add("--show", action="store_true", help="measure nothing: print the tables of the last run's JSON")
    add("--markdown", action="store_true", help="print the tables as Markdown")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
