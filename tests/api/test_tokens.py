"""Tokens: made, listed and revoked on the command line; taken, refused and forgotten by a server that goes on running."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from litestar import get

from cli.main import main
from ledger.api.access import Caller, Connection, require
from ledger.api.rates import Rates
from ledger.api.tokens import Presented, Scope, StoredTokens, TokenFile, parse_presented, read_tokens
from ledger.errors import StoreError
from tests.api.rig import ROOT, TIMEOUT_S, Answer, answering, make_token, said, serving, write_ledger

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(ledger: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `ledger tokens ...` on the ledger: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(["tokens", *arguments, "--ledger", str(ledger)])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@get("/v1/here/{account:str}", guards=[require(Scope.read)])
async def here(request: Connection, account: str, caller: Caller) -> dict[str, object]:
    """Answers who asks about what."""
    return {"account": account, "actor": caller.actor(request)}


@get("/accounts/{account:str}/there", guards=[require(Scope.write)])
async def there(account: str) -> str:
    """A path of the platform."""
    return account


HANDLERS = [here, there]


def _unreadable(*_: object) -> StoredTokens:
    raise StoreError("store_io", "could not read tokens/: Input/output error")


def _until(ask: Callable[[], Answer], status: int) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while ask().status != status:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_token_is_printed_once_alone_and_kept_as_a_hash(run: Run, ledger: Path) -> None:
    """On stdout there is the token and nothing else; what is stored, for its owner alone, has its hash; no file has the token."""
    code, out, err = run("create", "--name", "ci", "--account", "acme", "--account", "beta-*", "--scope", "read,write")
    assert code == 0
    assert re.fullmatch(r"dlt_[0-9a-f]{16}_[A-Za-z0-9_-]{43}\n", out)
    assert "write in acme, beta-*, until it is revoked" in err
    token_id = out.split("_")[1]
    file = ledger / "tokens" / f"{token_id}.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    stored = json.loads(file.read_bytes())
    assert stored["hash"] == sha256(out.strip().encode()).hexdigest()
    secret = out.strip().split("_", 2)[2]
    assert not any(secret.encode() in path.read_bytes() for path in ledger.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--name", "a b", "--account", "*", "--scope", "read"), "is no name for a token"),
        (("--name", "deadbeef", "--account", "*", "--scope", "read"), "must not look like an id"),
        (("--name", "x", "--account", "a/b", "--scope", "read"), "'a/b' is no account"),
        (("--name", "x", "--account", "*", "--scope", "root"), "'root' is no scope"),
        (("--name", "x", "--account", "*", "--scope", ","), "what may the token be used for?"),
        (("--name", "x", "--account", "*", "--scope", "read", "--expires", "2001-01-01"), "has expired already"),
        (("--name", "x", "--account", "*", "--scope", "read", "--expires", "soon"), "not a time"),
        (("--name", "x", "--account", "*", "--scope", "read", "--rate", "-1"), "is no number of requests"),
        (("--name", "x", "--account", "*", "--scope", "read", "--email", "a\nb"), "no id or address"),
    ],
)
def test_what_is_no_token_is_not_made(run: Run, ledger: Path, arguments: tuple[str, ...], message: str) -> None:
    """Exit code 2, what is wrong and what to give instead; nothing on stdout and nothing stored."""
    before = sorted((ledger / "tokens").glob("*"))
    code, out, err = run("create", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert sorted((ledger / "tokens").glob("*")) == before


def test_tokens_are_listed_and_revoked_by_name_or_id(run: Run) -> None:
    """The newest first; what is revoked stays listed; a name may be used again then, and means the one that is active."""
    ids = []
    for _ in range(2):
        _, out, _ = run("create", "--name", "twice", "--account", "*", "--scope", "audit", "--expires", "30d")
        ids.append(out.split("_")[1])
        assert run("create", "--name", "twice", "--account", "*", "--scope", "read")[0] == 2
        if len(ids) == 1:
            assert run("revoke", "twice")[0] == 0
            assert run("revoke", ids[0][:8])[0] == 0  # again: nothing to do
    rows = [row for row in json.loads(run("list", "--json")[1]) if row["name"] == "twice"]
    assert [(row["id"], row["state"]) for row in rows] == [(ids[1], "active"), (ids[0], "revoked")]
    assert rows[1]["revoked_at"] is not None
    assert "hash" not in rows[0]
    assert run("revoke", "twice")[0] == 0
    assert {row["state"] for row in json.loads(run("list", "--json")[1]) if row["name"] == "twice"} == {"revoked"}
    assert run("revoke", "nobody")[0] == 4


def test_a_token_file_that_was_damaged_is_said_and_lets_nobody_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Listing exits with 3 and names the file; a server goes on without it, and a damaged revocation revokes."""
    root = write_ledger(tmp_path / "ledger", 5)
    first, second = make_token(root, "first"), make_token(root, "second")
    names = [root / "tokens" / f"{text.split('_')[1]}.json" for text in (first, second)]
    with answering(root, HANDLERS) as (server, _):
        assert server.ask("/v1/here/acme", token=second).status == 200
    names[0].write_bytes(names[0].read_bytes().replace(b"first", b'fi"st'))
    names[1].with_suffix(".revoked.json").write_bytes(b"")
    with answering(root, HANDLERS) as (server, _):
        assert server.ask("/v1/here/acme", token=first).status == 401
        assert server.ask("/v1/here/acme", token=second).json["code"] == "token_revoked"
    assert main(["tokens", "list", "--json", "--ledger", str(root)]) == 3
    out, err = capsys.readouterr()
    assert [(row["name"], row["state"]) for row in json.loads(out)] == [("second", "revoked")]
    assert re.findall(r"^warning: tokens/([0-9a-f.]+(?:revoked\.)?json) is damaged", err, re.MULTILINE) == sorted(
        [names[0].name, names[1].with_suffix(".revoked.json").name]
    )
    third = make_token(root, "third")
    assert (
        main(["tokens", "revoke", "third", "--ledger", str(root)]) == 0
    )  # damage to one keeps nobody from revoking another
    file = root / "tokens" / f"{third.split('_')[1]}.json"
    for damaged in (b'"hash":"\xc3\xa9"', b'"hash":""'):
        file.write_bytes(re.sub(rb'"hash":"[0-9a-f]+"', damaged, file.read_bytes()))
        with answering(root, HANDLERS) as (server, _):
            assert server.ask("/v1/here/acme", token=third).status == 401


