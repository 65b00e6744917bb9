"""Errors: one hierarchy, each with a stable code, a message and a hint on what to do.

Three places catch `LedgerError`: the agent's loop, the CLI's main and the HTTP handler. Programming errors stay built-in.
"""

from typing import ClassVar, Final

__all__ = [
    "BrokerError",
    "InputError",
    "IntegrityError",
    "LedgerError",
    "NotFoundError",
    "StoreConflictError",
    "StoreError",
    "UsageError",
    "WitnessError",
]

EXIT_OK: Final = 0
EXIT_USAGE: Final = 2
EXIT_VERIFICATION: Final = 3
EXIT_NOT_FOUND: Final = 4
EXIT_UNAVAILABLE: Final = 5
EXIT_INTERNAL: Final = 70
EXIT_INTERRUPTED: Final = 130


class LedgerError(Exception):
    """A failure that the product foresees.

    Args:
        code: stable and machine-readable, `lower_snake_case`; part of the documented interface.
        message: one sentence for a person: what failed, on what.
        hint: what the person can do about it; empty where there is nothing to advise.
    """

    exit_code: ClassVar[int] = EXIT_INTERNAL

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class InputError(LedgerError):
    """Something given is bad (an event, an argument's value): say so and go on, or exit 2."""

    exit_code = EXIT_USAGE


class UsageError(LedgerError):
    """The command cannot be carried out as it was asked."""

    exit_code = EXIT_USAGE


class IntegrityError(LedgerError):
    """What is stored contradicts itself (chain, root, signature, format). Never repaired automatically."""

    exit_code = EXIT_VERIFICATION


class NotFoundError(LedgerError):
    """A ledger, script, id or object that was asked for does not exist."""

    exit_code = EXIT_NOT_FOUND


class StoreError(LedgerError):
    """The store could not do what was asked of it (disk full, read-only, unreachable)."""

    exit_code = EXIT_UNAVAILABLE


class StoreConflictError(StoreError):
    """A create-only put met an object that is there already."""


class BrokerError(LedgerError):
    """The broker could not be reached, or the topic is not what the ledger expects."""

    exit_code = EXIT_UNAVAILABLE


class WitnessError(LedgerError):
    """A witness could not be reached, refused, or answered what is no answer: there is no cosignature, and nothing else is wrong."""

    exit_code = EXIT_UNAVAILABLE
