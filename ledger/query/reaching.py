"""`reach URL`: which script answered an address at a time, and why: routes, custom domains and workers.dev, in this order.

What matches what is the platform's documentation (`ledger.platform.routes`, docs/ROUTING.md). One answer an account: the ledger
knows neither whose zone a host is in nor an account's workers.dev subdomain.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from ledger.platform.routes import HOST_CASE_MATTERED_UNTIL, Pattern, custom_domain_problem, parse_pattern
from ledger.platform.urls import RequestUrl, ascii_host, parse_url
from ledger.query.answers import Answer, Share
from ledger.query.lookup import Accounts, find_accounts
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME, Row, rows, state_rows
from ledger.query.serving import ScriptName, Serving, serving

__all__ = ["Candidate", "Reached", "reach"]

_SUFFIX: Final = ".workers.dev"
_PREVIEW: Final = re.compile(r"([0-9a-f]{8})-(.+)")

_GIVEN = """
SELECT account, script, aspect, name, given.*
FROM (
    SELECT
        account, script, change[1] AS aspect, change[2] AS name,
        arg_max({'op': change[3], 'value': CASE change[1] WHEN 'subdomain' THEN triggers.subdomain[change[2]] END}, "index") AS last,
        arg_max({
            'since': effective_at, 'interface': data.interface, 'entry': concat(shard, '/', "index"),
            'author': person(account, data.actor.pseudonym, data.actor.sealed)
        }, "index") FILTER (change[3] = 'added' OR change[1] = 'subdomain') AS given
    FROM (
        SELECT * EXCLUDE (changes), unnest(changes) AS change FROM _near
        WHERE effective_at <= $at AND ($accounts IS NULL OR list_contains($accounts, account))
    )
    WHERE CASE change[1]
        WHEN 'routes' THEN NOT regexp_full_match(change[2], '[ -~]*')
            OR ends_with($host, regexp_extract(lower(change[2]), '^(?:[a-z0-9+.-]+://)?[*]?([^/:?]*)', 1))
        WHEN 'domains' THEN NOT regexp_full_match(change[2], '[ -~]*') OR contains(change[2], '*') OR lower(change[2]) = $host
        WHEN 'subdomain' THEN starts_with($label, lower(script)) OR ends_with($label, '-' || lower(script))
        ELSE false
    END
    GROUP BY ALL
)
WHERE last.op <> 'removed' AND given IS NOT NULL AND (aspect <> 'subdomain' OR last.value = 'true')
ORDER BY ALL
"""

_PREVIEWED = """
SELECT version, number FROM _versions
WHERE account = $account AND script = $script AND starts_with(version, $prefix) AND effective_at <= $at
ORDER BY number DESC LIMIT 1
"""


class Candidate(Answer, frozen=True, kw_only=True):
    """A way in that led from the address to a script."""

    account: str
    place: int
    """From 1: in this order they are asked, in each account."""
    wins: bool
    by: str
    """route, domain, workers.dev or preview."""
    name: str
    """The route pattern or host name."""
    script: str
    why: str
    since: datetime
    """When the script was given it."""
    author: str | None
    interface: str | None
    entry: str
    serving: Serving | None
    """What the script ran; for a preview the version previewed. None where no such version is known."""


class Reached(Answer, frozen=True, kw_only=True):
    """Who answered an address."""

    url: str
    at: datetime | None
    """None: as of now."""
    candidates: list[Candidate]
    """By account, the winner first."""
    elsewhere: list[Candidate]
    """Where only a host was asked for: its routes that match other paths or schemes. None of these wins."""
    notes: list[str]
    """What the reader has to know about the answer."""


class _Way(Struct, frozen=True, kw_only=True):
    """A way in that was found, before anybody has looked at what its script ran."""

    row: Row
    by: str
    name: str
    why: str
    order: tuple[int, ...]
    """What ways in are sorted by: the greatest is asked first."""
    pattern: Pattern | None = None
    preview: str | None = None
    """The beginning of a version's id, where that version is previewed."""

    @property
    def account(self) -> str:
        """Whose it is."""
        return str(self.row["account"])

    @property
    def script(self) -> ScriptName:
        """Whom it leads to."""
        return self.account, self.row["script"]


def reach(ledger: OpenLedger, text: str, *, account: Accounts = None, at: datetime | None = None) -> Reached:
    """Who answered an address as of an effective time.

    Args:
        ledger: the ledger asked.
        text: a URL or host name.
        account: only these accounts.
        at: None for now.

    Raises:
        UsageError: `bad_url`, and for accounts that are not there.
    """
    url, moment = parse_url(text), at or END_OF_TIME
    label = url.host.split(".")[0] if url.host.endswith(_SUFFIX) and url.host.count(".") == 3 else ""
    given = state_rows(
        ledger, moment, _GIVEN, at=moment, host=url.host, label=label, accounts=find_accounts(ledger, account)
    )
    notes: list[str] = []
    ways = [*_routes(given, url, notes), *_domains(given, url, notes), *_workers_dev(given, url, label)]
    matching = [way for way in ways if way.pattern is None or way.pattern.matches(url)]
    rest = [way for way in ways if not url.has_path and not url.has_scheme and way not in matching]
    served = serving(ledger, {way.script for way in (*matching, *rest)}, moment)
    run = {id(way): _served(ledger, way, served, moment) for way in (*matching, *rest)}
    _explain(url, matching, notes)
    return Reached(
        url=url.text,
        at=at,
        candidates=_candidates(ledger, matching, run, winners=True),
        elsewhere=_candidates(ledger, rest, run, winners=False),
        notes=notes,
    )


