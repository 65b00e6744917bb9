"""What runs remember: keys, newest checkpoints, where to go on. Without being asked, and without a trace where that is asked for."""

from pathlib import Path

import pytest

from ledger.errors import UsageError
from ledger.log.ledgerfile import create_ledger
from ledger.proof.notes import Verifier
from ledger.storage import layout
from ledger.storage.memory import MemoryStore
from ledger.verify.api import LAST, verify
from ledger.verify.remembered import Memory, state_directory, thin
from tests.log.rig import SHARD, Log, append, code, event, record
from tests.verify.tampering import copied, found, honest, parts_of, put_parts, replace, rewrite, signer
from tests.verify.test_kinds import edit

HONEST = honest()


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    """What is remembered of the ledger at some place, nothing so far."""
    return Memory(tmp_path / "state", "/ledgers/audit")


def grown(log: Log, count: int) -> Log:
    """The same ledger after more entries, in segments of four."""
    more = copied(log)
    writer = more.open()
    start = writer.next_offset
    records = [record(start + place, event(f"more-{place}", code=code(100 + place))) for place in range(count)]
    append(writer, records, 4)
    return more


def test_a_tail_that_was_cut_off_is_found_by_the_next_run(memory: Memory) -> None:
    """The first run saw twelve entries, the second sees eight and says both."""
    log = copied(HONEST)
    verify(log.store, memory=memory)
    log.store.delete(layout.segment(SHARD, 8))
    problem = found(log, memory=memory)
    assert (problem.kind, problem.index, problem.expected, problem.found) == ("truncated", 8, "12", "8")
    assert found(log, memory=memory).kind == "truncated"  # what was seen is not forgotten for it


def test_an_edit_signed_with_the_real_key_is_found_by_the_next_run(memory: Memory) -> None:
    """Every checkpoint on the way is remembered, so the segment is named."""
    log = copied(HONEST)
    verify(log.store, memory=memory)
    rewrite(log, edit(5, message="other"), sign_with=signer(log))
    problem = found(log, memory=memory)
    assert (problem.kind, problem.index, problem.exact) == ("entry_edited", 4, False)


def test_another_history_is_found_by_the_next_run(memory: Memory) -> None:
    """The newest checkpoint of the first run is not one of what the second sees."""
    log = copied(HONEST)
    verify(log.store, memory=memory)
    rewrite(log, edit(10, message="other"), sign_with=signer(log), batch=3)
    problem = found(log, memory=memory)
    assert (problem.kind, problem.index) == ("forked", 8)


def test_a_log_that_grew_is_shown_to_extend_what_was_seen(memory: Memory) -> None:
    """The report names the checkpoint, and the trust rests on a key that was seen before."""
    first = verify(HONEST.store, memory=memory)
    second = verify(grown(HONEST, 5).store, memory=memory)
    assert (first.trust, first.extends) == ("beside", [])
    assert (second.trust, second.extends) == ("seen", ["test/0000 12"])
    assert second.ok


def test_a_changed_key_is_the_wrong_key(memory: Memory) -> None:
    """Another ledger of the same name in the same place, good by itself."""
    verify(HONEST.store, memory=memory)
    other = honest()
    problem = found(other, memory=memory)
    assert (problem.kind, problem.file) == ("wrong_key", "ledger.json")
    assert problem.expected == HONEST.file.vkey
    assert found(other, memory=memory).kind == "wrong_key"


def test_a_key_that_was_given_is_trusted_more_than_one_that_was_seen(memory: Memory) -> None:
    """Who gives a key says which ledger is meant; and what was made anew on purpose can be forgotten."""
    verify(HONEST.store, memory=memory)
    other = honest()
    assert verify(other.store, memory=memory, vkey=other.file.vkey).trust == "pinned"
    verify(HONEST.store, memory=memory, vkey=HONEST.file.vkey)
    memory.forget()
    assert verify(other.store, memory=memory).ok


def test_the_key_given_must_be_the_one_beside_the_log() -> None:
    """Also where the log is empty and no checkpoint tells."""
    log = copied(HONEST)
    put_parts(log, [])
    other = create_ledger(MemoryStore(), MemoryStore(), name="test", topic="topic", shards=1)
    assert Verifier.from_vkey(other.vkey).name == "test"
    assert found(log, vkey=other.vkey).kind == "wrong_key"


def test_a_changed_ledger_file_is_found_by_the_next_run(memory: Memory) -> None:
    """The number of shards is signed nowhere; it is remembered."""
    log = copied(HONEST)
    verify(log.store, memory=memory)
    raw = log.store.get(layout.LEDGER_FILE)
    replace(log, layout.LEDGER_FILE, raw.replace(b'"shards":1', b'"shards":3'))
    assert found(log, memory=memory).kind == "ledger_file_changed"


def test_without_memory_nothing_is_left_behind(tmp_path: Path) -> None:
    """No file, no directory."""
    verify(HONEST.store)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", [b"", b"garbage", None])
