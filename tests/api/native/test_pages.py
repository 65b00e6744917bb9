"""Pages, ETags, and what is refused."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from ledger.api.native.cursors import Cursor, encode_cursor
from ledger.api.tokens import Scope
from tests.api.native.rig import next_of, walk, write_more
from tests.api.rig import Server, answering, make_token, write_ledger

HISTORY = "/v1/scripts/a/history?account=acme"


def test_pages_put_together_are_the_list(server: Server, reader: str, token: str) -> None:
    """Each row once; the last page says that it is."""
    for who in (reader, token):
        everything = server.ask(f"{HISTORY}&limit=1000", token=who).json
        assert len(everything) > 10
        for limit in (1, 7, len(everything)):
            assert walk(server, f"{HISTORY}&limit={limit}", who) == everything


def test_pages_are_of_one_prefix(tmp_path: Path) -> None:
    """What is recorded between two of them is in none; who asks anew sees it. ETags tell the two apart."""
    ledger = write_ledger(tmp_path / "ledger", 60)
    reader, other = make_token(ledger, "reader", Scope.read), make_token(ledger, "other", Scope.read)
    confined = make_token(ledger, "acme", Scope.read, account="acme")
    with answering(ledger) as (server, context):
        before = server.ask(f"{HISTORY}&limit=1000", token=reader)
        first = server.ask(f"{HISTORY}&limit=3", token=reader)
        path = next_of(first)
        assert path is not None
        second = server.ask(path, token=reader)
        write_more(ledger, 60, 120)
        wait_for(context, 120)
        again = server.ask(path, token=reader)
        assert (again.body, again.headers["etag"]) == (second.body, second.headers["etag"])
        assert [*first.json, *walk(server, path, reader)] == before.json
        after = server.ask(f"{HISTORY}&limit=1000", token=reader)
        assert len(after.json) > len(before.json) > 3
        assert after.headers["etag"] != before.headers["etag"]
        for wrong in (other, confined):
            assert server.ask(path, token=wrong).json["code"] == "bad_cursor"
        assert server.ask(path.replace("/a/", "/b/"), token=reader).json["code"] == "bad_cursor"
        assert server.ask(f"{path}&at=2022-12-01", token=reader).json["code"] == "bad_cursor"


def test_a_page_of_more_than_there_is_is_refused(server: Server, ledger: Path, reader: str) -> None:
    """A cursor that reaches beyond the log, its check made up: after a moment, in which the log might have grown."""
    (token_id,) = {reader.split("_")[1]}
    question = msgspec.json.encode(["/v1/scripts", []]).decode()
    bound = f"{question} {msgspec.json.encode((token_id, False)).decode()}"
    for size, status in ((200, 200), (201, 400)):
        cursor = encode_cursor(Cursor(start=0, now=datetime.now(UTC), sizes=(size,)), bound)
        answer = server.ask(f"/v1/scripts?cursor={cursor}", token=reader)
        assert answer.status == status, answer.body
        assert status == 200 or answer.json["code"] == "bad_cursor"


def wait_for(context: object, size: int) -> None:
    """Until the server sees so many entries."""
    from tests.worker.rig import wait_until

    wait_until(lambda: context.pool.sizes() == (size,), 20)  # type: ignore[attr-defined]


def test_who_has_an_answer_is_told_so(server: Server, reader: str) -> None:
    """304 without a body, for the same question of the same prefix, and for no other."""
    answer = server.ask(HISTORY, token=reader)
    tag = answer.headers["etag"]
    assert answer.headers["cache-control"] == "private, no-cache"
    for given in (tag, f'W/{tag}, "x"', "*"):
        unchanged = server.ask(HISTORY, token=reader, headers={"if-none-match": given})
        assert (unchanged.status, unchanged.body, unchanged.headers["etag"]) == (304, b"", tag)
    assert server.ask("/v1/scripts/nothing/history", token=reader, headers={"if-none-match": "*"}).status == 404
    for path in (f"{HISTORY}&limit=2", "/v1/scripts/b/history?account=acme", "/v1/scripts"):
        assert server.ask(path, token=reader, headers={"if-none-match": tag}).status == 200
    stream = {"if-none-match": tag, "accept": "application/x-ndjson"}
    assert server.ask(HISTORY, token=reader, headers=stream).status == 200
    assert server.ask(HISTORY, token=reader, headers=stream | {"if-none-match": "no tag"}).status == 200


def test_an_etag_is_of_what_the_caller_sees(server: Server, of_acme: dict[str, str], reader: str, token: str) -> None:
    """Another account's view, and one with names, have others. Names are in no cache."""
    asked = [(reader, HISTORY), (of_acme["acme"], f"{HISTORY}&names=false"), (token, HISTORY)]
    tags = {server.ask(path, token=who).headers["etag"] for who, path in asked}
    assert len(tags) == 3
    named = server.ask(HISTORY, token=token)
    assert named.headers["cache-control"] == "private, no-store"
    assert server.ask(HISTORY, token=token, headers={"if-none-match": named.headers["etag"]}).status == 304


def test_what_depends_on_the_time_of_day_says_so(server: Server, reader: str) -> None:
    """A relative time makes another answer each time; an absolute one does not."""
    for path, same in (
        ("/v1/scripts?at=1h+ago", False),
        ("/v1/schedule", False),
        ("/v1/at?time=now", False),
        ("/v1/diff?a=2022-11-28&b=now", False),
        ("/v1/scripts?at=2022-12-01", True),
        ("/v1/schedule?at=2022-12-01", True),
    ):
        tags = {server.ask(path, token=reader).headers["etag"] for _ in range(2)}
        assert (len(tags) == 1) is same, path


