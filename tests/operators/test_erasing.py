"""`ledger erase`, with a real broker and a worker that goes on running."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from ledger.errors import StoreError
from ledger.storage.keyfiles import people_prefix
from ledger.storage.local import LocalStore
from ledger.verify.api import verify
from tests.operators.conftest import Json, Scene, event, place
from tests.worker.rig import wait_until

CRON: Json = {"crons": {"merge": {"0 0 * * *": {}}}}


def person(name: str, **more: str) -> Json:
    """An actor by whose name nothing else in the ledger goes."""
    return {"type": "user", "id": f"u_{name}", "email": f"{name}@people.example", "ip": "203.0.113.77"} | more


def contents(root: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file of a ledger, segments unpacked."""
    for path in root.rglob("*"):
        if path.is_file():
            raw = path.read_bytes()
            yield path, raw
            if path.suffix == ".zst":
                yield path, zstandard.ZstdDecompressor().stream_reader(raw).read()


def pseudonym(entry: Json) -> str:
    """Of who made an entry."""
    found: str = entry["event"]["data"]["actor"]["pseudonym"]
    return found


def test_an_erased_person_is_found_nowhere_and_everything_verifies(scene: Scene) -> None:
    """By id; with the worker running, which makes somebody new of them when they act again."""
    (first,) = scene.send(event("gone", "e1", actor=person("gustav")))
    scene.send(event("gone", "e2", actor=person("keeper"), **CRON))
    code, out, err = scene.act("erase", "u_gustav", "--dry-run", "--json")
    assert code == 0, err
    (shown,) = json.loads(out)
    assert (shown["id"], shown["emails"], shown["entries"]) == ("u_gustav", ["gustav@people.example"], 1)
    assert "gustav@people.example" in scene("history", "shop", "--account", "gone")[1]
    code, out, err = scene.act("erase", "u_gustav", "--reason", "request 41", "--by", "keeper", "--yes", "--json")
    assert code == 0, err
    (row,) = json.loads(out)
    assert row["pseudonym"] == pseudonym(first)
    (note,) = scene.ask("note", "list", "--account", "gone")
    assert (note["entry"], note["subject"], note["action"]) == (row["note"], row["pseudonym"], "erase")
    assert note["detail"] == {"entries": 1, "reason": "request 41"}
    for path, raw in contents(scene.root):
        assert b"gustav" not in raw.lower(), path
        assert b"203.0.113.77" not in raw, path
    for words in (("history", "shop", "--account", "gone"), ("sql", "SELECT * FROM entries"), ("show", place(first))):
        assert "gustav" not in scene(*words)[1]
    assert "keeper@people.example" in scene("history", "shop", "--account", "gone")[1]
    report = verify(scene.ledger.store, replay=True)
    assert report.ok, report.problems
    assert scene.act("erase", "u_gustav", "--yes")[0] == 4
    code, _, err = scene.act("erase", row["pseudonym"], "--yes")
    assert code == 0
    assert f"was erased before: entry {row['note']}" in err


def test_a_running_worker_does_not_go_on_with_an_erased_persons_key(scene: Scene) -> None:
    """Whether the key was made by it or read: within the time of its look-around they are somebody new."""
    (first,) = scene.send(event("again", "a1", actor=person("anton")))
    seen = {pseudonym(first)}
    for turn in range(2):  # the second key was made by the worker as well, and erased before it could be read
        assert scene.act("erase", "anton@PEOPLE.example", "--yes", "--account", "again")[0] == 0
        tries = iter(range(100))

        def act(turn: int = turn, tries: Iterator[int] = tries) -> bool:
            (entry,) = scene.send(event("again", f"a2-{turn}-{next(tries)}", actor=person("anton"), **CRON))
            return pseudonym(entry) not in seen

        wait_until(act, 30)
        seen.add(pseudonym(scene.send(event("again", f"a3-{turn}", actor=person("anton")))[0]))
        assert len(seen) == turn + 2
    stored = list((scene.root / "keys" / people_prefix("again")).iterdir())
    assert len([path for path in stored if json.loads(path.read_bytes())["pseudonym"] in seen]) == 1


