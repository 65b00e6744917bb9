"""`blame`: for every name of a script, which entry gave it the value that it has.

Three questions about a name, each answered within the script's present life (a deletion ends one):

- *value*: the oldest deployment of the unbroken run of deployments, up to the active one, that all serve the value to some
  traffic. So a rollback is what gave back the values that it brought back, and who merely sent a value again gave nothing. What
  leads to a script is compared likewise, over all entries that changed any of it.
- *first*: the same for the name, whatever its value: since when it has been there without a break.
- *origin*: the oldest version, deployed or not, that has the value under the name: who made it rather than who made it live.

A secret without a MAC has a new value whenever an event mentions it, for nobody can see that it is the same.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal, assert_never

from ledger.model.jsontext import sorted_json
from ledger.query.contents import Content, Name, Version, versions_of
from ledger.query.forensics import BlameRow
from ledger.query.lookup import Accounts, find_script
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME
from ledger.query.timeline import Step, is_live, timeline

__all__ = ["Asked", "blame"]

Asked = Literal["value", "first", "origin"]


def blame(
    ledger: OpenLedger,
    script: str,
    glob: str | None = None,
    *,
    account: Accounts = None,
    at: datetime | None = None,
    asked: Asked = "value",
) -> list[BlameRow]:
    """The names of a script as of an effective time, each with the entry to blame; by aspect and name.

    Args:
        ledger: the ledger asked.
        script: its name.
        glob: only names that it fits: `CART`, `modules/*`, `bindings/*`, `STRIPE_KEY`.
        account: where several accounts have such a script.
        at: as of this effective time.
        asked: which of the three questions.

    Raises:
        NotFoundError: `script_not_found`.
        UsageError: `ambiguous_script`.
        IntegrityError: `version_missing`.
    """
    home = find_script(ledger, script, account)
    story = timeline(ledger, home, script, at or END_OF_TIME)
    life = _present_life(story)
    made = [step.version for step in life if step.version] if asked == "origin" else []
    served = [version for step in life for version in step.served]
    versions = versions_of(ledger, [*made, *served], account=home, script=script)
    found = [*_versioned(story, life, versions, asked), *_triggers(life, asked)]
    return [
        _row(home, script, name, *rest)
        for name, *rest in sorted(found, key=lambda one: (one[0], one[2]))
        if glob is None or _fits(name, glob)
    ]


_Found = tuple[Name, Any, list[int], Step, str]
"""The name, its value, the numbers of the versions served that have it, the step to blame, and what that did."""


def _present_life(steps: Sequence[Step]) -> list[Step]:
    """The steps after the last deletion."""
    deleted = [place for place, step in enumerate(steps) if step.outcome == "deleted" and step.lost_to is None]
    return list(steps[deleted[-1] + 1 :] if deleted else steps)


def _versioned(
    story: Sequence[Step], life: Sequence[Step], versions: Mapping[str, Version], asked: Asked
) -> list[_Found]:
    """The names of the versions served now."""
    live = [step for step in life if is_live(step)]
    if not live:
        return []
    values = _Values(story, versions)
    numbers: dict[tuple[Name, bytes], list[int]] = {}
    shown: dict[tuple[Name, bytes], Any] = {}
    for version in live[-1].served:
        for name, value in versions[version].content.items():
            key = name, values.of(version, name) or b""
            numbers.setdefault(key, []).append(versions[version].number)
            shown[key] = value
    return [
        (name, shown[name, value], sorted(numbers[name, value]), *_given(story, live, values, name, value, asked))
        for name, value in numbers
    ]


def _given(
    story: Sequence[Step], live: Sequence[Step], values: "_Values", name: Name, value: bytes, asked: Asked
) -> tuple[Step, str]:
    match asked:
        case "value":
            place = _last_run([any(values.of(version, name) == value for version in step.served) for step in live])
            return live[place], _op(live, place, values, name)
        case "first":
            place = _last_run([any(values.has(version, name) for version in step.served) for step in live])
            return live[place], "added"
        case "origin":
            # An older life's version is known only where it was deployed again in this one.
            maker = next(step for step in story if step.version and values.of(step.version, name) == value)
            return maker, maker.changes.get(name, "unchanged")
    assert_never(asked)


def _op(live: Sequence[Step], place: int, values: "_Values", name: Name) -> str:
    if live[place].rollback:
        return "restored"
    before = live[place - 1].served if place else {}
    return "changed" if any(values.has(version, name) for version in before) else "added"


class _Values:
    """What versions hold, as bytes that are equal where the values are."""

    def __init__(self, story: Sequence[Step], versions: Mapping[str, Version]) -> None:
        self._versions = versions
        self._encoded: dict[str, dict[Name, bytes]] = {}
        self._mentions: dict[Name, list[int]] = {}
        for step in story:
            if step.version_number is not None:
                for name in step.changes:
                    self._mentions.setdefault(name, []).append(step.version_number)

    def has(self, version: str, name: Name) -> bool:
        """Whether the version has the name."""
        return name in self._versions[version].content

    def of(self, version: str, name: Name) -> bytes | None:
        """The value's bytes; None where the version has no such name, or is not one of those that were asked for."""
        if version not in self._versions:
            return None
        encoded = self._encoded.get(version)
        if encoded is None:
            encoded = self._encoded[version] = self._encode(self._versions[version])
        return encoded.get(name)

    def _encode(self, version: Version) -> dict[Name, bytes]:
        content: Content = version.content
        return {
            name: sorted_json(value) + (self._mention(name, version.number) if _is_unknowable(name, value) else b"")
            for name, value in content.items()
        }

    def _mention(self, name: Name, number: int) -> bytes:
        return b" %d" % max((one for one in self._mentions.get(name, ()) if one <= number), default=0)


