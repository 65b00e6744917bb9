"""The audit trail: every use of a token and every name that is shown, on storage, in a chain that shows what was done to it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from litestar import Request, get

from cli.main import main
from ledger.api.access import Caller, require
from ledger.api.context import Context
from ledger.api.naming import may_name
from ledger.api.tokens import Scope
from ledger.api.trail import Trail
from ledger.api.traillines import FIRST, Line, Read, read_lines
from ledger.errors import StoreError
from ledger.logs import Log
from tests.api.rig import ROOT, TIMEOUT_S, answering, make_token, said, write_ledger

_PEOPLE = ("b" * 32, "a" * 32)


@get("/v1/people/{account:str}", guards=[require(Scope.read)])
async def people(account: str, context: Context, caller: Caller, request: Request[Any, Any, Any]) -> str:
    """Names people to whoever may know them."""
    return "names" if await may_name(context, caller, request, account, _PEOPLE) else "pseudonyms"


HANDLERS = [people]


def _use(trail: Trail, token: str = "t", status: int = 200) -> None:
    trail.use(token=token, name="n", method="GET", route="/r", account="acme", status=status)


def _lines(directory: Path) -> list[Line]:
    found = list(read_lines(directory))
    assert [read.problem for read in found] == [None] * len(found)
    return [read.line for read in found if read.line is not None]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_each_use_is_recorded_with_the_template_of_its_path_and_nothing_that_was_sent(tmp_path: Path) -> None:
    """Who, when, what, on which account, with which outcome; refused ones too; no path, query, body or token."""
    root = write_ledger(tmp_path / "ledger", 5)
    text, revoked = make_token(root, "ci", account="acme"), make_token(root, "old")
    assert main(["tokens", "revoke", "old", "--ledger", str(root)]) == 0
    with answering(root, HANDLERS) as (server, _):
        began = datetime.now(UTC) - timedelta(seconds=1)
        server.ask("/v1/people/acme?secret=s3cr3t", token=text)
        server.ask("/v1/people/beta-corp", token=text)
        server.ask("/v1/people/acme", token=revoked)
        server.ask("/v1/people/acme")
        server.ask("/v1/people/acme", token=text.replace("dlt", "xxx"))
        _until(lambda: len(list(read_lines(root / "audit"))) == 4)
    lines = _lines(root / "audit")
    uses = [(line.name, line.method, line.route, line.account, line.status) for line in lines if line.kind == "use"]
    assert uses == [
        ("ci", "GET", "/v1/people/{account}", "acme", 200),
        ("ci", "GET", "/v1/people/{account}", None, 404),
        ("", "GET", "/v1/people/{account}", None, 401),
    ]
    assert all(began < line.at <= datetime.now(UTC) for line in lines)
    written = b"".join(path.read_bytes() for path in (root / "audit").iterdir())
    for secret in (b"s3cr3t", b"beta-corp", text.split("_", 2)[2].encode(), revoked.split("_", 2)[2].encode()):
        assert secret not in written


def test_names_are_shown_to_whoever_may_know_them_and_only_once_that_is_recorded(tmp_path: Path) -> None:
    """Without the scope: pseudonyms, no line. With it: a line with whose names they were, before the answer."""
    root = write_ledger(tmp_path / "ledger", 5)
    reader, auditor = (
        make_token(root, name, *scopes) for name, scopes in (("r", (Scope.read,)), ("a", (Scope.read, Scope.audit)))
    )
    with answering(root, HANDLERS) as (server, _):
        assert server.ask("/v1/people/acme", token=reader).body == b"pseudonyms"
        assert server.ask("/v1/people/acme", token=auditor).body == b"names"
        named = [line for line in _lines(root / "audit") if line.kind == "named"]
        assert [(line.name, line.account, line.pseudonyms) for line in named] == [("a", "acme", tuple(sorted(_PEOPLE)))]


def test_what_cannot_be_recorded_is_not_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full: no names, then no answers at all (503, not healthy); when there is room again, both, and nothing is lost."""
    root = write_ledger(tmp_path / "ledger", 5)
    text = make_token(root)
    with answering(root, HANDLERS) as (server, context):
        is_full = True
        append = Trail._append

        def full(trail: Trail, name: str, data: bytes) -> None:
            if is_full:
                raise StoreError("disk_full", "could not write: No space left on device")
            append(trail, name, data)

        monkeypatch.setattr(Trail, "_append", full)
        refused = server.ask("/v1/people/acme", token=text)
        assert (refused.status, refused.json["code"]) == (503, "audit_unwritten")
        assert server.ask("/v1/status", token=text).status == 503
        assert server.ask("/healthz").status == 503
        assert "No space left on device" not in server.ask("/healthz").body.decode()
        assert "No space left on device" in said(context)
        is_full = False
        _until(lambda: server.ask("/healthz").status == 200)
        assert server.ask("/v1/people/acme", token=text).body == b"names"
        _until(lambda: len([line for line in _lines(root / "audit") if line.kind == "use"]) == 3)


