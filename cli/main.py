"""`ledger`: the console script. Imports only what `--help` needs; commands import the rest when they run."""

import errno
import io
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from typer.exceptions import TyperException

import ledger
from cli import (
    accepting,
    asking,
    checking,
    compacting,
    counting,
    demo,
    differing,
    erasing,
    exposing,
    keeping,
    lagging,
    noting,
    proving,
    publishing,
    quarantining,
    querying,
    reaching,
    running,
    scheduling,
    secrets,
    serving,
    settling,
    shelling,
    tiling,
    tokening,
    tracing,
    verifying,
    watching,
    windowing,
    witnessing,
)
from cli.configuring import Commands
from cli.messages import complain
from ledger.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_OK, EXIT_UNAVAILABLE, EXIT_USAGE, LedgerError

__all__ = ["app", "main", "run"]

_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def _say_version(wanted: bool) -> None:
    if wanted:
        print(f"ledger {ledger.__version__}")
        raise typer.Exit


app = Commands(
    name="ledger",
    epilog="Exit codes: 0 ok, 2 usage, 3 verification failed, 4 not found, 5 store or broker unavailable, "
    "70 internal error, 130 interrupted.",
    add_completion=False,
    # Plain help: with rich's, `ledger --help` takes twice as long to appear.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


@app.callback()
def _program(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the program's version and exit.", is_eager=True, callback=_say_version),
    ] = False,
) -> None:
    """A tamper-evident record of what every serverless script ran, when, and who changed it."""


for group in (
    keeping,
    accepting,
    settling,
    verifying,
    compacting,
    running,
    lagging,
    publishing,
    serving,
    tokening,
    asking,
    tracing,
    differing,
    secrets,
    reaching,
    exposing,
    windowing,
    scheduling,
    counting,
    watching,
    querying,
    shelling,
    proving,
    checking,
    tiling,
    witnessing,
    quarantining,
    noting,
    erasing,
    demo,
):
    group.register(app)


def run() -> None:
    """The console script's entry point."""
    _prepare_streams()
    sys.exit(main(sys.argv[1:]))


def _explain(error: Exception) -> int:
    """Say what nobody foresaw; returns the exit code."""
    if isinstance(error, OSError) and error.errno in _NO_ROOM and error.filename is None:
        # Nothing but the answer is written without saying to which file. Python would try again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        complain(f"could not write the answer: {error.strerror}", "free some space, or write it elsewhere")
        return EXIT_UNAVAILABLE
    if os.environ.get("LEDGER_DEBUG"):
        traceback.print_exc()
    complain(f"{type(error).__name__}: {error}", "set LEDGER_DEBUG=1 to see where", kind="internal error")
    return EXIT_INTERNAL


def _prepare_streams() -> None:
    """Make standard streams of those that were closed, and answers UTF-8 whatever the locale: names are of everywhere.

    A closed one would be taken by the next file that is opened, and what is printed end up in that.
    """
    for descriptor, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            os.set_inheritable(descriptor, True)  # a worker takes this process's place
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")


def main(arguments: Sequence[str]) -> int:
    """Run a command line; what fails is said on stderr in one or two lines. Returns the exit code."""
    code: object = EXIT_OK
    try:
        code = app(args=list(arguments) or ["--help"], prog_name="ledger", standalone_mode=False)
        sys.stdout.flush()
    except LedgerError as error:
        complain(error.message, error.hint)
        code = error.exit_code
    except TyperException as error:
        complain(
            error.format_message() or "no command",
            "`ledger --help` lists the commands, `ledger COMMAND --help` their options",
        )
        code = EXIT_USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has seen enough (Typer makes SystemExit of it); a command that had ended keeps its exit code.
        # Python would complain again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:  # noqa: BLE001 - the last resort of the process
        code = _explain(error)
    return code if isinstance(code, int) else EXIT_OK