def test_nobody_is_let_in_without_a_token_that_counts(ledger: Path, token: str) -> None:
    """None, another scheme, a changed one, one of another ledger, one that has expired: 401 with a challenge, in the form of the path."""
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    expired = make_token(ledger, "short", expires_at=datetime.now(UTC) + timedelta(milliseconds=300))
    other = f"dlt_{'0' * 16}_{'x' * 43}"
    time.sleep(0.35)
    with answering(ledger, HANDLERS) as (server, _):
        for shown in (None, changed, other, expired, "x", "é"):
            answer = server.ask("/v1/here/acme", headers={"Authorization": f"Bearer {shown}"} if shown else None)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="ledger"')
            assert answer.headers["content-type"] == "application/problem+json"
            assert shown is None or len(shown) < 5 or shown not in answer.body.decode()
        assert server.ask("/v1/here/acme", headers={"Authorization": f"Basic {token}"}).status == 401
        assert server.ask("/v1/here/acme", headers={"X-Auth-Key": changed}).status == 401
        wrapped = server.ask("/accounts/acme/there")
        assert wrapped.json["success"] is False
        assert wrapped.json["errors"][0]["code"] == 10000


def test_a_token_names_the_actor(ledger: Path) -> None:
    """As bearer or as the platform's older key; an address beside it must be the token's; client and program are said too."""
    text = make_token(ledger, "ana-laptop", email="ana@acme.example", on_behalf_of="u_17")
    with answering(ledger, HANDLERS) as (server, _):
        said = server.ask("/v1/here/acme", token=text, headers={"User-Agent": "wrangler/4.86.0"}).json["actor"]
        assert said == {
            "type": "token",
            "id": text.split("_")[1],
            "email": "ana@acme.example",
            "ip": "127.0.0.1",
            "user_agent": "wrangler/4.86.0",
            "on_behalf_of": "u_17",
        }
        for email, status in (("ANA@acme.example", 200), ("", 200), ("ben@acme.example", 401)):
            headers = {"X-Auth-Key": text, "X-Auth-Email": email}
            assert server.ask("/v1/here/acme", headers=headers).status == status


def test_an_account_of_others_answers_as_one_that_does_not_exist(ledger: Path) -> None:
    """404, the same bytes whether there is such an account, also where the scope lacks too; globs count."""
    text = make_token(ledger, "of-acme", Scope.read, account="acm?")
    with answering(ledger, HANDLERS) as (server, _):
        assert server.ask("/v1/here/acme", token=text).json["account"] == "acme"
        there, none = (server.ask(f"/v1/here/{name}", token=text) for name in ("beta", "nobody"))
        assert (there.status, there.body) == (404, none.body)
        assert server.ask("/accounts/beta/there", token=text).json["errors"][0]["code"] == 7003
        assert server.ask("/accounts/acme/there", token=text).status == 403


def test_a_token_takes_effect_at_once_and_its_end_within_a_moment(ledger: Path, run: Run) -> None:
    """One that was made after the server began is taken at the first request; once it is revoked, the running server refuses it."""
    with serving(ledger) as server:
        _, out, _ = run("create", "--name", "late", "--account", "*", "--scope", "read")
        assert server.ask("/v1/status", token=out.strip()).status == 200
        assert run("revoke", "late")[0] == 0
        _until(lambda: server.ask("/v1/status", token=out.strip()), 401)


