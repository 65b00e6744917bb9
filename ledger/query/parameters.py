"""Values for a statement's parameters, as they are given on a command line: `name=value`, which the statement calls `$name`. Pure."""

import re
from collections.abc import Iterable
from typing import Final

from ledger.errors import UsageError

__all__ = ["check_parameters", "parse_parameters"]

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HINT: Final = "write -p name=value, and $name in the statement"


def parse_parameters(given: Iterable[str]) -> dict[str, str]:
    """Names and values; a value is the text after the first `=`, empty or not.

    Raises:
        UsageError: `bad_parameter`: no name, a name that is none, one given twice (upper and lower case are the same), no UTF-8.
    """
    values: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise UsageError("bad_parameter", f"not a parameter: {text!r}", _HINT)
        if name.casefold() in {known.casefold() for known in values}:
            raise UsageError("bad_parameter", f"the parameter {name} is given twice", _HINT)
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UsageError("bad_parameter", f"the value of {name} is not UTF-8") from error
        values[name] = value
    return values


def check_parameters(wanted: Iterable[str], given: Iterable[str]) -> None:
    """Whether a statement's parameters are those that have values.

    Args:
        wanted: the names in the statement; a number stands for `?` and `$1`.
        given: the names that have one.

    Raises:
        UsageError: `parameter_missing`, `parameter_unknown`.
    """
    needed = {name.casefold(): name for name in wanted}
    there = {name.casefold(): name for name in given}
    if numbered := sorted(name for name in needed.values() if not _NAME.fullmatch(name)):
        raise UsageError(
            "parameter_missing", f"the statement has parameters without a name ({len(numbered)} of them)", _HINT
        )
    if missing := sorted(needed[name] for name in needed.keys() - there.keys()):
        what = ", ".join(f"${name}" for name in missing)
        raise UsageError("parameter_missing", f"no value is given for {what}", _HINT)
    if unknown := sorted(there[name] for name in there.keys() - needed.keys()):
        what = ", ".join(f"${name}" for name in unknown)
        has = ", ".join(f"${name}" for name in sorted(needed.values())) or "no parameters"
        raise UsageError("parameter_unknown", f"the statement does not use {what}", f"it has {has}")
