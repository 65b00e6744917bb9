"""Following the log: every entry once, in order, over segments and packs and while both change."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ledger.errors import IntegrityError, NotFoundError
from ledger.model.entries import decode_entry
from ledger.query.answers import Change, WatchRow
from ledger.query.following import Follower
from ledger.query.opened import open_ledger
from ledger.storage import layout
from ledger.storage.local import LocalStore
from tests.compact.rig import compact, new_log, written_and_compacted
from tests.log.rig import SHARD, Log, append, story
from tests.query.build import START, entry, write_ledger, write_segment

RECORDS = story(200)


@contextmanager
def following(root: Path, since: datetime | None = None) -> Iterator[Follower]:
    """A follower of a ledger without keys."""
    with open_ledger(str(root)) as ledger:
        yield Follower(ledger, since)


def indexes(rows: list[WatchRow]) -> list[int]:
    """Of entries of the log's only shard."""
    assert all(row.entry.startswith(f"{SHARD}/") for row in rows)
    return [int(row.entry.split("/")[1]) for row in rows]


def write_more(log: Log, start: int, end: int) -> None:
    """A worker that starts anew and writes these records, in segments of 7."""
    append(log.open(), RECORDS[start:end])


def test_only_what_comes_later_is_seen(tmp_path: Path) -> None:
    """Each entry once; where nothing comes, nothing is seen."""
    log = new_log(LocalStore(tmp_path), 50)
    with following(tmp_path) as follower:
        assert list(follower.further()) == []
        write_more(log, 50, 80)
        assert indexes(list(follower.further())) == list(range(50, 80))
        assert list(follower.further()) == []
        write_more(log, 80, 81)
        assert indexes(list(follower.further())) == [80]


def test_what_is_compacted_before_it_was_seen_is_read_from_the_pack(tmp_path: Path) -> None:
    """Its segments are gone; and what comes after the pack follows."""
    log = new_log(LocalStore(tmp_path), 50)
    with following(tmp_path) as follower:
        write_more(log, 50, 120)
        compact(log, pack=30)
        assert not list(log.store.list(layout.segment(SHARD, 56)))
        write_more(log, 120, 150)
        assert indexes(list(follower.further())) == list(range(50, 150))
        compact(log, pack=30)
        assert list(follower.further()) == []


def test_compaction_in_the_middle_of_reading_changes_nothing(tmp_path: Path) -> None:
    """At every entry."""
    log = new_log(LocalStore(tmp_path), 10)
    with following(tmp_path) as follower:
        write_more(log, 10, 90)
        seen = []
        for row in follower.further():
            seen.append(row)
            if len(seen) in (1, 30, 55):
                compact(log, pack=25)
        assert indexes(seen) == list(range(10, 90))


def test_nothing_is_lost_or_doubled_while_a_writer_and_a_compaction_run(tmp_path: Path) -> None:
    """All three at once."""
    log = new_log(LocalStore(tmp_path), 10)
    with following(tmp_path) as follower:
        seen: list[WatchRow] = []
        with written_and_compacted(log, RECORDS[10:200]) as failures:
            deadline = time.monotonic() + 60
            while len(seen) < 190 and not failures and time.monotonic() < deadline:
                seen += follower.further()
        assert indexes([*seen, *follower.further()]) == list(range(10, 200))


@pytest.mark.parametrize("packed", [False, True])
def test_since_begins_with_the_first_recorded_then(tmp_path: Path, *, packed: bool) -> None:
    """Wherever the time falls: at an entry, before all, after all, within a segment or a pack."""
    log = new_log(LocalStore(tmp_path), 60)
    recorded = [datetime.fromisoformat(decode_entry(line).recorded_at) for line in log.lines()]
    if packed:
        compact(log, pack=30)
    instant = timedelta(microseconds=1)
    for since in (recorded[0] - instant, *recorded[::11], recorded[30] + instant, recorded[-1], recorded[-1] + instant):
        with following(tmp_path, since) as follower:
            assert indexes(list(follower.further())) == [place for place, at in enumerate(recorded) if at >= since]


