"""The writer: what it makes does not depend on batches, crashes or caches."""

import random
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from ledger.storage import layout
from ledger.storage.local import LocalStore
from ledger.verify.api import verify
from tests.log.rig import (
    Log,
    append,
    check,
    check_objects,
    code,
    essence,
    event,
    large_config,
    memory_log,
    record,
    story,
)

OUTCOMES = {"deployed", "uploaded", "changed", "unchanged", "deleted", "duplicate", "rejected"}


def test_the_story_has_every_outcome() -> None:
    """What the other tests are fed with leads to every outcome, to moved parts, lost routes, splits and rollbacks."""
    log = memory_log()
    append(log.open(), story(400))
    entries = [msgspec.json.decode(line) for line in log.lines()]
    assert set(Counter(entry["outcome"] for entry in entries)) >= OUTCOMES
    assert any(entry.get("others") for entry in entries)
    assert any(len(entry.get("deployment", {}).get("versions", ())) == 2 for entry in entries)
    assert any("rollback_of" in entry.get("deployment", {}) for entry in entries)
    assert any("manifest" not in entry.get("version", {"manifest": 0}) for entry in entries)


@pytest.mark.parametrize("batch", [1, 2, 13, 500])
def test_entries_do_not_depend_on_how_they_are_batched(batch: int) -> None:
    """Batches of any size, also fold by fold with several drafts ahead of their commits, give the same bytes."""
    log = memory_log()
    records = story(300)
    writer = log.open()
    drafts = []
    for start in range(0, len(records), batch):
        drafts.append(writer.fold(records[start : start + batch]))
        if len(drafts) == 3:
            for draft in drafts:
                assert draft is not None
                writer.commit(draft)
            drafts = []
    for draft in drafts:
        assert draft is not None
        writer.commit(draft)
    check_objects(log, check(log, records))


@pytest.mark.parametrize("seed", range(3))
def test_a_log_read_again_gives_the_state_that_the_fold_had(seed: int) -> None:
    """After any prefix, what is restored from the entries is what the writer knew, and folding on gives the same."""
    log = memory_log()
    records = story(240, seed)
    whole = log.twin(records)
    writer = log.open()
    for start in range(0, len(records), 24):
        append(writer, records[start : start + 24], 11)
        assert essence(log.state()) == essence(writer._state)
        again = log.open()
        assert again.next_offset == start + 24
    assert log.lines() == whole.lines()
    fresh = log.open()
    keys = set(writer._state.events._recent)
    assert {key: fresh._state.events.find(key) for key in keys} == {key: writer._state.events.find(key) for key in keys}


def test_records_that_are_in_the_log_already_are_passed_over() -> None:
    """Delivered again, alone or before new ones, they make nothing."""
    log = memory_log()
    records = story(60)
    writer = log.open()
    append(writer, records[:40])
    assert writer.fold(records[:40]) is None
    assert writer.fold([]) is None
    assert log.open().fold(records[10:40]) is None
    append(log.open(), records[20:], 50)
    check(log, records)


# --- what is too large ---------------------------------------------------------------------------------------------------------------


def test_what_is_too_large_moves_to_the_blob_store_part_by_part() -> None:
    """First the manifest, then data, triggers, changes; every entry stays within the limit, and the state comes back whole."""
    names = {f"N{number}" + "x" * 200: {"type": "kv"} for number in range(400)}
    hosts: dict[str, dict[str, str]] = {f"h{number}" + "x" * 200 + ".example": {} for number in range(400)}
    values = [
        event("base", code=code(1)),
        event("manifest", config=large_config(1, 40_000)),
        event("data", config=large_config(2)),
        event("triggers", domains={"merge": hosts}),
        event("changes", bindings={"merge": names}),
        event("small", code=code(2)),
        event("taker", subject="taker", code=code(3)),
    ]
    records = [record(offset, value) for offset, value in enumerate(values)]
    log = memory_log()
    writer = log.open()
    append(writer, records, 3)
    entries = {entry["event"]["id"]: entry for entry in check(log, records)}
    assert all(len(line) <= 65_535 for line in log.lines())
    assert [entry["outcome"] for entry in entries.values()] == ["deployed"] * 3 + ["changed"] + ["deployed"] * 3
    moved = {
        name: [
            "manifest" not in entry.get("version", {"manifest": None}),
            "data" not in entry["event"],
            "triggers_sha256" in entry,
            "changes_sha256" in entry,
        ]
        for name, entry in entries.items()
    }
    assert moved == {
        "base": [False] * 4,
        "manifest": [True, False, False, False],
        "data": [True, True, False, False],
        "triggers": [False, True, True, True],
        "changes": [True, True, False, True],
        "small": [True, False, False, False],
        "taker": [False] * 4,
    }
    assert essence(log.state()) == essence(writer._state)
    back = ids_of(entries, "base")
    more = [
        record(len(records), event("back", deploy={back: 100})),
        record(len(records) + 1, event("more", code=code(9))),
    ]
    append(log.open(), more)
    check(log, records + more)