def test_lines_are_chained_over_days_and_by_several_processes(tmp_path: Path) -> None:
    """Each holds the hash of the one before it; files are named for their days; writers of one directory take turns."""
    days = iter([datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)])
    trail = Trail(tmp_path, Log(stream=StringIO()), lambda: next(days))
    _use(trail)
    _use(trail)
    trail.close()
    assert sorted(path.name for path in tmp_path.glob("*.ndjson")) == ["2026-01-31.ndjson", "2026-02-01.ndjson"]
    trails = [Trail(tmp_path, Log(stream=StringIO())) for _ in range(3)]

    def write(trail: Trail) -> None:
        for number in range(100):
            _use(trail, status=number)
            time.sleep(0.001)

    threads = [threading.Thread(target=write, args=(trail,)) for trail in trails]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT_S)
    for trail in trails:
        trail.close()
    lines = _lines(tmp_path)
    assert [line.number for line in lines] == list(range(302))
    raw = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("*.ndjson"))).splitlines()
    assert [line.prev for line in lines] == [FIRST, *(sha256(line).hexdigest() for line in raw[:-1])]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.glob("*.ndjson"))


def _tamper(how: str, lines: list[bytes]) -> list[bytes]:
    match how:
        case "edited":
            return [*lines[:1], lines[1].replace(b'"status":200', b'"status":404'), *lines[2:]]
        case "removed":
            return [lines[0], *lines[2:]]
        case "swapped":
            return [lines[1], lines[0], *lines[2:]]
        case _:
            return [lines[0], lines[0], *lines[1:]]


