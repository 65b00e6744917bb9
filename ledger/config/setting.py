"""What a setting is. Pure."""

from enum import StrEnum
from typing import Any

import msgspec

__all__ = ["Kind", "Setting"]


class Kind(StrEnum):
    """What a value is."""

    text = "text"
    path = "path"
    """A file or directory; in the file it is relative to where the file is. What has `://` in it stays as it is."""
    secret = "secret"
    """Text that is shown nowhere and refused on the command line."""
    command = "command"
    choice = "choice"
    flag = "flag"
    integer = "integer"
    number = "number"


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting."""

    name: str
    """Unique; the key in the file."""
    section: str
    """The table of the file in which it stands; empty at its top."""
    kind: Kind
    help: str
    default: Any = None
    option: str | None = None
    """The option of its own that commands have for it."""
    has_namesakes: bool = False
    """Whether other commands have an option of that name which is none of the setting: then the setting's names the variable too."""
    env: str = ""
    """The environment variable; `LEDGER_` and the name where empty."""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    example: str = ""
    """A value as TOML, where the default is no example."""

    @property
    def variable(self) -> str:
        """The environment variable."""
        return self.env or f"LEDGER_{self.name.upper()}"

    @property
    def is_secret(self) -> bool:
        """Whether its value is shown nowhere."""
        return self.kind is Kind.secret