def ids_of(entries: dict[str, dict[str, object]], id: str) -> str:
    """The id of the version that an event made."""
    version = entries[id]["version"]
    assert isinstance(version, dict)
    return str(version["id"])


def test_an_entry_that_no_moving_makes_small_enough_is_rejected() -> None:
    """What must stay in the entry (an attribute, what another script lost) can be too large: `oversized_entry`, and life goes on."""
    hosts: dict[str, dict[str, str]] = {f"h{number}" + "x" * 200 + ".example": {} for number in range(400)}
    values = [
        event("hosts", domains={"merge": hosts}),
        event("taker", subject="taker", domains={"merge": hosts}),
        event("x" * 66_000, code=code(1)),
        event("good", code=code(2)),
    ]
    records = [record(offset, value) for offset, value in enumerate(values)]
    log = memory_log()
    writer = log.open()
    append(writer, records, 2)
    entries = check(log, records)
    assert [entry.get("reason", {}).get("code") for entry in entries] == [
        None,
        "oversized_entry",
        "oversized_entry",
        None,
    ]
    assert all(len(line) <= 65_535 for line in log.lines())
    assert essence(log.state()) == essence(writer._state)
    check_objects(log, entries)


def test_a_duplicate_whose_own_attributes_are_too_large_is_rejected() -> None:
    """An event that is known already comes again with an extension that no entry can hold: `oversized_entry`."""
    first = event("first", code=code(1))
    again = first.replace(b'"data":', b'"padding":"' + b"x" * 66_000 + b'","data":', 1)
    records = [record(offset, value) for offset, value in enumerate((first, again, first))]
    log = memory_log()
    append(log.open(), records)
    entries = check(log, records)
    assert [entry["outcome"] for entry in entries] == ["deployed", "rejected", "duplicate"]
    assert entries[1]["reason"]["code"] == "oversized_entry"
    check_objects(log, entries)


# --- the cache -----------------------------------------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    """Change one byte in the middle of a file."""
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)


def spoil_state(cache: Path) -> None:
    """Damage the snapshot."""
    for path in cache.rglob("state-*"):
        flip(path)


def spoil_runs(cache: Path) -> None:
    """Damage the sorted runs, in their pairs."""
    for path in cache.rglob("*.npy"):
        flip(path)


def cut_all(cache: Path) -> None:
    """Cut every file short."""
    for path in cache.rglob("*.*"):
        path.write_bytes(path.read_bytes()[:-5])


def empty_all(cache: Path) -> None:
    """Leave every file empty."""
    for path in cache.rglob("*.*"):
        path.write_bytes(b"")


def lose_runs(cache: Path) -> None:
    """Delete the runs that the snapshot names."""
    for path in cache.rglob("*.npy"):
        path.unlink()


SPOILS: dict[str, Callable[[Path], object]] = {
    "kept": lambda _: None,
    "deleted": shutil.rmtree,
    "damaged snapshot": spoil_state,
    "damaged runs": spoil_runs,
    "cut short": cut_all,
    "emptied": empty_all,
    "without runs": lose_runs,
}


