"""`ledger quarantine`, with a real broker and a worker: misrouted and other rejected records, redriven or dropped."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.broker.publish import default_partition
from ledger.errors import StoreError
from ledger.storage import layout
from ledger.storage.local import LocalStore
from ledger.verify.api import verify
from tests.operators.conftest import Json, Scene, event, place, text
from tests.worker.rig import Ledger, Message, send

CRON: Json = {"crons": {"merge": {"0 0 * * *": {}}}}


def row_of(scene: Scene, entry: Json) -> Any:
    """An entry as `quarantine list` shows it."""
    return next(row for row in scene.ask("quarantine", "list", "--all") if row["entry"] == place(entry))


def kept(scene: Scene, entry: Json) -> Path:
    """The object with its bytes."""
    return scene.root / layout.quarantine(entry["shard"], entry["index"])


def test_a_misrouted_record_is_listed_with_all_that_can_be_read(scene: Scene) -> None:
    """Its account is in no entry, and comes from its bytes."""
    scene.send(event("listed", "l1"))
    stray = scene.stray("listed", "l2")
    row = row_of(scene, stray)
    expected = {
        "code": "misrouted", "path": "$.accountid", "account": "listed", "script": "shop", "source": "test", "event_id": "l2",
        "size": len(text(event("listed", "l2"))), "state": "kept", "became": None, "note": None,
        "partition": stray["shard"], "offset": stray["origin"]["offset"],
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    assert [found["entry"] for found in scene.ask("quarantine", "list", "--account", "listed")] == [place(stray)]
    assert scene.ask("quarantine", "list", "--account", "listed", "--reason", "conflict") == []
    assert scene.ask("quarantine", "list", "--account", "listed", "--shard", str(1 - stray["shard"])) == []
    for output in ("table", "csv", "jsonl"):
        assert "misrouted" in scene("quarantine", "list", "--format", output)[1]


def test_a_misrouted_record_is_redriven_to_its_accounts_home_as_it_was(scene: Scene) -> None:
    """Same value, key and headers; once it is there, there is nothing left to do."""
    scene.send(event("home", "r1"))
    stray = scene.stray("home", "r2", **CRON)
    before = scene.ledger.size()
    (planned,) = scene.ask_act("quarantine", "redrive", place(stray), "--dry-run")
    assert (planned["did"], planned["outcome"]) == ("would be sent", "changed")
    (row,) = scene.ask_act("quarantine", "redrive", place(stray))
    entry = scene.find("r2", "changed")
    assert (row["did"], row["became"], row["outcome"]) == ("sent", place(entry), "changed")
    assert entry["shard"] == row["partition"] == default_partition(b"home", 2) != stray["shard"]
    assert scene.ledger.size() == before + 1
    records = scene.broker.read(scene.topic, scene.ledger.size())
    first, second = [record for record in records if record.value == text(event("home", "r2", **CRON))]
    assert (first.key, first.headers) == (second.key, second.headers)
    listed = row_of(scene, stray)
    assert (listed["state"], listed["became"]) == ("redriven", place(entry))
    code, out, err = scene.act("quarantine", "redrive", place(stray), "--json")
    assert code == 0
    assert json.loads(out)[0]["did"] == "nothing"
    assert "in the log already" in err
    assert scene.ledger.size() == before + 1


def test_an_account_that_settled_off_its_partitioner_is_home_where_it_settled(scene: Scene) -> None:
    """The registration decides, not the partitioner: a producer in another language came first."""
    wrong = 1 - default_partition(b"settled", 2)
    scene.send(event("settled", "s1"), partition=wrong)
    (stray,) = scene.send(event("settled", "s2", **CRON))
    assert stray["reason"]["code"] == "misrouted"
    (row,) = scene.ask_act("quarantine", "redrive", place(stray))
    assert (row["partition"], row["outcome"]) == (wrong, "changed")


def test_all_strays_are_redriven_in_the_order_in_which_they_came(scene: Scene) -> None:
    """A record may need the one before it: each is foreseen on top of those before."""
    scene.send(event("ordered", "o0", script="other"))
    first = scene.stray("ordered", "o1")
    second = scene.stray("ordered", "o2", bindings={"merge": {"A": {"type": "kv_namespace"}}})
    done = scene.ask_act("quarantine", "redrive", "--reason", "misrouted", "--account", "ordered")
    assert [(row["entry"], row["outcome"]) for row in done] == [(place(first), "deployed"), (place(second), "deployed")]
    code, out, err = scene.act("quarantine", "redrive", "--all", "--account", "ordered", "--json")
    assert (code, json.loads(out)) == (0, [])
    assert "nothing is kept" in err


def test_two_copies_of_one_stray_are_sent_once(scene: Scene) -> None:
    """A producer that tried again left both; the second is known by then."""
    scene.send(event("twice", "t1"))
    first, second = scene.stray("twice", "t2", **CRON), scene.stray("twice", "t2", **CRON)
    done = scene.ask_act("quarantine", "redrive", "--all", "--account", "twice")
    assert [(row["entry"], row["did"]) for row in done] == [(place(first), "sent"), (place(second), "nothing")]
    assert [row_of(scene, entry)["state"] for entry in (first, second)] == ["redriven", "redriven"]
    assert len(scene.all("t2", "changed")) == 1
    assert scene.all("t2", "duplicate") == []


def test_what_would_be_rejected_again_is_held_back_until_its_cause_is_gone(scene: Scene) -> None:
    """A rejected id is no duplicate: once the script exists, the same event is taken."""
    scene.send(event("cause", "c0", script="other"))
    (absent,) = scene.send(event("cause", "c1", bindings={"merge": {"A": {"type": "kv_namespace"}}}))
    (unknown,) = scene.send(event("cause", "c2", deploy={"11111111-1111-8111-8111-111111111111": 100}))
    assert (absent["reason"]["code"], unknown["reason"]["code"]) == ("script_absent", "script_absent")
    before = scene.ledger.size()
    code, out, err = scene.act("quarantine", "redrive", place(absent), "--json")
    assert code == 2
    assert (json.loads(out)[0]["did"], json.loads(out)[0]["code"]) == ("held back", "script_absent")
    assert "held back: " in err
    assert scene.ledger.size() == before
    scene.send(event("cause", "c3"))
    code, out, err = scene.act("quarantine", "redrive", place(absent), place(unknown), "--json")
    assert code == 2  # the version is still unknown, and now that is why
    assert [(row["did"], row["outcome"]) for row in json.loads(out)] == [
        ("sent", "deployed"),
        ("held back", "rejected"),
    ]
    assert "unknown_version" in err
    assert f"changed since (entry {place(scene.find('c3'))})" in err
    assert row_of(scene, absent)["state"] == "redriven"
    assert row_of(scene, unknown)["state"] == "kept"
    code, out, _ = scene.act("quarantine", "redrive", place(unknown), "--force", "--json")
    assert code == 2
    assert (json.loads(out)[0]["did"], json.loads(out)[0]["code"]) == ("sent", "unknown_version")


def test_a_record_keyed_wrongly_is_keyed_anew_on_demand(scene: Scene) -> None:
    """Not by itself: the key says where a producer meant it to go."""
    scene.send(event("keyed", "k1"))
    (wrong,) = scene.send(event("keyed", "k2", **CRON), key="somebody-else")
    code, _, err = scene.act("quarantine", "redrive", place(wrong))
    assert code == 2
    assert "--rekey" in err
    (row,) = scene.ask_act("quarantine", "redrive", place(wrong), "--rekey")
    assert row["outcome"] == "changed"


def test_a_record_in_binary_mode_is_redriven_in_binary_mode(scene: Scene) -> None:
    """Its attributes are in its headers."""
    scene.send(event("binary", "b1"))
    whole = event("binary", "b2", **CRON)
    attributes = {name: whole[name] for name in ("specversion", "type", "source", "id", "subject", "time", "accountid")}
    headers = tuple((f"ce_{name}", value.encode()) for name, value in attributes.items())
    wrong = 1 - default_partition(b"binary", 2)
    scene.send(text(whole["data"]), key="binary", partition=wrong, headers=(*headers, ("trace", b"\xff\x00")))
    stray = scene.find("b2", "rejected")
    (row,) = scene.ask_act("quarantine", "redrive", place(stray))
    assert row["outcome"] == "changed"
    shown = scene("quarantine", "show", place(stray))[1]
    assert "header ce_id" in shown
    assert "\\xff\\x00" in shown


def test_a_corrected_event_takes_the_place_of_a_broken_one_and_a_note_says_so(scene: Scene, tmp_path: Path) -> None:
    """With the same source, id and account: whoever reads the log sees that an operator wrote it."""
    scene.send(event("corrected", "x1"))
    broken = event("corrected", "x2", **CRON) | {"time": "yesterday"}
    (rejected,) = scene.send(broken)
    file = tmp_path / "corrected.json"
    for wrong, message in (
        (event("corrected", "another"), "the id of the corrected event is 'another'"),
        (event("other", "x2"), "the accountid of the corrected event is 'other'"),
    ):
        file.write_bytes(text(wrong))
        code, _, err = scene.act("quarantine", "redrive", place(rejected), "--replace", str(file))
        assert code == 2
        assert message in err
    file.write_bytes(text(broken))
    assert scene.act("quarantine", "redrive", place(rejected), "--replace", str(file))[0] == 2
    secret = event("corrected", "x2", config={"merge": {"secrets": {"K": {"text": "hunter2"}}}})
    file.write_bytes(text(secret))
    code, _, err = scene.act("quarantine", "redrive", place(rejected), "--replace", str(file), "--force")
    assert code == 2
    assert "plaintext_secret" in err
    before = scene.ledger.size()
    file.write_bytes(text(event("corrected", "x2", **CRON)) + b"\n")
    words = ("quarantine", "redrive", place(rejected), "--replace", str(file), "--by", "ben")
    (row,) = scene.ask_act(*words)
    assert row["outcome"] == "changed"
    assert scene.ledger.size() == before + 2
    (note,) = scene.ask("note", "list", "--account", "corrected")
    assert (note["action"], note["detail"]["entry"], note["detail"]["id"], note["author"]) == (
        "replace", place(rejected), "x2", "ben",
    )  # fmt: skip
    listed = row_of(scene, rejected)
    assert (listed["state"], listed["note"]) == ("redriven", note["entry"])
    assert scene.ask_act(*words)[0]["did"] == "nothing"


def test_garbage_without_an_id_can_be_replaced_and_is_known_as_replaced(scene: Scene, tmp_path: Path) -> None:
    """The note names the event that stands for it."""
    scene.send(event("garbled", "g1"))
    scene.send(text(event("garbled", "g2", **CRON))[:-9], key="garbled")
    rejected = scene.ask("quarantine", "list", "--reason", "malformed_json")[-1]
    assert (rejected["account"], rejected["event_id"]) == (None, None)
    (tmp_path / "event").write_bytes(text(event("garbled", "g2", **CRON)))
    (row,) = scene.ask_act("quarantine", "redrive", rejected["entry"], "--replace", str(tmp_path / "event"))
    listed = next(found for found in scene.ask("quarantine", "list") if found["entry"] == rejected["entry"])
    assert (listed["state"], listed["became"]) == ("redriven", row["became"])


def test_redriving_again_after_a_kill_records_nothing_twice(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off after the record was sent and before its entry was there: the second run finds the entry, or makes a duplicate."""
    from ledger.operators.delivery import Delivery

    scene.send(event("killed", "q1"))
    stray = scene.stray("killed", "q2", **CRON)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(Delivery, "_wait", die)
        assert scene.act("quarantine", "redrive", place(stray))[0] == 130
    done = scene.ask_act("quarantine", "redrive", place(stray))
    assert done[0]["did"] in {"nothing", "sent"}
    assert len(scene.all("q2", "changed")) == 1
    assert {entry["outcome"] for entry in scene.all("q2")} <= {"rejected", "changed", "duplicate"}
    assert row_of(scene, stray)["state"] == "redriven"


