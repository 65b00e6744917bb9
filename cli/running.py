"""What runs: the broker for one machine, the worker, both together."""

# ruff: noqa: ARG001, PLR0913, PLR0917 (the options of a command are its arguments; those of settings are read from its context)

import os
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.configuring import chosen_options, configuration
from cli.messages import say
from cli.options import Bootstrap, Keys, Ledger, Set, examples, keys_location

if TYPE_CHECKING:
    import subprocess

    from ledger.broker.embedded import EmbeddedBroker

__all__ = ["DEFAULT_PORT", "prepare_topic", "register"]

DEFAULT_PORT: Final = 9092
_POLL_S: Final = 0.2

Port = Annotated[
    int, typer.Option("--port", min=0, max=65535, metavar="P", help="Port at 127.0.0.1; 0 takes a free one.")
]
BrokerLog = Annotated[
    Path | None, typer.Option("--broker-log", metavar="FILE", help="Where the broker's own output goes.")
]
Group = Annotated[
    str | None, typer.Option("--group", metavar="NAME", help="Consumer group; default: ledger-NAME of the ledger.")
]


class LogFormat(StrEnum):
    """How a worker says what it does."""

    auto = "auto"
    text = "text"
    json = "json"


class LogLevel(StrEnum):
    """What a worker says at least."""

    info = "info"
    warning = "warning"
    error = "error"


