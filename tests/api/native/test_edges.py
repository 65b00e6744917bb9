"""Ledgers as one meets them: empty, without keys, damaged, shorter than they were, in an object store."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.api.native.ledgerpool import LedgerPool
from ledger.api.native.sight import Sight
from ledger.query import copying, questions
from ledger.query.opened import OpenLedger
from ledger.storage import layout
from ledger.storage.local import LocalStore
from ledger.storage.memory import MemoryStore
from tests.api.native.rig import watching, write_more
from tests.api.rig import Server, answering, make_token, said, write_ledger
from tests.worker.rig import wait_until

LISTS = (
    "scripts",
    "at?time=now",
    "rejected",
    "notes",
    "stats",
    "schedule",
    "skew",
    "exposure?secret=A",
    "diff?a=2022-01-01&b=now",
)


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[tuple[Server, str, Path]]:
    """A ledger in which nothing was recorded yet."""
    root = write_ledger(tmp_path / "ledger", 0)
    token = make_token(root)
    with answering(root) as (server, _):
        yield server, token, root


def test_an_empty_ledger_has_empty_answers(empty: tuple[Server, str, Path]) -> None:
    """Lists are empty, things are not found, and the stream has what comes first."""
    server, token, root = empty
    for path in LISTS:
        answer = server.ask(f"/v1/{path}", token=token)
        assert (answer.status, answer.body) == (200, b"[]\n"), path
        lines = server.ask(f"/v1/{path}", token=token, headers={"accept": "application/x-ndjson"})
        assert (lines.status, lines.body) == (200, b""), path
    assert server.ask("/v1/status", token=token).json["size"] == 0
    for path in (
        "log/0/checkpoint",
        "log/0/tile/0/000",
        "receipts/0/0",
        "entries/0/0",
        "accounts/acme/proof",
        "show/0/0",
    ):
        assert server.ask(f"/v1/{path}", token=token).status == 404, path
    with watching(server, token) as stream:
        write_more(root, 0, 3)
        assert [event.data["entry"] for event in stream.take(3)] == ["0/0", "0/1", "0/2"]


def test_without_keys_people_are_pseudonyms(tmp_path: Path) -> None:
    """Whatever the token may see."""
    root = write_ledger(tmp_path / "ledger", 50)
    token = make_token(root)
    shutil.rmtree(root / "keys")
    with answering(root) as (server, _):
        answer = server.ask("/v1/scripts?limit=1", token=token)
        assert (answer.status, "@" in answer.json[0]["author"]) == (200, False)
        assert server.ask("/v1/who?person=ana%40acme.example", token=token).json["code"] == "person_not_found"


def test_what_is_damaged_is_said_to_the_log_and_not_to_who_asks(tmp_path: Path) -> None:
    """A code, no path of this machine; what can be read is answered."""
    root = write_ledger(tmp_path / "ledger", 100)
    token = make_token(root)
    with answering(root) as (server, context):
        last = max((root / "log/0000").iterdir())
        last.write_bytes(b"\0" * 50 + last.read_bytes()[50:])
        for path in ("status", "scripts", "show/0/99", "entries/0/99"):
            answer = server.ask(f"/v1/{path}", token=token)
            assert (answer.status, str(root) in answer.body.decode()) == (500, False), path
        assert server.ask("/v1/entries/0/3", token=token).status == 200
        assert "segment_unreadable" in said(context)


def test_a_log_that_lost_what_was_seen_has_no_answers(tmp_path: Path) -> None:
    """Rather than those of a shorter one."""
    root = write_ledger(tmp_path / "ledger", 100)
    token = make_token(root)
    with answering(root) as (server, _):
        max((root / "log/0000").iterdir()).unlink()
        answer = server.ask("/v1/scripts", token=token)
    assert (answer.status, answer.json["code"]) == (500, "segment_missing")


def test_the_copy_of_an_object_store_is_extended(tmp_path: Path) -> None:
    """What is there is not fetched again, what is compacted meanwhile does no harm, nothing half is left."""
    root = write_ledger(tmp_path / "ledger", 100)
    store, copy = MemoryStore(), tmp_path / "copy"
    for name in LocalStore(root).list(""):
        store.put(name, LocalStore(root).get(name))
    copying.copy_log(store, copy)
    files = sorted(path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file())
    assert files == sorted(store.list(layout.LOG))
    (copy / files[0]).write_bytes(b"kept")
    store.put(layout.segment(0, 100), b"new")
    copying.copy_log(store, copy)
    assert (copy / files[0]).read_bytes() == b"kept"
    assert (copy / layout.segment(0, 100)).read_bytes() == b"new"


def test_opened_ledgers_forget_who_was_erased(tmp_path: Path) -> None:
    """A kept ledger names them no more once their key is gone."""
    root = write_ledger(tmp_path / "ledger", 50)
    ledgers = LedgerPool(str(root), None)
    sight = Sight(sizes=(50,), accounts=None, named=True)

    def names(ledger: OpenLedger) -> set[str | None]:
        return {row.author for row in questions.scripts(ledger)}

    first = ledgers.take(sight)
    assert any("@" in (name or "") for name in names(first))
    ledgers.give_back(sight, first)
    for path in (root / "keys/people").rglob("*.json"):
        path.unlink()
    again = ledgers.take(sight)
    assert again is first
    assert not any("@" in (name or "") for name in names(again))
    ledgers.give_back(sight, again)
    ledgers.close()


def test_erased_people_leave_kept_answers_too(tmp_path: Path) -> None:
    """Over HTTP: what names people is kept nowhere."""
    root = write_ledger(tmp_path / "ledger", 50)
    token = make_token(root)
    with answering(root) as (server, context):
        assert b"@" in server.ask("/v1/scripts", token=token).body
        for path in (root / "keys/people").rglob("*.json"):
            path.unlink()
        wait_until(lambda: b"@" not in server.ask("/v1/scripts", token=token).body, 20)
        assert context.pool is not None