@pytest.mark.parametrize("how", SPOILS)
def test_the_cache_is_only_a_cache(tmp_path: Path, how: str) -> None:
    """Whatever becomes of the cache, the log goes on with the same bytes, duplicates and old versions recognised."""
    log = memory_log()
    records = story(300)
    cache = tmp_path / "cache"
    with patch("ledger.log.writer.SNAPSHOT_EVERY", 40):
        append(log.open(cache), records[:200], 9)
        writer = log.open(cache)
        writer.save_snapshot()
        SPOILS[how](cache)
        writer = log.open(cache)
        assert essence(writer._state) == essence(log.state())
        append(writer, records[200:], 9)
    check(log, records)


def test_a_cache_of_another_log_is_not_used(tmp_path: Path) -> None:
    """A snapshot of a longer log, of another shard's or of one that went another way is left aside."""
    records = story(200)
    longer, other, log = memory_log(), memory_log(), memory_log()
    for of, taken in ((longer, records), (other, story(100, seed=8))):
        writer = of.open(tmp_path / str(id(of)))
        append(writer, taken)
        writer.save_snapshot()
    append(log.open(), records[:100])
    for of in (longer, other):
        writer = log.open(tmp_path / str(id(of)))
        assert essence(writer._state) == essence(log.state())
    append(log.open(tmp_path / str(id(other))), records[100:])
    check(log, records)


@pytest.mark.parametrize("when", ["from the start", "later"])
def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path, when: str) -> None:
    """A file where the cache's directory should be: the log goes on without snapshots, and forgets nothing."""
    log = memory_log()
    records = story(300)
    cache = tmp_path / "cache"
    with patch("ledger.log.writer.SNAPSHOT_EVERY", 40):
        writer = log.open(cache)
        if when == "later":
            append(writer, records[:150], 9)
            shutil.rmtree(cache)
        cache.write_bytes(b"in the way")
        append(writer, records[0 if when == "from the start" else 150 :], 9)
        writer.save_snapshot()
    check(log, records)


def test_a_cache_that_cannot_be_read_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not being allowed to look into the cache's directory is no more than having none."""
    cache = tmp_path / "cache"
    records = story(60)
    log = memory_log()
    append(log.open(cache), records[:40], 9)

    def denied(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "is_dir", denied)
    append(log.open(cache), records[40:], 9)
    check(log, records)


def test_two_writers_share_a_cache(tmp_path: Path) -> None:
    """Workers that take turns on a shard, each with its snapshots in the same directory, spoil each other nothing."""
    log = memory_log()
    records = story(300)
    cache = tmp_path / "cache"
    chance = random.Random(5)
    with patch("ledger.log.writer.SNAPSHOT_EVERY", 30):
        writers = [log.open(cache), log.open(cache)]
        for start in range(0, len(records), 20):
            place = chance.randrange(2)
            writers[place] = log.open(cache)
            append(writers[place], records[start : start + 20], 7)
            writers[place].save_snapshot()
            writers[1 - place].save_snapshot()
    check(log, records)


# --- topics --------------------------------------------------------------------------------------------------------------------------


def test_quarantined_bytes_are_those_of_the_entry() -> None:
    """A batch that never was committed, of a topic since replaced, leaves bytes in quarantine; they do not pass for another record's."""
    log = memory_log()
    log.open(topic_id="lost").fold([record(0, b"garbage of a topic that is gone")])
    records = [record(0, b"garbage")]
    append(log.open(), records)
    check(log, records)
    stored = msgspec.json.decode(log.store.get(layout.quarantine(0, 0)), type=dict)
    assert msgspec.convert(stored["value"], bytes) == b"garbage"


def test_an_account_at_home_in_another_shard_is_misrouted(tmp_path: Path) -> None:
    """The first shard to see an account has it; in another its events are rejected, and its bytes kept."""
    log = Log(LocalStore(tmp_path / "ledger"), LocalStore(tmp_path / "keys"), shards=2)
    append(log.open(), [record(0, event("e1", code=code(1)))])
    append(
        log.open(shard=1),
        [record(0, event("e2", code=code(2))), record(1, event("e3", account="beta", code=code(2)), "beta")],
    )
    entries = [msgspec.json.decode(line) for line in log.lines(1)]
    assert [entry.get("reason", {}).get("code") for entry in entries] == ["misrouted", None]
    assert [entry["account"] for entry in entries] == [None, "beta"]
    assert list(log.store.list(layout.QUARANTINE)) == [layout.quarantine(1, 0)]
    assert verify(log.store).ok