BAD = [
    ("/v1/scripts?at=yesterday", 400, "bad_time"),
    ("/v1/scripts?at=2022-13-01", 400, "bad_time"),
    ("/v1/scripts?at=99999999999w+ago", 400, "bad_time"),
    ("/v1/scripts?as_known_at=%00", 400, "bad_time"),
    ("/v1/scripts?limit=0", 400, "bad_request"),
    ("/v1/scripts?limit=-1", 400, "bad_request"),
    ("/v1/scripts?limit=many", 400, "bad_request"),
    (f"/v1/scripts?limit={'9' * 400}", 200, ""),
    ("/v1/scripts?deleted=perhaps", 400, "bad_request"),
    ("/v1/scripts?cursor=", 400, "bad_cursor"),
    ("/v1/scripts?cursor='%20OR%201=1", 400, "bad_cursor"),
    ("/v1/scripts?acount=acme", 400, "unknown_parameter"),
    ("/v1/scripts?limit=1&limit=2", 400, "repeated_parameter"),
    ("/v1/scripts?account=%ff", 200, ""),
    ("/v1/scripts/%ff/history", 400, "bad_path"),
    ("/v1/diff?a=%ff&b=%00", 400, "bad_point"),
    ("/v1/scripts?account='%3BDROP%20VIEW%20_log%3B--", 200, ""),
    ("/v1/scripts?account=%27)%20OR%20TRUE--", 200, ""),
    ("/v1/scripts?account=[", 200, ""),
    (f"/v1/scripts?account={'a' * 5000}", 400, "parameter_too_long"),
    ("/v1/scripts?" + "&".join(["account=a"] * 101), 400, "bad_request"),
    ("/v1/scripts/%27%20OR%20%271%27=%271/history", 404, "script_not_found"),
    ("/v1/scripts/%F0%9F%92%A5%E2%80%AE/versions", 404, "script_not_found"),
    ("/v1/scripts/a%2F..%2Fb/versions", 404, "script_not_found"),
    ("/v1/show/zzzz", 400, "bad_id"),
    ("/v1/show/%25", 400, "bad_id"),
    ("/v1/show/ffffffff", 404, "id_not_found"),
    ("/v1/show/0/99999", 404, "entry_not_found"),
    ("/v1/show/7/0", 404, "entry_not_found"),
    ("/v1/show/-1/0", 400, "bad_id"),
    ("/v1/explain/0/%D9%A1", 400, "bad_id"),
    ("/v1/at", 400, "bad_request"),
    ("/v1/diff?a=now&b=nowhere", 400, "bad_point"),
    ("/v1/diff?a=acme&b=now", 400, "bad_pair"),
    ("/v1/who?person=nobody%40acme.example", 404, "person_not_found"),
    ("/v1/skew?delay=soon", 400, "bad_duration"),
    ("/v1/skew?examples=1001", 400, "bad_request"),
    ("/v1/reach?url=::", 400, "bad_url"),
    ("/v1/exposure", 400, "nothing_sought"),
    ("/v1/exposure?var=A&secret=B", 400, "nothing_sought"),
    ("/v1/exposure?module=xyz", 400, "bad_digest"),
    ("/v1/during?from=2022-12-01&to=2022-11-01", 400, "bad_window"),
    ("/v1/during?from=2022-11-01&to=2022-12-01&rule=none", 400, "unknown_rule"),
    ("/v1/scripts/a/blame?account=acme&question=why", 400, "bad_request"),
    ("/v1/log/0/tile/9/000", 404, "no_such_tile"),
    ("/v1/log/0/tile/0/000.p/0", 404, "no_such_tile"),
    ("/v1/log/0/tile/0/000.p/256", 404, "no_such_tile"),
    ("/v1/log/0/tile/0/x001", 404, "no_such_tile"),
    ("/v1/log/0/tile/entries/000.p/201", 404, "no_such_tile"),
    ("/v1/log/0/tile/%2e%2e/%2e%2e/ledger.json", 404, "no_such_tile"),
    ("/v1/log/1/checkpoint", 404, "shard_not_found"),
    ("/v1/log/00000/checkpoint", 404, "shard_not_found"),
    ("/v1/log/0/checkpoint?size=3", 404, "no_checkpoint"),
    ("/v1/log/0/checkpoint?cosigned=true", 404, "no_checkpoint"),
    ("/v1/entries/0/x", 404, "entry_not_found"),
    ("/v1/receipts/0/99999", 404, "entry_not_found"),
    ("/v1/accounts/nobody/proof", 404, "account_not_found"),
    ("/v1/accounts/acme/proof?from=2022-12-01&to=2022-11-01", 400, "bad_range"),
    ("/v1/nothing", 404, "not_found"),
]


@pytest.mark.parametrize(("path", "status", "code"), BAD, ids=[path[:60] for path, _, _ in BAD])
def test_what_cannot_be_answered_is_refused_with_a_code(
    server: Server, token: str, path: str, status: int, code: str
) -> None:
    """As a problem (RFC 9457), and the server goes on; never 500."""
    answer = server.ask(path, token=token)
    assert answer.status == status, answer.body
    if code:
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json["code"], answer.json["status"]) == (code, status)
        assert "Traceback" not in answer.body.decode()
