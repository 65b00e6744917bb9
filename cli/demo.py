"""`ledger demo`: the whole way once, on real data: broker, worker, events, answers, verification."""

import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli import verifying
from cli.messages import say
from cli.options import examples
from ledger.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    import subprocess

__all__ = ["register"]

NAME: Final = "demo.example"
SHARDS: Final = 4
EVENTS: Final = Path(__file__).resolve().parent.parent / "examples" / "real-changes.ndjson.zst"
STALL_S: Final = 60.0
"""So long without a new entry means that something is wrong."""

_MOVED: Final = """
SELECT effective_at, account, name, script AS lost_by, lost_to, author FROM changes
WHERE lost_to IS NOT NULL ORDER BY effective_at LIMIT 5
"""

QUESTIONS: Final = (
    ("What is in the ledger?", ("status",)),
    (
        "What was deployed of one script, when and by whom, and which deployment is active?",
        ("deployments", "vibesdk-production", "--limit", "5"),
    ),
    (
        "What happened to a script that is gone? It was deleted, came back, lost its domain, was deleted again:",
        ("history", "mcp-cloudflare-production", "--limit", "10"),
    ),
    (
        "What did an account run on New Year's Eve 2021, and how was it reached?",
        ("scripts", "--account", "home-assistant", "--at", "2021-12-31"),
    ),
    ("Which scripts lost a route or domain to another?", ("sql", " ".join(_MOVED.split()))),
)
"""Five questions about the data in examples/, each with the command that answers it."""

OTHER_QUESTIONS: Final = (
    QUESTIONS[0],
    ("What is active, and how is it reached?", ("scripts",)),
    ("What was refused, and why?", ("rejected",)),
    QUESTIONS[-1],
)
"""What can be asked of any data."""


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=examples("ledger demo", "ledger demo /tmp/my-demo --keep"))(demo)


def demo(
    directory: Annotated[
        Path,
        typer.Argument(metavar="[DIR]", help="Where the ledger is made; an earlier demo's ledger there is replaced."),
    ] = Path("demo-ledger"),
    events: Annotated[
        Path, typer.Option("--events", metavar="FILE", help="Other change events than those of the example.")
    ] = EVENTS,
    keep: Annotated[bool, typer.Option("--keep", help="Leave broker and worker running until Ctrl-C.")] = False,
) -> None:
    """Broker, worker, real events, answers, verification.

    Real deployment changes go through a broker and a worker into a new ledger; then five questions, and the proof.
    """
    from cli.processes import Stopped, start_worker, stop_process, stopped_by_signals, worker_arguments
    from cli.running import prepare_topic
    from ledger.broker.embedded import EmbeddedBroker

    _check_events(events)
    location = str(directory)
    _make_ledger(directory)
    started = time.monotonic()
    is_done = False
    try:
        with stopped_by_signals(), EmbeddedBroker() as broker:
            say(f"a broker answers at {broker.bootstrap} (in memory, for this demo only)")
            prepare_topic(location, broker.bootstrap)
            process = start_worker(
                worker_arguments(
                    location,
                    str(directory / "keys"),
                    broker.bootstrap,
                    group="demo",
                    extra=("--embedded", "--log-format", "text", "--log-level", "warning"),
                )
            )
            try:
                _feed(directory, events, broker.bootstrap, process)
                if not keep:
                    stop_process(process)
                _answer(location, QUESTIONS if events == EVENTS else OTHER_QUESTIONS)
                say(f"\nDone in {time.monotonic() - started:.0f} s.")
                is_done = True
                _what_next(location, events, broker.bootstrap if keep else None)
                while keep and process.poll() is None:
                    time.sleep(0.2)
            finally:
                stop_process(process)
    except Stopped:
        say("stopped")
        if not is_done:
            raise typer.Exit(EXIT_INTERRUPTED) from None


def _check_events(events: Path) -> None:
    from ledger.errors import UsageError

    if not events.is_file():
        raise UsageError(
            "no_events",
            f"there are no change events at {events}",
            "run it from a clone of the repository, or give --events FILE",
        )


