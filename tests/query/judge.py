"""States of scripts, worked out plainly from the entries of the independent evaluator: what questions are compared with."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

__all__ = ["Judge", "Moment", "named"]

Json = dict[str, Any]
Name = tuple[str, str]


@dataclass
class Moment:
    """A script after an entry that touched it."""

    entry: Json
    active: Json | None = None
    """The deployment that is active."""
    versions: dict[str, Json] = field(default_factory=dict)
    """All versions so far, by id; those of one script share this."""
    triggers: Json = field(default_factory=dict)

    @property
    def content(self) -> list[dict[Name, Any]]:
        """What each version served holds, name by name."""
        served = self.active["versions"] if self.active else {}
        return [named(self.versions[version]["manifest"]) for version in served]


def named(aspects: Json) -> dict[Name, Any]:
    """Names as entries' changes spell them, and their values."""
    found: dict[Name, Any] = {}
    for aspect, members in aspects.items():
        for name, value in members.items():
            if (aspect, name) in {("code", "modules"), ("config", "vars"), ("config", "secrets")}:
                found |= {(aspect, f"{name}/{inner}"): one for inner, one in value.items()}
            else:
                found[aspect, name] = value
    return found


class Judge:
    """Every script's moments, in the order of the log."""

    def __init__(self, entries: Iterable[Json]) -> None:
        self.scripts: dict[tuple[str, str], list[Moment]] = defaultdict(list)
        for entry in entries:
            self._take(entry)

    def until(self, account: str, script: str, at: datetime) -> list[Moment]:
        """The moments of a script that had come by an effective time."""
        return [
            moment
            for moment in self.scripts[account, script]
            if datetime.fromisoformat(moment.entry["effective_at"]) <= at
        ]

    def fleet(self, at: datetime) -> Iterator[tuple[tuple[str, str], list[Moment]]]:
        """All scripts that were there by then, and their moments."""
        for key in sorted(self.scripts):
            if moments := self.until(*key, at):
                yield key, moments

    def _take(self, entry: Json) -> None:
        if entry["outcome"] not in {"deployed", "uploaded", "changed", "deleted"}:
            return
        own = self._next(entry, entry["event"]["subject"])
        if "version" in entry:
            own.versions[entry["version"]["id"]] = entry["version"]
        if "deployment" in entry:
            own.active = entry["deployment"]
        if entry["outcome"] == "deleted":
            own.active = None
        own.triggers = entry.get("triggers", own.triggers)
        for other in entry.get("others", ()):
            self._next(entry, other["subject"]).triggers = other["triggers"]

    def _next(self, entry: Json, script: str) -> Moment:
        moments = self.scripts[entry["account"], script]
        before = moments[-1] if moments else Moment(entry)
        moments.append(Moment(entry, before.active, before.versions, before.triggers))
        return moments[-1]