@pytest.mark.parametrize("how", ["edited", "removed", "swapped", "repeated"])
def test_what_was_done_to_the_trail_is_found(tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A line changed, removed, moved or repeated: `ledger tokens uses` says where and exits with 3; untouched, with 0."""
    root = write_ledger(tmp_path / "ledger", 5)
    trail = Trail(root / "audit", Log(stream=StringIO()))
    for _ in range(4):
        _use(trail)
    trail.close()
    assert main(["tokens", "uses", "--ledger", str(root)]) == 0
    (file,) = (root / "audit").glob("*.ndjson")
    file.write_bytes(b"\n".join([*_tamper(how, file.read_bytes().splitlines()), b""]))
    capsys.readouterr()
    assert main(["tokens", "uses", "--ledger", str(root)]) == 3
    assert f"warning: {file.name}: line" in capsys.readouterr().err


def test_a_crash_between_two_bytes_of_a_line_spoils_no_other(tmp_path: Path) -> None:
    """Kill -9 while lines are written, many times: whole lines follow one another, a torn one stands alone and is named."""
    script = (
        "import sys; from pathlib import Path; from ledger.api.trail import Trail; from ledger.logs import Log\n"
        "trail = Trail(Path(sys.argv[1]), Log())\n"
        "print('ready', flush=True)\n"
        "while True: trail.use(token='t', name='n', method='GET', route='/r', account=None, status=200)\n"
    )
    for _ in range(3):
        running = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert running.stdout is not None
        running.stdout.readline()
        _until(lambda: any(path.stat().st_size for path in tmp_path.glob("*.ndjson")))
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=TIMEOUT_S)
    newest = max(tmp_path.glob("*.ndjson"))
    with newest.open("ab") as file:
        file.write(b'{"number":')
    trail = Trail(tmp_path, Log(stream=StringIO()))
    _use(trail, "after")
    trail.close()
    found: list[Read] = list(read_lines(tmp_path))
    torn = [read for read in found if read.line is None]
    assert 1 <= len(torn) <= 4
    assert found[-1].line is not None
    assert (found[-1].line.token, found[-1].problem) == ("after", None)
    assert [read.problem for read in found if read.line is not None] == [None] * (len(found) - len(torn))


def test_a_write_that_failed_half_way_leaves_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills between two bytes: once there is room, each line stands there once, and the chain holds."""
    trail = Trail(tmp_path, Log(stream=StringIO()))
    _use(trail, "before")
    _until(lambda: trail._waiting.empty() and any(tmp_path.glob("*.ndjson")))
    room = 30
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        nonlocal room
        if room <= 0:
            raise OSError(28, "No space left on device")
        room -= 30
        return write(descriptor, data[:30])

    with monkeypatch.context() as patched:
        patched.setattr("ledger.api.trail.os.write", full)
        for number in range(3):
            _use(trail, f"t{number}")
        _until(lambda: trail.failure is not None)
    _until(lambda: trail.failure is None)
    trail.close()
    assert [line.token for line in _lines(tmp_path)] == ["before", "t0", "t1", "t2"]


def test_the_end_of_a_long_day_is_found_without_reading_all_of_it(tmp_path: Path) -> None:
    """The last line counts, however long lines are and whatever torn ones stand after it."""
    trail = Trail(tmp_path, Log(stream=StringIO()))
    for count in (1, 20_000, 1):
        named = [f"{number:032x}" for number in range(count)]
        trail.named(token="t", name="n", route="/r", account="acme", pseudonyms=named).result(TIMEOUT_S)
    trail.close()
    for torn in (b"", b"x" * 200_000):
        with max(tmp_path.glob("*.ndjson")).open("ab") as file:
            file.write(torn)
        trail = Trail(tmp_path, Log(stream=StringIO()))
        _use(trail)
        trail.close()
    assert [read.line and read.line.number for read in read_lines(tmp_path)] == [0, 1, 2, 3, None, 4]
    assert [read.problem for read in read_lines(tmp_path) if read.line] == [None] * 5


def test_uses_are_shown_of_one_token_or_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest first, so many at most; a token is named or meant by its id; no trail is exit code 4."""
    root = write_ledger(tmp_path / "ledger", 5)
    ids = [make_token(root, name).split("_")[1] for name in ("one", "two")]
    assert main(["tokens", "uses", "--ledger", str(root)]) == 4
    trail = Trail(root / "audit", Log(stream=StringIO()))
    for number in range(6):
        _use(trail, ids[number % 2], 200 + number)
    trail.close()
    capsys.readouterr()
    assert main(["tokens", "uses", "two", "--limit", "2", "--json", "--ledger", str(root)]) == 0
    assert [row["status"] for row in json.loads(capsys.readouterr().out)] == [205, 203]
    assert main(["tokens", "uses", ids[0][:6], "--json", "--ledger", str(root)]) == 0
    assert [row["status"] for row in json.loads(capsys.readouterr().out)] == [204, 202, 200]
    assert main(["tokens", "uses", "nobody", "--ledger", str(root)]) == 4
