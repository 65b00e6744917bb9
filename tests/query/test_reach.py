"""Who answered an address: against answers worked out by hand, and against a plain evaluation of the real data."""

import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import NotFoundError, UsageError
from ledger.query.callgraph import around, dot, mermaid
from ledger.query.entrances import entrances
from ledger.query.opened import OpenLedger, open_ledger
from ledger.query.reaching import reach
from ledger.query.wired import Use, uses
from tests.query.build import BEN, START, Json, deployment, entry, identifier, triggers, version, write_ledger
from tests.query.judge import Judge

V = version(1, bindings={"AUTH": {"type": "service", "service": "auth", "entrypoint": "Admin"}})
V2 = version(2, bindings={})


def _made(minutes: float, script: str, given: Json, *, account: str = "acme", **members: Any) -> Json:
    """A first deployment that gives a script its ways in."""
    changes = [[aspect, name, "added"] for aspect, names in given.items() for name in names]
    return entry(
        minutes, "deployed", account=account, script=script, version=version(1, script=f"{account[0]}{script}"),
        deployment=deployment(1, {1: 100}, script=f"{account[0]}{script}"), changes=changes, triggers=triggers(**given),
    ) | members  # fmt: skip


LOG: list[Json] = [
    _made(0, "shop", {"routes": {"shop.example/*": {"zone": "shop.example"}},
        "subdomain": {"enabled": True, "previews_enabled": True}, "crons": {"* * * * *": {}}}),
    _made(1, "auth", {"routes": {"shop.example/login*": {}, "*shop.example/*": {}, "shop.example/*.jpg": {}}, "queues": {"mail": {"type": "worker"}}}),
    _made(2, "site", {"domains": {"shop.example": {}, "Bücher.example": {}, "*.wild.example": {}}}),
    _made(3, "old", {"routes": {"Capital.example/*": {}}}),
    _made(4, "shop", {"routes": {"shop.example/*": {}}, "subdomain": {"enabled": True}}, account="other"),
    entry(10, "deployed", actor=BEN, script="shop", version=V | {"number": 2, "id": identifier("v-ashop", 2)},
          deployment=deployment(2, {1: 75, 2: 25}, script="ashop")),
    entry(20, "changed", actor=BEN, script="site", data={"interface": "dash"}, changes=[["routes", "shop.example/*", "added"]],
          triggers=triggers(domains={"shop.example": {}}, routes={"shop.example/*": {}}),
          others=[{"subject": "shop", "changes": [["routes", "shop.example/*", "removed"]],
                   "triggers": triggers(subdomain={"enabled": True, "previews_enabled": True})}]),
    entry(30, "deleted", script="auth", changes=[["routes", "shop.example/login*", "removed"], ["routes", "*shop.example/*", "removed"],
          ["routes", "shop.example/*.jpg", "removed"], ["queues", "mail", "removed"]], triggers=triggers()),
    entry(40, "changed", script="shop", changes=[["subdomain", "enabled", "changed"], ["subdomain", "previews_enabled", "removed"],
          ["settings", "tail_consumers", "added"]],
          triggers=triggers(subdomain={"enabled": False}, settings={"tail_consumers": [{"service": "site"}]})),
    entry(50, "deployed", script="site", version=version(2, script="asite", bindings={
        "MAIL": {"type": "queue", "queue_name": "mail"}, "SELF": {"type": "durable_object_namespace", "class_name": "Room", "script_name": "shop"},
        "D": {"type": "dispatch_namespace", "namespace": "users", "outbound": {"worker": {"service": "shop"}}}, "ODD": "text", "R": {"type": "r2_bucket"}}),
        deployment=deployment(2, {2: 100}, script="asite")),
    entry(60, "changed", script="shop", changes=[["queues", "mail", "added"]],
          triggers=triggers(queues={"mail": {"type": "worker"}}, settings={"tail_consumers": [{"service": "site"}]})),
]  # fmt: skip


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger with ways in of every kind."""
    return write_ledger(tmp_path_factory.mktemp("reach") / "ledger", [LOG])


@pytest.fixture
def log(root: Path) -> Iterator[OpenLedger]:
    """The same, opened."""
    with open_ledger(str(root)) as opened:
        yield opened


def minute(number: float) -> datetime:
    """A time of the story."""
    return START + timedelta(minutes=number)


def found(log: OpenLedger, url: str, at: float, **options: Any) -> list[tuple[str, str, str, bool]]:
    """By, name, script and whether it wins, of the candidates."""
    answer = reach(log, url, at=minute(at), **options)
    return [(row.by, row.name, row.script, row.wins) for row in answer.candidates]


def test_routes_come_before_domains_and_the_most_specific_first(log: OpenLedger) -> None:
    """All that lead there are listed in order; the first wins."""
    assert found(log, "https://shop.example/login?next=/", 5, account=["acme"]) == [
        ("route", "shop.example/login*", "auth", True),
        ("route", "shop.example/*", "shop", False),
        ("route", "*shop.example/*", "auth", False),
        ("domain", "shop.example", "site", False),
    ]


def test_what_answered_is_told_with_its_deployment_and_who_gave_the_route(log: OpenLedger) -> None:
    """At minute 25 Ben has given site the route; site's first deployment serves."""
    winner = reach(log, "https://shop.example/", at=minute(25), account=["acme"]).candidates[0]
    assert (winner.script, winner.since, winner.author, winner.interface, winner.entry) == (
        "site", minute(20), BEN["pseudonym"], "dash", "0/6",
    )  # fmt: skip
    assert winner.serving
    assert (winner.serving.state, winner.serving.number, winner.serving.since) == ("active", 1, minute(2))


