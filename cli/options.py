"""Options that mean the same on every command that has them."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, overload

import typer

__all__ = [
    "Account",
    "At",
    "Bootstrap",
    "Format",
    "Json",
    "Keys",
    "KnownAt",
    "Ledger",
    "MaxRows",
    "Memory",
    "Output",
    "Quorum",
    "Set",
    "Timeout",
    "Witness",
    "chosen_format",
    "examples",
    "keys_location",
    "moment",
]


class Format(StrEnum):
    """How answers are printed."""

    table = "table"
    json = "json"
    jsonl = "jsonl"
    csv = "csv"


Ledger = Annotated[
    str,
    typer.Option(
        "--ledger", "-l", metavar="DIR", envvar="LEDGER_DIR", show_envvar=True, help="The ledger's directory."
    ),
]
Keys = Annotated[
    str | None,
    typer.Option(
        "--keys",
        metavar="DIR",
        envvar="LEDGER_KEYS",
        show_envvar=True,
        help="Its keys, where they are not in DIR/keys.",
    ),
]
Bootstrap = Annotated[
    str,
    typer.Option(
        "--bootstrap", "-b", metavar="HOST:PORT", envvar="LEDGER_BOOTSTRAP", show_envvar=True, help="The Kafka broker."
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any setting of `ledger config`, such as sasl_mechanism=PLAIN; may be given again.",
    ),
]
Account = Annotated[
    list[str] | None,
    typer.Option(
        "--account", "-a", metavar="ACCOUNT", help="Only this account; a glob ('acme-*'); may be given again."
    ),
]
At = Annotated[
    str | None,
    typer.Option(
        "--at",
        metavar="TIME",
        help="As of this effective time: 2022-11-28T09:15:02Z, a date (its first instant, UTC) or '2h ago'.",
    ),
]
KnownAt = Annotated[
    str | None,
    typer.Option(
        "--as-known-at",
        metavar="TIME",
        help="Only what the ledger had received by this recorded time: with --at, a report of that day again.",
    ),
]
Output = Annotated[
    Format, typer.Option("--format", "-f", help="How to print it; times are UTC, ids in tables are shortened.")
]
Json = Annotated[bool, typer.Option("--json", help="The same as --format json.")]

Timeout = Annotated[
    float,
    typer.Option("--timeout", min=0.1, max=86_400, metavar="SECONDS", help="Stop a statement after so long."),
]
Memory = Annotated[
    int, typer.Option("--memory", min=50, max=1_000_000, metavar="MB", help="Stop it where it needs more.")
]
MaxRows = Annotated[
    int, typer.Option("--max-rows", min=1, max=1_000_000_000, metavar="N", help="Refuse a longer answer.")
]

Witness = Annotated[
    list[str] | None,
    typer.Option(
        "--witness",
        metavar="VKEY",
        help="A witness whose cosignature counts: its public key or a file; may be given again.",
    ),
]
Quorum = Annotated[
    int | None,
    typer.Option("--witnesses", metavar="K", min=0, help="How many of them must have cosigned; default: all given."),
]


def chosen_format(output: Format, as_json: bool) -> Format:
    """The format that `--format` and its alias `--json` ask for."""
    return Format.json if as_json else output


@overload
def moment(text: str) -> datetime: ...
@overload
def moment(text: str | None) -> datetime | None: ...
def moment(text: str | None) -> datetime | None:
    """The time that `--at` or an argument names; None where it isn't given.

    Raises:
        UsageError: `bad_time`.
    """
    from ledger.query.moments import parse_moment

    return None if text is None else parse_moment(text, datetime.now(UTC))


def keys_location(ledger: str, keys: str | None) -> str:
    """Where a ledger's keys are."""
    return keys if keys is not None else f"{ledger.rstrip('/')}/keys"


def examples(*commands: str) -> str:
    """The end of a command's help: command lines that are shown as they stand."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)
