"""`ledger secret test`: was it this value?"""

# ruff: noqa: PLR0913, PLR0917 (the options of a command are its arguments)

import sys
from typing import Annotated, Final

import typer

from cli.describing import percent
from cli.messages import say
from cli.opening import opened
from cli.options import Account, At, Format, Json, Keys, KnownAt, Ledger, Output, chosen_format, examples, moment
from cli.output import Column, clock, emit, short
from cli.tables import printable

__all__ = ["register"]

MAX_BYTES: Final = 1 << 20

_HELD: Final = [
    Column("", lambda row: "same value" if row.match == "same" else "unknown"),
    Column("version", lambda row: f"v{row.number} ({short(row.version)})"),
    Column(
        "deployment",
        lambda row: (
            "never deployed" if row.deployment is None else f"{row.deployment_number} ({short(row.deployment)})"
        ),
    ),
    Column("traffic", lambda row: "" if row.percentage is None else percent(row.percentage)),
    Column("from", lambda row: clock(row.live_from)),
    Column("to", lambda row: "still live" if row.deployment and row.live_to is None else clock(row.live_to)),
    Column("entry", lambda row: row.entry),
]


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger secret test checkout STRIPE_KEY          asks for the value without showing it",
        "pass show stripe | ledger secret test checkout STRIPE_KEY --json",
        "ledger secret test checkout STRIPE_KEY --at 2022-11-28 < leaked.txt",
    )
    group = typer.Typer(no_args_is_help=True, help="Test which deployments held a secret's value.")
    group.callback()(lambda: None)  # one command, and others may come: `test` stays a word of its own
    group.command("test", epilog=shown)(check_value)
    app.add_typer(group, name="secret", epilog=shown)


def check_value(
    script: Annotated[str, typer.Argument(metavar="SCRIPT", help="Name of the script.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the secret.")],
    ledger: Ledger,
    account: Account = None,
    at: At = None,
    known_at: KnownAt = None,
    keys: Keys = None,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Which versions and deployments held a value, and from when to when.

    The value is read from standard input, or asked for without being shown; never give it as an argument, for others see
    those. A line feed at its end is tested with and without. The ledger has no value of a secret, only an HMAC under the
    account's key, so the key store is needed. A version whose secret was recorded without one is listed as unknown.
    """
    from ledger.query.forensics import HeldRow
    from ledger.query.secrettest import held

    when, chosen = moment(at), chosen_format(output, as_json)
    with opened(ledger, keys, known_at) as found:
        answers = held(found, script, name, _value(name), account=account, at=when)
    emit(answers, _HELD, chosen, HeldRow)
    if not any(row.match == "same" for row in answers):
        say(printable(f"no version of {script} is known to have held this value as {name}"))


def _value(name: str) -> bytes:
    from ledger.errors import UsageError

    if sys.stdin.isatty():
        return str(typer.prompt(f"value of {printable(name)}", hide_input=True, err=True)).encode(
            errors="surrogateescape"
        )
    value = sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(value) > MAX_BYTES:
        raise UsageError("value_too_long", "the value is longer than 1 MiB", "pipe in the secret alone")
    return value
