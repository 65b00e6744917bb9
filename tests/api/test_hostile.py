"""Requests that no honest client sends: what each is refused with, what it leaves behind, and that the server stays well."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from ledger.verify.api import verify
from tests.api.rig import Answer, make_token
from tests.kafka.brokers import Broker
from tests.worker.rig import wait_until
from tests.wrangler.served import Whole, whole

_MAX_BODY: Final = 300_000
_OPTIONS: Final = ("max_body_bytes=300000", "header_timeout_s=1", "body_timeout_s=1", "idle_timeout_s=3")
_BOUNDARY: Final = "b-91c2"
_MULTIPART: Final = f"multipart/form-data; boundary={_BOUNDARY}"
_SCRIPTS: Final = "/accounts/acme/workers/scripts"
_SOURCE: Final = b"export default {}\n"
_TIMEOUT_S: Final = 20


class Part(NamedTuple):
    """A part of a body: the parameters of its disposition, its content type, its content."""

    head: bytes
    type: bytes | None
    body: bytes


def metadata(text: str | bytes = '{"main_module":"index.js","bindings":[]}') -> Part:
    """The part that says what the modules are."""
    return Part(b'name="metadata"', None, text.encode() if isinstance(text, str) else text)


def module(name: bytes = b"index.js", body: bytes = _SOURCE) -> Part:
    """A module."""
    return Part(b'name="%b"; filename="%b"' % (name, name), b"application/javascript+module", body)


def multipart(*parts: Part) -> bytes:
    """A body."""
    found = []
    for head, type_, body in parts:
        found.append(b"--" + _BOUNDARY.encode() + b"\r\nContent-Disposition: form-data; " + head + b"\r\n")
        found += [b"Content-Type: " + type_ + b"\r\n"] if type_ else []
        found += [b"\r\n", body, b"\r\n"]
    return b"".join([*found, b"--" + _BOUNDARY.encode() + b"--\r\n"])


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, tansu: Broker) -> Iterator[Whole]:
    """A served ledger with one script; at the end it is well, and nothing that was sent has made it write elsewhere."""
    directory = tmp_path_factory.mktemp("hostile")
    options = [text for option in _OPTIONS for text in ("--set", option)]
    with whole(directory / "inside", tansu, *options) as served:
        put = upload(served, "honest", multipart(metadata(), module()))
        assert put.status == 200, put.body
        yield served
        assert served.server.process.poll() is None
        assert upload(served, "honest", multipart(metadata(), module(body=b"export default 2\n"))).status == 200
    assert [path.name for path in directory.iterdir()] == ["inside"]
    report = verify(served.ledger.store)
    assert report.ok, report.problems
    assert not any(b"root:" in path.read_bytes() for path in served.files())


@pytest.fixture
def unchanged(attacked: Whole) -> Iterator[Whole]:
    """The same; the test has made no entry, and the server answers after it."""
    size = attacked.ledger.size()
    yield attacked
    assert ask(attacked, f"{_SCRIPTS}/honest/deployments").status == 200
    assert attacked.ledger.size() == size


def ask(served: Whole, path: str, method: str = "GET", body: bytes | None = None, type_: str = "") -> Answer:
    """A request with the token for everything."""
    headers = {"Content-Type": type_} if type_ else {}
    return served.server.ask(path, method=method, token=served.token, headers=headers, body=body)


def upload(served: Whole, name: str, body: bytes, type_: str = _MULTIPART, **headers: str) -> Answer:
    """Upload a script."""
    given = {"Content-Type": type_, **{key.replace("_", "-"): value for key, value in headers.items()}}
    return served.server.ask(f"{_SCRIPTS}/{name}", method="PUT", token=served.token, headers=given, body=body)


def exchange(served: Whole, *pieces: bytes, pause_s: float = 0.0, shut: bool = False) -> bytes:
    """Write these bytes on a connection, and return what comes until the other side closes it."""
    with served.server.connect() as connection:
        connection.settimeout(_TIMEOUT_S)
        try:
            for number, piece in enumerate(pieces):
                if number and pause_s:
                    time.sleep(pause_s)
                connection.sendall(piece)
            if shut:
                connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it has had enough; what it said can be read all the same
        return drained(connection)


def drained(connection: socket.socket) -> bytes:
    """Everything until the end of a connection."""
    found = []
    try:
        while data := connection.recv(65536):
            found.append(data)
    except ConnectionResetError:
        pass
    return b"".join(found)


def head(served: Whole, method: str, path: str, *headers: str) -> bytes:
    """A request's line and headers, with the token."""
    lines = [f"{method} {path} HTTP/1.1", "Host: ledger", f"Authorization: Bearer {served.token}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def check_refused(answer: Answer) -> None:
    """It is the client's fault, in the platform's envelope, in words that hold nothing of this machine."""
    assert 400 <= answer.status < 500, (answer.status, answer.body)
    said = answer.json
    assert said["success"] is False
    assert said["result"] is None
    assert all(isinstance(error["code"], int) and error["message"] for error in said["errors"])
    assert said["errors"]
    for word in (b"Traceback", b'File "', b"/root", b".py"):
        assert word not in answer.body


_NAMES: Final = [
    "..",
    "%2e%2e",
    "..%2f..%2fledger.json",
    "..%5c..%5cledger.json",
    "%2fetc%2fpasswd",
    "honest%00",
    "honest%0d%0aX-Evil:%201",
    "honest%2f..%2fhonest",
    "%ff%fe",
    "%c0%ae%c0%ae",
    ".hidden",
    "-dash",
    "x" * 256,
    "honest'%20OR%201=1--",
    "honest;DROP%20TABLE%20entries",
    "%F0%9F%98%80",
    "%25%32%65%25%32%65",
]


@pytest.mark.parametrize("name", _NAMES)
def test_no_script_is_called_that(unchanged: Whole, name: str) -> None:
    """What may not be a script's name is no script: it is not found, and nothing can be uploaded under it."""
    for path in (f"{_SCRIPTS}/{name}/deployments", f"{_SCRIPTS}/{name}/versions", f"{_SCRIPTS}/{name}/secrets"):
        check_refused(ask(unchanged, path))
    check_refused(ask(unchanged, f"/accounts/acme/workers/services/{name}"))
    check_refused(ask(unchanged, f"/accounts/{name}/workers/scripts/honest/deployments"))
    check_refused(upload(unchanged, name, multipart(metadata(), module())))
    check_refused(ask(unchanged, f"{_SCRIPTS}/{name}/schedules", "PUT", b"[]", "application/json"))


@pytest.mark.parametrize(
    "name",
    [
        b"../../../../ledger.json",
        b"/etc/cron.d/job",
        b"..\\..\\keys\\ledger",
        b"blobs/../../outside.js",
        b"./a/../../b.js",
        b"%2e%2e/%2e%2e/x.js",
        "größe – 名前.js".encode(),
        b"a b;c=d.js",
    ],
)
def test_a_module_s_name_is_only_a_name(attacked: Whole, name: bytes) -> None:
    """Whatever it looks like, the module is kept under its digest and comes back under its name, or is refused."""
    before = {path for path in attacked.files() if "blobs" in path.parts}
    main = json.dumps({"main_module": name.decode(), "bindings": []})
    body = b"export default %d\n" % len(name)
    put = upload(attacked, "names", multipart(metadata(main), module(name, body)))
    if put.status != 200:
        check_refused(put)
    for path in {path for path in attacked.files() if "blobs" in path.parts} - before:
        assert len(path.name) == 64
        assert path.parent.name == path.name[:2]


_UPLOADS: Final[dict[str, tuple[bytes, str]]] = {
    "no boundary": (multipart(metadata(), module()), "multipart/form-data"),
    "another boundary": (multipart(metadata(), module()), "multipart/form-data; boundary=other"),
    "a boundary of 300 characters": (b"--" + b"x" * 300, "multipart/form-data; boundary=" + "x" * 300),
    "JSON instead": (b'{"main_module":"index.js"}', "application/json"),
    "nothing at all": (b"", _MULTIPART),
    "the end is missing": (multipart(metadata(), module())[:-12], _MULTIPART),
    "cut off in a header": (multipart(metadata(), module())[:60], _MULTIPART),
    "no metadata": (multipart(module()), _MULTIPART),
    "metadata twice": (multipart(metadata(), metadata(), module()), _MULTIPART),
    "a module twice": (multipart(metadata(), module(), module(body=b"other")), _MULTIPART),
    "a part without a name": (multipart(metadata(), Part(b'filename="x"', None, b"x")), _MULTIPART),
    "a part with an empty name": (multipart(metadata(), module(), Part(b'name=""', b"text/plain", b"x")), _MULTIPART),
    "a header without an end": (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{"x" * 100_000}'.encode(),
        _MULTIPART,
    ),
    "ten thousand parts": (multipart(metadata(), *(module(b"m%d" % n, b"") for n in range(2500))), _MULTIPART),
    "main is no module": (multipart(metadata('{"main_module":"other.js","bindings":[]}'), module()), _MULTIPART),
    "metadata is no JSON": (multipart(metadata("{"), module()), _MULTIPART),
    "metadata is a list": (multipart(metadata("[]"), module()), _MULTIPART),
    "metadata is no UTF-8": (multipart(metadata(b'{"main_module":"\xff"}'), module()), _MULTIPART),
    "NUL in metadata": (multipart(metadata(b'{"main_module":"index.js"}\0'), module()), _MULTIPART),
    "a repeated member": (
        multipart(metadata('{"main_module":"index.js","main_module":"index.js","bindings":[]}'), module()),
        _MULTIPART,
    ),
    "a repeated member in a binding": (
        multipart(
            metadata('{"main_module":"index.js","bindings":[{"name":"A","type":"plain_text","text":"1","text":"2"}]}'),
            module(),
        ),
        _MULTIPART,
    ),
    "nested a hundred thousand deep": (
        multipart(metadata('{"main_module":"index.js","x":' + "[" * 100_000 + "]" * 100_000 + "}"), module()),
        _MULTIPART,
    ),
    "half a surrogate": (
        multipart(
            metadata('{"main_module":"index.js","bindings":[{"name":"A","type":"plain_text","text":"\\ud800"}]}'),
            module(),
        ),
        _MULTIPART,
    ),
    "bindings are an object": (multipart(metadata('{"main_module":"index.js","bindings":{}}'), module()), _MULTIPART),
    "a binding without a name": (
        multipart(metadata('{"main_module":"index.js","bindings":[{"type":"plain_text","text":"x"}]}'), module()),
        _MULTIPART,
    ),
    "a binding twice": (
        multipart(
            metadata(
                '{"main_module":"index.js","bindings":[{"name":"A","type":"plain_text","text":"1"},'
                '{"name":"A","type":"plain_text","text":"2"}]}'
            ),
            module(),
        ),
        _MULTIPART,
    ),
    "a number too large for any double": (
        multipart(
            metadata('{"main_module":"index.js","bindings":[{"name":"A","type":"json","json":1e999}]}'), module()
        ),
        _MULTIPART,
    ),
    "a secret that is no text": (
        multipart(
            metadata('{"main_module":"index.js","bindings":[{"name":"A","type":"secret_text","text":["x"]}]}'), module()
        ),
        _MULTIPART,
    ),
}


@pytest.mark.parametrize("what", _UPLOADS)
def test_an_upload_that_is_none_is_refused(unchanged: Whole, what: str) -> None:
    """It makes no entry, and the answer says in the platform's form that the client is at fault."""
    body, type_ = _UPLOADS[what]
    check_refused(upload(unchanged, "honest", body, type_))
    check_refused(upload(unchanged, "never", body, type_))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "honest/deployments", b"{}"),
        ("POST", "honest/deployments", b'{"strategy":"percentage","versions":[]}'),
        ("POST", "honest/deployments", b'{"strategy":"percentage","versions":[{"version_id":"x","percentage":100}]}'),
        (
            "POST",
            "honest/deployments",
            b'{"strategy":"percentage","versions":[{"version_id":"00000000-0000-8000-8000-000000000000","percentage":100}]}',
        ),
        ("POST", "honest/deployments", b'{"versions":[{"version_id":"\' OR 1=1 --","percentage":100}]}'),
        ("POST", "honest/deployments", b"[" * 50_000),
        ("PUT", "honest/secrets", b'{"name":"A","text":5,"type":"secret_text"}'),
        ("PUT", "honest/secrets", b'{"name":"A","name":"B","text":"x","type":"secret_text"}'),
        ("PUT", "honest/secrets", b"null"),
        ("PUT", "honest/schedules", b'{"cron":"* * * * *"}'),
        ("PUT", "honest/schedules", b'[{"cron":5}]'),
        ("PUT", "honest/routes", b'[{"zone_id":"x"}]'),
        ("POST", "honest/subdomain", b'{"enabled":"yes"}'),
        ("PATCH", "honest/script-settings", b"[]"),
        ("PATCH", "honest/script-settings", b'{"tags":["a"],"tags":["b"]}'),
        ("DELETE", "honest/secrets/%2e%2e%2f", b""),
        ("GET", "honest/versions/..%2f..%2fledger.json", b""),
        ("GET", "honest/versions/' OR '1'='1", b""),
        ("GET", "honest/content/v2?version=..%2f..%2fkeys%2fledger", b""),
    ],
)
def test_a_change_that_is_none_is_refused(unchanged: Whole, method: str, path: str, body: bytes) -> None:
    """Wrong types, what is not there, repeated members, SQL: an answer that says so, and no entry."""
    target = f"{_SCRIPTS}/{path}".replace(" ", "%20").replace("'", "%27")
    check_refused(ask(unchanged, target, method, body or None, "application/json"))


