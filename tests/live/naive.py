"""What a live view must show, worked out plainly from all entries of a log: nothing is moved forward, everything is looked up again."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from ledger.live.script import LiveScript

__all__ = ["Story", "check_script", "stories"]

Json = dict[str, Any]
Name = tuple[str, str]
_MOVING = {"deployed", "uploaded", "changed", "unchanged", "deleted"}


class Story:
    """A script, as the list of its own entries."""

    def __init__(self, fetch: Callable[[str], bytes]) -> None:
        self._fetch = fetch
        self.own: list[Json] = []
        self.touched = -1
        """Index of the last entry that touched it."""

    def life(self) -> list[Json]:
        """The entries since its last deletion."""
        ends = [place for place, entry in enumerate(self.own) if entry["outcome"] == "deleted"]
        return self.own[ends[-1] + 1 :] if ends else self.own

    def versions(self) -> list[Json]:
        """Those of its current life, newest first."""
        return [self._version(entry) for entry in reversed(self.life()) if "version" in entry]

    def deployments(self) -> list[Json]:
        """Likewise."""
        return [self._deployment(entry) for entry in reversed(self.life()) if "deployment" in entry]

    def all_versions(self) -> list[Json]:
        """Those of all lives, newest first."""
        return [self._version(entry) for entry in reversed(self.own) if "version" in entry]

    def all_deployments(self) -> list[Json]:
        """Likewise."""
        return [self._deployment(entry) for entry in reversed(self.own) if "deployment" in entry]

    def created_on(self, entry: Json) -> str:
        """Recorded time and, as its last three digits, how many of its entries before have the same."""
        before = [
            one for one in self.own if one["recorded_at"] == entry["recorded_at"] and one["index"] < entry["index"]
        ]
        return f"{entry['recorded_at'].removesuffix('Z')}{len(before):03d}Z"

    def named(self, member: str, text: str) -> list[str]:
        """The versions that were uploaded with a tag or message, or left as they were by an upload with it, newest first."""
        found: dict[str, int] = {}
        for place, entry in enumerate(self.own):
            data = self._data(entry)
            if data.get(member) != text or entry["outcome"] == "deleted":
                continue
            if "version" in entry:
                found[entry["version"]["id"]] = entry["index"]
            elif {"code", "bindings", "config"} & set(data) and "data" in entry["event"]:
                before = self.own[: place + 1]
                version = data.get("base") or _serving(before)
                made = next(one for one in before if one.get("version", {}).get("id") == version)
                found[version] = made["index"]
        return sorted(found, key=lambda version: -found[version])

    def _data(self, entry: Json) -> Json:
        event = entry["event"]
        data: Json = event["data"] if "data" in event else json.loads(self._fetch(event["data_sha256"]))
        return data

    def _changes(self, entry: Json) -> list[list[str]]:
        if "changes_sha256" in entry:
            found: list[list[str]] = json.loads(self._fetch(entry["changes_sha256"]))
            return found
        return list(entry["changes"])

    def _common(self, entry: Json) -> Json:
        data, changes = self._data(entry), self._changes(entry)
        return {
            "recorded_at": entry["recorded_at"],
            "created_on": self.created_on(entry),
            "effective_at": entry["effective_at"],
            "interface": data.get("interface"),
            "message": data.get("message"),
            "tag": data.get("tag"),
            "pseudonym": data.get("actor", {}).get("pseudonym"),
            "sealed": data.get("actor", {}).get("sealed"),
            "about_secrets": bool(changes) and all(name.startswith("secrets/") for _, name, _ in changes),
            "index": entry["index"],
        }

    def _version(self, entry: Json) -> Json:
        return self._common(entry) | {name: entry["version"][name] for name in ("id", "number", "sha256")}

    def _deployment(self, entry: Json) -> Json:
        made = entry["deployment"]
        source = made.get("rollback_of")
        if made["rollback"] and source is None:
            (version,) = made["versions"]
            earlier = [one["deployment"] for one in self.own if "deployment" in one and one["index"] < entry["index"]]
            source = next((one["id"] for one in reversed(earlier) if one["versions"].get(version) == 100), None)
        return self._common(entry) | {
            "id": made["id"],
            "number": made["number"],
            "versions": made["versions"],
            "rollback": made["rollback"],
            "rollback_of": made.get("rollback_of"),
            "rollback_from": source,
            "made_version": "version" in entry,
        }


def _serving(entries: Sequence[Json]) -> str:
    """The one version that is active, else the newest."""
    made = [entry["deployment"]["versions"] for entry in entries if "deployment" in entry]
    ends = [entry["index"] for entry in entries if entry["outcome"] == "deleted"]
    newest = [entry for entry in entries if "version" in entry]
    is_of_this_life = made and (
        not ends or [entry for entry in entries if "deployment" in entry][-1]["index"] > ends[-1]
    )
    whole = [version for version, share in made[-1].items() if share == 100] if is_of_this_life else []
    return str((whole or [newest[-1]["version"]["id"]])[0])


def stories(lines: Sequence[bytes], fetch: Callable[[str], bytes]) -> dict[Name, Story]:
    """All scripts of a log."""
    found: dict[Name, Story] = {}
    for line in lines:
        take(found, json.loads(line), fetch)
    return found


def take(found: dict[Name, Story], entry: Json, fetch: Callable[[str], bytes]) -> None:
    """Add one more entry."""
    if entry["outcome"] not in _MOVING:
        return
    account = entry["account"]
    for name in (entry["event"]["subject"], *(other["subject"] for other in entry.get("others", ()))):
        story = found.setdefault((account, name), Story(fetch))
        story.touched = entry["index"]
    found[account, entry["event"]["subject"]].own.append(entry)


def check_script(script: LiveScript, story: Story, *, deep: bool = True) -> None:
    """All that a live script says, against its story; `deep` asks the log as well."""
    versions, deployments = story.versions(), story.deployments()
    assert script.serial == story.touched
    assert [_said(version) for version in script.versions] == versions[:10]
    assert [_said(deployment) for deployment in script.deployments] == deployments[:10]
    assert (script.version_count, script.deployment_count) == (len(versions), len(deployments))
    assert script.created_on == (_first(story.life()) and story.created_on(_first(story.life())))
    changing = [entry for entry in story.own if entry["outcome"] != "unchanged"]
    assert script.modified_on == (story.created_on(changing[-1]) if changing else "")
    active = script.script.active
    assert (active.id if active else None) == (deployments[0]["id"] if deployments else None)
    if deep:
        _check_log(script, story, versions, deployments)


def _check_log(script: LiveScript, story: Story, versions: list[Json], deployments: list[Json]) -> None:
    for skip in (0, 3, 9, 10, 11, len(versions), len(versions) + 5):
        assert [_said(one) for one in script.more_versions(skip, 4)] == versions[skip : skip + 4]
        assert [_said(one) for one in script.more_deployments(skip, 4)] == deployments[skip : skip + 4]
    for version in story.all_versions():
        found = script.version(version["id"])
        assert found is not None
        assert _said(found) == version
        content = script.content(version["id"])
        assert content is not None
        assert content.number == version["number"]
        for member, named in (("tag", script.tagged), ("message", script.with_message)):
            if version[member]:
                assert [one.id for one in named(version[member], 1000)] == story.named(member, version[member])
    for deployment in story.all_deployments():
        made = script.deployment(deployment["id"])
        assert made is not None
        assert _said(made) == deployment
    assert [ask("nothing") for ask in (script.version, script.deployment, script.content)] == [None, None, None]
    assert script.tagged("nothing") == script.with_message("nothing") == []


def _first(life: list[Json]) -> Any:
    return next((entry for entry in life if "version" in entry or "deployment" in entry), None) or ""


def _said(made: Any) -> Json:
    names = [name for name in made.__struct_fields__ if name not in {"actor", "shard"}]
    return {name: getattr(made, name) for name in (*names, "pseudonym", "sealed")}
