"""What a client may cost: sizes, times, numbers of connections; and what is no HTTP at all. Bare sockets, as no client would write."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from litestar import Request, Response, get, post
from litestar.response import Stream

from ledger.api.access import OPEN, require
from ledger.api.admission import STREAM
from ledger.api.context import Context
from ledger.api.problems import RefusalError
from ledger.api.tokens import Scope
from ledger.errors import BrokerError, IntegrityError
from tests.api.rig import TIMEOUT_S, Server, answering, said

_SECRET = "s3cr3t-value"


@post("/v1/echo", guards=[require(Scope.write)], status_code=200)
async def echo(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The body, back."""
    return Response(await request.body(), media_type="application/octet-stream")


@post("/accounts/{account:str}/echo", guards=[require(Scope.write)], status_code=200)
async def wrapped(account: str, request: Request[Any, Any, Any]) -> int:
    """The body's length, on a path of the platform."""
    return len(await request.body())


@get("/v1/named/{name:str}", guards=[require(Scope.read)])
async def named(name: str) -> dict[str, str]:
    """A segment of the path, decoded."""
    return {"name": name}


@get("/v1/fails/{how:str}", guards=[require(Scope.read)])
async def fails(how: str) -> None:
    """Fails in each way."""
    match how:
        case "broker":
            raise BrokerError("broker_unreachable", "no broker at kafka.internal:9092", "start it")
        case "damaged":
            raise IntegrityError("bad_root", "/srv/audit/log/0003/x is damaged")
        case "late":
            raise BrokerError("not_folded", "the event e1 of gateway has no entry after 1 s", "send it again")
        case "refused":
            raise RefusalError(409, "conflict", "no", platform=((10021, "a"), (10057, "b")))
        case _:
            raise ValueError(f"cannot parse {_SECRET}")


@get("/accounts/{account:str}/fails", guards=[require(Scope.read)])
async def fails_wrapped(account: str) -> None:
    """Fails on a path of the platform."""
    raise RefusalError(409, "conflict", account, platform=((10021, "a"), (10057, "b")))


@get("/v1/slow", guards=[require(Scope.read)])
async def slow() -> str:
    """Takes too long."""
    await asyncio.sleep(TIMEOUT_S)
    return "late"


@get("/v1/soon", guards=[require(Scope.read)])
async def soon(context: Context) -> str:
    """Answers a while after the server was told to stop."""
    await context.stopping.wait()
    await asyncio.sleep(0.3)
    return "done"


@get("/v1/endless", guards=[require(Scope.read)], opt={STREAM: True})
async def endless(context: Context) -> Stream:
    """Goes on until the server stops."""

    async def lines() -> AsyncIterator[bytes]:
        while not context.stopping.is_set():
            yield b"line\n"
            await asyncio.sleep(0.05)

    return Stream(lines())


@get("/v1/injected", opt={OPEN: True})
async def injected(to: str) -> Response[str]:
    """Puts what it is given into a header."""
    return Response("x", headers={"x-given": to})


HANDLERS = [echo, wrapped, named, fails, fails_wrapped, slow, soon, endless, injected]


@pytest.fixture(scope="module")
def limited(ledger: Path, token: str) -> Iterator[tuple[Server, Context]]:
    """A server with tight limits."""
    with answering(
        ledger,
        HANDLERS,
        max_body_bytes=100_000,
        max_header_bytes=4096,
        header_timeout_s=0.4,
        body_timeout_s=0.4,
        answer_timeout_s=1.0,
        max_connections=20,
    ) as found:
        yield found


