"""`exposure`: where something was live, exactly from when to when, and for how much of the traffic.

Something is a module, binding, variable, secret or compatibility date that versions hold. Live is what serves: a version with a
share of the traffic above 0 in the deployment that is active.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from ledger.errors import UsageError
from ledger.query.answers import Answer
from ledger.query.lookup import Accounts, find_accounts
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME, Row, rows

__all__ = [
    "Exposure",
    "Sought",
    "binding",
    "compat_before",
    "exposure",
    "joined",
    "module",
    "secret",
    "sought",
    "variable",
]

_DIGEST: Final = re.compile(r"[0-9a-f]{4,64}")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_HOLDING = """
SELECT version, list_distinct(list(name)) AS names
FROM (
    SELECT version, pair.key AS name, pair.value AS value
    FROM (
        SELECT version, unnest(map_entries(_members(manifest -> $path))) AS pair FROM versions
        WHERE effective_at <= $at AND ($accounts IS NULL OR list_contains($accounts, account))
            AND contains(manifest::VARCHAR, $needle)
    )
)
WHERE {condition}
GROUP BY version
"""

_COMPAT = """
SELECT version, [coalesce(manifest -> 'config' ->> 'compatibility_date', 'none')] AS names
FROM versions
WHERE effective_at <= $at AND ($accounts IS NULL OR list_contains($accounts, account))
    AND coalesce(manifest -> 'config' ->> 'compatibility_date', '') < $before
"""

_SERVED = """
SELECT
    account, script, deployment.id AS deployment, deployment.number AS number, deployment.versions AS versions,
    effective_at AS since, CASE WHEN until <= $at THEN until END AS until, concat(shard, '/', "index") AS entry,
    person(account, data.actor.pseudonym, data.actor.sealed) AS author, data.interface AS interface
FROM _steps
WHERE deployment IS NOT NULL AND effective_at <= $at AND (until IS NULL OR until > effective_at)
    AND ($accounts IS NULL OR list_contains($accounts, account))
    AND CASE
        WHEN cardinality(deployment.versions) = 1 THEN map_keys(deployment.versions)[1] IN (SELECT unnest($ids))
        ELSE list_has_any(map_keys(deployment.versions), $ids)
    END
