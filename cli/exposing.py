"""Where something was live: exposure."""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import sys
from typing import Annotated, Final

import typer

from cli.describing import percent
from cli.opening import opened
from cli.options import Account, At, Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples, moment
from cli.output import Column, clock, emit, short
from ledger.errors import UsageError

__all__ = ["register"]

EXAMPLES: Final = (
    "ledger exposure --module 9f86d081884c",
    "ledger exposure --binding kv_namespace:8ad0c3f1    or --binding hyperdrive, whatever it is bound to",
    "ledger exposure --var STAGE=test --account 'acme-*'",
    "ledger exposure --var API_TOKEN=- < leaked.txt    the value from standard input",
    "ledger exposure --secret STRIPE_KEY --json",
    "ledger exposure --compat 2022-01-01 --at 2023-01-01",
)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command(epilog=examples(*EXAMPLES))(exposure)


def exposure(
    ledger: Ledger,
    module: Annotated[
        str | None, typer.Option("--module", metavar="SHA256", help="A module's digest, or its first 4 digits or more.")
    ] = None,
    binding: Annotated[
        str | None,
        typer.Option("--binding", metavar="TYPE[:VALUE]", help="A binding: its type, and one of its values."),
    ] = None,
    var: Annotated[
        str | None,
        typer.Option("--var", metavar="NAME[=VALUE]", help="A variable; NAME=- or - takes it from standard input."),
    ] = None,
    secret: Annotated[
        str | None, typer.Option("--secret", metavar="NAME", help="A secret, whatever its value.")
    ] = None,
    compat: Annotated[
        str | None, typer.Option("--compat", metavar="DATE", help="A compatibility date before this one, or none.")
    ] = None,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Where and exactly when something was live.

    One line for each interval in which a script served it with the same share of its traffic; intervals that touch are joined.
    """
    from ledger.query import exposing

    named = {"module": module, "binding": binding, "var": _variable(var), "secret": secret, "compat": compat}
    sought, when = exposing.sought(named), moment(at)
    with opened(ledger, keys, known_at) as found:
        answers = exposing.exposure(found, sought, account=account, at=when)
    emit(answers, _EXPOSURE, chosen_format(output, as_json), exposing.Exposure)


def _variable(text: str | None) -> str | None:
    """NAME=VALUE; NAME=- and - take it from standard input."""
    if text == "-":
        return _standard_input()
    return (
        f"{text[:-1]}{_standard_input()}" if text is not None and text.endswith("=-") and text.count("=") == 1 else text
    )


def _standard_input() -> str:
    """What was piped in, without the line feed at its end."""
    try:
        return sys.stdin.buffer.read().decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UsageError("bad_variable", "standard input is not UTF-8", "variables' values are text") from error


_EXPOSURE: Final = [
    Column("account", lambda row: row.account),
    Column("script", lambda row: row.script),
    Column("from", lambda row: clock(row.since)),
    Column("to", lambda row: "still live" if row.live else clock(row.until)),
    Column("traffic", lambda row: percent(row.percentage)),
    Column("as", lambda row: ", ".join(short(name) for name in row.names)),
    Column("first deployment", lambda row: f"{row.number} ({short(row.deployment)})"),
    Column("author", lambda row: short(row.author)),
    Column("source", lambda row: row.interface),
    Column("entry", lambda row: row.entry),
]
