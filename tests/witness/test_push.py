"""A ledger and its witnesses: growth, rollback, fork, races, and what is stored."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ledger.errors import IntegrityError, UsageError
from ledger.log.reader import segment_names
from ledger.proof.cosignatures import WitnessPolicy, WitnessVerifier, judge
from ledger.proof.merkle import Size
from ledger.proof.notes import Verifier, add_signatures, parse_note
from ledger.proof.witnessing import AddCheckpoint
from ledger.storage import layout
from ledger.storage.memory import MemoryStore
from ledger.witness.answers import Cosignature
from ledger.witness.pushing import push
from ledger.witness.registry import add_witness, list_witnesses
from ledger.witness.stored import cosigned_checkpoint, cosigned_sizes, keep, newest_witnessed
from ledger.witness.tree import read_tree
from tests.log.rig import SHARD, Log
from tests.witness.rig import (
    SECOND,
    SIGNER,
    grow,
    logs_of,
    new_log,
    pushed,
    same_name_and_key,
    submit,
    tree_of,
    witness,
)

POLICY = WitnessPolicy(witnesses=(SIGNER.verifier, SECOND.verifier), quorum=2)


def cut(log: Log, size: int, *, also_witnessed: bool = True) -> None:
    """Remove what lies beyond a size (which ends a segment), and the cosignatures beyond it."""
    for first, name in list(segment_names(log.store, SHARD)):
        if first >= size:
            log.store.delete(name)
    for name in list(log.store.list(layout.WITNESSED)) if also_witnessed else []:
        parsed = layout.parse_witnessed(name)
        if parsed is not None and parsed.size > size:
            log.store.delete(name)


def test_a_growing_log_is_cosigned_again_and_again(tmp_path: Path) -> None:
    """Every pushed checkpoint is stored with its cosignature; the newest is what is handed out."""
    log = new_log(7)
    with witness(tmp_path, logs_of(log.file)) as server:
        assert pushed(log, server.url).state == "cosigned"
        for size in (14, 21, 100):
            grow(log, size)
            row = pushed(log)
            assert (row.state, row.size, row.exit_code) == ("cosigned", size, 0)
    assert cosigned_sizes(log.store, SHARD) == [7, 14, 21, 100]
    note = cosigned_checkpoint(log.store, SHARD)
    assert note is not None
    assert note.startswith(tree_of(log).note)
    assert judge(note, log.file.verifier(SHARD), WitnessPolicy(witnesses=(SIGNER.verifier,), quorum=1)).witnessed
    assert cosigned_checkpoint(log.store, SHARD, 8) is None


def test_pushing_twice_keeps_the_first_cosignature(tmp_path: Path) -> None:
    """A checkpoint that did not grow is cosigned again, and the object stays as it was created."""
    log, now = new_log(7), [1000.0]
    with witness(tmp_path, logs_of(log.file), clock=lambda: now[0]) as server:
        pushed(log, server.url)
        first = cosigned_checkpoint(log.store, SHARD)
        now[0] = 2000
        row = pushed(log)
    assert row.state == "cosigned"
    assert row.time is not None
    assert row.time.timestamp() == 2000
    assert cosigned_checkpoint(log.store, SHARD) == first


def test_a_log_that_forgot_its_cosignatures_is_told_the_size(tmp_path: Path) -> None:
    """A first contact with a witness that knows the log costs one answer more."""
    log = new_log(7)
    with witness(tmp_path, logs_of(log.file)) as server:
        pushed(log, server.url)
        for name in list(log.store.list(layout.WITNESSED)):
            log.store.delete(name)
        grow(log, 21)
        assert pushed(log).state == "cosigned"


@pytest.mark.parametrize("left", [7, 0])
def test_a_log_that_was_cut_off_is_found_by_its_witness(tmp_path: Path, left: int) -> None:
    """Though every trace was removed from the ledger, and even where the shard looks new; the witness shows our signature."""
    log = new_log(14)
    with witness(tmp_path, logs_of(log.file)) as server:
        pushed(log, server.url)
        cut(log, left)
        row = pushed(log)
    assert (row.state, row.exit_code, row.size) == ("rollback", 3, left)
    assert "14 entries were there before, now there are" in str(row.message)
    assert row.evidence is not None
    assert "\n14\n" in row.evidence


def test_a_log_that_was_cut_off_is_found_by_its_own_cosignatures() -> None:
    """With no witness to be reached."""
    log = new_log(14)
    tree = tree_of(log)
    line = SIGNER.sign(tree.checkpoint.text, 1)
    add_witness(log.store, log.file, "http://127.0.0.1:1", SIGNER.vkey)
    keep(log.store, SHARD, 14, tree.note, [Cosignature(witness=SIGNER.verifier, line=line, time=1)])
    cut(log, 7, also_witnessed=False)
    assert pushed(log).state == "rollback"


@pytest.mark.parametrize("size", [7, 14, 21])
def test_another_history_is_found_by_the_witness(tmp_path: Path, size: int) -> None:
    """Signed with the real key, of the same size or grown from there; shorter it is a rollback."""
    log = new_log(14)
    with witness(tmp_path, logs_of(log.file)) as server:
        pushed(log, server.url)
        other = same_name_and_key(log, size, flavour="other")
        row = pushed(other)
    assert (row.state, row.exit_code) == ("fork" if size >= 14 else "rollback", 3)
    assert row.evidence is not None
    assert cosigned_sizes(other.store, SHARD) == []


def test_another_history_is_found_by_its_own_cosignatures() -> None:
    """A stored cosigned checkpoint that the log does not extend needs nobody else."""
    log = new_log(14)
    other = same_name_and_key(log, 21, flavour="other")
    add_witness(other.store, other.file, "http://127.0.0.1:1", SIGNER.vkey)
    tree = tree_of(log)
    line = SIGNER.sign(tree.checkpoint.text, 1)
    keep(other.store, SHARD, 14, tree.note, [Cosignature(witness=SIGNER.verifier, line=line, time=1)])
    assert pushed(other).state == "fork"


def test_a_witness_that_is_ahead_of_what_was_read_is_no_rollback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log grew and another push was quicker: it is read again before anybody is accused."""
    log = new_log(7)
    small = tree_of(log)
    with witness(tmp_path, logs_of(log.file)) as server:
        add_witness(log.store, log.file, server.url, SIGNER.vkey)
        grow(log, 21)
        tree = tree_of(log)
        assert submit(server.url, AddCheckpoint(old=Size(0), proof=(), note=tree.note)).status == 200
        answers = iter([small, tree])
        monkeypatch.setattr("ledger.witness.pushing.read_tree", lambda *_: next(answers))
        row = pushed(log)
    assert (row.state, row.size) == ("cosigned", 21)


