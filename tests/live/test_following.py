"""Following a log on disk: quickly, over compaction, and over whatever happens to the store; and who waits for it."""

import asyncio
import json
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import ledger.live.following as module
from ledger.errors import BrokerError, IntegrityError, LedgerError, NotFoundError
from ledger.live.cache import LiveCache
from ledger.live.names import Names
from ledger.live.shard import LiveShard, Seen
from ledger.live.view import Batch, LiveLedger, open_live
from ledger.log.segments import Segment
from ledger.log.whole import whole
from ledger.model.entries import decode_entry
from ledger.storage import layout
from ledger.storage.local import LocalStore
from ledger.storage.memory import MemoryStore
from tests.compact.rig import compact, new_log, written_and_compacted
from tests.log.rig import SHARD, Log, append, code, event, record, story
from tests.worker.rig import wait_until

RECORDS = story(200)


@contextmanager
def opened(log: Log, cache: Path | None = None) -> Iterator[LiveLedger]:
    """A log on disk, followed in a thread."""
    assert isinstance(log.store, LocalStore)
    with open_live(str(log.store.root), cache=cache) as live:
        yield live


def write_more(log: Log, start: int, end: int) -> None:
    """A worker that starts anew and writes these records, in segments of 7."""
    append(log.open(), RECORDS[start:end])


def wait_size(live: LiveLedger, size: int) -> None:
    """Return once so much is visible."""
    wait_until(lambda: live.sizes()[SHARD] == size, 30)


def check(live: LiveLedger, log: Log) -> None:
    """Everything is visible, byte for byte, and the accounts are those that the log gives."""
    state = log.state()
    wait_size(live, state.size)
    assert {name: live.account(name) for name in live.accounts()} == state.accounts
    assert [live.entry(SHARD, index) for index in range(state.size)] == [
        state.entry(index) for index in range(state.size)
    ]


def test_what_is_written_is_seen(tmp_path: Path) -> None:
    """From an empty log on, without anybody asking; the etag is another one after each step and the same for all who look."""
    log = Log(LocalStore(tmp_path), LocalStore(tmp_path / "keys"))
    with opened(log) as live:
        etags = [live.etag()]
        for start in range(0, 100, 20):
            write_more(log, start, start + 20)
            wait_size(live, start + 20)
            etags.append(live.etag())
        check(live, log)
        assert len(set(etags)) == 6
        assert live.problem() is None
    with opened(log) as live:
        assert live.etag() == etags[-1]


def test_no_listing_is_needed_to_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A segment is found by its name: however many files there are, the next one costs the same."""
    log = new_log(LocalStore(tmp_path), 49)
    later = log.twin(RECORDS[:56]).store
    names = [*later.list(layout.BLOBS), layout.segment(SHARD, 49)]
    monkeypatch.setattr(module, "_LOOK_S", 1e9)
    with opened(log) as live:
        listed: list[str] = []

        def entries(store: LocalStore, folder: str) -> list[str]:
            if store.root == tmp_path:  # threads of others may look at what is theirs
                listed.append(folder)
            return []

        monkeypatch.setattr(LocalStore, "_entries", entries)
        for name in names:
            log.store.put_many([(name, later.get(name))])
        wait_size(live, 56)
        time.sleep(0.05)  # it has looked for the next one some times
        assert listed == []
        assert live.problem() is None


@pytest.mark.parametrize("behind", [False, True])
def test_compaction_changes_nothing(tmp_path: Path, *, behind: bool) -> None:
    """Of what was seen and of what was not seen yet."""
    log = new_log(LocalStore(tmp_path), 50)
    with opened(log) as live:
        if behind:
            live._follower._again_at[SHARD] = float("inf")  # as if it had been asleep
        write_more(log, 50, 120)
        if not behind:
            wait_size(live, 120)
        compact(log, pack=30)
        assert not list(log.store.list(layout.segment(SHARD, 56)))
        live._follower._again_at.clear()
        write_more(log, 120, 150)
        check(live, log)
        assert live.problem() is None


def test_a_writer_and_a_compaction_at_once(tmp_path: Path) -> None:
    """Nothing is lost or doubled."""
    log = new_log(LocalStore(tmp_path), 10)
    with opened(log) as live:
        with written_and_compacted(log, RECORDS[10:200]):
            seen = asyncio.run(first_entries(live, 190, {SHARD: 10}))
        check(live, log)
    assert [index for _, index, _ in seen] == list(range(10, 200))


def test_an_object_store_is_followed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one request a shard each time, and no listing but now and then; what was compacted meanwhile is read from packs."""
    monkeypatch.setattr(module, "_POLL_REMOTE_S", 0.005)
    monkeypatch.setattr(module, "_LOOK_REMOTE_S", 1e9)
    log = new_log(MemoryStore(), 49)
    listed: list[str] = []
    names = MemoryStore.list

    def listing(store: MemoryStore, prefix: str, after: str = "") -> Iterator[str]:
        if threading.current_thread().name == "follow":
            listed.append(prefix)
        return names(store, prefix, after)

    monkeypatch.setattr(MemoryStore, "list", listing)
    live = LiveLedger(whole(log.store), log.file, Names(None), LiveCache(None, log.file))
    live.start()
    try:
        write_more(log, 49, 84)
        check(live, log)
        assert listed == []
        live._follower._again_at[SHARD] = float("inf")  # as if it had been asleep
        write_more(log, 84, 120)
        compact(log, pack=30)
        monkeypatch.setattr(module, "_LOOK_REMOTE_S", 0.01)
        live._follower._again_at.clear()
        write_more(log, 120, 130)
        check(live, log)
        assert live.problem() is None
    finally:
        live.close()


