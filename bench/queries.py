"""The questions that are measured, and what they ask about: chosen from the fleet and from what its ledger answers."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.children import printed_by
from bench.fleetload import Fleet, FleetLoad
from bench.histories import real_histories

__all__ = ["COMMAND", "DAY", "MOMENT", "Question", "Subjects", "choose", "questions"]

COMMAND: Final = (sys.executable, "-m", "cli")
MOMENT: Final = "2026-05-05T12:00:00Z"
"""A Tuesday in the middle of the fleet's year."""
DAY: Final = ("2026-05-05T00:00:00Z", "2026-05-06T00:00:00Z")
_RANK: Final = 0.05
"""Where among the scripts, the busiest first, the one stands that is asked about: with ten million entries it has some 1,500."""
_KV: Final = re.compile(rb'"type":"kv_namespace","namespace_id":"([0-9a-f]{32})"')
_TIMEOUT_S: Final = 600.0


class Subjects(msgspec.Struct, frozen=True, kw_only=True):
    """What the questions are about."""

    account: str
    script: str
    deployment: str
    """One of its deployments, from the middle of them."""
    person: str
    """Who made it: an e-mail address,"""
    pseudonym: str
    """and as the log names them."""
    module: str
    """The SHA-256 of a module of it."""
    namespace: str
    """A KV namespace that some scripts of each account are bound to."""
    url: str
    """Of a route."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A command line, and how long it may take."""

    name: str
    arguments: list[str]
    """Without the ledger's."""
    goal_s: float | None


def choose(fleet: Fleet, ledger: Path) -> Subjects:
    """Ask a fleet's ledger for things to ask about."""
    ranked = FleetLoad(fleet).ranked()
    account, script = ranked[int(len(ranked) * _RANK)]
    made = _ask(ledger, "deployments", script, "--account", account)
    row = made[len(made) // 2]
    manifest = _ask(ledger, "show", row["deployment"])["versions"][0]["manifest"]
    done = _ask(ledger, "who", row["author"], "--account", account)
    routed = next(
        way["name"]
        for row in _ask(ledger, "at", MOMENT)
        for way in row["reached"]
        if way["by"] == "route" and "*" not in way["name"].rstrip("*")
    )
    return Subjects(
        account=account,
        script=script,
        deployment=row["deployment"],
        person=row["author"],
        pseudonym=done[0]["actor"],
        module=next(iter(manifest["code"]["modules"].values()))["sha256"],
        namespace=_namespace(),
        url=f"https://{routed.rpartition('://')[2].rstrip('*')}",
    )


def questions(about: Subjects) -> list[Question]:
    """The questions and their goals; times are effective."""
    one = [about.script, "--account", about.account]
    asked: Sequence[tuple[str, list[str], float | None]] = (
        ("show ID", ["show", about.deployment], 0.6),
        ("deployments SCRIPT", ["deployments", *one], 0.6),
        ("blame SCRIPT", ["blame", *one], 0.6),
        ("reach URL", ["reach", about.url, "--at", MOMENT], 0.6),
        ("at T", ["at", MOMENT], 1.0),
        ("scripts, today", ["scripts"], None),
        ("exposure --module", ["exposure", "--module", about.module], 1.0),
        ("exposure --binding", ["exposure", "--binding", f"kv_namespace:{about.namespace}"], 1.0),
        ("who, by address", ["who", about.person], 1.0),
        ("who, by pseudonym", ["who", about.pseudonym], 1.0),
        ("during, one day", ["during", *DAY], 1.0),
        ("stats", ["stats"], 3.0),
    )
    return [Question(name=name, arguments=[*arguments, "--json"], goal_s=goal_s) for name, arguments, goal_s in asked]


def _namespace() -> str:
    """The KV namespace that most events of the real data mention."""
    found: dict[str, int] = {}
    for history in real_histories():
        for step in history.steps:
            for namespace in _KV.findall(step.pattern):
                found[namespace.decode()] = found.get(namespace.decode(), 0) + 1
    return max(found, key=lambda one: (found[one], one))


def _ask(ledger: Path, *arguments: str) -> Any:
    return json.loads(printed_by([*COMMAND, *arguments, "--ledger", str(ledger), "--json"], _TIMEOUT_S))