def _make_ledger(directory: Path) -> None:
    from ledger.errors import StoreError
    from ledger.log.ledgerfile import create_ledger
    from ledger.storage.opening import open_store

    _clear(directory)
    try:
        directory.resolve().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            "store_unwritable", f"cannot make {directory}: {error.strerror}", "give another directory: ledger demo DIR"
        ) from error
    keys = open_store(str(directory / "keys"), file_mode=0o600, dir_mode=0o700)
    create_ledger(open_store(str(directory)), keys, name=NAME, topic="ledger.changes", shards=SHARDS)
    say(f"made a ledger with {SHARDS} shards in {directory}")


def _clear(directory: Path) -> None:
    """Remove the ledger of an earlier demo, and never anything else."""
    from ledger.errors import NotFoundError, StoreError, UsageError
    from ledger.query.opened import read_about

    try:
        if not directory.exists() or (directory.is_dir() and not any(directory.iterdir())):
            return
    except OSError as error:
        raise StoreError(
            "store_unreadable", f"cannot look into {directory}: {error.strerror}", "check its permissions"
        ) from error
    try:
        _, about = read_about(str(directory))
    except NotFoundError:
        about = None
    if about is None or about.name != NAME:
        raise UsageError(
            "not_empty", f"{directory} is not a demo's ledger, and not empty", "give another directory: ledger demo DIR"
        )
    say(f"replacing the ledger of an earlier demo in {directory}")
    try:
        shutil.rmtree(directory.resolve())
    except OSError as error:
        raise StoreError(
            "store_unwritable",
            f"cannot remove {error.filename}: {error.strerror}",
            "correct the permissions, or give another directory: ledger demo DIR",
        ) from error
    verifying.forget(str(directory))


def _feed(directory: Path, events: Path, bootstrap: str, worker: "subprocess.Popen[bytes]") -> None:
    from cli.publishing import publish_file, say_published

    published = publish_file(str(events), bootstrap, "ledger.changes")
    say_published(published)
    seconds = _wait_until_folded(directory, published.sent, worker)
    say(f"all {published.sent} are durable in the ledger, {seconds:.1f} s later")


def _wait_until_folded(directory: Path, wanted: int, worker: "subprocess.Popen[bytes]") -> float:
    """Wait until the log has so many entries; returns how long that took, in seconds."""
    from cli.progress import bar
    from ledger.errors import BrokerError
    from ledger.query.segments import read_prefix

    started = moved = time.monotonic()
    size = 0
    with bar("folding", "entries") as advance:
        while size < wanted:
            now = sum(read_prefix(directory.resolve(), shard).size for shard in range(SHARDS))
            if now > size:
                size, moved = now, time.monotonic()
            advance(size, wanted)
            if worker.poll() is not None or time.monotonic() > moved + STALL_S:
                raise BrokerError(
                    "worker_stopped", f"the worker stopped after {size} of {wanted} events", "it has said why above"
                )
            time.sleep(0.05)
    return time.monotonic() - started


def _answer(location: str, questions: Sequence[tuple[str, tuple[str, ...]]]) -> None:
    from cli.main import main

    for number, (question, command) in enumerate(questions, 1):
        print(f"\n{number}. {question}")
        _run([*command, "--ledger", location], main)
    print("\nIs it still what was written?")
    _run(["verify", "--ledger", location], main)


def _run(command: list[str], main: Callable[[list[str]], int]) -> None:
    print(f"$ ledger {shlex.join(command)}")
    sys.stdout.flush()
    code = main(command)
    if code:
        raise typer.Exit(code)


def _what_next(location: str, events: Path, bootstrap: str | None) -> None:
    place = Path(sys.executable).parent
    path = "" if shutil.which("ledger") else f"\n  export PATH={shlex.quote(str(place))}:$PATH"
    say(
        f"""
The ledger lies in {location}. Try next:{path}
  export LEDGER_DIR={shlex.quote(location)}
  ledger scripts
  ledger sql --views
  ledger show 0/0
  ledger up                    broker and worker again; then, in another shell:
  ledger publish {shlex.quote(os.path.relpath(events))} --bootstrap 127.0.0.1:9092
                               every event is a duplicate now, and changes nothing"""
    )
    if bootstrap is not None:
        say(f"Broker ({bootstrap}) and worker go on until Ctrl-C.")
