"""What a person compares: a time, an account, a deployment or a version, as `diff` is given it."""

from datetime import datetime
from typing import Final

from msgspec import Struct

from ledger.errors import UsageError
from ledger.query.lookup import FoundId, find_id
from ledger.query.moments import parse_moment
from ledger.query.opened import OpenLedger
from ledger.query.rows import rows

__all__ = ["AccountPoint", "IdPoint", "Point", "TimePoint", "read_point"]

_HAS_ACCOUNT: Final = "SELECT 1 FROM _log WHERE account = $account LIMIT 1"
_ACCOUNT: Final = "account:"
_ID: Final = "id:"


class TimePoint(Struct, frozen=True):
    """Whatever was active at an effective time."""

    at: datetime


class AccountPoint(Struct, frozen=True):
    """The scripts of an account."""

    account: str


class IdPoint(Struct, frozen=True):
    """A deployment or version."""

    found: FoundId


Point = TimePoint | AccountPoint | IdPoint


def read_point(ledger: OpenLedger, text: str, now: datetime) -> Point:
    """What the text means: a time, the whole name of an account, else the beginning of an id.

    `account:NAME` and `id:DIGITS` say which.

    Raises:
        UsageError: `bad_point`; `ambiguous_id`.
        NotFoundError: `id_not_found`.
    """
    if text.startswith(_ACCOUNT):
        return AccountPoint(text.removeprefix(_ACCOUNT))
    if text.startswith(_ID):
        return IdPoint(find_id(ledger, text.removeprefix(_ID)))
    try:
        return TimePoint(parse_moment(text, now))
    except UsageError:
        pass
    if rows(ledger, _HAS_ACCOUNT, account=text):
        return AccountPoint(text)
    try:
        return IdPoint(find_id(ledger, text))
    except UsageError as error:
        if error.code != "bad_id":
            raise
        raise UsageError(
            "bad_point",
            f"{text!r} is no time, no account and no id",
            "compare two times, two accounts, or ids of deployments or versions (`ledger deployments SCRIPT` lists them)",
        ) from error
