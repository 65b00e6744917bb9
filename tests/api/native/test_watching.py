"""The stream of entries: each once, in order, over reconnections, revocation and the server's end."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.api.native import watching as module
from ledger.api.native.streaming import EventStream
from ledger.api.tokens import Scope, revoke_token, token_store
from tests.api.native.rig import watching, write_more
from tests.api.rig import answering, make_token, write_ledger
from tests.worker.rig import wait_until

START = "2022-11-28T09:00:00Z"


@pytest.fixture
def token(root: Path) -> str:
    """A token for everything, made before any server starts."""
    return make_token(root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A ledger that grows."""
    return write_ledger(tmp_path / "ledger", 60)


def test_what_is_recorded_appears_once_and_in_order(root: Path, token: str) -> None:
    """Nothing of what was there before; as `ledger watch` prints it."""
    with answering(root) as (server, _), watching(server, token) as stream:
        write_more(root, 60, 90)
        events = stream.take(30)
    assert [event.data["entry"] for event in events] == [f"0/{index}" for index in range(60, 90)]
    assert [event.id for event in events] == [str(index) for index in range(61, 91)]
    assert {event.type for event in events} == {"entry"}
    assert list(events[0].data)[:4] == ["entry", "account", "script", "effective_at"]


@pytest.mark.parametrize("cut", [1, 5, 7, 29])
def test_who_comes_back_goes_on_where_they_were(root: Path, token: str, cut: int) -> None:
    """With neither a gap nor an entry twice, wherever the connection broke, whatever was recorded meanwhile."""
    with answering(root) as (server, _):
        with watching(server, token, f"/v1/watch?since={START}") as stream:
            seen = [event.data["entry"] for event in stream.take(cut)]
            place = stream.place
        write_more(root, 60, 80)
        with watching(server, token, f"/v1/watch?since={START}", place) as stream:
            seen += [event.data["entry"] for event in stream.take(80 - cut)]
    assert seen == [f"0/{index}" for index in range(80)]


def test_who_has_seen_nothing_yet_has_a_place_too(root: Path, token: str) -> None:
    """From before the first event: what is recorded while they are away is not lost."""
    with answering(root) as (server, _):
        with watching(server, token) as stream:
            assert [stream.response.readline() for _ in range(3)] == [b"retry: 2000\n", b"id: 60\n", b"\n"]
        write_more(root, 60, 62)
        with watching(server, token, place="60") as stream:
            assert [event.data["entry"] for event in stream.take(2)] == ["0/60", "0/61"]


def test_a_filter_leaves_out_and_loses_no_place(root: Path, token: str) -> None:
    """By account, glob and script; the place counts what was left out."""
    with answering(root) as (server, _):
        with watching(server, token, f"/v1/watch?since={START}&account=be*&script=a") as stream:
            events = stream.take(2)
        assert {(event.data["account"], event.data["script"]) for event in events} == {("beta", "a")}
        indexes = [int(event.data["entry"].split("/")[1]) for event in events]
        assert [int(event.id or "") for event in events] == [index + 1 for index in indexes]
        assert indexes[-1] > 2


@pytest.mark.parametrize("place", ["999", "-1", "0.0", "x", "1\t2"])
def test_a_place_of_no_log_is_refused(root: Path, token: str, place: str) -> None:
    """Beyond the log, of more shards, or no place at all."""
    with answering(root) as (server, _):
        answer = server.ask("/v1/watch", token=token, headers={"last-event-id": place})
    assert (answer.status, answer.json["code"]) == (400, "bad_place")


def test_the_stream_ends_when_the_token_is_revoked(root: Path, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon, not with the next entry."""
    monkeypatch.setattr(module, "_HEARTBEAT_S", 0.2)
    short = make_token(root, "short", Scope.read)
    with answering(root) as (server, _), watching(server, short) as stream:
        stream.response.readline()
        revoke_token(token_store(str(root)), "short", datetime.now(UTC))
        assert list(stream.events()) == []


def test_a_sign_of_life_has_the_place(root: Path, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is recorded: a comment, and an id without data, which a browser keeps and nobody sees."""
    monkeypatch.setattr(module, "_HEARTBEAT_S", 0.1)
    with answering(root) as (server, _), watching(server, token) as stream:
        lines = [stream.response.readline() for _ in range(9)]
    assert lines[3:6] == lines[6:9] == [b": nothing new\n", b"id: 60\n", b"\n"]


def test_watchers_are_limited_and_let_go(root: Path, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that have gone make room."""
    monkeypatch.setattr(module, "_MOST", 2)
    with answering(root) as (server, context):
        with watching(server, token) as one, watching(server, token) as two:
            assert [stream.response.readline() for stream in (one, two)] == [b"retry: 2000\n"] * 2
            answer = server.ask("/v1/watch", token=token)
            assert (answer.status, answer.json["code"]) == (503, "too_many_watchers")
        pool = context.pool
        assert pool is not None
        wait_until(lambda: pool.watchers == 0, 20)
        with watching(server, token) as stream:
            assert stream.response.readline() == b"retry: 2000\n"


@pytest.mark.parametrize("how", ["stalls", "goes"])
def test_a_watcher_that_takes_nothing_or_has_gone_is_let_go(how: str) -> None:
    """One piece waits for it and no more are made; in the end its stream is closed."""
    made: list[int] = []
    closed = asyncio.Event()

    async def pieces() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                made.append(1)
                yield b": x\n"
        finally:
            closed.set()

    async def run() -> None:
        stuck = asyncio.Event()

        async def send(message: Any) -> None:
            if message.get("body"):
                await stuck.wait()

        async def receive() -> Any:
            if how == "stalls":
                await stuck.wait()
            return {"type": "http.disconnect"}

        stream = EventStream(pieces(), stall_s=0.1 if how == "stalls" else 60, headers={})
        answer = stream.to_asgi_response()
        async with asyncio.timeout(20):
            with suppress(TimeoutError):
                await answer({"type": "http"}, receive, send)  # type: ignore[arg-type]
            await closed.wait()

    asyncio.run(run())
    assert len(made) <= 1


def test_names_are_shown_with_the_scope_audit_and_recorded_once_a_person(root: Path, token: str) -> None:
    """Of a watcher without it pseudonyms, and nothing is recorded."""
    plain = make_token(root, "plain", Scope.read)
    with answering(root) as (server, _):
        for who, mark in ((plain, None), (token, "@")):
            with watching(server, who, f"/v1/watch?since={START}&account=acme") as stream:
                authors = {str(event.data["author"]) for event in stream.take(10)} - {"None"}
            assert all((mark or "") in author for author in authors)
            assert any("@" in author for author in authors) is (mark is not None)
    lines = [line for path in (root / "audit").glob("*.ndjson") for line in path.read_text().splitlines()]
    named = [line for line in lines if '"kind":"named"' in line]
    pseudonyms = [part for line in named for part in line.split('"pseudonyms":[')[1].split("]")[0].split(",")]
    assert pseudonyms
    assert len(pseudonyms) == len(set(pseudonyms))