def test_who_is_sealed_in_somebody_elses_identity_is_erased_there_too(scene: Scene) -> None:
    """A token that acted on their behalf names them under its own key."""
    token = {"type": "token", "id": "t_ci", "on_behalf_of": "u_bertha"}
    scene.send(event("tokens", "t1", actor=person("bertha")), event("tokens", "t2", actor=token, **CRON))
    code, out, err = scene.act("erase", "bertha@people.example", "--yes", "--json")
    assert code == 0, err
    assert len(json.loads(out)) == 2
    assert "bertha" not in scene("sql", "SELECT author FROM entries")[1]


def test_somebody_in_several_accounts_is_erased_where_it_is_said(scene: Scene) -> None:
    """A person has a key in each; one of the choices has to be made."""
    for account in ("here", "there"):
        scene.send(event(account, f"s-{account}", actor=person("selma")))
    code, _, err = scene.act("erase", "u_selma", "--yes")
    assert code == 2
    assert "2 accounts know u_selma: here, there" in err
    assert scene.act("erase", "u_selma", "--yes", "--account", "here")[0] == 0
    assert "selma" not in scene("history", "shop", "--account", "here")[1]
    assert "selma" in scene("history", "shop", "--account", "there")[1]
    assert scene.act("erase", "u_selma", "--yes", "--everywhere")[0] == 0
    assert "selma" not in scene("history", "shop", "--account", "there")[1]


def test_raw_records_that_name_them_are_listed(scene: Scene) -> None:
    """Also where their name is escaped; an id counts as a whole word only."""
    scene.send(event("raw", "q1", actor=person("zoë")))
    named = scene.stray("raw", "q2", actor=person("zoë"))
    escaped = json.dumps(event("raw", "q3", actor=person("zoë"))).encode()
    assert b"zo\\u00eb" in escaped
    scene.send(escaped, key="raw", partition=named["shard"])
    scene.stray("raw", "q4", actor=person("zoës"))
    code, _, err = scene.act("erase", "u_zoë", "--yes")
    assert code == 0, err
    assert f"2 raw records in quarantine name them: {place(named)} {place(scene.find('q3'))}\n" in err
    assert f"ledger quarantine drop {place(named)}" in err


def test_a_crash_between_note_and_key_leaves_it_to_be_done_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key goes only after the note is durable, and there is one note."""
    (entry,) = scene.send(event("crash", "c1", actor=person("carl")))

    def fail(_store: LocalStore, _name: str) -> None:
        assert scene.ask("note", "list", "--subject", pseudonym(entry))
        raise StoreError("read_only", "read-only file system")

    with monkeypatch.context() as broken:
        broken.setattr(LocalStore, "delete", fail)
        assert scene.act("erase", "u_carl", "--yes")[0] == 5
    assert "carl" in scene("history", "shop", "--account", "crash")[1]
    assert scene.act("erase", pseudonym(entry), "--yes")[0] == 0
    assert "carl" not in scene("history", "shop", "--account", "crash")[1]
    assert len(scene.ask("note", "list", "--subject", pseudonym(entry))) == 1


def test_nobody_is_erased_by_mistake(scene: Scene) -> None:
    """Not unasked, not with a reason that names them, not without keys; and who is unknown is said to be."""
    scene.send(event("careful", "m1", actor=person("milda")))
    before = scene.ledger.size()
    for code, message, *words in (
        (2, "nobody can be asked", "u_milda"),
        (2, "the reason names", "u_milda", "--yes", "--reason", "Milda@people.example asked"),
        (4, "no key names nobody", "nobody", "--yes"),
        (4, "no key names u_milda", "u_milda", "--yes", "--account", "raw"),
        (2, "is not text", "\udcff", "--yes"),
        (4, "there are no keys at", "u_milda", "--yes", "--keys", str(scene.root / "nowhere")),
    ):
        got, out, err = scene.act("erase", *words)
        assert (got, out) == (code, ""), err
        assert message in err
    assert scene("erase", "u_milda", "--yes", "--bootstrap", "127.0.0.1:1")[0] == 5
    assert scene.ledger.size() == before
    assert "milda" in scene("history", "shop", "--account", "careful")[1]


def test_it_asks_on_a_terminal(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """And takes no for an answer."""
    scene.send(event("asked", "ask1", actor=person("theo")))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: False)
    code, out, err = scene.act("erase", "u_theo")
    assert code == 130
    assert "theo@people.example" in out
    assert "nobody was erased" in err
    monkeypatch.setattr("typer.confirm", lambda *_, **__: True)
    assert scene.act("erase", "u_theo")[0] == 0
    assert "theo" not in scene("history", "shop", "--account", "asked")[1]