def test_pushes_at_once_all_succeed(tmp_path: Path) -> None:
    """Any number of pushes of one ledger to one witness: no false alarm."""
    log = new_log(21)
    with witness(tmp_path, logs_of(log.file)) as server:
        add_witness(log.store, log.file, server.url, SIGNER.vkey)
        with ThreadPoolExecutor(4) as pool:
            rows = list(pool.map(lambda _: pushed(log), range(8)))
    assert [row.state for row in rows] == ["cosigned"] * 8


def test_two_witnesses_fill_a_quorum(tmp_path: Path) -> None:
    """Their cosignatures of one size are put together, the log's line first."""
    log = new_log(7)
    with (
        witness(tmp_path / "a", logs_of(log.file)) as first,
        witness(tmp_path / "b", logs_of(log.file), signer=SECOND) as second,
    ):
        add_witness(log.store, log.file, first.url, SIGNER.vkey)
        add_witness(log.store, log.file, second.url, SECOND.vkey)
        assert [row.state for row in push(log.store, log.file)] == ["cosigned"] * 2
    note = cosigned_checkpoint(log.store, SHARD)
    assert note is not None
    assert judge(note, log.file.verifier(SHARD), POLICY).witnessed
    assert parse_note(note).signatures[0].name == "test/0000"


def test_the_newest_with_a_quorum_is_found(tmp_path: Path) -> None:
    """A newer checkpoint with too few cosignatures does not hide an older one with enough."""
    log = new_log(7)
    assert newest_witnessed(log.store, log.file, SHARD, POLICY) is None
    with witness(tmp_path / "a", logs_of(log.file)) as first:
        add_witness(log.store, log.file, first.url, SIGNER.vkey)
        with witness(tmp_path / "b", logs_of(log.file), signer=SECOND) as second:
            add_witness(log.store, log.file, second.url, SECOND.vkey)
            list(push(log.store, log.file))
        grow(log, 14)
        states = {row.id: row.state for row in push(log.store, log.file, seconds=2)}
    assert states == {
        SIGNER.verifier.key_id.hex(): "cosigned",
        SECOND.verifier.key_id.hex(): "witness_unreachable",
    }
    found = newest_witnessed(log.store, log.file, SHARD, POLICY)
    assert found is not None
    assert (found.checkpoint.size, found.witnessed) == (7, True)
    alone = newest_witnessed(log.store, log.file, SHARD, WitnessPolicy(witnesses=(SECOND.verifier,), quorum=1))
    assert alone is not None
    assert alone.checkpoint.size == 7


def test_two_ledgers_of_two_organisations_hold_each_other(tmp_path: Path) -> None:
    """Each cosigns the other's log; a fork of either is found by the other."""
    left, right = new_log(7), new_log(7, flavour="right")
    with (
        witness(tmp_path / "left", logs_of(right.file)) as of_left,
        witness(tmp_path / "right", logs_of(left.file), signer=SECOND) as of_right,
    ):
        assert pushed(left, of_right.url, SECOND).state == "cosigned"
        assert pushed(right, of_left.url).state == "cosigned"
        assert pushed(same_name_and_key(left, 7, flavour="x")).state == "fork"
        grow(right, 14, flavour="right")
        assert pushed(right).state == "cosigned"


