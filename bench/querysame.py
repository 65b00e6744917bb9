"""Whether answers are the same: what a command of the ledger prints, as the rows that the plain tables give to the same question."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

__all__ = ["joined", "plain_rows"]

_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)

Rows = list[list[Any]]


def plain_rows(question: str, printed: Any) -> Rows:
    """The rows of an answer, from the JSON that the ledger printed."""
    return _PLAIN[question](printed)


def joined(intervals: Iterable[list[Any]]) -> Rows:
    """Intervals of a script with those that touch made one: account, script, from, to, sorted so."""
    found: Rows = []
    for account, script, since, until in intervals:
        if found and found[-1][:2] == [account, script] and found[-1][3] == since:
            found[-1][3] = until
        else:
            found.append([account, script, since, until])
    return found


def _fleet(printed: Any) -> Rows:
    return [[*_named(row), row["deployment"], row["number"], _us(row["since"])] for row in printed if row["deployment"]]


def _deployments(printed: Any) -> Rows:
    return [[row["deployment"], row["number"], _us(row["effective_at"]), row["message"]] for row in printed]


def _who(printed: Any) -> Rows:
    return [
        [*_named(row), *map(int, row["entry"].split("/")), _us(row["effective_at"]), row["outcome"]] for row in printed
    ]


def _exposure(printed: Any) -> Rows:
    return [[*_named(row), _us(row["since"]), row["until"] and _us(row["until"])] for row in printed]


def _stats(printed: Any) -> Rows:
    counted = ("account", "deployments", "rollbacks", "scripts")
    return [[*(row[name] for name in counted), _us(row["first_at"]), _us(row["last_at"])] for row in printed]


def _named(row: Any) -> list[str]:
    return [row["account"], row["script"]]


def _us(text: str) -> int:
    """Microseconds since 1970."""
    return (datetime.fromisoformat(text) - _BEGINNING) // timedelta(microseconds=1)


_PLAIN: Final[dict[str, Callable[[Any], Rows]]] = {
    "at T": _fleet,
    "one script at T": _fleet,
    "deployments SCRIPT": _deployments,
    "who, by pseudonym": _who,
    "exposure --module": _exposure,
    "stats": _stats,
}
