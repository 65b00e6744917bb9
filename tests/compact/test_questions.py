"""Questions have the same answers over segments, packs, and both: every view, on the real data; and the command."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from cli.main import main
from ledger.broker.lines import open_source
from ledger.compact.compacting import Policy, compact_shard
from ledger.log.ledgerfile import accept_topic, create_ledger, read_ledger_file
from ledger.log.reader import ShardReader
from ledger.log.records import Record
from ledger.log.tail import has_topic, shard_end, shard_size
from ledger.log.writer import open_writer
from ledger.model.entries import decode_entry
from ledger.query.opened import OpenLedger, open_ledger
from ledger.query.rows import rows
from ledger.query.sql import run_sql
from ledger.storage import layout
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore
from tests.compact.rig import compact, new_log
from tests.docs.reading import ROOT
from tests.log.rig import SHARD, append, story

_REAL: Final = 2500
_VIEWS: Final = (
    *("entries", "rejected", "changes", "versions", "bindings", "vars", "secrets", "modules"),
    *("deployments", "activations", "routes", "domains", "crons", "queues", "scripts"),
)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real changes in one shard, and in the other made-up ones of every outcome, oversized ones included."""
    return _made(tmp_path_factory.mktemp("questions") / "ledger", _REAL)


def _made(root: Path, real_changes: int) -> Path:
    store, keys = LocalStore(root), LocalStore(root / "keys")
    file = create_ledger(store, keys, name="test", topic="topic", shards=2)
    accept_topic(store, "topic", "t")
    with open_source(str(ROOT / "examples" / "real-changes.ndjson.zst")) as source:
        lines = [line.value for _, line in zip(range(real_changes), source.lines(), strict=False)]
    real = [
        Record(offset, 1_800_000_000_000, json.loads(value)["accountid"].encode(), value)
        for offset, value in enumerate(lines)
    ]
    for shard, records in enumerate((real, story(200))):
        writer = open_writer(store, file, KeyStore.open(keys, "test"), shard, "t")
        for start in range(0, len(records), 100):
            draft = writer.fold(records[start : start + 100])
            assert draft is not None
            writer.commit(draft)
    return root


def _answers(ledger: OpenLedger) -> dict[str, Any]:
    return {view: rows(ledger, f"SELECT * FROM {view} ORDER BY ALL") for view in _VIEWS}


def _compact(root: Path, *, pack: int, least: int) -> int:
    store = LocalStore(root)
    file = read_ledger_file(store)
    policy = Policy(pack_entries=pack, least_entries=least, older_than=timedelta(0))
    return sum(compact_shard(store, file, shard, policy, datetime.now(UTC)).until for shard in range(file.shards))


def test_every_view_has_the_same_rows_before_in_between_and_after(ledger: Path) -> None:
    """All columns of all views: nothing compacted, a part of it, all of it. And a question that was open goes on."""
    with open_ledger(str(ledger)) as opened, open_ledger(str(ledger)) as early:
        expected = _answers(opened)
        assert len(expected["entries"]) == _REAL + 200
        assert all(expected[view] for view in ("rejected", "secrets", "bindings", "activations", "routes"))
        assert rows(early, "SELECT count(*) AS count FROM _log") == [{"count": _REAL + 200}]
        assert _compact(ledger, pack=1000, least=1000) == 2000
        with open_ledger(str(ledger)) as mixed:
            assert mixed.shards[0].packed == 2000
            assert mixed.shards[0].segments
            assert _answers(mixed) == expected
        assert _compact(ledger, pack=1000, least=1) == _REAL + 200
        assert not list(LocalStore(ledger).list(layout.LOG))
        with open_ledger(str(ledger)) as after:
            assert _answers(after) == expected
            assert run_sql(after, "SELECT count(*) FROM entries").rows == [(_REAL + 200,)]
        assert rows(early, "SELECT count(*) AS count FROM entries") == [{"count": _REAL + 200}]


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command; its exit code and what it printed."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def command(*arguments: str) -> tuple[int, str]:
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out + captured.err

    return command


def test_the_command_compacts_and_status_says_so(run: Run, tmp_path: Path) -> None:
    """JSON of what was done; nothing to do is said; proofs and entries come out of packs."""
    root = tmp_path / "ledger"
    store, keys = LocalStore(root), LocalStore(root / "keys")
    file = create_ledger(store, keys, name="test", topic="topic", shards=1)
    accept_topic(store, "topic", "t")
    writer = open_writer(store, file, KeyStore.open(keys, "test"), 0, "t")
    for start in range(0, 60, 20):
        draft = writer.fold(story(60)[start : start + 20])
        assert draft is not None
        writer.commit(draft)
    where = ("--ledger", str(root))
    code, said = run("compact", *where)
    assert (code, "Nothing to compact" in said) == (0, True)
    shown = [run("show", "0/30", *where), run("checkpoint", "--at", "40", *where)]
    code, said = run("compact", *where, "--older-than", "0s", "--least", "1", "--json")
    (done,) = json.loads(said)
    assert (code, done["entries"], done["segments"], done["removed"], done["compacted"]) == (0, 60, 3, 3, 60)
    (shard,) = json.loads(run("status", *where, "--json")[1])["shards"]
    assert (shard["size"], shard["packs"], shard["packed"], shard["segments"]) == (60, 1, 60, 0)
    assert [run("show", "0/30", *where), run("checkpoint", "--at", "40", *where)] == shown
    assert run("prove", "0/30", "-o", str(tmp_path / "r.tlog-proof"), *where)[0] == 0
    assert run("verify", *where, "--replay")[0] == 0


