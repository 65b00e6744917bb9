"""`ledger config`: which settings are in effect, and where they come from."""

# ruff: noqa: ARG001 (the options of a command are its arguments; some are read from its context)

import os
from typing import Annotated, Any, Final

import msgspec
import typer

from cli.configuring import configuration
from cli.messages import say, warn
from cli.options import Format, Json, Keys, Output, Set, chosen_format, examples
from cli.output import Column, emit, json_text

__all__ = ["register"]


class SettingRow(msgspec.Struct, frozen=True, kw_only=True):
    """A setting as it is printed."""

    section: str
    """The table of the file."""
    setting: str
    value: Any
    """Stars for a secret; null where there is none."""
    source: str
    """flag, environment, file or default."""
    origin: str | None
    """The flag, the variable, or the file and line."""
    variable: str
    """The environment variable that would set it."""


_COLUMNS: Final = (
    Column("setting", lambda row: f"{row.section}.{row.setting}" if row.section else row.setting),
    Column("value", lambda row: "" if row.value is None else _text(row.value)),
    Column("from", lambda row: row.origin or row.source),
)


def register(app: typer.Typer) -> None:
    """Add this command."""
    shown = examples(
        "ledger config", "ledger config --config prod.toml --json", "ledger config --example > ledger.toml"
    )
    app.command(epilog=shown)(config)


def config(
    context: typer.Context,
    ledger: Annotated[str | None, typer.Option("--ledger", "-l", metavar="DIR", help="As for other commands.")] = None,
    keys: Keys = None,
    bootstrap: Annotated[
        str | None, typer.Option("--bootstrap", "-b", metavar="HOST:PORT", help="As for other commands.")
    ] = None,
    pairs: Set = None,
    example: Annotated[
        bool, typer.Option("--example", help="Print a settings file with every setting explained, and stop.")
    ] = False,
    output: Output = Format.table,
    as_json: Json = False,
) -> None:
    """Show every setting and where its value comes from.

    What counts is the flag, then the environment, then the settings file, then the default. Secrets are shown as stars.
    """
    from ledger.config.resolving import stray_variables

    if example:
        print(_example(), end="")
        return
    found = configuration(context, pairs)
    rows = [
        SettingRow(
            section=value.setting.section,
            setting=name,
            value=value.shown,
            source=value.source,
            origin=value.origin or None,
            variable=value.setting.variable,
        )
        for name, value in found.values.items()
    ]
    emit(rows, _COLUMNS, chosen_format(output, as_json), SettingRow)
    say(f"settings file: {found.file or 'none'}")
    for name in stray_variables(os.environ):
        warn(f"{name} is set, and no setting has this variable")
    _check(found)


def _check(found: Any) -> None:
    """Say what no command that talks to the broker would take."""
    from ledger.broker.clients import tls_context
    from ledger.errors import UsageError

    if found["bootstrap"] is not None:
        try:
            tls_context(found.cluster())
        except UsageError as error:
            warn(f"{error.message}; {error.hint}" if error.hint else error.message)


def _example() -> str:
    from ledger.config.catalog import CATALOG, SECTIONS

    lines = ["# Settings of `ledger`. What counts is the flag, then the environment, then this file, then the default."]
    lines.append("# Paths are relative to this file. Whoever may read it may read its passwords: chmod 600.")
    for section, about in SECTIONS.items():
        lines += ["", f"# {about}"] + ([f"[{section}]"] if section else [])
        for setting in (setting for setting in CATALOG if setting.section == section):
            notes = [setting.variable, *filter(None, (setting.option, " | ".join(setting.choices)))]
            value = setting.example or ('"..."' if setting.default is None else json_text(setting.default))
            lines += [f"# {setting.help} ({', '.join(notes)})", f"#{setting.name} = {value}"]
    return "\n".join(lines) + "\n"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json_text(value)
