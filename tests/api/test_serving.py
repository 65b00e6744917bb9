"""The server as a process: starting, probes, stopping."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.api.server import listening_socket
from ledger.api.settings import Settings
from tests.api.rig import ROOT, TIMEOUT_S, Server, make_token, serving


def _refused(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "cli", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False, cwd=ROOT)


def test_probes_answer_everybody_and_numbers_only_tokens_of_all_accounts(
    server: Server, ledger: Path, token: str
) -> None:
    """Health needs no token; metrics need one, for they are about all accounts."""
    for path in ("/healthz", "/readyz"):
        assert server.ask(path).json == {"status": "ok", "reasons": []}
        head = server.ask(path, method="HEAD")
        assert (head.status, head.body) == (200, b"")
    assert server.ask("/metrics").status == 401
    assert server.ask("/metrics", token=make_token(ledger, "one", account="acme")).json["code"] == "all_accounts"
    text = server.ask("/metrics", token=token).body.decode()
    assert 'ledger_api_requests_total{method="HEAD",route="/healthz",status="200"} 1.0' in text
    assert 'ledger_api_refused_total{reason="no token"} 1.0' in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_0_also_while_clients_are_silent(ledger: Path, number: int) -> None:
    """Open connections without a request keep nobody waiting; nothing but the end is said."""
    with serving(ledger) as server, server.connect() as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(1000).startswith(b"HTTP/1.1 200")
        code, err = server.stop(number)
        assert (code, err) == (0, "stopped\n")


def test_what_keeps_it_from_starting_is_said_in_a_line(ledger: Path, tmp_path: Path) -> None:
    """A port that is taken, no ledger, a host that is open to others without tokens, a bad setting: exit codes and hints as everywhere."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, code, message in (
            (("--ledger", str(ledger), "--port", port), 5, "cannot listen at 127.0.0.1"),
            (("--ledger", str(tmp_path / "none")), 4, "there is no ledger"),
            (("--ledger", str(ledger), "--insecure", "--host", "0.0.0.0"), 2, "is not this machine alone"),
            (("--ledger", str(ledger), "--set", "max_body_bytes=x"), 2, "max_body_bytes"),
            (("--ledger", "s3://bucket/x", "--port", "0"), 2, "audit"),
        ):
            done = _refused(*arguments)
            assert (done.returncode, done.stdout) == (code, ""), done.stderr
            assert message in done.stderr
            assert "Traceback" not in done.stderr


HANGING = """
import asyncio, sys, time
from litestar import Router, get
from ledger.api import app, server
from ledger.api.access import OPEN
from ledger.api.settings import Settings
from ledger.logs import Log

@get("/v1/hangs", opt={OPEN: True})
async def hangs() -> None:
    await asyncio.to_thread(time.sleep, 600)

own = app.all_routes
app.all_routes = lambda: [*own(), Router("/", route_handlers=[hangs])]
server._LEAVING_S = 0.5
settings = Settings(ledger=sys.argv[1], cluster=None, api_port=0, finish_timeout_s=1.0)
server.serve(settings, Log(), lambda url: print(url, flush=True))
"""


def test_what_hangs_in_a_thread_does_not_keep_the_process(ledger: Path) -> None:
    """A store that never answers: the server ends by itself a moment after the time to finish, with the exit code of a store, and says so."""
    running = subprocess.Popen(
        [sys.executable, "-c", HANGING, str(ledger)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert running.stdout is not None
        server = Server(running, running.stdout.readline().strip())
        with server.connect() as connection:
            connection.sendall(b"GET /v1/hangs HTTP/1.1\r\nHost: x\r\n\r\n")
            assert server.ask("/healthz").status == 200  # the other request has been taken by then
            code, err = server.stop()
        assert code == 5
        assert "something hangs" in err
    finally:
        running.kill()
        running.communicate()


def test_answers_do_not_wait_for_acknowledgements(ledger: Path) -> None:
    """The socket names its protocol, without which asyncio leaves Nagle's algorithm on: 40 ms for each answer of two packets."""
    with listening_socket(Settings(ledger=str(ledger), cluster=None, api_port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP
