"""Compaction changes where entries lie and nothing else, whatever happens to it."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ledger.errors import IntegrityError, StoreConflictError, StoreError, UsageError
from ledger.log.packs import parts_of
from ledger.log.segments import encode_segment, parse_segment
from ledger.log.tree import open_tree
from ledger.storage import layout
from ledger.storage.local import LocalStore
from ledger.storage.memory import MemoryStore
from ledger.storage.objects import ObjectStore
from ledger.storage.store import Store
from tests.compact.rig import ENTRIES, compact, copied, lines_of, names, new_log, rewrite, segments_of, verdict
from tests.log.rig import SHARD, Log, append, check, essence, story


@pytest.fixture(scope="module")
def before() -> Log:
    """A log that nobody has compacted; not to be changed."""
    return new_log()


def _bucket(_: Path) -> Store:
    return ObjectStore("memory:///")


@pytest.mark.parametrize("make", [lambda _: MemoryStore(), LocalStore, _bucket], ids=["memory", "local", "objects"])
def test_readers_see_the_same_segments_after_compaction(make: Callable[[Path], Store], tmp_path: Path) -> None:
    """First indexes, entries' bytes and checkpoints are those of before; the segments are gone."""
    log = new_log(make(tmp_path))
    seen, state = segments_of(log), essence(log.state())
    done = compact(log)
    assert done.entries == done.until == ENTRIES
    assert done.segments == done.removed == len(seen)
    assert names(log, layout.LOG) == []
    assert len(names(log, layout.PACKS)) == len(done.packs) == 4
    assert segments_of(log) == seen
    assert essence(log.state()) == state
    assert open_tree(log.store, log.file, SHARD).note == seen[-1][2]


def test_a_log_that_was_compacted_in_part_goes_on(before: Log) -> None:
    """A writer opens it at its end, folds what old entries say, and the log is the one that nobody compacted."""
    records = story(ENTRIES + 60)
    log = new_log()
    compact(log)
    append(log.open(), records)
    assert lines_of(segments_of(log)) == log.twin(records).lines()
    compact(log)
    report = verdict(log, replay=True)
    assert report.problems == []
    assert report.shards[0].replayed == len(records)


def test_the_verdict_is_the_same_before_and_after(before: Log) -> None:
    """The whole report, replay and earlier checkpoints included."""
    log = copied(before)
    expected = verdict(before, replay=True)
    compact(log)
    assert verdict(log, replay=True) == expected
    assert expected.ok


def test_segments_that_are_kept_are_copies_and_go_later(before: Log) -> None:
    """`keep_segments` removes nothing; the verdict has no notice; a later run removes them after it has checked the packs again."""
    log = copied(before)
    kept = names(log, layout.LOG)
    assert compact(log, keep=True).removed == 0
    assert names(log, layout.LOG) == kept
    assert verdict(log) == verdict(before)
    done = compact(log)
    assert (done.packs, done.removed, names(log, layout.LOG)) == ([], len(kept), [])


def test_what_is_young_or_too_little_stays(before: Log) -> None:
    """Segments younger than the age are left, and so is a rest with fewer entries than the least."""
    log = copied(before)
    hours = (
        34 * 24 - 9 - 60 / 3600
    )  # entries are a second apart, the first of 2022-11-28T09:00:00Z; now is 34 days later
    young = compact(log, hours=hours)
    assert 0 < young.until <= 61
    rest = compact(log, pack=60, least=60)
    assert 0 < ENTRIES - rest.until < 60
    assert verdict(log).ok
    assert compact(log, least=60).packs == []


def test_an_empty_log_has_nothing_to_be_compacted() -> None:
    """No object is made."""
    log = Log(MemoryStore(), MemoryStore())
    assert compact(log).packs == []
    assert names(log, layout.PACKS) == []


def test_a_log_that_is_not_what_was_signed_is_not_compacted(before: Log) -> None:
    """The first segment that does not hash to its root stops it; nothing is removed."""
    log = copied(before)
    name = layout.segment(SHARD, 49)
    segment = parse_segment(log.store.get(name), name)
    log.store.delete(name)
    log.store.put(name, encode_segment([segment.lines[0] + b" ", *segment.lines[1:]], segment.note))
    with pytest.raises(IntegrityError, match="does not fit"):
        compact(log)
    assert name in names(log, layout.LOG)