def _exchange(server: Server, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Send parts and read until the server closes the connection."""
    with closing(server.connect()) as connection:
        for part in parts:
            try:
                connection.sendall(part)
            except OSError:
                break  # it has answered and closed already
            time.sleep(pause_s)
        return _read(connection)


def _read(connection: socket.socket) -> bytes:
    found = b""
    try:
        while data := connection.recv(65536):
            found += data
    except ConnectionResetError:
        pass
    return found


def _post(token: str, *headers: str, path: str = "/v1/echo") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", *headers, "", ""]
    return "\r\n".join(lines).encode()


def _status(answer: bytes) -> int:
    assert answer.startswith(b"HTTP/1.1 "), answer[:200]
    return int(answer.split()[1])


def test_a_body_that_says_that_it_is_too_large_is_refused_unread(limited: tuple[Server, Context], token: str) -> None:
    """413 at once, before any of it has come, in the form of the path; one byte less than the limit is taken."""
    server, _ = limited
    answer = _exchange(server, _post(token, "Content-Length: 100001"))
    assert _status(answer) == 413
    assert b"body_too_large" in answer
    answer = _exchange(server, _post(token, "Content-Length: 9999999999999999999", path="/accounts/acme/echo"))
    assert _status(answer) in {400, 413}
    wrapped = _exchange(server, _post(token, "Content-Length: 999999", path="/accounts/acme/echo"))
    assert (_status(wrapped), b'"success":false' in wrapped) == (413, True)
    assert server.ask("/v1/echo", method="POST", token=token, body=b"x" * 100_000).status == 200


def test_a_chunked_body_is_taken_and_one_that_grows_too_large_refused(
    limited: tuple[Server, Context], token: str
) -> None:
    """Chunks are put together; beyond the limit 413, and the client sees it although it still sends."""
    server, _ = limited
    head = _post(token, "Transfer-Encoding: chunked", "Connection: close")
    answer = _exchange(server, head, b"3\r\nabc\r\n", b"4;ext=1\r\ndefg\r\n", b"0\r\n\r\n")
    assert answer.endswith(b"abcdefg")
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    assert _status(_exchange(server, head, *[chunk] * 20)) == 413


@pytest.mark.parametrize("chunk", [b"zz\r\nhello", b"-5\r\nhello", b"2\r\nhello\r\n", b"fffffffffffffffff\r\nx"])
def test_a_chunk_that_is_none_is_answered_at_once(limited: tuple[Server, Context], token: str, chunk: bytes) -> None:
    """400, once, without waiting for the rest of a body that cannot come."""
    server, _ = limited
    answer = _exchange(server, _post(token, "Transfer-Encoding: chunked"), b"3\r\nabc\r\n", chunk)
    assert (_status(answer), answer.count(b"HTTP/1.1 ")) == (400, 1)


def test_a_connection_is_kept_where_a_refused_body_has_come_whole(limited: tuple[Server, Context], token: str) -> None:
    """Refused before its body came; the body is dropped, and the next request on the connection is answered."""
    server, _ = limited
    with closing(server.connect()) as connection:
        for _ in range(3):
            connection.sendall(_post("none", "Content-Length: 5"))
            answer = connection.recv(65536)
            while b"}" not in answer:
                answer += connection.recv(65536)
            assert _status(answer) == 401
            connection.sendall(b"hello")
        connection.sendall(_post(token, "Content-Length: 2", "Connection: close") + b"ok")
        assert _read(connection).endswith(b"ok")


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: -1",),
        ("Content-Length: +5",),
        ("Content-Length: 0x5",),
        ("Content-Length: 5, 5",),
        ("Transfer-Encoding: gzip",),
        ("Transfer-Encoding: chunked, identity",),
        ("X-Bad : 1",),
        ("X-Bad: a\x00b",),
        (" Folded: 1",),
    ],
)
def test_lengths_that_contradict_each_other_are_no_request(
    limited: tuple[Server, Context], token: str, headers: tuple[str, ...]
) -> None:
    """400, and the connection ends: nothing after it can be taken for another request."""
    server, _ = limited
    answer = _exchange(
        server, _post(token, *headers), b"5\r\nabcde\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert _status(answer) == 400
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"Traceback" not in answer


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\r\n" * 10 + b"nonsense\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ],
)
def test_what_is_no_request_is_answered_and_cut(limited: tuple[Server, Context], sent: bytes) -> None:
    """TLS, other protocols, garbage: a 4xx or nothing, the connection closed, no traceback in answer or log."""
    server, context = limited
    answer = _exchange(server, sent)
    assert answer == b"" or 400 <= _status(answer) < 500
    assert b"Traceback" not in answer
    assert "Traceback" not in said(context)
    assert server.ask("/healthz").status == 200


def test_headers_that_are_too_large_or_never_end_are_cut(limited: tuple[Server, Context]) -> None:
    """431 for one long header, for many, and for one without an end that comes bit by bit."""
    server, _ = limited
    assert _status(_exchange(server, b"GET / HTTP/1.1\r\nX: " + b"a" * 5000 + b"\r\n\r\n")) == 431
    assert _status(_exchange(server, b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 1000 + b"\r\n")) == 431
    assert _status(_exchange(server, b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n")) == 431
    assert _status(_exchange(server, b"GET / HTTP/1.1\r\nX: ", *[b"a" * 65536] * 8)) == 431


def test_clients_that_are_slow_are_cut(limited: tuple[Server, Context], token: str) -> None:
    """408 for headers that do not end and for a body that does not come, however often a byte does; silence is cut too."""
    server, _ = limited
    began = time.monotonic()
    assert _status(_exchange(server, b"GET / HTTP/1.1\r\n", *[b"X: a\r\n"] * 30, pause_s=0.05)) == 408
    assert _status(_exchange(server)) == 408
    answer = _exchange(server, _post(token, "Content-Length: 50"), *[b"x"] * 30, pause_s=0.05)
    assert (_status(answer), b"request_too_slow" in answer) == (408, True)
    assert time.monotonic() - began < TIMEOUT_S


def test_an_answer_that_takes_too_long_is_given_up_and_a_stream_is_not(
    limited: tuple[Server, Context], token: str
) -> None:
    """503 after the time for an answer; a handler that streams goes on beyond it."""
    server, _ = limited
    assert server.ask("/v1/slow", token=token).json["code"] == "answer_too_slow"
    with closing(server.connect()) as connection:
        connection.sendall(_post(token, path="/v1/endless").replace(b"POST", b"GET"))
        found = b""
        while found.count(b"line") < 25:  # more than a second's worth
            found += connection.recv(65536)
    assert b"200 OK" in found


def test_a_server_that_stops_finishes_what_it_is_answering_and_takes_no_more(ledger: Path, token: str) -> None:
    """What runs is answered whole, a stream ends, an idle connection is closed, and nobody new is let in; in bounded time."""
    with answering(ledger, HANDLERS) as (server, context), closing(server.connect()) as idle:
        held = [server.connect() for _ in range(2)]
        for connection, path in zip(held, ("/v1/soon", "/v1/endless"), strict=True):
            connection.sendall(_post(token, path=path).replace(b"POST", b"GET"))
        assert b"200 OK" in held[1].recv(65536)
        assert not server.ask("/readyz").json["reasons"]
        server.tell_to_stop()
        assert _read(held[0]).endswith(b"done")
        assert _read(held[1]).endswith(b"0\r\n\r\n")
        assert _read(idle) == b""
        assert context.stopping.is_set()
        with pytest.raises(OSError, match="refused"):
            server.connect().close()
        for connection in held:
            connection.close()


def test_what_hangs_keeps_a_server_from_ending_no_longer_than_it_is_told(ledger: Path, token: str) -> None:
    """A handler that does not end is cut off after `finish_timeout_s`."""
    with answering(ledger, HANDLERS, finish_timeout_s=1.0) as (server, _), closing(server.connect()) as connection:
        connection.sendall(_post(token, path="/v1/slow").replace(b"POST", b"GET"))
        time.sleep(0.2)
        began = time.monotonic()
        server.tell_to_stop()
        assert b"200" not in _read(connection)[:20]
        assert time.monotonic() - began < TIMEOUT_S / 2


def test_connections_beyond_the_limit_are_turned_away(limited: tuple[Server, Context]) -> None:
    """503 for one too many; when others have gone, there is room again."""
    server, _ = limited
    held = [server.connect() for _ in range(25)]
    try:
        turned = [_read(connection) for connection in held[20:]]
        assert all(_status(answer) == 503 for answer in turned)
    finally:
        for connection in held:
            connection.close()
    deadline = time.monotonic() + TIMEOUT_S
    while server.ask("/healthz").status != 200:
        assert time.monotonic() < deadline


def test_requests_on_one_connection_are_answered_in_order(limited: tuple[Server, Context], token: str) -> None:
    """Sent at once, without waiting; a bad one ends the connection after the answers before it."""
    server, _ = limited
    one = f"GET /v1/named/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    answer = _exchange(server, one, one.replace(b"/a", b"/b"), b"garbage\r\n\r\n")
    assert answer.index(b'{"name":"a"}') < answer.index(b'{"name":"b"}')
    assert answer.count(b"200 OK") == 2


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        ("a%2Fb", "a/b"),
        ("%2e%2e", ".."),
        ("..%2f..%2fetc%2fpasswd", "../../etc/passwd"),
        ("%252e", "%2e"),
        ("caf%C3%A9", "café"),
        ("a+b", "a+b"),
        ("%E2%82%AC;x=1", "€;x=1"),
        ("%ff", None),
        ("a%00b", None),
        ("a%0d%0aX:1", None),
        ("%C0%AF", None),
    ],
)
def test_a_segment_of_a_path_is_decoded_once(
    limited: tuple[Server, Context], token: str, segment: str, name: str | None
) -> None:
    """What stands between two slashes is one name, whatever it holds; what is no text is refused."""
    server, _ = limited
    answer = server.ask(f"/v1/named/{segment}", token=token)
    assert (answer.json["name"] if answer.status == 200 else None) == name
    assert answer.status == (400 if name is None else 200)


def test_nothing_that_a_client_sends_becomes_a_header(limited: tuple[Server, Context]) -> None:
    """A line break in a value makes no header and no answer."""
    server, _ = limited
    assert server.ask("/v1/injected?to=plain").headers["x-given"] == "plain"
    answer = server.ask("/v1/injected?to=a%0d%0aX-Evil:%201")
    assert answer.status == 500
    assert "x-evil" not in answer.headers


def test_errors_have_one_form_on_each_side_and_say_nothing_that_is_not_the_clients(
    limited: tuple[Server, Context], token: str
) -> None:
    """Problem details on ours, envelopes on the platform's; no place of a file, no address of a broker, no text of an exception."""
    server, context = limited
    for how, status, code in (
        ("broker", 503, "broker_unreachable"),
        ("damaged", 500, "bad_root"),
        ("x", 500, "internal"),
    ):
        answer = server.ask(f"/v1/fails/{how}", token=token)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
        assert (answer.json["type"], answer.json["status"], answer.json["code"]) == ("about:blank", status, code)
        for hidden in (b"kafka.internal", b"/srv", _SECRET.encode(), b"Traceback", b"ValueError"):
            assert hidden not in answer.body
    late = server.ask("/v1/fails/late", token=token)
    assert (late.status, "e1" in late.json["detail"]) == (504, True)
    answer = server.ask("/v1/fails/x", token=token)
    trace_id = answer.json["detail"].rpartition(" ")[2]
    line = next(line for line in said(context).splitlines() if trace_id in line)
    assert "ValueError" in line
    assert "tests/api/test_limits.py:" in line
    assert _SECRET not in said(context)
    assert "kafka.internal" in said(context)
    errors = server.ask("/accounts/acme/fails", token=token)
    assert (errors.status, errors.json) == (
        409,
        {
            "success": False,
            "errors": [{"code": 10021, "message": "a"}, {"code": 10057, "message": "b"}],
            "messages": [],
            "result": None,
        },
    )
    for path, form in (("/v1/none", "code"), ("/accounts/none", "errors"), ("/x", "errors"), ("/", "code")):
        answer = server.ask(path, token=token)
        assert answer.status == 404
        assert form in answer.json
    assert server.ask("/v1/named/x", method="DELETE", token=token).status == 405