def _routes(given: Iterable[Row], url: RequestUrl, notes: list[str]) -> Iterator[_Way]:
    """The routes whose hosts fit."""
    for row in given:
        if row["aspect"] != "routes":
            continue
        try:
            pattern = parse_pattern(row["name"], host_case_matters=row["since"] < HOST_CASE_MATTERED_UNTIL)
        except ValueError as error:
            notes.append(f"the route {row['name']} of {row['script']} ({row['account']}) matches nothing: {error}")
            continue
        if pattern.matches_host(url.host):
            yield _Way(
                row=row,
                by="route",
                name=row["name"],
                why="its pattern matches",
                order=(3, *pattern.precedence),
                pattern=pattern,
            )


def _domains(given: Iterable[Row], url: RequestUrl, notes: list[str]) -> Iterator[_Way]:
    for row in given:
        if row["aspect"] != "domains":
            continue
        problem = custom_domain_problem(row["name"])
        if problem:
            if row["name"].lstrip("*").split("/")[0] in f".{url.host}":
                notes.append(f"the custom domain {row['name']} of {row['script']} matches nothing: {problem}")
            continue
        if _same_host(row["name"], url.host):
            yield _Way(row=row, by="domain", name=row["name"], why="the host is its custom domain", order=(2,))


def _workers_dev(given: Iterable[Row], url: RequestUrl, label: str) -> Iterator[_Way]:
    """`SCRIPT.SUBDOMAIN.workers.dev`, and previews of versions, `VERSION-SCRIPT.SUBDOMAIN.workers.dev`."""
    preview = _PREVIEW.fullmatch(label)
    for row in given if label else ():
        if row["aspect"] != "subdomain":
            continue
        script = row["script"].lower()
        if row["name"] == "enabled" and script == label:
            yield _Way(row=row, by="workers.dev", name=url.host, why="the first label is its name", order=(1,))
        if row["name"] == "previews_enabled" and preview and script == preview[2]:
            why = f"previews of its versions are on, and {preview[1]} begins a version's id"
            yield _Way(row=row, by="preview", name=url.host, why=why, order=(0,), preview=preview[1])


def _served(ledger: OpenLedger, way: _Way, served: dict[ScriptName, Serving], moment: datetime) -> Serving | None:
    if way.preview is None:
        return served.get(way.script)
    account, script = way.script
    for row in rows(ledger, _PREVIEWED, account=account, script=script, prefix=way.preview, at=moment):
        share = Share(version=row["version"], number=row["number"], percentage=100)
        return Serving(
            state="preview", deployment=None, number=None, versions=[share], since=None, author=None, interface=None
        )
    return None


def _candidates(
    ledger: OpenLedger, ways: Iterable[_Way], run: dict[int, Serving | None], *, winners: bool
) -> list[Candidate]:
    ordered: dict[str, list[_Way]] = {}
    for way in sorted(ways, key=lambda way: (way.account, *(-part for part in way.order), way.name)):
        ordered.setdefault(way.account, []).append(way)
    return [
        Candidate(
            account=account,
            place=place,
            wins=winners and place == 1,
            by=way.by,
            name=way.name,
            script=way.row["script"],
            why=_why(found[0], way) if winners else "it is for other paths or schemes",
            since=way.row["since"],
            author=ledger.author(way.row["author"]),
            interface=way.row["interface"],
            entry=way.row["entry"],
            serving=run[id(way)],
        )
        for account, found in ordered.items()
        for place, way in enumerate(found, 1)
    ]


def _why(winner: _Way, way: _Way) -> str:
    return way.why if way is winner else f"{way.why}, but {_rank(winner, way)}"


def _rank(winner: _Way, way: _Way) -> str:
    if winner.by != way.by:
        return f"a {winner.by} comes before a {way.by}"
    return f"{winner.name} is more specific" if winner.by == "route" else f"{winner.row['script']} has it too"


def _explain(url: RequestUrl, matching: list[_Way], notes: list[str]) -> None:
    """Say on what the answer rests where that is not in the log."""
    if url.port is not None:
        notes.append("the port is not looked at: routes and custom domains have none")
    if len({way.account for way in matching}) > 1:
        what = "subdomain" if url.host.endswith(_SUFFIX) else "zone"
        notes.append(f"several accounts have it; the ledger does not know whose {what} it is: narrow with --account")
    elif any(way.by in {"workers.dev", "preview"} for way in matching):
        notes.append("the account's workers.dev subdomain is not in the log: only the script's name was compared")
    routes = [way for way in matching if way.pattern is not None]
    for account in sorted({way.account for way in routes}):
        here = [way for way in routes if way.account == account]
        first, other = _first(here, lambda pattern: pattern.precedence), _first(here, lambda pattern: pattern.simulated)
        if first is not other:
            notes.append(
                f"the platform's local simulator takes {other.name} before {first.name}; its documentation says otherwise"
            )
    if any(not way.pattern.host for way in routes if way.pattern):
        notes.append("a pattern whose host is * is only for hosts that are served through its zone")


def _first(ways: list[_Way], key: Callable[[Pattern], Any]) -> _Way:
    return max(ways, key=lambda way: key(way.pattern) if way.pattern else ())


def _same_host(name: str, host: str) -> bool:
    try:
        return ascii_host(name) == host
    except ValueError:
        return False
