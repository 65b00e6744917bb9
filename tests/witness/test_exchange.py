"""The client against witnesses that misbehave: every answer that is none is said, bounded and never kept."""

import socket
import threading
import time
from collections.abc import Callable

import pytest

from ledger.errors import UsageError, WitnessError
from ledger.proof.notes import SignatureLine
from ledger.witness.exchange import MAX_ANSWER_BYTES, exchange, parse_prefix
from ledger.witness.stored import cosigned_checkpoint
from tests.log.rig import SHARD
from tests.witness.rig import SECOND, SIGNER, fake, http, new_log, pushed, tree_of

SIZE = "Content-Type: text/x.tlog.size"


def line(text: str) -> bytes:
    """A good cosignature of a checkpoint's text."""
    return str(SIGNER.sign(text, 1)).encode()


@pytest.mark.parametrize(
    ("answer", "code", "exit_code"),
    [
        (lambda _: http(400), "witness_refused", 5),
        (lambda _: http(403), "witness_wrong_key", 5),
        (lambda _: http(404), "witness_unknown_log", 5),
        (lambda _: http(422), "fork", 3),
        (lambda _: http(500), "witness_answer", 5),
        (lambda _: http(201), "witness_answer", 5),
        (lambda _: http(301, b"", "Location: http://127.0.0.1:1/"), "witness_redirect", 5),
        (lambda _: http(307, b"", "Location: http://127.0.0.1:1/"), "witness_redirect", 5),
        (lambda _: http(409, b"99\n", SIZE), "rollback", 3),
        (lambda _: http(409, b"0\n", SIZE), "witness_answer", 5),
        (lambda _: http(409, b"4\n"), "witness_answer", 5),
        (lambda _: http(409, b"4", SIZE), "witness_answer", 5),
        (lambda _: http(409, b"04\n", SIZE), "witness_answer", 5),
        (lambda _: http(409, b"-4\n", SIZE), "witness_answer", 5),
        (lambda _: http(409, b"\xff\n", SIZE), "witness_answer", 5),
        (lambda _: http(409, b"", SIZE), "witness_answer", 5),
        (lambda _: http(200), "witness_answer", 5),
        (lambda _: http(200, b"thank you\n"), "witness_answer", 5),
        (lambda _: http(200, b"\xff\xfe"), "witness_answer", 5),
        (lambda _: http(200, b"x" * (MAX_ANSWER_BYTES + 1)), "witness_answer", 5),
        (lambda _: http(422, b"x" * (MAX_ANSWER_BYTES + 1)), "witness_answer", 5),
        (lambda text: http(200, line(text)[:-1]), "witness_answer", 5),
        (lambda text: http(200, line(text) + b"\n"), "witness_answer", 5),
        (lambda text: http(200, line(text.replace("\n10\n", "\n11\n"))), "witness_answer", 5),
        (lambda text: http(200, str(SECOND.sign(text, 1)).encode()), "witness_answer", 5),
        (lambda _: b"SSH-2.0-OpenSSH\r\n", "witness_answer", 5),
        (lambda _: b"HTTP/1.1 2", "witness_answer", 5),
        (lambda _: b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "witness_answer", 5),
        (lambda _: b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "witness_answer", 5),
    ],
    ids=[
        "malformed",
        "another key",
        "unknown log",
        "fork",
        "internal error",
        "another success",
        "moved",
        "moved, method kept",
        "larger",
        "the size that was sent",
        "size without type",
        "size without newline",
        "size with a zero",
        "negative size",
        "size that is no text",
        "no size",
        "nothing",
        "words",
        "not UTF-8",
        "too long",
        "fork, too long",
        "line without newline",
        "empty line",
        "another checkpoint",
        "another witness",
        "another protocol",
        "cut short",
        "too many headers",
        "a header that is too long",
    ],
)
def test_what_a_witness_answers_instead_of_a_cosignature(
    answer: Callable[[str], bytes], code: str, exit_code: int
) -> None:
    """Each answer has its code and exit code, nothing is stored, and no answer is followed or taken for another."""
    log = new_log(10)
    text = tree_of(log).checkpoint.text
    with fake(lambda _: answer(text)) as url:
        row = pushed(log, url)
    assert (row.state, row.exit_code) == (code, exit_code)
    assert row.message
    assert cosigned_checkpoint(log.store, SHARD) is None


