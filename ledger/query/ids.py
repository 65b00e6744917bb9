"""Versions and deployments by their ids: packs have an index of the first 8 digits of theirs, and the entry has the rest."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final

import msgspec
from msgspec import Struct

from ledger.query.lines import Place, entry_lines
from ledger.query.opened import OpenLedger
from ledger.query.rows import Row, rows

__all__ = ["FoundId", "ids_from", "known_ids"]

_DIGITS: Final = 8
"""Of an id, in the index."""
_GROUPS: Final = (8, 12, 16, 20)
"""How many hex digits of a UUID stand before each of its dashes."""

_BETWEEN: Final = """
SELECT shard, "index", version FROM _ids WHERE prefix BETWEEN $least AND $most
QUALIFY rank() OVER (ORDER BY version, prefix) <= $limit
"""

_THEIRS: Final = """
SELECT shard, "index", made.version AS version
FROM (
    SELECT shard, "index", unnest([{'id': deployment.id, 'version': false}, {'id': version.id, 'version': true}]) AS made
    FROM _log
    WHERE starts_with(version.id, $prefix) OR starts_with(deployment.id, $prefix)
)
WHERE starts_with(made.id, $prefix)
ORDER BY made.version, made.id LIMIT $limit
"""

_THESE: Final = """
SELECT DISTINCT shard, "index", version FROM _ids SEMI JOIN (SELECT unnest($prefixes)::UINTEGER AS prefix) USING (prefix)
"""


class FoundId(Struct, frozen=True, kw_only=True):
    """A version or deployment found by its id."""

    kind: str
    id: str
    account: str
    script: str
    number: int
    place: Place
    """The entry that made it."""
    sha256: str | None = None
    """Of a version's manifest."""

    @property
    def entry(self) -> str:
        """The entry as `shard/index`."""
        return f"{self.place[0]}/{self.place[1]}"


class _Numbered(Struct, frozen=True):
    id: str
    number: int
    sha256: str | None = None


class _Event(Struct, frozen=True):
    subject: str


class _Entry(Struct, frozen=True):
    account: str
    event: _Event
    version: _Numbered | None = None
    deployment: _Numbered | None = None


_entry: Final = msgspec.json.Decoder(_Entry)


def ids_from(ledger: OpenLedger, digits: str, limit: int) -> list[FoundId]:
    """The first of those whose ids begin so: deployments before versions, each by id.

    Args:
        ledger: the ledger asked.
        digits: 1 to 32 hex digits.
        limit: so many at most.
    """
    shown = digits[:_DIGITS]
    least, most = int(shown.ljust(_DIGITS, "0"), 16), int(shown.ljust(_DIGITS, "f"), 16)
    if ledger.accounts is None:
        candidates = rows(ledger, _BETWEEN, least=least, most=most, limit=limit)
    else:  # what others have must not take the place of what is theirs
        candidates = rows(ledger, _THEIRS, prefix=_dashed(digits), limit=limit)
    found = _read(ledger, candidates)
    fitting = [one for one in found if one.id.replace("-", "").startswith(digits)]
    return sorted(fitting, key=lambda one: (one.kind, one.id, one.account, one.script))[:limit]


def known_ids(ledger: OpenLedger, ids: Iterable[str]) -> list[FoundId]:
    """Those of these ids that there are."""
    wanted = set(ids)
    prefixes = sorted({int(one[:_DIGITS], 16) for one in wanted})
    found = _read(ledger, rows(ledger, _THESE, prefixes=prefixes)) if wanted else []
    return [one for one in found if one.id in wanted]


def _read(ledger: OpenLedger, candidates: Sequence[Row]) -> list[FoundId]:
    lines = entry_lines(ledger, ((row["shard"], row["index"]) for row in candidates))
    found = [_found(row, lines[row["shard"], row["index"]]) for row in candidates]
    return [one for one in found if ledger.accounts is None or ledger.sees(one.account)]


def _dashed(digits: str) -> str:
    bounds = (0, *_GROUPS, len(digits))
    return "-".join(digits[start:end] for start, end in pairwise(bounds) if start < len(digits))


def _found(row: dict[str, Any], line: bytes) -> FoundId:
    entry = _entry.decode(line)
    made = entry.version if row["version"] else entry.deployment
    if made is None:
        raise msgspec.ValidationError("no such id")
    return FoundId(
        kind="version" if row["version"] else "deployment",
        id=made.id,
        account=entry.account,
        script=entry.event.subject,
        number=made.number,
        place=(row["shard"], row["index"]),
        sha256=made.sha256,
    )
