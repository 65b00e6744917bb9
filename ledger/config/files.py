"""The settings file: TOML, strictly read, each value with the line that it is from."""

import os
import re
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.config.catalog import SECTIONS, find
from ledger.config.setting import Kind
from ledger.config.values import from_value, unknown
from ledger.errors import UsageError

__all__ = ["FileValue", "found_file", "is_open_to_others", "read_file", "read_secret"]

_MAX_BYTES: Final = 1 << 20
_TABLE = re.compile(r"\s*\[\s*([\w.\"'-]+)\s*\]")
_KEY = re.compile(r"\s*([\w.\"'-]+)\s*=")


class FileValue(NamedTuple):
    """A value, and where it stands."""

    value: Any
    origin: str
    """`FILE:LINE`, or only the file where the line is not to be found."""


def found_file(given: str | None, environ: Mapping[str, str]) -> Path | None:
    """The settings file: the one that is given, else LEDGER_CONFIG, else the user's where there is one.

    None is looked for in the current directory: what a file says may be run (`sasl_token_command`).
    """
    named = given or environ.get("LEDGER_CONFIG")
    if named:
        return Path(named)
    home = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    users = Path(home) / "deployment-ledger" / "config.toml"
    return users if users.is_file() else None


def read_file(path: Path) -> dict[str, FileValue]:
    """All settings of a file, by name.

    Raises:
        UsageError: `bad_config`: it cannot be read or is no TOML; `unknown_setting`, `bad_setting`.
    """
    text = _text(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(
            "bad_config", f"{path} is not TOML: {error}", "`ledger config --example` shows what it looks like"
        ) from None
    lines = _lines(text)
    found: dict[str, FileValue] = {}
    for name, value in content.items():
        if name in SECTIONS and isinstance(value, dict):
            for member, inner in value.items():
                found[member] = _value(path, name, member, inner, lines)
        else:
            found[name] = _value(path, "", name, value, lines)
    return found


def read_secret(path: str, name: str, origin: str) -> str:
    """What a file holds that has a secret and nothing else; the end of its last line does not count.

    Raises:
        UsageError: `bad_setting`.
    """
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError("bad_setting", f"{origin}: {name}: {path} cannot be read: {why}") from None
    secret = text.removesuffix("\n").removesuffix("\r")
    if not secret or "\n" in secret:
        raise UsageError("bad_setting", f"{origin}: {name}: {path} does not hold one line")
    return secret


def is_open_to_others(path: Path) -> bool:
    """Whether anybody but its owner may read a file."""
    try:
        return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise UsageError("bad_config", f"{path} is too large for a settings file")
        return data.decode()
    except OSError as error:
        raise UsageError(
            "bad_config", f"the settings file {path} cannot be read: {error.strerror}", "see --config and LEDGER_CONFIG"
        ) from None
    except UnicodeDecodeError:
        raise UsageError("bad_config", f"{path} is not UTF-8") from None


def _value(path: Path, section: str, name: str, value: Any, lines: Mapping[tuple[str, str], int]) -> FileValue:
    line = lines.get((section, name))
    origin = str(path) if line is None else f"{path}:{line}"
    setting = find(name)
    if setting is None or setting.section != section:
        raise unknown(name, section, origin)
    parsed = from_value(setting, value, origin)
    if setting.kind is Kind.path and "://" not in parsed:
        parsed = os.path.normpath(path.parent / parsed)
    return FileValue(parsed, origin)


def _lines(text: str) -> dict[tuple[str, str], int]:
    """On which line each key stands: enough of TOML's grammar to point at a line, which is all that hangs on it."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if table := _TABLE.match(line):
            section = _bare(table[1])
        elif key := _KEY.match(line):
            parts = [_bare(part) for part in key[1].split(".")]
            place = (parts[0], parts[1]) if len(parts) == 2 and not section else (section, parts[0])
            found.setdefault(place, number)
    return found


def _bare(name: str) -> str:
    return name.strip("\"'")
