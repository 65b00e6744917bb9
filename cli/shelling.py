"""`ledger shell`: a prompt for questions in SQL."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import os
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from cli.messages import complain, say
from cli.options import (
    Format,
    Json,
    Keys,
    KnownAt,
    Ledger,
    MaxRows,
    Memory,
    Output,
    Timeout,
    chosen_format,
    examples,
)
from cli.tables import printable
from ledger.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from cli.session import Session

__all__ = ["register"]

_HISTORY: Final = "shell-history"


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger shell",
        "ledger shell --as-known-at 2022-11-29 --no-history",
        "ledger shell --format csv < questions.sql > answers.csv",
        "echo '.schema activations' | ledger shell",
    )
    app.command(epilog=shown)(shell)


def shell(
    ledger: Ledger,
    no_history: Annotated[bool, typer.Option("--no-history", help="Read and keep no history.")] = False,
    timeout: Timeout = 60.0,
    memory: Memory = 1000,
    max_rows: MaxRows = 100_000,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """A prompt for SQL over the views of the log.

    As `ledger sql`: it only reads. A statement ends with ; and may have several lines; Tab completes, Ctrl-C stops a statement,
    Ctrl-D ends. .help lists commands (.views, .schema VIEW, .mode, .timing, .param, .as-known-at, .refresh, .quit).

    What was typed is kept in ~/.local/state/deployment-ledger/shell-history, values in statements too; --no-history keeps nothing.
    From a pipe or file statements are answered until one fails, which decides the exit code.
    """
    import ledger as program
    from cli.session import Session
    from ledger.query.sql import Limits

    limits = Limits(seconds=timeout, memory_mb=memory, rows=max_rows)
    with program.open(ledger, keys=keys, as_known_at=known_at) as log:
        session = Session(log, limits, chosen_format(output, as_json))
        if sys.stdin.isatty():
            _converse(session, keeps=not no_history)
        else:
            _obey(session)


def _converse(session: "Session", *, keeps: bool) -> None:
    """Somebody at a terminal: what fails is said, and they go on."""
    from cli.prompting import history_at, inputs
    from ledger.verify.remembered import state_directory

    path = state_directory(os.environ) / _HISTORY if keeps else None
    say(f"{printable(session.name)}: SQL over its views; .help lists commands, Ctrl-D ends")
    for text in inputs(session.is_whole, session.vocabulary, history_at(path)):
        if text is None:
            continue
        try:
            session.take(text)
            session.finish()
        except LedgerError as error:
            session.forget()
            complain(_one_line(error.message), error.hint)
        except KeyboardInterrupt:
            session.forget()
            say("stopped")
        if session.is_over:
            return


def _obey(session: "Session") -> None:
    """A script on standard input: it ends with what fails."""
    try:
        for line in sys.stdin.buffer:
            session.take(line.decode())
            if session.is_over:
                return
        session.finish()
    except UnicodeDecodeError as error:
        raise UsageError("file_unreadable", "standard input is not UTF-8", "save it as UTF-8") from error


def _one_line(message: str) -> str:
    """The message with the line that it is about, and without the mark below that."""
    return " ".join(line.strip() for line in message.splitlines() if line.strip("^~ \t"))