def test_lines_of_unknown_keys_are_ignored() -> None:
    """A witness may answer with lines of other keys; its own is kept and nothing else."""
    log = new_log(10)
    text = tree_of(log).checkpoint.text
    unknown = str(SignatureLine(name="else", key_id=b"1234", signature=b"?" * 100)).encode()
    with fake(lambda _: http(200, unknown + str(SECOND.sign(text, 1)).encode() + line(text))) as url:
        assert pushed(log, url).state == "cosigned"
    assert cosigned_checkpoint(log.store, SHARD) == tree_of(log).note + line(text)


def test_a_witness_that_never_agrees_on_the_size_is_given_up() -> None:
    """Three submissions, each proved from where the answer before said; then it is busy."""
    log = new_log(10)
    sizes = [b"3\n", b"4\n", b"5\n", b"6\n"]
    bodies: list[bytes] = []

    def respond(body: bytes) -> bytes:
        bodies.append(body)
        return http(409, sizes[len(bodies) - 1], SIZE)

    with fake(respond) as url:
        row = pushed(log, url)
    assert row.state == "witness_busy"
    assert [body.partition(b"\n")[0] for body in bodies] == [b"old 0", b"old 3", b"old 4"]


def test_a_silent_witness_is_left_after_the_time_that_it_has() -> None:
    """Nothing is waited for longer."""
    log = new_log(10)
    started = time.monotonic()
    with fake(lambda _: b"") as url:
        assert pushed(log, url, seconds=0.3).state == "witness_timeout"
        assert time.monotonic() - started < 5


def test_a_dripping_witness_is_left_after_the_time_that_it_has() -> None:
    """A byte now and then does not extend the time: it is the whole exchange's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                try:
                    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200:
                        connection.sendall(bytes([byte]))
                        time.sleep(0.05)
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        started = time.monotonic()
        with pytest.raises(WitnessError) as caught:
            exchange(parse_prefix(f"http://127.0.0.1:{port}"), "add-checkpoint", b"body", seconds=0.5)
        assert caught.value.code == "witness_timeout"
        assert time.monotonic() - started < 5
        thread.join(10)


def test_nobody_there_is_unreachable() -> None:
    """Exit code 5, and the URL is named."""
    row = pushed(new_log(10), "http://127.0.0.1:1")
    assert (row.state, row.exit_code) == ("witness_unreachable", 5)
    assert "http://127.0.0.1:1" in str(row.message)


def test_plain_http_behind_https_is_unreachable() -> None:
    """A server that speaks no TLS is no crash."""
    with fake(lambda _: http(200)) as url, pytest.raises(WitnessError) as caught:
        exchange(parse_prefix(url.replace("http:", "https:")), "add-checkpoint", b"x", seconds=2)
    assert caught.value.code in {"witness_unreachable", "witness_timeout"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "witness.example",
        "ftp://witness.example",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "http://user:secret@witness.example",
        "http://witness.example/?a=b",
        "http://witness.example/#a",
        "http://witness.example:0",
        "http://witness.example:99999",
        "http://witness.example:x",
        "http://[::1",
        "http://witness.example/a b",
        "http://witness.example/\r\nX: y",
        "http://wítness.example",
    ],
)
def test_other_urls_are_no_witnesses(url: str) -> None:
    """A prefix is http or https, a host, perhaps a port and a path."""
    with pytest.raises(UsageError) as caught:
        parse_prefix(url)
    assert caught.value.code == "bad_witness_url"


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("http://127.0.0.1:7380", "127.0.0.1", 7380, ""),
        ("https://witness.example/", "witness.example", 443, ""),
        ("http://[::1]:80/a/b/", "::1", 80, "/a/b"),
    ],
)
def test_a_prefix_is_taken_apart(url: str, host: str, port: int, path: str) -> None:
    """Without the slash at its end, which would be doubled."""
    prefix = parse_prefix(url)
    assert (prefix.host, prefix.port, prefix.path, prefix.url) == (host, port, path, url.rstrip("/"))