def test_too_large_a_body_is_refused_before_it_has_come(unchanged: Whole) -> None:
    """A length beyond the limit is refused at once, a body without one as soon as it is beyond."""
    declared = exchange(unchanged, head(unchanged, "PUT", f"{_SCRIPTS}/big", "Content-Length: 99999999999"))
    assert declared.startswith(b"HTTP/1.1 413 ")
    chunk = b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n"
    chunked = head(unchanged, "PUT", f"{_SCRIPTS}/big", f"Content-Type: {_MULTIPART}", "Transfer-Encoding: chunked")
    assert exchange(unchanged, chunked, *[chunk] * 12).startswith(b"HTTP/1.1 413 ")
    assert upload(unchanged, "big", multipart(metadata(), module(body=b"x" * _MAX_BODY))).status == 413


_FRAMES: Final[dict[str, tuple[tuple[str, ...], bytes]]] = {
    "two different lengths": (("Content-Length: 5", "Content-Length: 6"), b"hello!"),
    "a length and chunks": (("Content-Length: 5", "Transfer-Encoding: chunked"), b"0\r\n\r\n"),
    "a negative length": (("Content-Length: -1",), b""),
    "a length with a sign": (("Content-Length: +5",), b"hello"),
    "a length in hex": (("Content-Length: 0x5",), b"hello"),
    "a chunk of no size": (("Transfer-Encoding: chunked",), b"zz\r\nhello\r\n0\r\n\r\n"),
    "a chunk of negative size": (("Transfer-Encoding: chunked",), b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk larger than it says": (("Transfer-Encoding: chunked",), b"3\r\nhello\r\n0\r\n\r\n"),
    "a space before the colon": (("Content-Length : 5",), b"hello"),
    "a header without a name": ((": nothing",), b""),
    "NUL in a header": (("X-A: b\0c",), b""),
}


@pytest.mark.parametrize("what", _FRAMES)
def test_where_a_request_ends_is_not_guessed(unchanged: Whole, what: str) -> None:
    """A request whose end can be read in two ways is refused and the connection closed: what follows is no request."""
    headers, body = _FRAMES[what]
    smuggled = head(unchanged, "PUT", f"{_SCRIPTS}/smuggled/schedules", "Content-Length: 2") + b"[]"
    said = exchange(unchanged, head(unchanged, "PUT", f"{_SCRIPTS}/honest/schedules", *headers) + body + smuggled)
    assert said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 408 ")), said
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_body_that_ends_early_makes_nothing(unchanged: Whole) -> None:
    """Whoever hangs up before all has come has changed nothing."""
    body = multipart(metadata(), module())
    for headers in ((f"Content-Length: {len(body) + 10}",), ("Transfer-Encoding: chunked",)):
        request = head(unchanged, "PUT", f"{_SCRIPTS}/honest", f"Content-Type: {_MULTIPART}", *headers)
        sent = b"%x\r\n%b\r\n" % (len(body), body) if "chunked" in headers[0] else body
        said = exchange(unchanged, request + sent, shut=True)
        assert not said.startswith(b"HTTP/1.1 2"), said


def test_a_slow_client_is_let_go(unchanged: Whole) -> None:
    """Headers and bodies that drip in are given up after their time, whatever is still sent."""
    request = head(unchanged, "GET", f"{_SCRIPTS}/honest/deployments")
    dripping = [request[place : place + 1] for place in range(len(request))]
    assert not exchange(unchanged, *dripping[:12], pause_s=0.2).startswith(b"HTTP/1.1 2")
    request = head(unchanged, "PUT", f"{_SCRIPTS}/honest", f"Content-Type: {_MULTIPART}", "Content-Length: 1000")
    assert exchange(unchanged, request, *[b"-"] * 12, pause_s=0.2).startswith(b"HTTP/1.1 408 ")


def test_many_slow_clients_keep_nobody_out(unchanged: Whole) -> None:
    """While a hundred connections wait for the rest of a request, others are answered."""
    waiting = [unchanged.server.connect() for _ in range(100)]
    try:
        for connection in waiting:
            connection.sendall(b"GET / HTTP/1.1\r\nHost:")
        assert ask(unchanged, f"{_SCRIPTS}/honest/deployments").status == 200
    finally:
        for connection in waiting:
            connection.close()


def test_nothing_of_a_request_becomes_a_header(attacked: Whole) -> None:
    """Line ends in names, messages and ids of requests end up in no header of any answer."""
    evil = "index.js\\r\\nX-Evil: 1"
    put = upload(
        attacked,
        "lines",
        multipart(
            metadata(
                f'{{"main_module":"{evil}","bindings":[],"annotations":{{"workers/message":"a\\r\\nX-Evil: 1"}}}}'
            ),
            module(b"index.js%0D%0AX-Evil: 1"),
        ),
    )
    raw = exchange(
        attacked,
        head(attacked, "GET", f"{_SCRIPTS}/honest/versions", "X-Request-Id: a\tb", "Connection: close"),
        head(attacked, "GET", f"{_SCRIPTS}/lines/content/v2?x=%0d%0aX-Evil:%201", "Connection: close"),
    )
    assert b"x-evil" not in raw.partition(b"\r\n\r\n")[0].lower()
    if put.status == 200:
        content = ask(attacked, f"{_SCRIPTS}/lines/content/v2")
        assert "x-evil" not in content.headers
    else:
        check_refused(put)


def test_a_token_of_another_account_sees_and_changes_nothing(unchanged: Whole) -> None:
    """Its own account is all there is; every other looks as if it did not exist."""
    other = make_token(unchanged.ledger.root, "other", account="else")
    wait_until(lambda: unchanged.server.ask("/user", token=other).status == 200, _TIMEOUT_S)
    for method, path, body in (
        ("GET", "honest/deployments", None),
        ("GET", "honest/versions", None),
        ("GET", "honest/secrets", None),
        ("PUT", "honest/schedules", b"[]"),
        ("POST", "honest/deployments", b"{}"),
    ):
        answer = unchanged.server.ask(f"{_SCRIPTS}/{path}", method=method, token=other, body=body)
        assert answer.status == 404, answer.body
        check_refused(answer)
    listed = unchanged.server.ask("/accounts", token=other)
    assert b"acme" not in listed.body


def test_who_has_no_token_learns_nothing(unchanged: Whole) -> None:
    """Whether a script is there or not, the answer is the same."""
    for token in (None, "x" * 43, unchanged.token[:-1], unchanged.token + "x"):
        there, not_there = (
            unchanged.server.ask(f"{_SCRIPTS}/{name}/deployments", token=token) for name in ("honest", "never")
        )
        assert there.status == not_there.status == 401
        assert there.body == not_there.body


def test_a_repeated_write_under_one_key_is_one_change(attacked: Whole) -> None:
    """The same request under the same Idempotency-Key has the same answer, however often and at how many connections."""
    body = multipart(metadata(), module(body=b"export default 'once'\n"))
    size = attacked.ledger.size()
    answers = [upload(attacked, "once", body, Idempotency_Key="k-1") for _ in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    assert len({answer.json["result"]["deployment_id"] for answer in answers}) == 1
    made = [entry for entry in attacked.ledger.all_entries() if entry["event"]["subject"] == "once"]
    assert [entry["outcome"] for entry in made if "version" in entry] == ["deployed"]
    assert {entry["outcome"] for entry in made[1:]} <= {"duplicate"}
    assert attacked.ledger.size() == size + len(made)


def test_writes_in_another_order_than_they_depend_on_are_refused(attacked: Whole) -> None:
    """A version is deployed by its own script only, and only once it is there."""
    first = upload(attacked, "one", multipart(metadata(), module(body=b"export default 11\n")))
    version = first.json["result"]["deployment_id"]
    version = (
        version
        if "-" in version
        else "-".join((version[:8], version[8:12], version[12:16], version[16:20], version[20:]))
    )
    wanted: dict[str, Any] = {"strategy": "percentage", "versions": [{"version_id": version, "percentage": 100}]}
    of_another = ask(
        attacked, f"{_SCRIPTS}/honest/deployments", "POST", json.dumps(wanted).encode(), "application/json"
    )
    check_refused(of_another)
    wanted["versions"][0]["version_id"] = f"{'0' * 8}{version[8:]}"
    not_there = ask(attacked, f"{_SCRIPTS}/one/deployments", "POST", json.dumps(wanted).encode(), "application/json")
    check_refused(not_there)


@pytest.mark.parametrize(
    "query",
    [
        "script=%27%3BDROP%20TABLE%20entries--",
        "at=%27%20OR%201=1",
        "limit=-1",
        "limit=99999999999999999999",
        "limit=1%27",
        "cursor=..%2f..%2f",
        "cursor=%00",
        "as_known_at=%ff",
    ],
)
def test_parameters_are_no_sql(unchanged: Whole, query: str) -> None:
    """Whatever stands in a query is a value or refused; it never is an error of the server."""
    for path in ("/v1/accounts/acme/scripts", "/v1/accounts/acme/deployments", f"{_SCRIPTS}/honest/versions"):
        answer = ask(unchanged, f"{path}?{query}")
        assert answer.status < 500, answer.body
        assert b"Traceback" not in answer.body


def test_what_was_sent_is_in_no_log(attacked: Whole) -> None:
    """Neither bodies nor secrets of refused requests are repeated, in answers or in the audit trail."""
    body = b'{"name":"A","text":"s3kr1t-refused-77","type":"secret_text","x":1,"name":"B"}'
    answer = ask(attacked, f"{_SCRIPTS}/honest/secrets", "PUT", body, "application/json")
    assert b"s3kr1t" not in answer.body
    part = metadata(
        '{"main_module":"none.js","bindings":[{"name":"A","type":"secret_text","text":"s3kr1t-refused-77"}]}'
    )
    assert b"s3kr1t" not in upload(attacked, "honest", multipart(part, module())).body
    assert not any(b"s3kr1t-refused-77" in Path(path).read_bytes() for path in attacked.files())
    assert not any(b"s3kr1t-refused-77" in value for value in attacked.records())