# --- trouble -----------------------------------------------------------------------------------------------------------------------------


def wait_problem(live: LiveLedger) -> LedgerError:
    """Why it is behind, once it says so."""
    wait_until(lambda: live.problem() is not None, 30)
    problem = live.problem()
    assert problem is not None
    return problem


def well(live: LiveLedger) -> None:
    """Return once nothing is wrong any more."""
    wait_until(lambda: live.problem() is None, 30)


def test_a_ledger_that_was_moved_away_is_said_to_be_and_goes_on_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was seen is still shown meanwhile."""
    monkeypatch.setattr(module, "_LOOK_S", 0.02)
    monkeypatch.setattr(module, "_AGAIN_S", 0.02)
    root = tmp_path / "ledger"
    log = new_log(LocalStore(root), 50)
    with opened(log) as live:
        shutil.move(root, tmp_path / "elsewhere")
        assert wait_problem(live).code == "no_ledger"
        assert live.script("acme", "a") is not None
        shutil.move(tmp_path / "elsewhere", root)
        well(live)
        write_more(log, 50, 70)
        check(live, log)
        shutil.move(root, tmp_path / "elsewhere")
        new_log(LocalStore(root), 10)
        (root / layout.LEDGER_FILE).unlink()
        wait_problem(live)
        (root / layout.LEDGER_FILE).write_bytes(
            (tmp_path / "elsewhere" / layout.LEDGER_FILE).read_bytes().replace(b'"name":"test"', b'"name":"other"')
        )
        wait_until(lambda: (problem := live.problem()) is not None and problem.code == "another_ledger", 30)


def test_who_opened_it_is_told_how_far_it_is_and_when_it_falls_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is opened; and of each change once."""
    monkeypatch.setattr(module, "_LOOK_S", 0.02)
    monkeypatch.setattr(module, "_AGAIN_S", 0.02)
    monkeypatch.setattr("ledger.live.shard._TOLD_EVERY", 20)
    root = tmp_path / "ledger"
    log = new_log(LocalStore(root), 70)
    read: list[int] = []
    told: list[str | None] = []

    def tell(problem: LedgerError | None) -> None:
        told.append(None if problem is None else problem.code)

    with open_live(str(root), progress=read.append, on_problem=tell) as live:
        assert read == [20, 40, 60]
        write_more(log, 70, 100)
        wait_size(live, 100)
        assert read == [20, 40, 60]
        shutil.move(root, tmp_path / "elsewhere")
        wait_until(lambda: told == ["no_ledger"], 30)
        shutil.move(tmp_path / "elsewhere", root)
        wait_until(lambda: told == ["no_ledger", None], 30)