UntilIdle = Annotated[
    float | None,
    typer.Option("--until-idle", min=0.1, metavar="SECONDS", help="Stop after so long without records."),
]
BatchRecords = Annotated[int, typer.Option("--batch-records", min=1, metavar="N", help="Commit after so many records,")]
BatchBytes = Annotated[int, typer.Option("--batch-bytes", min=1, metavar="N", help="or so many bytes,")]
BatchAge = Annotated[int, typer.Option("--batch-age-ms", min=1, metavar="MS", help="or so long after the first.")]
SessionTimeout = Annotated[
    float,
    typer.Option("--session-timeout", min=1, metavar="SECONDS", help="When the group gives up on a silent worker."),
]
MetricsPort = Annotated[
    int | None,
    typer.Option(
        "--metrics-port", min=0, max=65535, metavar="P", help="Serve Prometheus metrics and health; 0: a free port."
    ),
]
MetricsHost = Annotated[str, typer.Option("--metrics-host", metavar="ADDRESS", help="Address to serve them at.")]
LogFormatOption = Annotated[
    LogFormat, typer.Option("--log-format", help="Of its lines on stderr; auto: text on a terminal, else JSON.")
]
LogLevelOption = Annotated[LogLevel, typer.Option("--log-level", help="What it says at least.")]
Summary = Annotated[
    float, typer.Option("--summary", min=1, metavar="SECONDS", help="How often to sum up what was done.")
]
SlowStep = Annotated[
    float,
    typer.Option("--slow-step", min=0.1, metavar="SECONDS", help="A fold or commit is said to be slow after,"),
]
HungStep = Annotated[
    float, typer.Option("--hung-step", min=0.1, metavar="SECONDS", help="and stops the worker after so long.")
]
StopTimeout = Annotated[
    float,
    typer.Option("--stop-timeout", min=0.1, metavar="SECONDS", help="How long to finish when told to stop."),
]
PeopleCheck = Annotated[
    float,
    typer.Option("--people-check", min=0.1, metavar="SECONDS", help="How often to look whether people were erased."),
]
CompactEntries = Annotated[
    int,
    typer.Option("--compact-entries", min=0, metavar="N", help="Compact so many at once, in the background; 0: never,"),
]
CompactAge = Annotated[
    float, typer.Option("--compact-age", min=0, metavar="SECONDS", help="when recorded at least so long ago.")
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command(epilog=examples("ledger broker", "ledger broker --port 0"))(broker)
    app.command(
        epilog=examples("ledger worker --ledger ./audit --bootstrap 127.0.0.1:9092", "ledger worker --until-idle 5")
    )(worker)
    app.command(epilog=examples("ledger init --ledger ./audit && ledger up --ledger ./audit"))(up)


def broker(port: Port = DEFAULT_PORT, broker_log: BrokerLog = None) -> None:
    """Run the embedded broker until Ctrl-C.

    It speaks Apache Kafka's protocol and keeps records in memory only. Prints its address when it answers.
    """
    from cli.processes import Stopped, stopped_by_signals
    from ledger.broker.embedded import EmbeddedBroker

    try:
        with stopped_by_signals(), EmbeddedBroker(port or None, log=broker_log) as embedded:
            print(embedded.bootstrap, flush=True)
            _watch(embedded, None)
    except Stopped:
        say("stopped; the records it held are gone")


def worker(
    context: typer.Context,
    ledger: Ledger,
    bootstrap: Bootstrap,
    group: Group = None,
    until_idle: UntilIdle = None,
    batch_records: BatchRecords = 1000,
    batch_bytes: BatchBytes = 1 << 20,
    batch_age: BatchAge = 100,
    session_timeout: SessionTimeout = 10.0,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
    log_format: LogFormatOption = LogFormat.auto,
    log_level: LogLevelOption = LogLevel.info,
    summary: Summary = 60.0,
    slow_step: SlowStep = 10.0,
    hung_step: HungStep = 120.0,
    stop_timeout: StopTimeout = 15.0,
    people_check: PeopleCheck = 60.0,
    compact_entries: CompactEntries = 200_000,
    compact_age: CompactAge = 3600.0,
    keys: Keys = None,
    pairs: Set = None,
) -> None:
    """Fold change events from Kafka into the ledger.

    Runs until Ctrl-C or SIGTERM. Any number of workers may run at once: they share the topic's partitions.
    """
    from cli.processes import worker_arguments, worker_environment
    from ledger.query.opened import read_about

    configured = configuration(context, pairs)
    configured.cluster(bootstrap)
    _, about = read_about(ledger)
    arguments = worker_arguments(
        ledger,
        keys_location(ledger, keys),
        bootstrap,
        group=group or f"ledger-{about.name}",
        extra=chosen_options(context, configured, pairs),
    )
    sys.stdout.flush()
    # The worker takes this process's place, so that signals and the exit code are its own.
    os.execve(sys.executable, arguments, worker_environment())  # noqa: S606 (no shell is wanted)


def up(
    context: typer.Context,
    ledger: Ledger,
    port: Port = DEFAULT_PORT,
    group: Group = None,
    broker_log: BrokerLog = None,
    keys: Keys = None,
    pairs: Set = None,
) -> None:
    """Run broker, topic and worker together until Ctrl-C.

    Started again on the same ledger, it goes on: the embedded broker's topic is then a new one.
    """
    from cli.processes import Stopped, start_worker, stop_process, stopped_by_signals, worker_arguments
    from ledger.broker.embedded import EmbeddedBroker
    from ledger.query.opened import read_about

    configured = configuration(context, pairs)
    _, about = read_about(ledger)
    try:
        with stopped_by_signals(), EmbeddedBroker(port or None, log=broker_log) as embedded:
            prepare_topic(ledger, embedded.bootstrap)
            process = start_worker(
                worker_arguments(
                    ledger,
                    keys_location(ledger, keys),
                    embedded.bootstrap,
                    group=group or f"ledger-{about.name}",
                    extra=("--embedded", *chosen_options(context, configured, pairs)),
                )
            )
            try:
                print(embedded.bootstrap, flush=True)
                say(
                    f"publish with: ledger publish FILE --ledger {ledger} --bootstrap {embedded.bootstrap}   (Ctrl-C stops)"
                )
                _watch(embedded, process)
            finally:
                stop_process(process)
    except Stopped:
        say("stopped; the ledger keeps what was committed")


def prepare_topic(ledger: str, bootstrap: str) -> None:
    """Make the ledger's topic at an embedded broker and accept its id: such a broker begins anew each time."""
    from ledger.broker.topics import ensure_topic
    from ledger.log.ledgerfile import accept_topic
    from ledger.query.opened import read_about

    store, about = read_about(ledger)
    described = ensure_topic(bootstrap, about.topic, about.shards)
    accept_topic(store, about.topic, described.topic_id)


def _watch(embedded: "EmbeddedBroker", process: "subprocess.Popen[bytes] | None") -> None:
    """Wait for the end of either: neither is any use without the other."""
    from ledger.errors import BrokerError

    while True:
        if process is not None and process.poll() is not None:
            # It has said why on stderr.
            raise typer.Exit(process.returncode if process.returncode > 0 else 5)
        if not embedded.is_running:
            raise BrokerError(
                "broker_stopped", "the embedded broker has stopped", "give --broker-log FILE to see its output"
            )
        time.sleep(_POLL_S)