def test_shards_are_merged_by_recorded_time(tmp_path: Path) -> None:
    """Each in its own order."""
    shards = [[entry(minute, "changed") for minute in minutes] for minutes in ((0, 3, 4), (1, 2, 5), ())]
    write_ledger(tmp_path, shards, segment_entries=1)
    with following(tmp_path, START) as follower:
        assert [row.entry for row in follower.further()] == ["0/0", "1/0", "1/1", "0/1", "0/2", "1/2"]
        write_segment(tmp_path, 2, 0, [entry(1, "changed")])
        assert [row.entry for row in follower.further()] == ["2/0"]


def test_a_row_says_what_the_entry_does(story: Path) -> None:
    """Of each outcome of the story (tests/query/story.py)."""
    with following(story, START) as follower:
        rows = {row.entry: row for row in follower.further()}
    assert len(rows) == 11
    first = rows["0/0"]
    assert (first.account, first.script, first.outcome, first.version, first.deployment) == (
        "acme",
        "shop",
        "deployed",
        1,
        1,
    )
    assert (first.author, first.interface, first.message, first.tag) == ("a" * 32, "wrangler", "first", "v1")
    assert first.changes[0] == Change(aspect="bindings", name="CART", op="added")
    assert (rows["0/3"].script, rows["0/3"].taken_from) == ("blog", ["shop"])
    assert (rows["0/6"].account, rows["0/6"].script, rows["0/6"].reason) == (None, None, "bad_time")
    assert (rows["0/7"].outcome, rows["0/7"].author) == ("duplicate", None)
    assert (rows["0/9"].outcome, rows["0/9"].action is None) == ("noted", False)


def test_what_left_a_large_entry_is_read_from_the_blobs(tmp_path: Path) -> None:
    """Data and changes; where a blob is gone, it is as if nothing had been said."""
    store = LocalStore(tmp_path)
    log = new_log(store, 200)
    moved = [place for place, line in enumerate(log.lines()) if decode_entry(line).event.data_sha256]
    assert moved
    with following(tmp_path, START - timedelta(days=9999)) as follower:
        whole = list(follower.further())
    assert all(whole[place].interface for place in moved)
    for name in list(store.list(layout.BLOBS)):
        store.delete(name)
    with following(tmp_path, START - timedelta(days=9999)) as follower:
        assert [row.interface for row in follower.further() if row.entry == f"{SHARD}/{moved[0]}"] == [None]


def test_people_are_named_who_came_after_it_began_and_not_who_was_erased_since(tmp_path: Path) -> None:
    """The keys are those of the moment."""
    log = Log(LocalStore(tmp_path), LocalStore(tmp_path / "keys"))
    with following(tmp_path) as follower:
        writer = log.open()
        append(writer, RECORDS[:60])
        named = {row.author for row in follower.further() if row.author}
        assert named
        assert not any(len(name) == 32 for name in named)
        draft = writer.fold(RECORDS[60:80])
        assert draft is not None
        people = [path for path in (tmp_path / "keys").rglob("*.json") if "pseudonym" in path.read_text()]
        for path in people:
            path.unlink()
        writer.commit(draft)  # sealed with keys that nobody has any more
        after = {row.author for row in follower.further() if row.author}
        assert any(len(name) == 32 for name in after)
        assert not after & named


def test_a_missing_segment_ends_it(tmp_path: Path) -> None:
    """What comes after it is not shown as if nothing were missing."""
    log = new_log(LocalStore(tmp_path), 14)
    with following(tmp_path) as follower:
        write_more(log, 14, 35)
        (tmp_path / layout.segment(SHARD, 21)).unlink()
        seen: list[WatchRow] = []
        with pytest.raises(IntegrityError) as caught:
            seen.extend(follower.further())
        assert caught.value.code == "segment_missing"
        assert indexes(seen) == list(range(14, 21))


def test_a_ledger_that_is_moved_away_ends_it(tmp_path: Path) -> None:
    """Rather than that nothing is shown for ever."""
    new_log(LocalStore(tmp_path / "here"), 7)
    with following(tmp_path / "here") as follower:
        (tmp_path / "here").rename(tmp_path / "there")
        with pytest.raises(NotFoundError) as caught:
            list(follower.further())
    assert caught.value.code == "no_ledger"