def _is_unknowable(name: Name, value: Any) -> bool:
    return name[0] == "config" and name[1].startswith("secrets/") and "mac" not in value


def _triggers(life: Sequence[Step], asked: Asked) -> list[_Found]:
    """What leads to the script now: each entry that changed any of it holds all of it."""
    held = [(step, step.triggers) for step in life if step.triggers is not None]
    current = held[-1][1] if held else {}
    found: list[_Found] = []
    for name, value in current.items():
        wanted = sorted_json(value)
        has = [name in triggers for _, triggers in held]
        same = [name in triggers and sorted_json(triggers[name]) == wanted for _, triggers in held]
        match asked:
            case "value":
                place = _last_run(same)
            case "first":
                place = _last_run(has)
            case "origin":
                place = same.index(True)
            case _:
                assert_never(asked)
        op = "changed" if place and has[place - 1] else "added"
        found.append((name, value, [], held[place][0], op))
    return found


def _last_run(fits: Sequence[bool]) -> int:
    """Where the run of what fits begins that ends with the last."""
    place = len(fits) - 1
    while place > 0 and fits[place - 1]:
        place -= 1
    return place


def _fits(name: Name, glob: str) -> bool:
    """A name is meant with or without its aspect, and without `modules/`, `vars/` or `secrets/`."""
    aspect, whole = name
    spellings = {whole, f"{aspect}/{whole}"}
    if aspect in {"code", "config"}:
        spellings.add(whole.split("/", 1)[-1])
    return glob in spellings or any(fnmatchcase(spelling, glob) for spelling in spellings)


def _row(account: str, script: str, name: Name, value: Any, versions: list[int], step: Step, op: str) -> BlameRow:
    return BlameRow(
        account=account,
        script=script,
        aspect=name[0],
        name=name[1],
        value=value,
        versions=versions,
        op=op,
        entry=step.entry,
        outcome=step.outcome,
        version=step.version_number,
        deployment=step.number,
        effective_at=step.effective_at,
        recorded_at=step.recorded_at,
        author=step.author,
        interface=step.interface,
        message=step.message,
        tag=step.tag,
    )