def test_a_store_that_hangs_does_not_keep_it_from_ending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What hangs is left to its thread."""
    monkeypatch.setattr(module, "_STOP_S", 0.1)
    log = new_log(LocalStore(tmp_path), 49)
    hangs, ends = threading.Event(), threading.Event()
    read = LocalStore.get

    def get(store: LocalStore, name: str) -> bytes:
        if threading.current_thread().name == "follow":
            hangs.set()
            ends.wait(60)
        return read(store, name)

    monkeypatch.setattr(LocalStore, "get", get)
    with opened(log) as live:
        write_more(log, 49, 56)
        assert hangs.wait(30)
        live.close()
        assert not ends.is_set()
    ends.set()


def test_a_store_that_fails_for_a_while_only_delays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At any of the reads of a segment and what it refers to; who waits gets the entry in the end."""
    monkeypatch.setattr(module, "_AGAIN_S", 0.02)
    log = new_log(LocalStore(tmp_path), 50)
    read = LocalStore.get
    broken = threading.Event()
    failures: list[str] = []

    def get(store: LocalStore, name: str) -> bytes:
        if broken.is_set() and threading.current_thread().name == "follow":
            failures.append(name)
            raise LedgerError("store_io", "the disk is away")
        return read(store, name)

    monkeypatch.setattr(LocalStore, "get", get)

    async def wait(live: LiveLedger) -> bytes:
        waiting = asyncio.create_task(live.entry_of("acme", "test", "late", 60))
        broken.set()
        await asyncio.to_thread(write_more, log, 50, 120)
        await asyncio.to_thread(append, log.open(), [record(120, event("late", "late", code=code(1)))])
        assert (await asyncio.to_thread(wait_problem, live)).code == "store_io"
        await asyncio.to_thread(wait_until, lambda: len(failures) > 2, 30)
        assert live.sizes() == {SHARD: 50}
        assert not waiting.done()
        broken.clear()
        return await waiting

    with opened(log) as live:
        entry = asyncio.run(wait(live))
        check(live, log)
        well(live)
    assert entry == log.lines()[120]


def test_what_came_while_a_shard_was_loaded_again_is_found_by_who_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody tells of its entries one by one then."""
    monkeypatch.setattr(module, "_AGAIN_S", 0.02)
    log = new_log(LocalStore(tmp_path), 50)
    take = LiveShard.take
    failed: list[int] = []

    def once(shard: LiveShard, segment: Segment) -> list[Seen]:
        found = take(shard, segment)
        if not failed:
            failed.append(shard.state.size)
            raise LedgerError("store_io", "the disk is away")
        return found

    monkeypatch.setattr(LiveShard, "take", once)

    async def wait(live: LiveLedger) -> bytes:
        waiting = asyncio.create_task(live.entry_of("acme", "test", "late", 60))
        await asyncio.to_thread(append, log.open(), [record(50, event("late", "late", code=code(1)))])
        return await waiting

    with opened(log) as live:
        assert asyncio.run(wait(live)) == log.lines()[50]
        check(live, log)
    assert failed == [51]


def test_a_damaged_segment_is_not_shown_and_what_replaces_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it: its checkpoint has to fit first."""
    monkeypatch.setattr(module, "_DAMAGED_AGAIN_S", 0.02)
    log = new_log(LocalStore(tmp_path), 49)
    sound = log.twin(RECORDS[:56]).store.get(layout.segment(SHARD, 49))
    other = log.twin(story(56, seed=2)).store.get(layout.segment(SHARD, 49))
    path = tmp_path / layout.segment(SHARD, 49)
    with opened(log) as live:
        before = live.script("acme", "a")
        put(path, other)
        problem = wait_problem(live)
        assert isinstance(problem, IntegrityError)
        assert problem.code in {"account_chain_broken", "root_mismatch"}
        assert live.sizes() == {SHARD: 49}
        assert live.script("acme", "a") is not None
        assert before is not None
        assert live.script("acme", "a") is before or live.script("acme", "a").serial == before.serial  # type: ignore[union-attr]
        for name in log.twin(RECORDS[:56]).store.list(layout.BLOBS):
            log.store.put_many([(name, log.twin(RECORDS[:56]).store.get(name))])
        put(path, sound)
        wait_size(live, 56)
        well(live)


