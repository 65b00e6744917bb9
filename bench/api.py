"""`python -m bench.api`: what reading the API costs beside a bare handler, whether many writers lose anything, what it adds to a wrangler."""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console

from bench.apireport import ApiReport, Reads, Served, Writes, api_goals, show_api
from bench.asking import Asked
from bench.brokers import Broker, start_broker
from bench.children import measured_by
from bench.ledgers import begin_ledger, records_of, write_until
from bench.load import Load
from bench.machine import json_us, machine
from bench.places import new_place, workplace
from bench.publishing import measure_publishing
from bench.served import ServerProcess, bare_handler, ledger_server, token_for
from bench.tables import now
from bench.workers import ROOT, WorkerProcess
from bench.writing import Wrote
from ledger.api.tokens import Scope
from ledger.errors import LedgerError
from ledger.log.segments import parse_segment

__all__ = ["main", "measure"]

RESULTS: Final = ROOT / "bench" / "results" / "api.json"
WORK: Final = ROOT / ".cache" / "bench"
_CONNECTIONS: Final = 20
_SCRIPTS: Final = 500
"""Whose deployments are asked for, drawn at random from all."""
_MAX_READ_S: Final = 15.0
_WARM_UP_S: Final = 2.0
_WRITERS: Final = 200
_ACCOUNTS: Final = 50
_SEED: Final = 7
_MARGIN_S: Final = 120.0
_TABLE_WIDTH: Final = 132


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; returns the exit code."""
    options = _options(arguments)
    try:
        if options.show:
            report = msgspec.json.decode(options.output.read_bytes(), type=ApiReport)
        else:
            with workplace(options.work) as work, start_broker(options.broker, work) as broker:
                report = measure(broker, options.entries, options.seconds, work)
            options.output.parent.mkdir(parents=True, exist_ok=True)
            options.output.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
            _say(f"written to {options.output}")
    except LedgerError as error:
        _say(f"error: {error.message}")
        _say(f"hint: {error.hint}")
        return error.exit_code
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _TABLE_WIDTH)
    show_api(report, console, markdown=options.markdown)
    return 0


def measure(broker: Broker, entries: int, seconds: float, work: Path) -> ApiReport:
    """Measure all of it.

    Args:
        broker: where changes are sent to.
        entries: of the ledger that is read.
        seconds: how long many write at once; reading is measured for 15 s of it at most.
        work: a directory on disk.
    """
    started_at, there = now(), machine(work)
    _say(f"reading a ledger of {entries:,} entries")
    reads = _reads(Load(), entries, min(seconds, _MAX_READ_S), new_place(work))
    _say(f"{_WRITERS} writers for {seconds:g} s")
    with broker.topic() as topic, WorkerProcess(broker.bootstrap, topic, new_place(work)) as worker:
        worker.wait_until_ready()
        token = token_for(worker.root)
        with ledger_server(worker.root, worker.root.parent / "serve.log", broker.bootstrap) as server:
            server.wait_until_ready()
            writes = _writes(server.url, token, worker.root, seconds)
            _say("what it adds to a wrangler's publish")
            publishing = measure_publishing(server.url, token, new_place(work))
            server.stop()
        worker.stop()
    report = ApiReport(
        started_at=started_at, machine=there, broker=broker.name, reads=reads, writes=writes, publishing=publishing
    )
    report.goals = api_goals(report)
    return report


def _reads(load: Load, entries: int, seconds: float, place: Path) -> Reads:
    root = place / "ledger"
    _, writer = begin_ledger(root, root / "cache")
    write_until(writer, records_of(load, entries), entries)
    token, auditor = token_for(root, Scope.read), token_for(root, Scope.read, Scope.audit)
    paths = place / "paths"
    paths.write_text("".join(f"{path}\n" for path in _paths(load, entries)))
    with ledger_server(root, place / "serve.log") as server:
        ready_s = server.wait_until_ready()
        _asked(server, token, paths, min(seconds, _WARM_UP_S))
        ledger, asked = _served(server, token, paths, seconds)
        named, _ = _served(server, auditor, paths, seconds)
        resident = server.resident_bytes()
        server.stop()
    body = place / "body"
    body.write_bytes(b'"' + b"x" * (round(asked.bytes_each) - 2) + b'"')
    with bare_handler(body, place / "bare.log") as server:
        server.wait_until_ready()
        _asked(server, token, paths, min(seconds, _WARM_UP_S))
        bare, _ = _served(server, token, paths, seconds)
        server.stop()
    return Reads(
        entries=entries,
        connections=_CONNECTIONS,
        json_us=json_us(load),
        ready_s=ready_s,
        resident_bytes=resident,
        answer_bytes=asked.bytes_each,
        ledger=ledger,
        named=named,
        bare=bare,
    )


class _Event(msgspec.Struct):
    accountid: str
    subject: str
    data: dict[str, msgspec.Raw]


def _paths(load: Load, entries: int) -> list[str]:
    """Paths of scripts that are there at the end, drawn at random."""
    there: dict[tuple[str, str], bool] = {}
    for event in load.events(entries):
        decoded = msgspec.json.decode(event.value, type=_Event)
        name = decoded.accountid, decoded.subject
        if "delete" in decoded.data:
            there[name] = False
        elif "code" in decoded.data:
            there[name] = True
    live = [name for name, is_there in there.items() if is_there]
    drawn = random.Random(_SEED).sample(live, min(_SCRIPTS, len(live)))
    return [f"/accounts/{account}/workers/scripts/{script}/deployments" for account, script in drawn]


def _served(server: ServerProcess, token: str, paths: Path, seconds: float) -> tuple[Served, Asked]:
    cpu = server.cpu_s()
    asked = _asked(server, token, paths, seconds)
    cpu = server.cpu_s() - cpu
    served = Served(
        per_s=asked.requests / asked.seconds,
        per_core=asked.requests / cpu,
        p50_ms=asked.p50_ms,
        p99_ms=asked.p99_ms,
    )
    return served, asked


def _asked(server: ServerProcess, token: str, paths: Path, seconds: float) -> Asked:
    told = (server.url, token, str(paths), str(_CONNECTIONS), str(seconds))
    asked = measured_by("bench.asking", Asked, *told, timeout_s=seconds + _MARGIN_S)
    if asked.failed:
        raise RuntimeError(f"{asked.failed} of {asked.requests} requests were not answered with 200")
    return asked


def _writes(url: str, token: str, root: Path, seconds: float) -> Writes:
    answered = root.parent / "answered"
    told = (url, token, str(_WRITERS), str(_ACCOUNTS), str(seconds), str(answered))
    wrote = measured_by("bench.writing", Wrote, *told, timeout_s=seconds + _MARGIN_S)
    ids = answered.read_text().split()
    found = _versions(root)
    otherwise = sum(wrote.refused.values())
    return Writes(
        writers=_WRITERS,
        accounts=_ACCOUNTS,
        seconds=wrote.seconds,
        answered=wrote.answered,
        otherwise=otherwise,
        lost=len(set(ids) - found.keys()) + len(ids) - len(set(ids)),
        doubled=max(0, found.total() - len(ids) - otherwise) + sum(count - 1 for count in found.values()),
        per_s=wrote.answered / wrote.seconds,
        p50_ms=wrote.p50_ms,
        p99_ms=wrote.p99_ms,
    )


class _Version(msgspec.Struct):
    id: str


class _Entry(msgspec.Struct):
    version: _Version | None = None


def _versions(root: Path) -> Counter[str]:
    """How often each version id stands in a ledger's log."""
    decode = msgspec.json.Decoder(_Entry).decode
    found: Counter[str] = Counter()
    for path in (root / "log").glob("*/*.zst"):
        for line in parse_segment(path.read_bytes(), path.name).lines:
            if (version := decode(line).version) is not None:
                found[version.id.replace("-", "")] += 1
    return found


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.api", description=__doc__)
    add = parser.add_argument
    add("--entries", type=int, default=1_000_000, help="of the ledger that is read")
    add("--seconds", type=float, default=60.0, help="for how long many write at once")
    add("--broker", default="embedded", metavar="embedded|jars|HOST:PORT", help="where changes are sent to")
    add("--output", type=Path, default=RESULTS, help="where the JSON goes")
    add("--work", type=Path, default=WORK, help="a directory on the disk whose fsync is to count")
    add("--show", action="store_true", help="measure nothing: print the tables of the last run's JSON")
    add("--markdown", action="store_true", help="print the tables as Markdown")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
