"""`ledger verify` as people use it: options, formats, exit codes, what is said beside."""

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ledger.log.ledgerfile import read_ledger_file
from ledger.storage import layout
from ledger.storage.local import LocalStore
from tests.cli.conftest import Run
from tests.verify.tampering import honest, parts_of


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """An honest ledger of twelve entries on disk."""
    store = LocalStore(tmp_path / "audit")
    log = honest()
    store.put_many([(name, log.store.get(name)) for name in log.store.list("")])
    (tmp_path / "second.checkpoint").write_bytes(parts_of(log)[1][2])
    return tmp_path / "audit"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server that has what lies beside the ledger."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def verified(run: Run, ledger: Path, *options: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON report, and what was said."""
    code, out, err = run("verify", "--ledger", str(ledger), "--json", *options)
    return code, json.loads(out) if out else {}, err


def test_the_report_is_documented_json(run: Run, ledger: Path) -> None:
    """What programs read."""
    code, report, err = verified(run, ledger, "--replay")
    assert code == 0
    assert {name: report[name] for name in ("ledger", "ok", "entries", "problems", "trust", "extends", "notices")} == {
        "ledger": "test",
        "ok": True,
        "entries": 12,
        "problems": [],
        "trust": "beside",
        "extends": [],
        "notices": [],
    }
    assert report["shards"][0]["replayed"] == 12
    assert "keep it elsewhere" in err


def test_a_problem_has_all_its_parts(run: Run, ledger: Path) -> None:
    """Exit code 3; kind, shard, index, file, what was expected and found."""
    verified(run, ledger)
    (ledger / layout.segment(0, 8)).unlink()
    code, report, err = verified(run, ledger)
    assert code == 3
    problem = report["problems"][0]
    assert problem.pop("message")
    assert problem == {
        "kind": "truncated",
        "shard": 0,
        "index": 8,
        "exact": True,
        "file": layout.segment(0, 4),
        "expected": "12",
        "found": "8",
    }
    assert "1 problem" in err


def test_the_table_says_the_same(run: Run, ledger: Path) -> None:
    """For people: verdict, shards, problems with `>=` where the index is only a bound."""
    code, out, _ = run("verify", "--ledger", str(ledger))
    assert code == 0
    assert "verdict  verified" in out
    segment = ledger / layout.segment(0, 4)
    data = bytearray(segment.read_bytes())
    data[-1] ^= 1
    segment.write_bytes(bytes(data))
    code, out, _ = run("verify", "--ledger", str(ledger))
    assert code == 3
    assert "NOT VERIFIED" in out
    assert "bit_flip" in out


@pytest.mark.parametrize("kind", ["file", "url", "directory"])
def test_against_takes_a_file_a_url_and_a_ledger(run: Run, ledger: Path, web: str, kind: str, tmp_path: Path) -> None:
    """Each names a checkpoint that the log extends."""
    where = {"file": str(tmp_path / "second.checkpoint"), "url": f"{web}/second.checkpoint", "directory": str(ledger)}
    code, report, _ = verified(run, ledger, "--against", where[kind])
    assert code == 0
    assert report["extends"] == ["test/0000 12" if kind == "directory" else "test/0000 8"]


@pytest.mark.parametrize(
    ("where", "code"), [("nowhere", 4), ("http://127.0.0.1:9/checkpoint", 5), ("audit/ledger.json", 3)]
)
def test_against_what_is_no_checkpoint(run: Run, ledger: Path, tmp_path: Path, where: str, code: int) -> None:
    """Not found, not reachable, not a checkpoint: said in a line, without a verdict."""
    place = where if "://" in where else str(tmp_path / where)
    found, report, err = verified(run, ledger, "--against", place)
    assert (found, report) == (code, {})
    assert err.startswith("error: ")


def test_against_another_ledgers_checkpoint_is_a_usage_error(run: Run, ledger: Path, tmp_path: Path) -> None:
    """A checkpoint says of which log it is."""
    other = tmp_path / "other.checkpoint"
    other.write_bytes((tmp_path / "second.checkpoint").read_bytes().replace(b"test/", b"else/"))
    assert verified(run, ledger, "--against", str(other))[0] == 2


def test_a_key_may_be_given_by_a_file(run: Run, ledger: Path, tmp_path: Path) -> None:
    """The verdict then rests on it."""
    key = tmp_path / "audit.vkey"
    key.write_text(read_ledger_file(LocalStore(ledger)).vkey + "\n")
    code, report, err = verified(run, ledger, "--vkey", str(key))
    assert (code, report["trust"], err) == (0, "pinned", "")
    for wrong in ("no such file", ""):
        assert run("verify", "--ledger", str(ledger), "--vkey", wrong)[0] == 2


def test_the_second_run_knows_the_key_and_goes_on_where_the_first_ended(run: Run, ledger: Path) -> None:
    """`--since last`, by whatever path the ledger is named."""
    assert verified(run, ledger, "--since", "last")[0] == 2
    verified(run, ledger)
    code, report, _ = verified(run, ledger / ".." / "audit", "--since", "last")
    assert (code, report["trust"], report["shards"][0]["since"]) == (0, "seen", 12)


def test_no_remember_leaves_no_trace_and_knows_nothing(
    run: Run, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No state directory is made, and one that is there is not read."""
    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    verified(run, ledger, "--no-remember")
    assert not state.exists()
    verified(run, ledger)
    (ledger / layout.segment(0, 8)).unlink()
    assert verified(run, ledger)[0] == 3
    assert verified(run, ledger, "--no-remember")[0] == 0
    assert verified(run, ledger, "--no-remember", "--since", "last")[0] == 2


def test_a_state_that_cannot_be_kept_is_a_warning(
    run: Run, ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict is what counts."""
    (tmp_path / "state").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    code, _, err = verified(run, ledger)
    assert code == 0
    assert err.startswith("warning: ")


def test_verifying_writes_nothing_into_the_ledger(run: Run, ledger: Path) -> None:
    """Not a byte, not a name, not a time of change."""
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in ledger.rglob("*")}
    verified(run, ledger, "--replay")
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in ledger.rglob("*")} == before