def put(path: Path, content: bytes) -> None:
    """Put a file in a place, whole."""
    aside = path.with_suffix(".aside")
    aside.write_bytes(content)
    aside.replace(path)


@pytest.mark.parametrize("again", [False, True])
def test_a_log_that_was_cut_off_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, again: bool) -> None:
    """And stays so, whatever is written to it; what was read is still shown."""
    monkeypatch.setattr(module, "_CHECK_S", 1e9 if again else 0.02)
    log = new_log(LocalStore(tmp_path), 56)
    with opened(log) as live:
        time.sleep(0.1)  # some checks pass
        assert live.problem() is None
        (tmp_path / layout.segment(SHARD, 49)).unlink()
        if again:  # it is loaded anew, of some other trouble, before it is looked at
            live._follower._shards[SHARD] = None
        assert wait_problem(live).code == "log_cut_off"
        append(log.open(), story(57, seed=3)[49:])
        time.sleep(0.1)
        assert wait_problem(live).code == "log_cut_off"
        assert live.sizes() == {SHARD: 56}


def test_what_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """No ledger, no keys where they are said to be, a log that contradicts itself."""
    with pytest.raises(NotFoundError, match="no ledger"), open_live(str(tmp_path / "none")):
        pass
    log = new_log(LocalStore(tmp_path / "ledger"), 20)
    with pytest.raises(NotFoundError, match="no keys"), open_live(str(tmp_path / "ledger"), keys=str(tmp_path / "k")):
        pass
    log.store.delete(layout.segment(SHARD, 7))
    with pytest.raises(IntegrityError, match="comes"), opened(log):
        pass


# --- the cache ---------------------------------------------------------------------------------------------------------------------------


def test_a_second_process_reads_the_snapshots_and_leaves_them_alone(tmp_path: Path) -> None:
    """So does one whose cache cannot be written; and after a crash within a snapshot the log is read."""
    cache = tmp_path / "cache"
    log = new_log(LocalStore(tmp_path / "ledger"), 50)
    with opened(log, cache):
        pass
    kept = files(cache)
    assert any("state-" in name for name in kept)
    write_more(log, 50, 100)
    with opened(log, cache) as first, opened(log, cache) as second:
        check(first, log)
        check(second, log)
        assert (first._cache.keeps, second._cache.keeps) == (True, False)
        second.close()
        assert files(cache) == kept
    assert files(cache) != kept
    for path in cache.rglob("state-*.bin"):
        path.write_bytes(path.read_bytes()[:-1])
    with opened(log, cache) as live:
        check(live, log)
    for path in cache.rglob("marks-*.npy"):
        path.write_bytes(b"")
    with opened(log, cache) as live:
        check(live, log)
    with opened(log, Path("/proc/nothing/here")) as live:
        check(live, log)


def files(directory: Path) -> dict[str, bytes]:
    """All files below a directory."""
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_snapshot_of_a_longer_or_another_log_is_not_used(tmp_path: Path) -> None:
    """The log decides."""
    cache = tmp_path / "cache"
    log = new_log(LocalStore(tmp_path / "ledger"), 56)
    with opened(log, cache):
        pass
    log.store.delete(layout.segment(SHARD, 49))
    with opened(log, cache) as live:
        check(live, log)
        assert live.sizes() == {SHARD: 49}


def test_a_start_that_was_stopped_is_not_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots are written on the way: the next one goes on at the last of them."""
    monkeypatch.setattr(LiveShard.keep, "__kwdefaults__", {"at_least": 30})
    log = new_log(LocalStore(tmp_path / "ledger"), 98)
    sound = log.store.get(layout.segment(SHARD, 91))
    (tmp_path / "ledger" / layout.segment(SHARD, 91)).write_bytes(sound[:-1])
    with pytest.raises(IntegrityError), opened(log, tmp_path / "cache"):
        pass
    put(tmp_path / "ledger" / layout.segment(SHARD, 91), sound)
    read: list[int] = []
    monkeypatch.setattr("ledger.live.shard._TOLD_EVERY", 1)
    with open_live(str(tmp_path / "ledger"), cache=tmp_path / "cache", progress=read.append) as live:
        check(live, log)
    assert read[-1] == 98 - 70


def test_indexes_go_to_disk_while_a_log_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cache and without: memory does not grow with the log, and all is found."""
    monkeypatch.setattr("ledger.live.shard._ASIDE_EVERY", 10)
    log = new_log(LocalStore(tmp_path / "ledger"), 100)
    for cache in (tmp_path / "cache", None):
        with opened(log, cache) as live:
            shard = live._follower._shards[SHARD]
            assert shard is not None
            assert len(shard.marks._recent) < 100 < len(shard.marks)
            for line in log.lines():
                entry = decode_entry(line)
                if entry.account and entry.event.source and entry.event.id:
                    asyncio.run(live.entry_of(entry.account, entry.event.source, entry.event.id, 0))


