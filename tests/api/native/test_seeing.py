"""Who sees what: accounts, names, and nothing of others, however it is asked."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.api.native.rig import watching
from tests.api.rig import Server

PATHS = [
    "/v1/status",
    "/v1/scripts?deleted=true",
    "/v1/scripts/a/deployments",
    "/v1/scripts/a/versions",
    "/v1/scripts/a/history",
    "/v1/scripts/a/blame",
    "/v1/scripts/a/entrances",
    "/v1/at?time=2023-01-01",
    "/v1/diff?a=2022-11-28T09:00:00Z&b=2023-01-01",
    "/v1/diff/stat?a=2022-11-28T09:00:00Z&b=2023-01-01",
    "/v1/skew?delay=1s",
    "/v1/reach?url=a.example",
    "/v1/exposure?binding=kv",
    "/v1/during?from=2022-11-28&to=2023-01-01",
    "/v1/schedule",
    "/v1/stats",
    "/v1/rejected",
    "/v1/notes",
]


@pytest.fixture(params=["acme", "ac*"])
def confined(of_acme: dict[str, str], request: pytest.FixtureRequest) -> str:
    """A token of the account acme, with all scopes but admin."""
    return of_acme[request.param]


def ids_of(server: Server, token: str, account: str) -> tuple[str, str]:
    """A deployment and the entry that made it."""
    row = server.ask(f"/v1/scripts/a/deployments?account={account}&limit=1", token=token).json[0]
    return row["deployment"], row["entry"]


@pytest.mark.parametrize("path", PATHS)
def test_an_answer_says_nothing_of_other_accounts(server: Server, confined: str, token: str, path: str) -> None:
    """Nor of records of which no account is known; and it is what somebody who sees all is told of the account."""
    body = server.ask(f"{path}{'&' if '?' in path else '?'}", token=confined)
    assert body.status == 200, body.body
    assert b"beta" not in body.body
    if "status" not in path:
        joint = "&" if "?" in path else "?"
        assert body.json == server.ask(f"{path}{joint}account=acme", token=token).json


def test_what_is_of_another_account_does_not_exist(server: Server, confined: str, token: str) -> None:
    """By id, by entry, by name, as a receipt or proof: 404, as of what never was."""
    theirs, entry = ids_of(server, token, "beta")
    for path in (
        f"/v1/show/{theirs}",
        f"/v1/show/{entry}",
        f"/v1/explain/{theirs}",
        f"/v1/explain/{entry}",
        f"/v1/entries/{entry}",
        f"/v1/receipts/{theirs}",
        f"/v1/receipts/{entry}",
        f"/v1/diff?a={theirs}&b=now",
        f"/v1/diff?a=id:{theirs}&b={theirs}",
        "/v1/accounts/beta/proof",
        "/v1/scripts?account=beta",
        "/v1/scripts/a/history?account=beta",
        "/v1/scripts?account=acme&account=beta",
        "/v1/watch?account=beta",
    ):
        answer = server.ask(path, token=confined)
        assert (answer.status, b"beta" in answer.body) == (404, False), path
        if not path.startswith("/v1/watch"):
            assert server.ask(path, token=token).status == 200
    compared = [server.ask(f"/v1/diff?a=acme&b=account:{name}", token=confined).json for name in ("beta", "nobody")]
    assert [answer["status"] for answer in compared] == [404, 404]
    assert compared[0]["detail"].replace("beta", "nobody") == compared[1]["detail"]
    assert server.ask("/v1/scripts?account=b*", token=confined).json == []


def test_a_script_that_others_have_too_is_not_ambiguous(server: Server, confined: str, token: str) -> None:
    """Two accounts have a script a; this token sees one."""
    assert server.ask("/v1/scripts/a/history", token=confined).status == 200
    answer = server.ask("/v1/scripts/a/history", token=token)
    assert (answer.status, answer.json["code"]) == (400, "ambiguous_script")


def test_the_own_account_is_seen_whole(server: Server, confined: str, token: str) -> None:
    """By id, by entry, as bytes, receipt and proof."""
    ours, entry = ids_of(server, token, "acme")
    for path in (
        f"/v1/show/{ours}",
        f"/v1/show/{entry}",
        f"/v1/explain/{ours}",
        f"/v1/receipts/{entry}",
        f"/v1/entries/{entry}",
        "/v1/accounts/acme/proof",
    ):
        mine, all_ = (server.ask(path, token=who) for who in (confined, token))
        assert mine.status == 200
        assert mine.body == all_.body


@pytest.mark.parametrize(
    "path", ["/v1/log/0/tile/0/000.p/200", "/v1/log/0/tile/entries/000.p/200", "/v1/accounts/acme/proof?with_rest=true"]
)
def test_what_holds_all_accounts_needs_a_token_for_all(server: Server, confined: str, token: str, path: str) -> None:
    """Tiles, bundles, and the rest of a log in an account proof."""
    assert server.ask(path, token=token).status == 200
    assert server.ask(path, token=confined).json["code"] == "all_accounts"


def test_people_are_named_with_the_scope_audit_only(server: Server, token: str, reader: str) -> None:
    """Else they are pseudonyms; with it whoever wants pseudonyms gets them."""
    path = "/v1/scripts/a/history?account=acme&limit=1000"
    named, veiled = server.ask(path, token=token), server.ask(path, token=reader)
    assert b"ana@acme.example" in named.body
    assert b"@" not in veiled.body
    assert server.ask(f"{path}&names=false", token=token).body == veiled.body
    refused = server.ask(f"{path}&names=true", token=reader)
    assert (refused.status, refused.json["code"]) == (403, "scope_missing")


def test_nobody_is_found_by_address_without_the_scope(server: Server, token: str, reader: str) -> None:
    """By pseudonym they are."""
    found = server.ask("/v1/who?person=u_1&account=acme&limit=1", token=token)
    assert found.status == 200
    answer = server.ask("/v1/who?person=u_1&account=acme", token=reader)
    assert (answer.status, answer.json["code"]) == (404, "person_not_found")
    pseudonym = found.json[0]["actor"]
    assert server.ask(f"/v1/who?person={pseudonym[:12]}&account=acme", token=reader).json[0]["author"] == pseudonym


def trail_of(ledger: Path) -> list[dict[str, Any]]:
    """The lines of the audit trail."""
    lines = [line for path in sorted((ledger / "audit").glob("*.ndjson")) for line in path.read_bytes().splitlines()]
    return [msgspec.json.decode(line) for line in lines]


def named_in(ledger: Path) -> Iterator[dict[str, Any]]:
    """Those about names that were shown."""
    return (line for line in trail_of(ledger) if line["kind"] == "named")


def test_who_was_shown_whose_name_is_recorded_before_it_is_sent(
    server: Server, ledger: Path, token: str, reader: str
) -> None:
    """Those whose names the page shows (people with one address cannot be told apart in it); nothing where nobody is named."""
    path = "/v1/scripts/b/history?account=beta&limit=1"
    before = len(list(named_in(ledger)))
    veiled = server.ask(path, token=reader).json
    server.ask(f"{path}&names=false", token=token)
    assert len(list(named_in(ledger))) == before
    assert "@" in server.ask(path, token=token).json[0]["author"]
    *_, last = named_in(ledger)
    assert last["account"] == "beta"
    assert veiled[0]["author"] in last["pseudonyms"]
    assert last["route"] == "/v1/scripts/{script}/history"


def test_a_watcher_sees_its_accounts_only(server: Server, confined: str) -> None:
    """Those of no account neither."""
    with watching(server, confined, "/v1/watch?since=2022-11-28T09:00:00Z") as stream:
        events = stream.take(40)
    assert {event.data["account"] for event in events} == {"acme"}
