"""Every question of the command line is a method with the same options, and has the same answer."""

import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from cli.main import app, main
from ledger.pyapi.log import Log
from ledger.query.plain import plain

AT = "2022-11-28T09:45:00Z"
KNOWN = "2022-11-28T09:35:00Z"
SHOP: dict[str, Any] = {"account": "acme"}

ASKED: list[tuple[str, Callable[[Log], Any]]] = [
    ("status", lambda log: log.status()),
    (f"status --as-known-at {KNOWN}", lambda log: log.status(as_known_at=KNOWN)),
    ("scripts", lambda log: log.scripts()),
    (f"scripts --at {AT} -a acme", lambda log: log.scripts(at=AT, account="acme")),
    ("scripts --deleted -a a*", lambda log: log.scripts(deleted=True, account=["a*"])),
    (f"scripts --as-known-at {KNOWN}", lambda log: log.scripts(as_known_at=KNOWN)),
    ("deployments shop -a acme", lambda log: log.deployments("shop", **SHOP)),
    ("deployments shop -a acme -n 1", lambda log: log.deployments("shop", limit=1, **SHOP)),
    ("versions shop -a acme", lambda log: log.versions("shop", **SHOP)),
    ("show 0/4", lambda log: log.show("0/4")),
    (f"history shop -a acme --at {AT}", lambda log: log.history("shop", at=AT, **SHOP)),
    ("rejected", lambda log: log.rejected()),
    ("note list", lambda log: log.notes()),
    (f"at {AT}", lambda log: log.at(AT)),
    (f"at {AT} --as-known-at {KNOWN}", lambda log: log.at(AT, as_known_at=KNOWN)),
    (f"blame shop -a acme --at {AT}", lambda log: log.blame("shop", at=AT, **SHOP)),
    (f"blame shop routes/* --first -a acme --at {AT}", lambda log: log.blame("shop", "routes/*", first=True, at=AT, **SHOP)),
    (f"blame shop --origin -a acme --at {AT}", lambda log: log.blame("shop", origin=True, at=AT, **SHOP)),
    ("who aaaaaaaa", lambda log: log.who("aaaaaaaa")),
    ("who aaaaaaaa --summary", lambda log: log.who_summary("aaaaaaaa")),
    ("explain 0/4", lambda log: log.explain("0/4")),
    ("skew --delay 1s --examples 1", lambda log: log.skew(delay="1s", examples=1)),
    (f"diff 2022-11-28T09:05Z {AT}", lambda log: log.diff("2022-11-28T09:05Z", AT)),
    (f"diff 2022-11-28T09:05Z {AT} shop --stat -a acme", lambda log: log.diff_stat("2022-11-28T09:05Z", AT, "shop", **SHOP)),
    (f"reach https://shop.example/x --at {AT}", lambda log: log.reach("https://shop.example/x", at=AT)),
    (f"reach --script shop -a acme --at {AT}", lambda log: log.entrances("shop", at=AT, **SHOP)),
    ("exposure --binding kv_namespace:n1", lambda log: log.exposure(binding="kv_namespace:n1")),
    ("exposure --var STAGE=live", lambda log: log.exposure(var="STAGE=live")),
    ("exposure --compat 2030-01-01", lambda log: log.exposure(compat="2030-01-01")),
    ("during 2022-11-28 2022-11-29", lambda log: log.during("2022-11-28", "2022-11-29")),
    (
        "during 2022-11-28 2022-11-29 --rule rollback --only-marked",
        lambda log: log.during("2022-11-28", "2022-11-29", rule=["rollback"], only_marked=True),
    ),
    (f"schedule --at {AT}", lambda log: log.schedule(at=AT)),
    (f"schedule shop -a acme --at {AT}", lambda log: log.schedule("shop", at=AT, **SHOP)),
    ("stats --since 2022-11-28T09:10Z", lambda log: log.stats(since="2022-11-28T09:10Z")),
    ("sql FROM_scripts", lambda log: log.sql("FROM scripts ORDER BY ALL")),
]  # fmt: skip


@pytest.mark.parametrize(("command", "ask"), ASKED, ids=[command for command, _ in ASKED])
def test_the_answer_is_what_the_command_prints(
    command: str, ask: Callable[[Log], Any], log: Log, story: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON, member by member."""
    words = [word.replace("FROM_scripts", "FROM scripts ORDER BY ALL") for word in command.split(" ")]
    assert main([*words, "--ledger", str(story), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    answer = ask(log)
    if hasattr(answer, "columns"):
        assert len(answer) == len(printed)
        found: Any = [
            {name: plain(value) for name, value in zip(answer.columns, row, strict=True)}
            if isinstance(row, tuple)
            else plain(row)
            for row in answer
        ]
    else:
        found = plain(answer)
    assert json.loads(json.dumps(found)) == printed


_METHODS = {
    "reach": ("reach", "entrances", "calls", "drawing"),
    "who": ("who", "who_summary"),
    "diff": ("diff", "diff_stat"),
    "show": ("show", "show_bytes"),
    "exposure": ("exposure",),
}
_OTHERWISE = {
    "format", "as_json", "ledger", "keys", "set", "config", "everything", "raw", "summary", "stat", "no_code", "graph", "plot",
    "statement", "file", "views", "parameters", "into", "force", "binding", "timeout", "memory", "max_rows", "output", "help",
    "no_remember", "json", "shown",
}  # fmt: skip
"""What prints, what opens, and what is a method or a keyword of another name in Python: docs/PYTHON.md lists those."""

_QUESTIONS = (
    "status", "scripts", "deployments", "versions", "show", "history", "rejected", "at", "blame", "who", "explain", "skew", "diff",
    "reach", "exposure", "during", "schedule", "stats", "watch", "sql", "verify",
)  # fmt: skip


@pytest.mark.parametrize("name", _QUESTIONS)
def test_a_method_has_the_options_of_its_command(name: str) -> None:
    """By the names of the command line; what has another one is listed here."""
    command = get_command(app).commands[name]  # type: ignore[attr-defined]
    options = {re.sub("^known_at$", "as_known_at", parameter.name) for parameter in command.params} - _OTHERWISE
    methods = [getattr(Log, method) for method in _METHODS.get(name, (name,))]
    known = {parameter for method in methods for parameter in inspect.signature(method).parameters}
    assert {"time" if option == "time" else option for option in options} <= known, options - known


def test_every_method_is_explained() -> None:
    """With a docstring, and in the table of docs/PYTHON.md."""
    text = (Path(__file__).parents[2] / "docs" / "PYTHON.md").read_text()
    for name, method in inspect.getmembers(Log, inspect.isfunction):
        if not name.startswith("_"):
            assert method.__doc__, name
            assert f"`{name}(" in text, name
