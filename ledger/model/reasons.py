"""Why a record is refused: reason codes, and JSON paths that say where.

A reason travels into the `rejected` entry as `{"code", "path", "detail"}`; `docs/FORMAT.md` explains every code.
"""

import re
from typing import Final, Literal

import msgspec

__all__ = ["CODES", "Code", "Reason", "RefusedError", "join", "refuse"]

Code = Literal[
    "malformed_json",
    "not_utf8",
    "duplicate_member",
    "unknown_member",
    "missing_member",
    "wrong_type",
    "bad_value",
    "bad_time",
    "too_large",
    "plaintext_secret",
    "key_mismatch",
    "misrouted",
    "unsupported_type",
    "conflict",
    "ambiguous_base",
    "unknown_version",
    "unknown_deployment",
    "bad_split",
    "script_absent",
    "oversized_entry",
]
CODES: Final[tuple[str, ...]] = Code.__args__  # type: ignore[attr-defined]

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MAX_DETAIL = 300


class Reason(msgspec.Struct, frozen=True):
    """Why one record was rejected."""

    code: str
    """One of `CODES`."""
    path: str
    """Where in the event, as a JSON path: `$.data.code.replace.main`."""
    detail: str
    """One sentence for a person; never holds a value that might be secret."""


class RefusedError(Exception):
    """Carries a `Reason` from where a rule is broken to the one place that turns it into an outcome."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def refuse(code: Code, path: str, detail: str) -> RefusedError:
    """The exception to raise for a broken rule."""
    return RefusedError(Reason(code, path[:_MAX_DETAIL], detail[:_MAX_DETAIL]))


def join(path: str, name: str | int) -> str:
    """The path of a member (or element) of what lies at `path`."""
    if isinstance(name, int):
        return f"{path}[{name}]"
    if _PLAIN.fullmatch(name):
        return f"{path}.{name}"
    return f"{path}[{msgspec.json.encode(name).decode()}]"