ORDER BY account, script, "index"
"""


class Sought(Struct, frozen=True, kw_only=True):
    """What is looked for in versions: a query of which hold it, and its parameters."""

    sql: str
    parameters: dict[str, Any]


class Exposure(Answer, frozen=True, kw_only=True):
    """An interval in which a script had it live, with the same share of the traffic throughout."""

    account: str
    script: str
    since: datetime
    until: datetime | None
    """Exclusive; None while it is live."""
    live: bool
    """Whether it is live still (as of the time asked about)."""
    percentage: float
    """Of the traffic; shares of several versions that hold it are added up."""
    names: list[str]
    """The modules, bindings, variables, secrets or compatibility dates that were it."""
    deployments: int
    """How many deployments had it in this interval."""
    deployment: str
    """The first of them."""
    number: int
    entry: str
    author: str | None
    """Who made the first of them."""
    interface: str | None


def module(digest: str) -> Sought:
    """A module by the beginning of its SHA-256; raises UsageError `bad_digest`."""
    if not _DIGEST.fullmatch(digest.lower()):
        raise UsageError("bad_digest", f"not the beginning of a SHA-256: {digest!r}", "give 4 to 64 hex digits")
    return _held("$.code.modules", "starts_with(value ->> 'sha256', $digest)", digest.lower(), digest=digest.lower())


def binding(text: str) -> Sought:
    """A binding by `TYPE:VALUE` (VALUE any of its members' values), or by TYPE alone; raises UsageError `bad_binding`."""
    kind, colon, value = text.partition(":")
    if not kind or (colon and not value):
        raise UsageError(
            "bad_binding", f"not TYPE:VALUE: {text!r}", "as in kv_namespace:8ad0..., or service:auth, or kv_namespace"
        )
    condition = """value ->> 'type' = $kind AND ($value IS NULL OR list_contains(list_transform(
        list_filter(map_entries(_members(value)), lambda member: member.key <> 'type'), lambda member: member.value ->> '$'), $value))"""
    return _held("$.bindings", condition, kind, kind=kind, value=value or None)


def variable(name: str, value: str | None) -> Sought:
    """A variable by name, and by its value where one is given: as text, or as JSON of any spelling."""
    condition = "name = $name AND ($value IS NULL OR value ->> 'text' = $value OR (value -> 'json')::VARCHAR = $json)"
    return _held("$.config.vars", condition, name, name=name, value=value, json=_stored_json(value))


def secret(name: str) -> Sought:
    """A secret by name, whatever its value."""
    return _held("$.config.secrets", "name = $name", name, name=name)


def compat_before(date: str) -> Sought:
    """A compatibility date before this one, or none at all; raises UsageError `bad_date`."""
    try:
        if not _DATE.fullmatch(date):
            raise ValueError(date)
        datetime.fromisoformat(date)
    except ValueError as error:
        raise UsageError("bad_date", f"not a date: {date!r}", "as in 2023-06-01") from error
    return Sought(sql=_COMPAT, parameters={"before": date})


def sought(given: Mapping[str, str | None]) -> Sought:
    """What somebody names by one of `module`, `binding`, `var` (NAME or NAME=VALUE), `secret` and `compat`.

    Raises:
        UsageError: `nothing_sought`, where it is not just one; `bad_variable`, and what the five raise.
    """
    named = [(make, value) for name, make in _SOUGHT.items() if (value := given.get(name)) is not None]
    if len(named) != 1:
        raise UsageError(
            "nothing_sought",
            "say what is sought by one of module, binding, var, secret, compat",
            "ledger exposure --module 9f86d081",
        )
    make, value = named[0]
    return make(value)


def _variable(text: str) -> Sought:
    name, equals, value = text.partition("=")
    if not name:
        raise UsageError("bad_variable", f"not NAME=VALUE: {text!r}", "as in STAGE=live")
    return variable(name, value if equals else None)


_SOUGHT: Final[dict[str, Callable[[str], Sought]]] = {
    "module": module,
    "binding": binding,
    "var": _variable,
    "secret": secret,
    "compat": compat_before,
}


def exposure(
    ledger: OpenLedger, sought: Sought, *, account: Accounts = None, at: datetime | None = None
) -> list[Exposure]:
    """Where and when it was live, by account and script, oldest first; `at` takes the history as of an effective time."""
    moment, accounts = at or END_OF_TIME, find_accounts(ledger, account)
    holding = {
        row["version"]: row["names"]
        for row in rows(ledger, sought.sql, at=moment, accounts=accounts, **sought.parameters)
    }
    if not holding:
        return []
    served = rows(ledger, _SERVED, at=moment, accounts=accounts, ids=list(holding))
    return list(joined(_intervals(ledger, served, holding)))


def joined(intervals: Iterable[Exposure]) -> Iterator[Exposure]:
    """The intervals with those joined that touch and have the same share; they come sorted by script and time."""
    last: Exposure | None = None
    for interval in intervals:
        touching = last is not None and (last.account, last.script, last.until, last.percentage) == (
            interval.account, interval.script, interval.since, interval.percentage,
        )  # fmt: skip
        if last is None or not touching:
            if last is not None:
                yield last
            last = interval
            continue
        last = msgspec.structs.replace(
            last,
            until=interval.until,
            live=interval.live,
            names=sorted({*last.names, *interval.names}),
            deployments=last.deployments + interval.deployments,
        )
    if last is not None:
        yield last


def _intervals(ledger: OpenLedger, served: Iterable[Row], holding: dict[str, list[str]]) -> Iterator[Exposure]:
    for row in served:
        shares = {version: share for version, share in row["versions"].items() if version in holding and share > 0}
        if not shares:
            continue
        yield Exposure(
            account=row["account"],
            script=row["script"],
            since=row["since"],
            until=row["until"],
            live=row["until"] is None,
            percentage=round(sum(shares.values()), 3),
            names=sorted({name for version in shares for name in holding[version]}),
            deployments=1,
            deployment=row["deployment"],
            number=row["number"],
            entry=row["entry"],
            author=ledger.author(row["author"]),
            interface=row["interface"],
        )


def _held(path: str, condition: str, needle: str, **parameters: Any) -> Sought:
    """A member of an object of the manifest; `needle` stands in the manifest's text wherever the condition holds."""
    spelled = msgspec.json.encode(needle.encode(errors="replace").decode()).decode()[1:-1]
    return Sought(sql=_HOLDING.format(condition=condition), parameters={"path": path, "needle": spelled, **parameters})


def _stored_json(value: str | None) -> str | None:
    """A JSON value as the log has it: members sorted, without white space; None where the text is no JSON."""
    try:
        return None if value is None else msgspec.json.encode(msgspec.json.decode(value), order="sorted").decode()
    except (msgspec.MsgspecError, UnicodeError):
        return None
