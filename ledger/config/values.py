"""Values of settings from text and from TOML, or why they are none. Pure; no message quotes a secret."""

import math
from difflib import get_close_matches
from typing import Any, Final, NoReturn

from ledger.config.catalog import CATALOG, SECTIONS, find
from ledger.config.setting import Kind, Setting
from ledger.errors import UsageError

__all__ = ["from_text", "from_value", "unknown"]

_TRUE: Final = frozenset(("true", "yes", "on", "1"))
_FALSE: Final = frozenset(("false", "no", "off", "0"))


def from_text(setting: Setting, text: str, origin: str) -> Any:
    """A value from the command line or the environment.

    Raises:
        UsageError: `bad_setting`.
    """
    try:
        match setting.kind:
            case Kind.flag:
                if text.lower() not in _TRUE | _FALSE:
                    _refuse(setting, origin, text, "true or false")
                return text.lower() in _TRUE
            case Kind.integer:
                return _checked(setting, int(text), origin)
            case Kind.number:
                return _checked(setting, float(text), origin)
            case _:
                return _checked(setting, text, origin)
    except ValueError:
        _refuse(setting, origin, text, _wanted(setting))


def from_value(setting: Setting, value: Any, origin: str) -> Any:
    """A value that has a type already: of the file, or of an option.

    Raises:
        UsageError: `bad_setting`.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match setting.kind:
        case Kind.flag:
            is_right = isinstance(value, bool)
        case Kind.integer:
            is_right = is_number and isinstance(value, int)
        case Kind.number:
            is_right, value = is_number, float(value) if is_number else value
        case _:
            is_right = isinstance(value, str)
    if not is_right:
        _refuse(setting, origin, value, _wanted(setting))
    return _checked(setting, value, origin)


def unknown(name: str, section: str, origin: str) -> UsageError:
    """The error for a key that is none of ours; it names the one that was meant."""
    setting = find(name)
    message = f"{origin}: there is no setting {name}" + (f" in [{section}]" if section else "")
    if setting is not None:
        place = f"[{setting.section}]" if setting.section else "the top of the file, before the first table"
        return UsageError("unknown_setting", message, f"it belongs in {place}")
    names = [other.name for other in CATALOG] + list(filter(None, SECTIONS))
    # A transposed or a missing letter counts for much in a short name.
    close = get_close_matches(name.lower().replace("-", "_").replace(".", "_"), names, 1, 0.5)
    hint = f"did you mean {close[0]}?" if close else "`ledger config --example` shows all settings"
    return UsageError("unknown_setting", message, hint)


def _checked(setting: Setting, value: Any, origin: str) -> Any:
    match setting.kind:
        case Kind.choice:
            found = next((choice for choice in setting.choices if choice.lower() == value.strip().lower()), None)
            if found is None:
                _refuse(setting, origin, value, _wanted(setting))
            return found
        case Kind.integer | Kind.number:
            too_small = setting.minimum is not None and value < setting.minimum
            if too_small or not math.isfinite(value):
                _refuse(setting, origin, value, _wanted(setting))
        case _ if isinstance(value, str):
            if not value or any(sign in value for sign in "\r\n\0"):
                _refuse(setting, origin, value, _wanted(setting))
        case _:
            pass
    return value


def _wanted(setting: Setting) -> str:
    match setting.kind:
        case Kind.flag:
            return "true or false"
        case Kind.choice:
            return "one of " + ", ".join(setting.choices)
        case Kind.integer | Kind.number:
            what = "a whole number" if setting.kind is Kind.integer else "a number"
            return what if setting.minimum is None else f"{what}, {setting.minimum:g} or more"
        case _:
            return "text of one line"


def _refuse(setting: Setting, origin: str, value: Any, wanted: str) -> NoReturn:
    shown = "its value" if setting.is_secret else repr(value)
    raise UsageError("bad_setting", f"{origin}: {setting.name}: {shown} is not {wanted}", setting.help.rstrip(","))