def test_a_split_names_all_versions(log: OpenLedger) -> None:
    """At minute 15 the route's script splits its traffic."""
    winner = reach(log, "https://shop.example/", at=minute(15), account=["acme"]).candidates[0]
    assert winner.serving
    assert [(share.number, share.percentage) for share in winner.serving.versions] == [(1, 75), (2, 25)]


def test_a_route_lost_to_another_script_leads_there_no_more(log: OpenLedger) -> None:
    """From the minute of the loss on, not before; and a deleted script is reached by nothing."""
    assert found(log, "https://shop.example/x", 19.9, account=["acme"])[0] == ("route", "shop.example/*", "shop", True)
    assert found(log, "https://shop.example/x", 20, account=["acme"])[0] == ("route", "shop.example/*", "site", True)
    assert [row[2] for row in found(log, "https://shop.example/login", 30, account=["acme"])] == ["site", "site"]


def test_before_anything_was_given_nobody_answers(log: OpenLedger) -> None:
    """And a host of nobody."""
    assert found(log, "https://shop.example/", -1) == []
    assert found(log, "https://nobody.example/", 60) == []


def test_accounts_answer_each_for_itself(log: OpenLedger) -> None:
    """The ledger does not know whose zone it is, and says so."""
    answer = reach(log, "http://shop.example/", at=minute(5))
    assert [(row.account, row.place, row.wins) for row in answer.candidates] == [
        ("acme", 1, True), ("acme", 2, False), ("acme", 3, False), ("other", 1, True),
    ]  # fmt: skip
    assert any("several accounts" in note for note in answer.notes)


def test_the_first_label_of_workers_dev_is_the_script(log: OpenLedger) -> None:
    """While its subdomain is on; whose subdomain it is, the log does not have."""
    assert found(log, "https://shop.ana.workers.dev/x", 35, account=["acme"]) == [
        ("workers.dev", "shop.ana.workers.dev", "shop", True)
    ]
    assert found(log, "https://shop.ana.workers.dev/x", 40, account=["acme"]) == []
    assert found(log, "https://site.ana.workers.dev/x", 35) == []
    assert found(log, "https://ana.workers.dev/", 35) == []
    assert found(log, "https://a.shop.ana.workers.dev/", 35) == []
    notes = reach(log, "https://shop.ana.workers.dev/x", at=minute(35), account=["acme"]).notes
    assert notes == ["the account's workers.dev subdomain is not in the log: only the script's name was compared"]


def test_previews_serve_the_version_whose_id_begins_so(log: OpenLedger) -> None:
    """Whatever is deployed; only where previews are on."""
    (preview,) = reach(log, "https://00000002-shop.ana.workers.dev/", at=minute(35)).candidates
    assert preview.serving
    assert (preview.by, preview.account, [share.number for share in preview.serving.versions]) == (
        "preview",
        "acme",
        [2],
    )
    assert reach(log, "https://00000002-shop.ana.workers.dev/", at=minute(5)).candidates[0].serving is None
    assert found(log, "https://zzzzzzzz-shop.ana.workers.dev/", 35) == []


