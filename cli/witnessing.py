"""Witnesses: add, list, push, serve."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.configuring import Commands
from cli.messages import complain, say
from cli.options import Format, Json, Ledger, Output, chosen_format, examples
from cli.output import Column, clock, emit
from cli.tables import printable
from ledger.errors import EXIT_VERIFICATION

if TYPE_CHECKING:
    from ledger.witness.pushing import Pushed

__all__ = ["register"]

DEFAULT_PORT: Final = 7380

_PUSHED: Final = [
    Column("shard", lambda row: str(row.shard)),
    Column("witness", lambda row: row.witness),
    Column("id", lambda row: row.id),
    Column("size", lambda row: str(row.size)),
    Column("state", lambda row: row.state),
    Column("cosigned", lambda row: clock(row.time)),
]
_WITNESSES: Final = [
    Column("id", lambda row: row.id),
    Column("witness", lambda row: row.witness),
    Column("url", lambda row: row.url),
    Column("cosigned sizes", lambda row: ", ".join(f"{shard}/{size}" for shard, size in row.cosigned.items())),
    Column("vkey", lambda row: row.vkey),
]


def register(app: typer.Typer) -> None:
    """Add these commands."""
    group = Commands(no_args_is_help=True, help="Have checkpoints cosigned by others, and cosign theirs.")
    group.command(
        epilog=examples("ledger witness add https://witness.example --vkey 'witness.example/w1+24b5d9fe+BP0X...'")
    )(add)
    group.command("list", epilog=examples("ledger witness list --ledger ./audit"))(list_)
    group.command(epilog=examples("ledger witness push --ledger ./audit", "ledger witness push --json"))(push)
    group.command(
        epilog=examples(
            "ledger witness serve --log 'audit.acme.example+1a2b3c4d+AX...' --key ./witness --state ./witness/state"
        )
    )(serve)
    shown = examples("ledger witness add https://witness.example --vkey VKEY", "ledger witness push --ledger ./audit")
    app.add_typer(group, name="witness", epilog=shown)


def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where it takes submissions: its URL prefix.")],
    vkey: Annotated[str, typer.Option("--vkey", metavar="VKEY", help="Its public key, from its operator.")],
    ledger: Ledger,
) -> None:
    """Remember a witness of a ledger.

    Nothing is sent to it yet: `ledger witness push` does. Give its operator the ledger's own vkey.
    """
    from ledger.query.opened import read_about
    from ledger.witness.registry import add_witness

    store, about = read_about(ledger)
    witness = add_witness(store, about, url, vkey)
    say(
        f"{about.name} has the witness {printable(witness.verifier.name)} at {witness.url}; give its operator this vkey:"
    )
    print(about.vkey)


def list_(ledger: Ledger, output: Output = Format.table, as_json: Json = False) -> None:
    """The witnesses of a ledger, and what they have cosigned."""
    from ledger.query.opened import read_about
    from ledger.witness.listing import WitnessRow, witness_rows

    store, about = read_about(ledger)
    emit(witness_rows(store, about), _WITNESSES, chosen_format(output, as_json), WitnessRow)


def push(
    ledger: Ledger,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, max=600, metavar="SECONDS", help="How long a witness may take.")
    ] = 10.0,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Have the newest checkpoints cosigned by all witnesses.

    Every shard's, and the cosignatures are kept in the ledger. Exit code 3 where a witness says that the log was cut off or has two histories, or the
    log is damaged; 5 where one cannot be reached or gives no cosignature.
    """
    from ledger.query.opened import read_about
    from ledger.witness.pushing import Pushed
    from ledger.witness.pushing import push as push_all

    store, about = read_about(ledger)
    rows = list(push_all(store, about, seconds=timeout))
    emit(rows, _PUSHED, chosen_format(output, as_json), Pushed)
    code = _complain_of(rows)
    if code:
        raise typer.Exit(code)


def serve(
    logs: Annotated[
        list[str], typer.Option("--log", metavar="VKEY", help="A log to cosign; a ledger's vkey is for all its shards.")
    ],
    key: Annotated[
        Path, typer.Option("--key", metavar="DIR_OR_FILE", help="The witness's own key; made where there is none.")
    ],
    state: Annotated[Path, typer.Option("--state", metavar="DIR", help="Where it remembers what it cosigned.")],
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of a new key, such as witness.example/w1.")
    ] = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="P", help="Port; 0 takes a free one.")
    ] = DEFAULT_PORT,
) -> None:
    """Cosign the logs of others until Ctrl-C or SIGTERM.

    Prints its URL and its vkey when it answers. It cosigns only what extends what it cosigned before, and remembers that before it
    answers: keep DIR, it is what makes this witness worth anything.
    """
    import threading

    from cli.processes import Stopped, stopped_by_signals
    from ledger.witness.key import open_witness_key
    from ledger.witness.server import WitnessServer, serving
    from ledger.witness.service import WitnessService, read_logs
    from ledger.witness.state import LogStates

    known = read_logs(logs)
    with LogStates(state) as states:
        service = WitnessService(open_witness_key(key, name), known, states)
        try:
            with (
                stopped_by_signals(),
                serving(WitnessServer(service, host, port, lambda line: say(printable(line)))) as server,
            ):
                print(server.url)
                print(service.vkey, flush=True)
                threading.Event().wait()
        except Stopped:
            say("stopped; what was cosigned is remembered")


def _complain_of(rows: "list[Pushed]") -> int:
    """Say what went wrong, each thing once; the exit code: verification failed before unavailable."""
    said: set[str] = set()
    for row in rows:
        if row.message is not None and row.message not in said:
            said.add(row.message)
            where = f"shard {row.shard} at {row.witness}: " if row.exit_code == EXIT_VERIFICATION else ""
            complain(f"{where}{printable(row.message)}", row.hint or "")
            if row.evidence is not None:
                say("the witness shows this checkpoint, which the ledger's own key has signed; keep it:")
                say("\n".join(map(printable, row.evidence.split("\n"))))
    codes = {row.exit_code for row in rows}
    return EXIT_VERIFICATION if EXIT_VERIFICATION in codes else max(codes, default=0)