def test_a_damaged_memory_is_none(memory: Memory, damage: bytes | None) -> None:
    """Whatever lies in its files: the run is one that remembers nothing, and remembers again."""
    verify(HONEST.store, memory=memory)
    for path in memory.directory.rglob("*.bin"):
        raw = path.read_bytes()
        path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]) if damage is None else damage)
    report = verify(HONEST.store, memory=memory)
    assert (report.ok, report.trust, report.warnings) == (True, "beside", [])
    assert verify(HONEST.store, memory=memory).trust == "seen"


def test_a_memory_that_cannot_be_written_is_a_warning(tmp_path: Path) -> None:
    """The verdict stands; that nothing was kept is said."""
    (tmp_path / "state").write_text("a file in the way")
    report = verify(HONEST.store, memory=Memory(tmp_path / "state", "/ledgers/audit"))
    assert report.ok
    assert len(report.warnings) == 1


def test_a_bad_shard_is_not_remembered(memory: Memory) -> None:
    """What was found to be wrong is no yardstick."""
    log = copied(HONEST)
    log.store.delete(layout.segment(SHARD, 4))
    found(log, memory=memory)
    assert verify(HONEST.store, memory=memory).trust == "beside"


def test_where_the_state_lies() -> None:
    """XDG_STATE_HOME where it is an absolute path, else ~/.local/state."""
    assert state_directory({"XDG_STATE_HOME": "/somewhere"}) == Path("/somewhere/deployment-ledger")
    for environment in ({}, {"XDG_STATE_HOME": "relative"}):
        assert state_directory(environment) == Path("~/.local/state/deployment-ledger").expanduser()


def test_a_trail_does_not_grow_without_end() -> None:
    """It keeps its newest checkpoints and fewer and fewer of the older ones, in order."""
    trail: list[tuple[int, bytes]] = []
    for size in range(1, 20_001):
        trail.append((size, b""))
        thin(trail)
    sizes = [size for size, _ in trail]
    assert len(sizes) <= 4096
    assert sizes == sorted(sizes)
    assert sizes[-1000:] == list(range(19_001, 20_001))


# --- since -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 4, 9])
def test_since_says_what_a_full_run_says(memory: Memory, count: int) -> None:
    """Size, root and accounts of the whole log, though only what is new was read."""
    verify(HONEST.store, memory=memory)
    log = grown(HONEST, count)
    short = verify(log.store, memory=memory, since=[LAST])
    full = verify(log.store)
    assert short.ok
    assert (short.shards[0].size, short.shards[0].root) == (full.shards[0].size, full.shards[0].root)
    assert (short.shards[0].accounts, short.shards[0].since) == (full.shards[0].accounts, 12)


def test_since_reads_nothing_before_the_last_segment_seen(memory: Memory) -> None:
    """Segments that an earlier run verified may lie on a tape meanwhile."""
    verify(HONEST.store, memory=memory)
    log = grown(HONEST, 6)
    log.store.delete(layout.segment(SHARD, 0))
    replace(log, layout.segment(SHARD, 4), b"garbage")
    assert verify(log.store, memory=memory, since=[LAST]).ok
    assert verify(log.store, memory=memory, since=[LAST]).entries == 18


def test_since_a_checkpoint_that_the_last_run_saw(memory: Memory, tmp_path: Path) -> None:
    """Any on its way will do: the run goes on where that one ended."""
    verify(HONEST.store, memory=memory)
    path = tmp_path / "second.checkpoint"
    path.write_bytes(parts_of(HONEST)[1][2])
    assert verify(grown(HONEST, 2).store, memory=memory, since=[str(path)]).shards[0].since == 12


def test_since_without_an_earlier_run_needs_a_full_one(memory: Memory, tmp_path: Path) -> None:
    """The frontier is not in a checkpoint; that a full run is needed is said."""
    path = tmp_path / "second.checkpoint"
    path.write_bytes(parts_of(HONEST)[1][2])
    for since in (LAST, str(path)):
        with pytest.raises(UsageError) as caught:
            verify(HONEST.store, memory=memory, since=[since])
        assert caught.value.code == "full_run_needed"


def test_since_finds_what_is_wrong_with_what_is_new(memory: Memory) -> None:
    """An edit after the checkpoint, with the index in the whole log."""
    verify(HONEST.store, memory=memory)
    log = grown(HONEST, 6)
    rewrite(log, edit(14, message="other"))
    problem = found(log, memory=memory, since=[LAST])
    assert (problem.kind, problem.index) == ("bad_signature", 12)


@pytest.mark.parametrize(("gone", "kind"), [(8, "truncated"), (4, "truncated")])
def test_since_finds_a_tail_that_was_cut_off(memory: Memory, gone: int, kind: str) -> None:
    """The segment at which it begins must still be there."""
    verify(HONEST.store, memory=memory)
    log = copied(HONEST)
    for first in range(gone, 12, 4):
        log.store.delete(layout.segment(SHARD, first))
    assert found(log, memory=memory, since=[LAST]).kind == kind


def test_since_goes_on_inside_a_segment(memory: Memory) -> None:
    """Segments may have been joined since: the entries that are new are found in one that begins before."""
    verify(HONEST.store, memory=memory)
    log = grown(HONEST, 6)
    rewrite(log, lambda _: None, sign_with=signer(log), batch=9)
    report = verify(log.store, memory=memory, since=[LAST])
    assert report.ok
    assert report.shards[0].root == verify(log.store).shards[0].root
