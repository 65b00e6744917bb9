"""Settings of the command line: every command takes `--config`, and defaults of its options from environment and file."""

import os
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperOption
from typer.main import get_command

from cli.messages import warn
from cli.options import Set

if TYPE_CHECKING:
    from ledger.config.resolving import Configuration

__all__ = ["Commands", "chosen_options", "configuration"]

_FILE: Final = "deployment-ledger.config"
"""Where a context keeps the path that `--config` gave."""


class Commands(typer.Typer):
    """A group whose commands are configurable."""

    def command(self, name: str | None = None, **options: Any) -> Any:
        """As Typer's."""
        return super().command(name, cls=_Configurable, **options)


class _Configurable(TyperCommand):
    """A command that takes `--config`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if any(_setting(parameter) for parameter in self.params):
            self.params += _shared_options()


def _use(context: typer.Context, value: str | None) -> str | None:
    """Take the defaults of a command's options from environment and file: Typer asks here where the command line says nothing."""
    from ledger.config.resolving import load

    context.meta[_FILE] = value
    given = load(os.environ, file=value).given()
    names = {parameter.name: _setting(parameter) for parameter in context.command.params}
    context.default_map = {name: given[setting] for name, setting in names.items() if name and setting in given}
    return value


def _shared(
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Settings file; default: LEDGER_CONFIG, ~/.config/deployment-ledger/config.toml.",
            is_eager=True,
            expose_value=False,
            callback=_use,
        ),
    ] = None,
) -> None:
    """Options of every command that has a setting among its options."""


@cache
def _shared_options() -> list[Any]:
    """Those options as Typer makes them."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(add_help_option=False)(_shared)
    return list(get_command(app).params)


def configuration(context: typer.Context, pairs: Set = None) -> "Configuration":
    """All settings of a command: what its own options, `--set`, environment and file say. Warns of what others can read.

    Raises:
        UsageError: as `ledger.config.resolving.load`.
    """
    from ledger.config.resolving import load

    _refuse_twins(context, pairs or [])
    found = load(os.environ, file=context.meta.get(_FILE), flags=_said(context), pairs=pairs or ())
    for warning in found.warnings():
        warn(warning)
    return found


def chosen_options(context: typer.Context, configured: "Configuration", pairs: list[str] | None) -> tuple[str, ...]:
    """The arguments that make a worker process come to the same settings by itself: never a value that is secret.

    What every worker is told (ledger, keys, broker, group) is not among them; nor what environment and file say: it reads them too.
    """
    from ledger.config.catalog import CATALOG

    said = _said(context)
    file = () if configured.file is None else ("--config", str(configured.file))
    options = (
        part
        for setting in CATALOG
        if setting.section == "worker" and setting.name in said and setting.name != "group" and setting.option
        for part in (setting.option, str(said[setting.name]))
    )
    return (*file, *(part for pair in pairs or () for part in ("--set", pair)), *options)


def _said(context: typer.Context) -> dict[str, Any]:
    """What the command line itself says of settings that have options of their own."""
    said = {}
    for parameter in context.command.params:
        setting = _setting(parameter)
        source = context.get_parameter_source(parameter.name or "")
        if setting and source is not None and source.name == "COMMANDLINE":
            said[setting] = context.params[parameter.name or ""]
    return said


def _refuse_twins(context: typer.Context, pairs: list[str]) -> None:
    """A setting is said in one way: where the command has an option for it, by that."""
    from ledger.errors import UsageError

    options = {_setting(parameter): parameter.opts[0] for parameter in context.command.params}
    for pair in pairs:
        option = options.get(pair.partition("=")[0].strip())
        if option is not None:
            raise UsageError("bad_setting", f"--set {pair}: this command has an option for it", f"give it as {option}")


def _setting(parameter: Any) -> str | None:
    """The setting whose option a parameter is."""
    from ledger.config.catalog import CATALOG

    if not isinstance(parameter, TyperOption):
        return None
    for setting in CATALOG:
        if setting.option in parameter.opts and (not setting.has_namesakes or parameter.envvar == setting.variable):
            return setting.name
    return None