def test_every_shard_is_pushed_and_an_empty_one_is_said_to_be(tmp_path: Path) -> None:
    """One answer for each shard and witness."""
    log = new_log(7, shards=3)
    with witness(tmp_path, logs_of(log.file)) as server:
        add_witness(log.store, log.file, server.url, SIGNER.vkey)
        rows = list(push(log.store, log.file))
    assert [(row.shard, row.state, row.size) for row in rows] == [(0, "cosigned", 7), (1, "empty", 0), (2, "empty", 0)]


def test_a_damaged_log_is_shown_to_nobody(tmp_path: Path) -> None:
    """A checkpoint that does not fit the entries is not submitted."""
    log = new_log(14)
    names = [name for _, name in segment_names(log.store, SHARD)]
    second = log.store.get(names[1])
    log.store.delete(names[0])
    log.store.put(names[0], second)
    with witness(tmp_path, logs_of(log.file)) as server:
        row = pushed(log, server.url)
        assert (row.state, row.exit_code) == ("root_mismatch", 3)
        assert list(tmp_path.glob("*.checkpoint")) == []


@pytest.mark.parametrize("kind", ["text", "log line", "cosignature", "name", "no cosignature"])
def test_a_changed_cosigned_checkpoint_is_found(tmp_path: Path, kind: str) -> None:
    """Whatever of it was changed; it never leads to a false alarm of another kind."""
    log = new_log(14)
    with witness(tmp_path, logs_of(log.file)) as server:
        pushed(log, server.url)
    name = layout.witnessed(SHARD, 14, SIGNER.verifier.key_id.hex())
    data, place = log.store.get(name), name
    log.store.delete(name)
    match kind:
        case "text":
            data = data.replace(b"\n14\n", b"\n15\n")
        case "log line":
            data = data.replace(b"test/0000 ", b"test/0001 ")
        case "cosignature":
            data = add_signatures(tree_of(log).note, [SIGNER.sign(tree_of(new_log(14)).checkpoint.text, 1)])
        case "no cosignature":
            data = tree_of(log).note
        case _:
            place = name.replace("14-", "99-")
    log.store.put(place, data)
    row = pushed(log)
    assert row.exit_code == 3
    assert row.state in {"bad_signature", "wrong_key", "misplaced_note"}


def test_two_cosigned_checkpoints_of_one_size_are_a_fork() -> None:
    """What two witnesses saw is put side by side, not put together."""
    log = new_log(14)
    other = same_name_and_key(log, 14, flavour="other")
    for found, signer in ((tree_of(log), SIGNER), (tree_of(other), SECOND)):
        line = signer.sign(found.checkpoint.text, 1)
        keep(log.store, SHARD, 14, found.note, [Cosignature(witness=signer.verifier, line=line, time=1)])
    with pytest.raises(IntegrityError) as caught:
        cosigned_checkpoint(log.store, SHARD)
    assert caught.value.code == "fork"


def test_a_ledger_without_witnesses_says_so() -> None:
    """Pushing to nobody is a mistake."""
    log = new_log(7)
    with pytest.raises(UsageError) as caught:
        list(push(log.store, log.file))
    assert caught.value.code == "no_witnesses"


def test_a_witness_is_remembered_once() -> None:
    """The same again is no error; another URL is, and names what to remove; a log's key is no witness."""
    log = new_log()
    first = add_witness(log.store, log.file, "https://witness.example/a/", SIGNER.vkey)
    assert first.url == "https://witness.example/a"
    assert add_witness(log.store, log.file, "https://witness.example/a", SIGNER.vkey) == first
    assert list_witnesses(log.store) == [first]
    with pytest.raises(UsageError) as caught:
        add_witness(log.store, log.file, "https://witness.example/b", SIGNER.vkey)
    assert caught.value.code == "witness_exists"
    with pytest.raises(IntegrityError) as refused:
        add_witness(log.store, log.file, "https://witness.example", log.file.vkey)
    assert refused.value.code == "unsupported_key"


def test_a_ledgers_own_key_is_no_witness_of_it() -> None:
    """Not even as a key of type 4."""
    log = new_log()
    own = WitnessVerifier("w", Verifier.from_vkey(log.file.vkey).public_key)
    with pytest.raises(UsageError) as caught:
        add_witness(log.store, log.file, "https://witness.example", own.vkey)
    assert caught.value.code == "log_is_witness"


@pytest.mark.parametrize("data", [b"", b"{}", b'{"url":"ftp://a","vkey":"b"}', b'{"url":1,"vkey":2}'])
def test_a_damaged_witness_file_is_said_to_be(data: bytes) -> None:
    """The file is named."""
    store = MemoryStore()
    store.put(layout.witness("00000000"), data)
    with pytest.raises(IntegrityError) as caught:
        list_witnesses(store)
    assert caught.value.code == "bad_witness_file"


def test_an_empty_shard_has_no_tree() -> None:
    """There is no checkpoint of nothing."""
    log = new_log()
    assert read_tree(log.store, log.file, SHARD) is None