def test_what_is_sent_twice_while_no_worker_runs_is_one_entry_and_a_duplicate(scene: Scene, tmp_path: Path) -> None:
    """Nobody can tell the second time that the first is on its way; the log does."""
    topic = scene.broker.topic(2)
    alone = Scene(Ledger.create(tmp_path / "ledger", topic, shards=2), scene.broker, topic)
    alone.run = scene.run
    early = event("alone", "w2", bindings={"merge": {"A": {"type": "kv_namespace"}}})
    values = [event("alone", "w1", script="other"), early, event("alone", "w3")]
    send(scene.broker, topic, [Message(value=text(value), key=b"alone") for value in values])
    alone.ledger.run(scene.broker, group="alone")
    rejected = alone.find("w2", "rejected")
    for _ in range(2):
        code, out, err = alone.act("quarantine", "redrive", place(rejected), "--wait", "0.2")
        assert (code, out) == (5, "")
        assert "what comes twice is a duplicate" in err
    alone.ledger.run(scene.broker, group="alone")
    assert [entry["outcome"] for entry in alone.all("w2")] == ["rejected", "deployed", "duplicate"]
    assert alone.ask_act("quarantine", "redrive", place(rejected))[0]["did"] == "nothing"


def test_a_raw_record_is_shown_without_anything_a_terminal_would_obey(scene: Scene, tmp_path: Path) -> None:
    """Escape sequences, carriage returns and marks of direction come out visible; the exact bytes go to a file."""
    nasty = b'{"a":"\x1b]0;owned\x07\x1b[2J\r\xe2\x80\xae\xc2\x9b31m",\n"b":\xff}'
    scene.send(nasty, key="\x1b[31mkey")
    rejected = scene.ask("quarantine", "list", "--reason", "not_utf8")[-1]["entry"]
    for words in ((), ("--json",), ("--format", "jsonl")):
        code, out, _ = scene("quarantine", "show", rejected, *words)
        assert code == 0
        assert not set(out) & {"\x1b", "\x07", "\r", "\u202e", "\x9b"}, words
    shown = scene("quarantine", "show", rejected)[1]
    assert "\\x1b]0;owned" in shown
    assert "\\xff}" in shown
    target = tmp_path / "record"
    assert scene("quarantine", "show", rejected, "--raw", "-o", str(target))[0] == 0
    assert target.read_bytes() == nasty
    assert scene("quarantine", "show", rejected, "-o", str(target))[0] == 2
    assert scene("quarantine", "show", rejected, "--format", "csv")[0] == 2


