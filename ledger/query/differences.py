"""`diff`: what differs between two deployments, versions, times or accounts, name by name.

A side that is a deployment or version is its content: code, bindings and configuration. Of times and accounts, what leads to a
script and which deployment is active is compared too.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Struct

from ledger.errors import NotFoundError, UsageError
from ledger.model.jsontext import sorted_json
from ledger.query.contents import Content, ScriptState, Version, states, versions_of
from ledger.query.forensics import Difference, DifferenceStat
from ledger.query.lookup import Accounts, FoundId, find_accounts, find_script
from ledger.query.opened import OpenLedger
from ledger.query.points import AccountPoint, IdPoint, Point, TimePoint, read_point
from ledger.query.rows import END_OF_TIME, rows
from ledger.query.texts import ModuleTexts, count_lines

__all__ = ["compare", "differences", "summed", "whole_content"]

_SERVED: Final = """
SELECT deployment.versions AS versions FROM _log
WHERE account = $account AND subject = $script AND deployment.id = $id
"""

_MODULE: Final = "modules/"


class _Side(Struct, frozen=True):
    """One script on one side: which it is, what it serves, and what else is compared."""

    account: str
    script: str
    served: Mapping[str, float]
    beside: Content


def differences(
    ledger: OpenLedger,
    a: str,
    b: str,
    script: str | None = None,
    *,
    account: Accounts = None,
    at: datetime | None = None,
    code: bool = True,
) -> list[Difference]:
    """What differs from `a` to `b`, by account, script, aspect and name.

    Args:
        ledger: the ledger asked.
        a: a time, an account, or the beginning of a deployment's or version's id; see `read_point`.
        b: likewise. Two times, two accounts, two ids, or an id and a time.
        script: only this script; beside ids not needed.
        account: of times, only scripts of these accounts.
        at: of accounts, as of this effective time.
        code: whether to compare the texts of modules.

    Raises:
        UsageError: `bad_point`, `bad_pair`, `ambiguous_id`, `ambiguous_script`.
        NotFoundError: `id_not_found`, `script_not_found`.
        IntegrityError: `blob_changed`, `version_missing`.
    """
    now = datetime.now(UTC)
    first, second = read_point(ledger, a, now), read_point(ledger, b, now)
    before, after = _sides(ledger, first, second, script, account, at or END_OF_TIME)
    pairs = [(before.get(key), after.get(key)) for key in sorted(before.keys() | after.keys())]
    differing = [(old, new) for old, new in pairs if old is None or new is None or _differ(old, new)]
    served = {version for pair in differing for side in pair if side for version in side.served}
    versions = versions_of(ledger, served)
    texts = ModuleTexts(ledger.store) if code else None
    return [found for pair in differing for found in _compare_sides(*pair, versions, texts)]


def summed(found: Iterable[Difference]) -> list[DifferenceStat]:
    """How much differs, script by script, in the order of what was found."""
    by_script: dict[tuple[str, str, str | None], list[Difference]] = {}
    for one in found:
        by_script.setdefault((one.account, one.script, one.other), []).append(one)
    return [_summed(*key, these) for key, these in by_script.items()]


def compare(before: Content, after: Content) -> list[tuple[str, str, str, Any, Any]]:
    """The names that differ, sorted: aspect, name, what happened, and the values (None where there is none)."""
    found = []
    for aspect, name in sorted(before.keys() | after.keys()):
        old, new = before.get((aspect, name)), after.get((aspect, name))
        if (aspect, name) not in before:
            found.append((aspect, name, "added", None, new))
        elif (aspect, name) not in after:
            found.append((aspect, name, "removed", old, None))
        elif sorted_json(old) != sorted_json(new):
            found.append((aspect, name, "changed", old, new))
    return found


def whole_content(served: Mapping[str, float], versions: Mapping[str, Version]) -> Content:
    """All that served versions hold. Where those that share the traffic differ in a name, its value is the list of theirs."""
    parts = sorted(
        ((versions[version], share) for version, share in served.items() if share),
        key=lambda part: (-part[1], -part[0].number),
    )
    return {name: _agreed(name, parts) for name in {name for version, _ in parts for name in version.content}}


def _sides(
    ledger: OpenLedger, first: Point, second: Point, script: str | None, account: Accounts, at: datetime
) -> tuple[dict[Any, _Side], dict[Any, _Side]]:
    """The scripts of each side, by what makes two of them a pair."""
    match first, second:
        case (TimePoint(), TimePoint()):
            home = [find_script(ledger, script, account)] if script else find_accounts(ledger, account)
            return _fleet(ledger, first.at, home, script), _fleet(ledger, second.at, home, script)
        case (AccountPoint(), AccountPoint()):
            if script:
                for name in (first.account, second.account):
                    find_script(ledger, script, name)
            return _account(ledger, first.account, at, script), _account(ledger, second.account, at, script)
        case (IdPoint(), IdPoint()):
            return {None: _content(ledger, first.found)}, {None: _content(ledger, second.found)}
        case (IdPoint(), TimePoint()):
            return {None: _content(ledger, first.found)}, {None: _active(ledger, first.found, second.at)}
        case (TimePoint(), IdPoint()):
            return {None: _active(ledger, second.found, first.at)}, {None: _content(ledger, second.found)}
        case _:
            raise UsageError(
                "bad_pair",
                "an account can be compared with an account only",
                "with --at TIME both are taken as of then",
            )


def _fleet(ledger: OpenLedger, at: datetime, accounts: list[str] | None, script: str | None) -> dict[Any, _Side]:
    found = states(ledger, at, accounts=accounts, script=script)
    return {(one.account, one.script): _side(one) for one in found if one.state != "deleted"}


def _account(ledger: OpenLedger, account: str, at: datetime, script: str | None) -> dict[Any, _Side]:
    found = states(ledger, at, accounts=[account], script=script)
    if not found and script is None:
        raise NotFoundError(
            "account_not_found", f"no script of the account {account} is known", "`ledger scripts` lists all"
        )
    # Ids and numbers of two accounts have nothing to do with each other.
    return {one.script: _side(one, named=False) for one in found if one.state != "deleted"}


def _side(state: ScriptState, *, named: bool = True) -> _Side:
    beside = dict(state.triggers)
    if named and state.deployment is not None:
        versions = dict(sorted(state.versions.items()))
        beside["deployment", "active"] = {"id": state.deployment, "number": state.number, "versions": versions}
    if not named or state.deployment is None:
        beside["deployment", "state"] = state.state  # so that a script is seen which has nothing else
    return _Side(state.account, state.script, state.versions, beside)


def _content(ledger: OpenLedger, found: FoundId) -> _Side:
    """What a version holds, or a deployment serves."""
    if found.kind == "version":
        return _Side(found.account, found.script, {found.id: 100}, {})
    return _Side(
        found.account,
        found.script,
        rows(ledger, _SERVED, id=found.id, account=found.account, script=found.script)[0]["versions"],
        {},
    )


def _active(ledger: OpenLedger, found: FoundId, at: datetime) -> _Side:
    """What the script of an id served at a time."""
    served = {one.script: one.versions for one in states(ledger, at, accounts=[found.account], script=found.script)}
    return _Side(found.account, found.script, served.get(found.script, {}), {})


def _differ(before: _Side, after: _Side) -> bool:
    return before.served != after.served or sorted_json(_plain(before.beside)) != sorted_json(_plain(after.beside))


def _plain(content: Content) -> dict[str, Any]:
    return {f"{aspect}/{name}": value for (aspect, name), value in content.items()}


def _compare_sides(
    before: _Side | None, after: _Side | None, versions: Mapping[str, Version], texts: ModuleTexts | None
) -> list[Difference]:
    shown = after or before
    if shown is None:
        return []
    same = before is None or (before.account, before.script) == (shown.account, shown.script)
    other = None if same or before is None else f"{before.account}/{before.script}"
    return [
        Difference(
            account=shown.account,
            script=shown.script,
            other=other,
            aspect=aspect,
            name=name,
            op=op,
            before=old,
            after=new,
            text=texts.diff(name.removeprefix(_MODULE), old, new)
            if texts and aspect == "code" and name.startswith(_MODULE)
            else None,
        )
        for aspect, name, op, old, new in compare(_whole(before, versions), _whole(after, versions))
    ]


def _whole(side: _Side | None, versions: Mapping[str, Version]) -> Content:
    return {} if side is None else whole_content(side.served, versions) | dict(side.beside)


def _agreed(name: tuple[str, str], parts: Sequence[tuple[Version, float]]) -> Any:
    values = [version.content.get(name) for version, _ in parts]
    if all(name in version.content for version, _ in parts) and len(set(map(sorted_json, values))) == 1:
        return values[0]
    return {
        "split": [
            {"version": version.number, "percentage": share}
            | ({"value": version.content[name]} if name in version.content else {})
            for version, share in parts
        ]
    }


def _summed(account: str, script: str, other: str | None, found: Sequence[Difference]) -> DifferenceStat:
    ops = [one.op for one in found]
    lines = [count_lines(one.text) for one in found]
    return DifferenceStat(
        account=account,
        script=script,
        other=other,
        aspects=sorted({one.aspect for one in found}),
        added=ops.count("added"),
        removed=ops.count("removed"),
        changed=ops.count("changed"),
        lines_added=sum(added for added, _ in lines),
        lines_removed=sum(removed for _, removed in lines),
    )