def test_every_question_has_the_same_answer_from_packs(run: Run, tmp_path: Path) -> None:
    """The program prints the same bytes about a log whether it is compacted, partly compacted or not."""
    root = _made(tmp_path / "ledger", 900)
    who = json.loads(run("scripts", "--ledger", str(root), "--json")[1])[0]
    script = (who["script"], "--account", who["account"])
    when = who["since"]
    questions = (
        ("scripts", "--deleted"),
        ("at", when),
        ("at", when, "--as-known-at", "2027-02-01"),
        ("skew",),
        ("diff", "2020-01-01", when),
        ("who", who["author"]),
        ("blame", *script),
        ("blame", *script, "--first"),
        ("explain", who["deployment"]),
        ("show", who["deployment"]),
        ("history", *script),
        ("deployments", *script, "--all"),
        ("versions", *script),
        ("rejected",),
        ("reach", "--script", *script),
        ("reach", "https://deno.land/x"),
        ("exposure", "--compat", "2030-01-01"),
        ("during", "2000-01-01", "2030-01-01"),
        ("schedule", "--at", when),
        ("stats",),
        ("note", "list"),
        ("quarantine", "list"),
    )

    def answers() -> list[tuple[int, str]]:
        return [run(*question, "--ledger", str(root), "--format", "json") for question in questions]

    before = answers()
    assert {code for code, _ in before} == {0}
    assert sum(len(said) > 10 for _, said in before) > 18
    _compact(root, pack=500, least=500)
    assert answers() == before
    _compact(root, pack=500, least=1)
    assert answers() == before


def test_bad_ages_and_places_are_refused(run: Run, tmp_path: Path) -> None:
    """With the exit codes that are documented."""
    create_ledger(LocalStore(tmp_path / "l"), LocalStore(tmp_path / "l" / "keys"), name="t", topic="t", shards=1)
    where = ("--ledger", str(tmp_path / "l"))
    for age in ("", "1", "-1h", "1y", "999999999w", "ein Tag"):
        assert run("compact", *where, "--older-than", age)[0] == 2
    assert run("compact", *where)[0] == 0
    assert run("compact", "--ledger", str(tmp_path / "no"))[0] == 4


def test_what_was_known_earlier_is_the_same_from_packs(tmp_path: Path) -> None:
    """A log that was compacted since shows of an earlier time what it showed then: size, checkpoint and rows."""
    log = new_log(LocalStore(tmp_path), entries=60)
    recorded = [decode_entry(line).recorded_at for line in log.lines()]
    moments = [
        datetime.fromisoformat(text) + timedelta(milliseconds=plus) for text in recorded[::9] for plus in (-1, 0)
    ]

    def known() -> list[tuple[int, str, list[Any]]]:
        shown = []
        for moment in moments:
            with open_ledger(str(tmp_path), known_at=moment) as ledger:
                prefix = ledger.shards[0]
                shown.append((prefix.size, prefix.checkpoint, rows(ledger, "SELECT * FROM changes ORDER BY ALL")))
        return shown

    before = known()
    assert len({size for size, _, _ in before}) > 5
    for pack in (20, 15):  # first a part of it, then nearly all
        assert compact(log, pack=pack, least=pack).packs
        assert known() == before


def test_the_end_of_a_shard_is_the_same_from_packs(tmp_path: Path) -> None:
    """What `lag`, `accept-gap` and operators' commands begin with: size, topic, next offset and time; and what comes after is read on."""
    log = new_log(LocalStore(tmp_path), entries=60)
    before = shard_end(log.store, SHARD)
    assert (before.size, before.next_offset, before.topic_id != "") == (60, 60, True)
    compact(log, pack=60, least=1)
    assert not list(log.store.list(layout.LOG))
    assert shard_end(log.store, SHARD) == before
    assert shard_end(log.store, SHARD, only_topic=before.topic_id) == before
    assert shard_size(log.store, SHARD) == 60
    assert has_topic(log.store, SHARD, before.topic_id)
    assert not has_topic(log.store, SHARD, "another")
    reader = ShardReader(log.store, SHARD, 60)
    assert not list(reader.further())
    append(log.open(), story(70)[60:])
    assert sum(len(segment.lines) for _, _, segment in reader.further()) == 10