def test_a_token_that_was_just_made_is_taken_at_its_first_request(ledger: Path) -> None:
    """However short a time ago the tokens were read: made and used at once, many times, also beside others who guess."""
    with answering(ledger, HANDLERS, token_check_s=60) as (server, _):
        for number in range(10):
            assert server.ask("/v1/here/acme", token=f"dlt_{number:016x}_{'x' * 43}").status == 401
            assert server.ask("/v1/here/acme", token=make_token(ledger, f"quick-{number}")).status == 200


def test_whoever_cannot_tell_which_tokens_were_revoked_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the tokens cannot be read for too long: 503, not ready; and back as soon as they can."""
    monkeypatch.setattr("ledger.api.registry._PATIENCE_S", 0.1)
    root = write_ledger(tmp_path / "ledger", 5)
    text = make_token(root)
    with answering(root, HANDLERS, token_check_s=0.05) as (server, context):
        assert server.ask("/v1/here/acme", token=text).status == 200
        monkeypatch.setattr("ledger.api.registry.read_tokens", _unreadable)
        _until(lambda: server.ask("/v1/here/acme", token=text), 503)
        assert server.ask("/v1/here/acme", token=text).json["code"] == "tokens_unread"
        assert "cannot be read which tokens were revoked" in server.ask("/readyz").json["reasons"][0]
        monkeypatch.setattr("ledger.api.registry.read_tokens", read_tokens)
        _until(lambda: server.ask("/v1/here/acme", token=text), 200)
        assert said(context).count("Input/output error") == 1


def test_a_server_that_is_open_to_all_is_so_for_this_machine_alone(ledger: Path, token: str) -> None:
    """No token is needed, one still counts; a page of another site, or a name that leads here, gets nothing."""
    with answering(ledger, HANDLERS, insecure=True) as (server, _):
        assert server.ask("/v1/here/acme").json["actor"]["id"] == "anonymous"
        assert server.ask("/v1/here/acme", token="anything").json["actor"]["id"] == "anonymous"
        assert server.ask("/v1/here/acme", token=token).json["actor"]["id"] == token.split("_")[1]
        assert server.ask("/v1/here/acme", headers={"Host": "rebound.example"}).status == 421
        assert server.ask("/v1/here/acme", headers={"Host": f"localhost:{server.port}"}).status == 200
        assert server.ask("/v1/here/acme", headers={"Origin": "http://evil.example"}).status == 403


def test_a_token_that_asks_too_often_has_to_wait(ledger: Path) -> None:
    """429, with the seconds to wait, in the form of the path; others go on."""
    text, other = make_token(ledger, "eager", rate=0.5), make_token(ledger, "calm")
    with answering(ledger, HANDLERS) as (server, _):
        answers = [server.ask("/v1/here/acme", token=text) for _ in range(3)]
        assert [answer.status for answer in answers] == [200, 429, 429]
        assert int(answers[1].headers["retry-after"]) in {1, 2, 3}
        assert server.ask("/accounts/acme/there", token=text).json["success"] is False
        assert server.ask("/v1/here/acme", token=other).status == 200


def test_a_bucket_fills_at_its_rate() -> None:
    """A burst, then one for each interval; a clock that stands still or goes back gives nothing."""
    rates = Rates(2, 3)
    assert [rates.take("a", 10.0) for _ in range(3)] == [0, 0, 0]
    assert rates.take("a", 10.0) == pytest.approx(0.5)
    assert rates.take("a", 9.0) > 0
    assert rates.take("b", 9.0) == 0
    assert rates.take("a", 10.5) == 0
    assert rates.take("a", 10.5) > 0
    assert [rates.take("a", 1000.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]


def test_what_is_presented_is_compared_by_its_hash() -> None:
    """A token's file fits the token that it was made of, and no text of another form is taken for one."""
    text = f"dlt_{'a' * 16}_{'B' * 43}"
    presented = parse_presented(text)
    assert presented == Presented("a" * 16, sha256(text.encode()).hexdigest())
    file = TokenFile(
        id="a" * 16, name="x", hash=presented.hash, accounts=("*",), scopes=(Scope.read,), created_at=datetime.now(UTC)
    )
    assert file.fits(presented)
    assert not file.fits(Presented("a" * 16, sha256(b"other").hexdigest()))
    for bad in ("", text + "x", text.upper(), text[:-1], f" {text}", text.replace("_", "-"), f"{text}\n"):
        assert parse_presented(bad) is None


def test_the_command_starts_without_the_servers_libraries() -> None:
    """Neither help nor a listing of tokens loads Litestar or uvicorn: they would double the time of every command."""
    script = (
        "import sys; from cli.main import main; main(['--help']); import ledger.api.tokens; "
        "print(sorted({'litestar', 'uvicorn', 'duckdb'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
        cwd=ROOT,
        env=dict(os.environ),
    )
    assert done.stderr == "[]\n"