def test_exact_bytes_never_go_to_a_terminal(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would obey them."""
    entry = scene.ask("quarantine", "list")[0]["entry"]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    code, out, err = scene("quarantine", "show", entry, "--raw")
    assert (code, out) == (2, "")
    assert "-o FILE" in err


def test_dropping_writes_a_durable_note_before_the_bytes_go(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between the two leaves both; dropping again finds the note and deletes the bytes."""
    scene.send(event("dropped", "d1"))
    stray = scene.stray("dropped", "d2")
    words = ("quarantine", "drop", place(stray), "--reason", "a load test", "--by", "ben")

    def fail(_store: LocalStore, name: str) -> None:
        assert name == layout.quarantine(stray["shard"], stray["index"])
        assert scene.ask("note", "list", "--subject", f"quarantine-{stray['shard']}-{stray['index']}")
        raise StoreError("store_io", "the disk went away")

    with monkeypatch.context() as broken:
        broken.setattr(LocalStore, "delete", fail)
        assert scene.act(*words)[0] == 5
    assert kept(scene, stray).exists()
    listed = row_of(scene, stray)
    assert (listed["state"], listed["size"] is None) == ("dropped", False)
    assert scene.act("quarantine", "redrive", place(stray))[0] == 2
    assert len(scene.all("d2")) == 1
    size = scene.ledger.size()
    code, out, err = scene.act(*words, "--json")
    assert code == 0, err
    assert "its bytes were still there" in err
    assert not kept(scene, stray).exists()
    assert scene.ledger.size() == size
    (note,) = scene.ask("note", "list", "--account", "dropped")
    assert note["entry"] == json.loads(out)[0]["note"] == row_of(scene, stray)["note"]
    assert note["detail"] == {"entry": place(stray), "code": "misrouted", "reason": "a load test"}
    assert scene.act(*words)[0] == 0
    assert scene.ledger.size() == size
    assert place(stray) in scene("quarantine", "list")[1]
    code, _, err = scene("quarantine", "show", place(stray))
    assert code == 4
    assert f"dropped (note {note['entry']})" in err
    assert scene.act("quarantine", "redrive", place(stray))[0] == 2
    assert next(row for row in scene.ask("rejected") if row["entry"] == place(stray))["quarantine"] is None
    report = verify(scene.ledger.store, replay=True)
    assert report.ok, report.problems


def test_dropping_what_nobody_can_attribute_registers_no_account(scene: Scene) -> None:
    """The note joins the operators' chain: a rejected record registers none, and neither does its end."""
    (rejected,) = scene.send(event("ghost", "h1", bindings={"merge": {"A": {"type": "kv_namespace"}}}))
    assert rejected["account"] is None
    assert scene.act("quarantine", "drop", place(rejected), "--reason", "no such account")[0] == 0
    assert not (scene.root / layout.account("ghost")).exists()
    (note,) = scene.ask("note", "list", "--subject", f"quarantine-{rejected['shard']}-{rejected['index']}")
    assert note["account"] == "_operators"


def test_damaged_bytes_are_listed_and_can_be_dropped(scene: Scene) -> None:
    """They are no reason to fail for all the others."""
    scene.send(event("damaged", "e1"))
    stray = scene.stray("damaged", "e2")
    kept(scene, stray).write_bytes(b"{")
    assert row_of(scene, stray)["state"] == "damaged"
    assert scene("quarantine", "show", place(stray))[0] == 3
    assert scene.act("quarantine", "redrive", place(stray))[0] == 2
    assert scene.act("quarantine", "drop", place(stray), "--reason", "damaged")[0] == 0
    assert not kept(scene, stray).exists()


def test_what_was_never_kept_is_listed_only_on_demand(scene: Scene) -> None:
    """A plaintext secret's bytes are nowhere, and there is nothing to redrive or drop."""
    secret = event("secretive", "p1", config={"merge": {"secrets": {"K": {"text": "hunter2"}}}})
    (rejected,) = scene.send(secret)
    assert place(rejected) not in {row["entry"] for row in scene.ask("quarantine", "list")}
    assert row_of(scene, rejected)["state"] == "gone"
    before = scene.ledger.size()
    for words in (("redrive", place(rejected)), ("drop", place(rejected), "--reason", "x")):
        assert scene.act("quarantine", *words)[0] in {2, 4}
    assert scene.ledger.size() == before


def test_a_record_without_a_value_or_a_headers_value_is_held_back(scene: Scene, tmp_path: Path) -> None:
    """The first can become nothing, the second cannot be sent as it was; neither is an internal error, forced or not."""
    from ledger.log.quarantine import Quarantined

    scene.send(event("nulls", "v1"))
    stray = scene.stray("nulls", "v2", **CRON)
    (tmp_path / "event").write_bytes(text(event("nulls", "v2", **CRON)))
    null = Quarantined(topic="t", partition=0, offset=0, timestamp=-1, key=None, headers=[], value=None)
    header = replace(null, key=b"nulls", headers=[("trace", None)], value=text(event("nulls", "v2")))
    for record in (null, header):
        kept(scene, stray).write_bytes(record.encode())
        assert scene("quarantine", "show", place(stray))[0] == 0
        assert scene.act("quarantine", "redrive", place(stray), "--force")[0] == 2
    words = ("quarantine", "redrive", place(stray), "--replace", str(tmp_path / "event"))
    assert scene.ask_act(*words)[0]["outcome"] == "changed"


def test_mistakes_are_explained(scene: Scene) -> None:
    """Each with its exit code; nothing is sent."""
    scene.send(event("mistaken", "m1"))
    good = place(scene.find("m1"))
    before = scene.ledger.size()
    for code, message, *words in (
        (4, "is none that was rejected", "show", good),
        (4, "is none that was rejected", "show", "9/9"),
        (2, "not a rejected entry: 'abc'", "show", "abc"),
    ):
        got, out, err = scene("quarantine", *words)
        assert (got, out) == (code, ""), err
        assert message in err
    for code, message, *words in (
        (2, "which records?", "redrive"),
        (2, "which records?", "redrive", good, "--all"),
        (2, "no reason code", "redrive", "--reason", "nonsense"),
        (2, "--replace is for one record", "redrive", "--all", "--replace", "x"),
        (4, "there is no file", "redrive", good, "--replace", str(scene.root / "none")),
        (4, "is none that was rejected", "drop", good, "--reason", "x"),
        (2, "Missing option '--reason'", "drop", good),
    ):
        got, out, err = scene.act("quarantine", *words)
        assert (got, out) == (code, ""), err
        assert message in err
    assert scene.ledger.size() == before