def test_what_can_match_nothing_is_noted(log: OpenLedger) -> None:
    """A pattern with a wildcard inside, a custom domain with one."""
    assert any(
        "shop.example/*.jpg of auth (acme) matches nothing" in note
        for note in reach(log, "https://shop.example/a.jpg", at=minute(5)).notes
    )
    answer = reach(log, "https://a.wild.example/", at=minute(5))
    assert (answer.candidates, len(answer.notes)) == ([], 1)


def test_an_international_host_is_found_in_either_form(log: OpenLedger) -> None:
    """And in any case."""
    for url in ("https://bücher.example", "https://xn--bcher-kva.example", "https://BÜCHER.example:8443/x"):
        assert found(log, url, 5) == [("domain", "Bücher.example", "site", True)]


def test_a_host_of_an_old_route_compares_by_case(log: OpenLedger) -> None:
    """The story is of 2022."""
    assert found(log, "https://capital.example/", 5) == []


def test_a_host_alone_lists_its_other_routes(log: OpenLedger) -> None:
    """What would answer elsewhere on that host; with a path or scheme only that address is asked about."""
    assert [row.name for row in reach(log, "shop.example", at=minute(5), account=["acme"]).elsewhere] == [
        "shop.example/login*"
    ]
    assert reach(log, "shop.example/", at=minute(5)).elsewhere == []


def test_where_the_simulator_differs_is_noted(tmp_path: Path) -> None:
    """Of two wildcard hosts the documentation takes the narrower."""
    write_ledger(
        tmp_path,
        [
            [
                _made(0, "wide", {"routes": {"*shop.example/*": {}}}),
                _made(1, "narrow", {"routes": {"*.shop.example/*": {}}}),
            ]
        ],
    )
    with open_ledger(str(tmp_path)) as log:
        answer = reach(log, "https://www.shop.example/")
        assert [row.script for row in answer.candidates] == ["narrow", "wide"]
        assert any("simulator takes *shop.example/*" in note for note in answer.notes)


def test_ways_in_of_a_script(log: OpenLedger) -> None:
    """Routes, subdomain, crons, queues, and what other scripts do."""

    def listed(at: float) -> list[tuple[str, str, str | None, float | None]]:
        return [
            (row.by, row.name, row.caller, row.percentage)
            for row in entrances(log, "shop", account=["acme"], at=minute(at))
        ]

    assert listed(5) == [
        ("route", "shop.example/*", None, None),
        ("workers.dev", "shop.*.workers.dev", None, None),
        ("preview", "shop.*.workers.dev", None, None),
        ("cron", "* * * * *", None, None),
    ]
    assert listed(70) == [
        ("cron", "* * * * *", None, None),
        ("queue", "mail", None, None),
        ("dispatch", "D", "site", 100),
        ("durable object", "SELF", "site", 100),
        ("queue", "MAIL (mail)", "site", 100),
    ]
    assert [(row.caller, row.percentage, row.value) for row in entrances(log, "auth", at=minute(15)) if row.caller] == [
        ("shop", 25, "Admin")
    ]
    assert [row.by for row in entrances(log, "site", at=minute(45))] == ["domain", "domain", "domain", "route", "tail"]


def test_an_unknown_script_has_no_ways_in(log: OpenLedger) -> None:
    """It is not found; one that two accounts have is ambiguous."""
    with pytest.raises(NotFoundError):
        entrances(log, "nobody")
    with pytest.raises(UsageError):
        entrances(log, "shop")


def test_a_drawing_is_of_what_leads_to_a_script_and_on_from_it() -> None:
    """Over several steps, through circles, in one account."""

    def use(caller: str, target: str, account: str = "acme") -> Use:
        return Use(
            account=account,
            caller=caller,
            target=target,
            kind="service",
            via="B",
            detail="",
            percentage=100,
            since=START,
            author=None,
            interface=None,
        )

    all_uses = [
        use("a", "b"),
        use("b", "c"),
        use("c", "b"),
        use("c", "d"),
        use("x", "y"),
        use("a", "z"),
        use("a", "b", "other"),
    ]
    assert [(one.caller, one.target) for one in around(all_uses, "acme", "c")] == [
        ("b", "c"),
        ("a", "b"),
        ("c", "b"),
        ("c", "d"),
    ]