# --- waiting -----------------------------------------------------------------------------------------------------------------------------


async def first_entries(live: LiveLedger, count: int, since: dict[int, int] | None = None) -> Batch:
    """So many entries of a subscription."""
    found: Batch = []
    async with asyncio.timeout(60):
        async for batch in live.subscribe(since):
            found += batch
            if len(found) >= count:
                break
    return found


def test_a_subscription_has_every_entry_once(tmp_path: Path) -> None:
    """From now on or from sizes of before; of one who reads slowly too; it ends with the ledger."""
    log = new_log(LocalStore(tmp_path), 30)

    async def take(stream: AsyncIterator[Batch], pause_s: float, whole: asyncio.Event) -> Batch:
        found: Batch = []
        async for batch in stream:
            found += batch
            if found[-1][1] == 99:
                whole.set()
            await asyncio.sleep(pause_s)
        return found

    async def read(live: LiveLedger) -> list[Batch]:
        whole = asyncio.Event(), asyncio.Event()
        streams = live.subscribe(), live.subscribe({SHARD: 12, 99: 5})
        tasks = [asyncio.create_task(take(streams[place], 0.01 * place, whole[place])) for place in range(2)]
        await asyncio.to_thread(write_more, log, 30, 100)
        async with asyncio.timeout(30):
            for event in whole:
                await event.wait()
            await asyncio.to_thread(live.close)
            return await asyncio.gather(*tasks)

    with opened(log) as live:
        now, before = asyncio.run(read(live))
    lines = log.lines()
    assert now == [(SHARD, index, lines[index]) for index in range(30, 100)]
    assert before == [(SHARD, index, lines[index]) for index in range(12, 100)]


def test_who_waits_gets_the_entry_when_it_comes(tmp_path: Path) -> None:
    """Each their own, whenever they began to wait; in time or not at all, and nobody is left over."""
    log = new_log(LocalStore(tmp_path), 0)
    count = 40

    async def wait(live: LiveLedger) -> list[bytes]:
        waits = [asyncio.create_task(live.entry_of("acme", "test", f"n{number}", 30)) for number in range(count)]
        await asyncio.sleep(0)
        writer = await asyncio.to_thread(log.open)
        for number in range(count):
            await asyncio.to_thread(append, writer, [record(number, event(f"n{number}", code=code(number)))])
        waits += [asyncio.create_task(live.entry_of("acme", "test", f"n{number}", 30)) for number in range(count)]
        found = await asyncio.gather(*waits)
        assert len(live._waiters) == 0
        with pytest.raises(BrokerError) as caught:
            await live.entry_of("acme", "test", "never", 0.05)
        assert caught.value.code == "not_folded"
        cancelled = asyncio.create_task(live.entry_of("acme", "test", "never", 30))
        await asyncio.sleep(0.01)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        assert len(live._waiters) == 0
        return found

    with opened(log) as live:
        found = asyncio.run(wait(live))
    assert found == [*log.lines(), *log.lines()]
    assert [json.loads(line)["event"]["id"] for line in found[:count]] == [f"n{number}" for number in range(count)]


def test_closing_ends_who_waits(tmp_path: Path) -> None:
    """With the same error as when time is over."""
    log = new_log(LocalStore(tmp_path), 5)

    async def wait(live: LiveLedger) -> None:
        waiting = asyncio.create_task(live.entry_of("acme", "test", "never", 60))
        await asyncio.sleep(0.01)
        await asyncio.to_thread(live.close)
        with pytest.raises(BrokerError):
            await asyncio.wait_for(waiting, 10)

    with opened(log) as live:
        asyncio.run(wait(live))