class _Stop(Exception):  # noqa: N818 - the end of a process, not an error
    """The process ends here."""


class _Dying:
    """A store whose process ends at its nth write, before or after it was done."""

    def __init__(self, inner: Store, at: int, *, done: bool) -> None:
        self.inner, self._left, self._done = inner, at, done

    def put(self, name: str, data: bytes) -> None:
        """See `Store.put`."""
        self._write(lambda: self.inner.put(name, data))

    def put_many(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """See `Store.put_many`."""
        raise AssertionError("compaction puts one object at a time")

    def get(self, name: str) -> bytes:
        """See `Store.get`."""
        return self.inner.get(name)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See `Store.list`."""
        return self.inner.list(prefix, after)

    def delete(self, name: str) -> None:
        """See `Store.delete`."""
        self._write(lambda: self.inner.delete(name))

    def _write(self, work: Callable[[], None]) -> None:
        self._left -= 1
        if self._left < 0 and not self._done:
            raise _Stop
        work()
        if self._left < 0:
            raise _Stop


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_a_crash_at_any_write_leaves_the_same_log(before: Log, *, done: bool) -> None:
    """After each, readers see what they saw, the verdict is the same, and the next run finishes the work."""
    small = new_log(entries=50)
    seen, expected = segments_of(small), verdict(small)
    for at in range(100):
        log = copied(small)
        whole, log.store = log.store, _Dying(log.store, at, done=done)
        try:
            compact(log, pack=20)
        except _Stop:
            log.store = whole
        else:
            break
        assert segments_of(log) == seen, at
        assert verdict(log) == expected, at
        compact(log, pack=20)
        assert names(log, layout.LOG) == []
        assert segments_of(log) == seen, at
    else:
        raise AssertionError("it never came to its end")
    assert at > 10


def test_killed_in_the_middle_of_removing_and_again(tmp_path: Path) -> None:
    """A process that ends without any clean-up, twice, on files: the log is the same each time."""
    log = new_log(LocalStore(tmp_path))
    seen = segments_of(log)
    program = """
import os, sys
from pathlib import Path
from ledger.storage.local import LocalStore
from tests.compact.rig import NOW
from ledger.compact.compacting import Policy, compact_shard
from ledger.log.ledgerfile import read_ledger_file
from datetime import timedelta
class Store(LocalStore):
    left = 3
    def delete(self, name):
        if Store.left == 0:
            os._exit(9)
        Store.left -= 1
        super().delete(name)
store = Store(Path(sys.argv[1]))
policy = Policy(pack_entries=40, least_entries=1, older_than=timedelta(0))
compact_shard(store, read_ledger_file(store), 0, policy, NOW)
"""
    for _ in range(2):
        code = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False, timeout=60).returncode
        assert code == 9
        assert segments_of(log) == seen
        assert verdict(log).ok
    compact(log)
    assert segments_of(log) == seen
    assert names(log, layout.LOG) == []


def test_packs_that_overlap_are_read_once(before: Log) -> None:
    """Two compactors that cut differently: every entry is seen once, whichever segments each has removed; verify mentions it."""
    one, other = copied(before), copied(before)
    compact(one, pack=40)
    compact(other, pack=55)
    for name in names(other, layout.PACKS):
        one.store.put(name, other.store.get(name))
    parts = parts_of(names(one, layout.PACKS))
    assert [part.start for part in parts] == [0, *(part.end for part in parts[:-1])]
    assert segments_of(one) == segments_of(before)
    report = verdict(one)
    assert report.problems == []
    said = ("in other packs already", "the index of no pack that counts")
    assert all(any(one in notice.message for one in said) for notice in report.notices)
    assert report.notices
    compact(one)
    assert segments_of(one) == segments_of(before)


def test_two_compactors_at_once_make_one_log(before: Log) -> None:
    """The second finds the pack of the first under its name, or beside it, and removes what is left."""
    log = copied(before)
    compact(log, keep=True)
    rival = copied(before)
    compact(rival, keep=True)
    for name in names(rival, layout.PACKS):
        if name not in names(log, layout.PACKS):
            log.store.put(name, rival.store.get(name))
    compact(log)
    assert segments_of(log) == segments_of(before)
    assert names(log, layout.LOG) == []
    assert verdict(log).problems == []


def test_a_stray_of_a_paused_worker_does_not_count_and_is_mentioned(before: Log) -> None:
    """It wrote a name that had been removed, with other boundaries: readers take the pack, verify says so, compaction lets it lie."""
    log = copied(before)
    first, lines, _ = segments_of(before)[3]
    note = segments_of(before)[4][2]
    stray = encode_segment([*lines, *segments_of(before)[4][1]], note)
    compact(log)
    name = layout.segment(SHARD, first)
    log.store.put(name, stray)
    assert segments_of(log) == segments_of(before)
    report = verdict(log)
    assert report.problems == []
    assert [notice.file for notice in report.notices] == [name]
    compact(log)
    assert names(log, layout.LOG) == [name]


def test_a_worker_that_slept_through_compaction_notices() -> None:
    """Its segment's name is free; it is told that others have written there, and the record is in the log once."""
    records = story(100)
    log = Log(MemoryStore(), MemoryStore())
    append(log.open(), records[:30])
    sleeping = log.open()
    append(log.open(), records[30:], batch=5)
    compact(log)
    draft = sleeping.fold(records[30:40])
    assert draft is not None
    with pytest.raises(StoreConflictError) as caught:
        sleeping.commit(draft)
    assert caught.value.code == "compacted_meanwhile"
    assert lines_of(segments_of(log)) == log.twin(records).lines()
    assert [notice.file for notice in verdict(log).notices] == [layout.segment(SHARD, 30)]
    awake = log.open()
    assert awake.next_offset == len(records)


def test_a_reader_that_has_a_segment_compacted_under_it_goes_on() -> None:
    """What it listed as segments it finds in packs."""
    log = new_log()
    seen = segments_of(log)
    state = log.state()
    compact(log)
    for first, lines, _ in seen:
        assert state.entry(first + len(lines) - 1) == lines[-1]


def test_a_full_disk_leaves_the_log_alone(before: Log) -> None:
    """A put that fails is an error; every segment is still there."""
    log = copied(before)

    class Full(MemoryStore):
        def put(self, name: str, data: bytes) -> None:
            raise StoreError("disk_full", "no space left")

    full = Full()
    full.put_many([(name, log.store.get(name)) for name in log.store.list("")])
    log.store = full
    with pytest.raises(StoreError, match="no space"):
        compact(log)
    assert segments_of(log) == segments_of(before)


def test_without_a_temporary_directory_nothing_is_compacted(
    before: Log, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It says where space is missing; every segment is still there."""
    log = copied(before)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(StoreError) as caught:
        compact(log)
    assert caught.value.code == "no_space_for_copy"
    assert "TMPDIR" in caught.value.hint
    assert names(log, layout.PACKS) == []


def test_a_pack_of_a_newer_format_is_refused_by_every_reader(before: Log, tmp_path: Path) -> None:
    """It is not damage: a newer release has written it."""
    log = copied(before)
    compact(log)
    name = names(log, layout.PACKS)[1]
    rewrite(log, name, "FROM pack", tmp_path, format="2")
    for reader in (segments_of, verdict):
        with pytest.raises(UsageError) as caught:
            reader(log)
        assert caught.value.code == "newer_format"


def test_the_oracle_holds_of_a_log_that_goes_on_while_it_is_compacted() -> None:
    """Written and compacted by turns: one entry for each record, and the bytes of a log that nobody disturbed."""
    records = story(120)
    log = Log(MemoryStore(), MemoryStore())
    for end in range(20, 121, 20):
        append(log.open(), records[:end])
        compact(log, pack=30, keep=end % 40 == 0)
    assert lines_of(segments_of(log)) == log.twin(records).lines()
    compact(log, keep=True)
    assert verdict(log).ok
    assert len(check(log.twin(records), records)) == len(records)