def test_names_in_drawings_are_escaped() -> None:
    """Neither language is broken out of by a binding's or script's name."""
    odd = Use(
        account="a",
        caller='x"];\n',
        target="end",
        kind="queue",
        via='B|"]<#\\',
        detail="",
        percentage=12.5,
        since=START,
        author=None,
        interface=None,
    )
    assert dot([odd]).splitlines()[3:8] == [
        "  subgraph cluster_0 {",
        '    label="a";',
        '    "a/end" [label="end"];',
        '    "a/x\\"]; " [label="x\\"]; "];',
        "  }",
    ]
    assert dot([odd]).splitlines()[8] == '  "a/x\\"]; " -> "a/end" [label="queue B|\\"]<#\\\\ 12.5 %"];'
    assert mermaid([odd]).splitlines() == [
        "flowchart LR",
        '  subgraph a0["a"]',
        '    n0["end"]',
        '    n1["x#quot;]; "]',
        "  end",
        '  n1 -->|"queue B#124;#quot;]#lt;#35;\\ 12.5 %"| n0',
    ]


def _plain_winner(moments: Any, account: str, url: str) -> tuple[str, str] | None:
    """The script that answers, by globs and plain comparison: the widest of the narrowest."""
    host, path = url.removeprefix("https://").split("/", 1)
    found = []
    for (owner, script), states in moments:
        if owner != account:
            continue
        for pattern in states[-1].triggers.get("routes", {}):
            bare = pattern.removeprefix("https://")
            name, _, rest = bare.partition("/")
            glob = re.escape(name).replace(r"\*", ".*") + "/" + re.escape(rest).replace(r"\*", ".*")
            if re.fullmatch(glob, f"{host}/{path}") and "http://" not in pattern:
                found.append(
                    (
                        not name.startswith("*"),
                        len(name.lstrip("*")),
                        rest.count("/") + 2 - 2 * (rest.endswith("/*") or rest == "*"),
                        not rest.endswith("*"),
                        len(rest),
                        script,
                    )
                )
    if found:
        return "route", max(found)[-1]
    for (owner, script), states in moments:
        if owner == account and host in states[-1].triggers.get("domains", {}):
            return "domain", script
    return None


def test_addresses_of_the_real_data_are_answered_as_worked_out_plainly(real: OpenLedger, judge: Judge) -> None:
    """Hosts, prefixes and paths of real routes and domains at random times: winner and active deployment."""
    dice = random.Random(6)
    names = sorted({
        (account, name)
        for (account, _), moments in judge.scripts.items()
        for moment in moments
        for aspect in ("routes", "domains")
        for name in moment.triggers.get(aspect, {})
    })  # fmt: skip
    answered = 0
    for account, name in dice.sample(names, 10):
        host, _, path = name.removeprefix("https://").partition("/")
        host = f"{dice.choice(['', 'www.', 'x-'])}{host.lstrip('*').lstrip('.')}" if "*" in host else host
        url = f"https://{host}/{path.replace('*', dice.choice(['', 'a', 'dist/x', '?q=1']))}"
        at = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(days=dice.randrange(2000))
        moments = list(judge.fleet(at))
        expected = _plain_winner(moments, account, url)
        winners = [row for row in reach(real, url, account=[account], at=at).candidates if row.wins]
        assert [(row.by, row.script) for row in winners] == ([expected] if expected else []), (url, at)
        for row in winners:
            active = dict(moments)[account, row.script][-1].active
            assert (row.serving.deployment if row.serving else None) == (active["id"] if active else None)
            answered += 1
    assert answered > 2


def test_uses_in_the_real_data_are_those_of_the_active_versions(real: OpenLedger, judge: Judge) -> None:
    """Service bindings at three times."""
    for year in (2024, 2026):
        at = datetime(year, 6, 1, tzinfo=UTC)
        expected = {
            (account, script, value["service"], name)
            for (account, script), moments in judge.fleet(at)
            for content in moments[-1].content
            for (aspect, name), value in content.items()
            if aspect == "bindings" and value.get("type") == "service" and "service" in value
        }
        assert {
            (use.account, use.caller, use.target, use.via) for use in uses(real, at=at) if use.kind == "service"
        } == expected
