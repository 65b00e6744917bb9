"""Compares an entry of the product with what the evaluator expects, in everything that does not depend on keys."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from tests.reference.jsonvalues import compact, parse

MEMBERS = (
    "index",
    "account",
    "account_index",
    "recorded_at",
    "effective_at",
    "skew",
    "outcome",
    "first_index",
    "changes",
    "version",
    "deployment",
    "triggers",
    "others",
)


def disagreements(entry: Mapping[str, Any], expected: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Members that differ, each with what the entry says and what is expected; an absent member is None.

    What a large entry leaves out is compared by its digest. Of a reason only the code is compared, of a rejected
    event nothing (what can be read of it safely is the product's to judge).
    """
    found = {name: _left_out(entry, expected, name) or (entry.get(name), expected.get(name)) for name in MEMBERS}
    found["reason"] = ((entry.get("reason") or {}).get("code"), (expected.get("reason") or {}).get("code"))
    found["offset"] = (entry["origin"]["offset"], expected["origin"]["offset"])
    if "event" in expected and "data_sha256" not in entry["event"]:
        received = parse(json.dumps(_without_actor(entry["event"])).encode())  # may spell a number as it came
        found["event"] = (received, expected["event"])
    return {name: (said, wanted) for name, (said, wanted) in found.items() if compact(said) != compact(wanted)}


def _left_out(entry: Mapping[str, Any], expected: Mapping[str, Any], name: str) -> tuple[Any, Any] | None:
    """The digests of a member that a large entry leaves out."""
    if f"{name}_sha256" in entry:
        return entry[f"{name}_sha256"], hashlib.sha256(compact(expected.get(name)).encode()).hexdigest()
    if name == "version" and "version" in entry and "manifest" not in entry["version"]:
        wanted = {key: value for key, value in expected.get("version", {}).items() if key != "manifest"}
        return entry["version"], wanted
    return None


def _without_actor(event: Mapping[str, Any]) -> dict[str, Any]:
    if "data" not in event:
        return dict(event)
    return {**event, "data": {name: value for name, value in event["data"].items() if name != "actor"}}
