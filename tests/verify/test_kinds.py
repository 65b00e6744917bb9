"""Each way of tampering, done by a program: found, called by its name, with the first bad index."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.log.segments import encode_segment
from ledger.proof.notes import Signer
from ledger.storage import layout
from ledger.verify.api import verify
from tests.log.rig import SHARD, Log, append, code, event, record
from tests.verify.tampering import (
    BATCH,
    Json,
    change_line,
    copied,
    found,
    honest,
    parts_of,
    put_parts,
    replace,
    rewrite,
    signer,
)

HONEST = honest()


@pytest.fixture
def log() -> Log:
    """A ledger to tamper with."""
    return copied(HONEST)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The checkpoint after two of three segments, kept elsewhere."""
    path = tmp_path / "kept.checkpoint"
    path.write_bytes(parts_of(HONEST)[1][2])
    return path


def place(problem: Any) -> tuple[str, int]:
    """What a problem says first."""
    return problem.kind, problem.index


# --- entries ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [2, 9])
def test_an_edited_entry_that_another_one_names_is_named(log: Log, index: int) -> None:
    """A message is edited, the segment compressed anew: the account's next entry, in this segment or a later one, tells which."""
    change_line(log, index, lambda line: line.replace(b'"message":"', b'"message":"not '))
    problem = found(log)
    assert place(problem) == ("entry_edited", index)
    assert problem.exact == (index == 2)  # what names entry 9 is its account's last: it may have been changed instead
    assert problem.expected != problem.found


def test_an_edit_that_breaks_a_rule_is_an_edit(log: Log) -> None:
    """A manifest that does not fit its digest any more, below a root that does not fit either."""
    change_line(
        log, 8, lambda line: line.replace(b'"manifest":{"bindings":{', b'"manifest":{"bindings":{"A":{"type":"x"},')
    )
    assert place(found(log)) == ("entry_edited", 8)


def test_an_edit_whose_chain_was_rewritten_is_narrowed_to_its_segment(log: Log) -> None:
    """Without the key the roots cannot be signed anew: the first segment whose root does not fit is named, and that no more is known."""
    edited = copied(log)
    rewrite(edited, edit(5, message="other"), sign_with=signer(log))
    put_parts(
        log,
        [(first, lines, note) for (first, lines, _), (_, _, note) in zip(parts_of(edited), parts_of(log), strict=True)],
    )
    problem = found(log)
    assert (problem.kind, problem.index, problem.exact) == ("entry_edited", BATCH, False)


def test_checkpoints_that_were_rewritten_without_the_key_are_not_signed(log: Log) -> None:
    """New roots under old signatures."""
    rewrite(log, edit(5, message="other"))
    assert place(found(log)) == ("bad_signature", BATCH)


def test_another_key_is_the_wrong_key(log: Log) -> None:
    """Every checkpoint signed anew, with a key of the tamperer's."""
    rewrite(log, edit(1, message="other"), sign_with=Signer("test/0000", bytes(32)))
    assert place(found(log)) == ("wrong_key", 0)


def test_an_edit_signed_with_the_real_key_is_found_by_an_older_checkpoint(log: Log, kept: Path) -> None:
    """Nothing in the log tells; the checkpoint that somebody kept does, and where it stops being true."""
    rewrite(log, edit(5, message="other"), sign_with=signer(log))
    assert verify(log.store).ok
    problem = found(log, against=[str(kept)])
    assert problem.kind == "entry_edited"
    assert (problem.index, problem.exact) == (0, False)


def test_two_older_checkpoints_narrow_an_edit_down(log: Log, kept: Path, tmp_path: Path) -> None:
    """The edit lies after the one that still fits."""
    first = tmp_path / "first.checkpoint"
    first.write_bytes(parts_of(HONEST)[0][2])
    rewrite(log, edit(5, message="other"), sign_with=signer(log))
    problem = found(log, against=[str(kept), str(first)])
    assert (problem.kind, problem.index) == ("entry_edited", BATCH)


@pytest.mark.parametrize(
    ("change", "kind", "index"),
    [
        (lambda entries: swap(entries, 5, 6), "reordered", 5),
        (lambda entries: entries[6].update(index=7), "reordered", 6),
        (lambda entries: entries[6]["origin"].update(offset=9), "offset_gap", 6),
        (lambda entries: entries[6]["origin"].update(offset=3), "offset_repeat", 6),
        (lambda entries: entries[6]["origin"].update(partition=1), "wrong_origin", 6),
        (lambda entries: entries[0]["origin"].update(topic_id="other"), "unknown_topic", 0),
        (lambda entries: entries[6].update(account_index=9), "account_chain_broken", 6),
        (lambda entries: entries[8].update(v=2), "unknown_version", 8),
        (lambda entries: entries[8].update(recorded_at="2022-11-28T08:00:00.000Z"), "effective_after_recorded", 8),
        (lambda entries: entries[8].update(effective_at="2022-11-28T08:30:00Z"), "bad_time", 8),
        (lambda entries: entries[8]["version"].update(id="0" * 36), "wrong_id", 8),
        (lambda entries: entries[8]["version"].update(sha256="0" * 64), "manifest_mismatch", 8),
        (lambda entries: entries[8].update(outcome="uploaded"), "malformed_entry", 8),
        (lambda entries: entries[9].update(extra=1), "malformed_entry", 9),
        (lambda entries: entries[10].update(account="gamma", account_index=0), "bad_registration", 10),
        (
            lambda entries: entries[8]["version"].update(
                manifest=dict(reversed(entries[8]["version"]["manifest"].items()))
            ),
            "noncanonical",
            8,
        ),
    ],
)
def test_a_log_that_was_written_wrong_breaks_a_rule(
    log: Log, change: Callable[[list[Json]], None], kind: str, index: int
) -> None:
    """Signed with the real key, every hash right: the rule that the entry breaks is named, and the entry."""
    rewrite(log, change, sign_with=signer(log))
    problem = found(log)
    assert place(problem) == (kind, index), problem
    assert problem.exact


def test_a_chain_that_names_another_entry_is_broken(log: Log) -> None:
    """An entry names another leaf hash than that of its account's entry before, and was signed so."""
    parts = parts_of(log)
    first, lines, _ = parts[2]
    previous = lines[0].index(b'"account_prev":"') + len(b'"account_prev":"')
    lines[0] = lines[0][:previous] + b"0" * 64 + lines[0][previous + 64 :]
    put_parts(log, parts)
    assert place(found(log)) == ("account_chain_broken", first)


def test_white_space_is_not_canonical(log: Log) -> None:
    """A blank between two members means the same and is not what is written."""
    change_line(log, 9, lambda line: line.replace(b'","index"', b'", "index"').replace(b',"outcome"', b', "outcome"'))
    assert place(found(log)) == ("noncanonical", 9)


def test_a_repeated_member_is_not_canonical(log: Log) -> None:
    """Readers differ in which of two they take."""
    change_line(log, 9, lambda line: line[:-1] + b',"outcome":"unchanged"}')
    assert place(found(log)) == ("noncanonical", 9)


# --- segments --------------------------------------------------------------------------------------------------------------------------


def test_a_segment_in_the_middle_is_missing(log: Log) -> None:
    """The hole begins where its first entry was."""
    log.store.delete(layout.segment(SHARD, 4))
    assert place(found(log)) == ("segment_missing", 4)


def test_the_first_segment_is_missing(log: Log) -> None:
    """A log begins at 0."""
    log.store.delete(layout.segment(SHARD, 0))
    assert place(found(log)) == ("segment_missing", 0)


def test_swapped_segments_are_reordered(log: Log) -> None:
    """Two segments under each other's names."""
    parts = parts_of(log)
    put_parts(log, [parts[0], (4, *parts[2][1:]), (8, *parts[1][1:])])
    assert place(found(log)) == ("reordered", 4)


def test_a_segment_that_stands_twice_is_reordered(log: Log) -> None:
    """A copy of an earlier segment at the end of the log."""
    parts = parts_of(log)
    put_parts(log, [*parts, (12, *parts[0][1:])])
    assert place(found(log)) == ("reordered", 12)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_segment_that_ends_too_soon_is_truncated(log: Log, share: float) -> None:
    """The end of a file is gone: the entries that are still whole are counted."""
    name = layout.segment(SHARD, 4)
    data = log.store.get(name)
    replace(log, name, data[: int(len(data) * share)])
    problem = found(log)
    assert problem.kind == "truncated"
    assert 4 <= problem.index <= 8


def test_bytes_after_a_segment_are_damage(log: Log) -> None:
    """A file holds its segment and nothing behind it."""
    name = layout.segment(SHARD, 4)
    replace(log, name, log.store.get(name) + b"more")
    assert place(found(log)) == ("bad_segment", 4)


def test_a_segment_without_its_last_entry_is_truncated(log: Log) -> None:
    """The checkpoint was signed for one entry more than there are."""
    parts = parts_of(log)
    put_parts(log, [*parts[:2], (8, parts[2][1][:-1], parts[2][2])])
    assert place(found(log)) == ("truncated", 11)


def test_an_older_checkpoint_in_a_segment_is_stale(log: Log) -> None:
    """It is signed, and for fewer entries than stand before it."""
    parts = parts_of(log)
    put_parts(log, [*parts[:2], (8, parts[2][1], parts[1][2])])
    problem = found(log)
    assert (problem.kind, problem.expected, problem.found) == ("stale", "8", "12")


def test_a_checkpoint_of_another_shard_is_not_this_ones(log: Log) -> None:
    """The same key signs for every shard, each under its own name."""
    parts = parts_of(log)
    put_parts(log, parts)
    other = parts[2][2].replace(b"test/0000", b"test/0001")
    replace(log, layout.segment(SHARD, 8), encode_segment(parts[2][1], other))
    assert found(log).kind == "wrong_key"


def test_a_shard_that_the_ledger_does_not_have_is_named(log: Log) -> None:
    """A log under a number beyond the ledger's shards."""
    log.store.put(layout.segment(7, 0), log.store.get(layout.segment(SHARD, 0)))
    problem = found(log)
    assert (problem.kind, problem.shard) == ("unknown_shard", 7)


# --- two histories ---------------------------------------------------------------------------------------------------------------------


def test_a_tail_that_was_cut_off_is_found_by_a_later_checkpoint(log: Log, tmp_path: Path) -> None:
    """Without it the shorter log is a log like any other."""
    latest = tmp_path / "latest.checkpoint"
    latest.write_bytes(parts_of(HONEST)[2][2])
    log.store.delete(layout.segment(SHARD, 8))
    assert verify(log.store).ok
    problem = found(log, against=[str(latest)])
    assert (problem.kind, problem.index, problem.expected, problem.found) == ("truncated", 8, "12", "8")


@pytest.mark.parametrize("batch", [BATCH, 3])
def test_another_history_is_a_fork(log: Log, tmp_path: Path, batch: int) -> None:
    """Both are signed with the real key; each verifies by itself, neither against the other's newest checkpoint."""
    latest = tmp_path / "latest.checkpoint"
    latest.write_bytes(parts_of(HONEST)[2][2])
    rewrite(log, edit(6, message="another history"), sign_with=signer(log), batch=batch)
    assert verify(log.store).ok
    assert found(log, against=[str(latest)]).kind == "forked"


def test_a_stray_of_another_history_is_a_fork(log: Log) -> None:
    """A segment that does not count, signed, with other entries than those that do."""
    other = copied(log)
    rewrite(other, edit(6, message="another history"), sign_with=signer(log), batch=3)
    log.store.put(layout.segment(SHARD, 6), other.store.get(layout.segment(SHARD, 6)))
    assert place(found(log)) == ("forked", 6)


def test_an_honest_stray_is_no_alarm(log: Log) -> None:
    """What a paused writer leaves below the log's size holds what the log holds: it is mentioned, and no more."""
    other = copied(log)
    rewrite(other, lambda _: None, sign_with=signer(log), batch=3)
    name = layout.segment(SHARD, 6)
    log.store.put(name, other.store.get(name))
    report = verify(log.store)
    assert report.ok
    assert [notice.file for notice in report.notices] == [name]


# --- beside the log --------------------------------------------------------------------------------------------------------------------


def test_a_blob_that_is_gone_is_named_with_its_entry(log: Log) -> None:
    """A part of entry 4 lies in the blob store."""
    for name in list(log.store.list(layout.BLOBS)):
        log.store.delete(name)
    assert place(found(log)) == ("blob_missing", 4)


def test_a_blob_that_changed_is_named_with_its_entry(log: Log) -> None:
    """Its bytes have another digest."""
    for name in list(log.store.list(layout.BLOBS)):
        replace(log, name, b"other")
    assert place(found(log)) == ("blob_changed", 4)


def test_a_registration_that_is_gone_is_named_with_the_accounts_first_entry(log: Log) -> None:
    """Account beta has its first entry at 1."""
    log.store.delete(layout.account("beta"))
    assert place(found(log)) == ("bad_registration", 1)


def test_what_a_crash_leaves_is_no_alarm(log: Log) -> None:
    """A registration, a blob, and a quarantined record that no entry refers to."""
    log.store.put(layout.account("gamma"), b'{"account":"gamma","shard":0}\n')
    log.store.put(layout.blob("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), b"")
    log.store.put(layout.quarantine(SHARD, 40), b"{}")
    assert verify(log.store, replay=True).ok


# --- the fold --------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "change", "member"),
    [
        (0, lambda entry: entry["version"].update(number=2), "version"),
        (2, lambda entry: entry.update(changes=[]), "changes"),
        (6, lambda entry: entry["deployment"].update(number=4), "deployment"),
        (6, lambda entry: entry.pop("others"), "others"),
        (7, lambda entry: entry.update(first_index=0), "first_index"),
        (10, lambda entry: entry["triggers"].update(crons={}), "triggers"),
        (2, lambda entry: entry["deployment"].update(rollback=True), "deployment"),
        (3, lambda entry: entry["reason"].update(code="not_utf8"), "reason"),
    ],
)
def test_a_wrong_fold_that_was_signed_is_found_by_a_replay(
    log: Log, index: int, change: Callable[[Json], None], member: str
) -> None:
    """Every hash and signature is right, and every rule of entries kept: only folding the event again tells."""
    rewrite(log, lambda entries: change(entries[index]), sign_with=signer(log))
    assert verify(log.store).ok
    problem = found(log, replay=True)
    assert place(problem) == ("fold_mismatch", index)
    assert member in problem.message
    assert problem.expected != problem.found


def test_a_duplicate_that_was_folded_is_found_by_a_replay(log: Log) -> None:
    """The same event a second time does nothing."""
    records = [record(0, event("e0", code=code(1))), record(1, event("e1", code=code(2)))]
    again = copied(log)
    put_parts(again, [])
    append(again.open(), records, 1)

    def twice(entries: list[Json]) -> None:
        entries[1]["event"]["id"] = "e0"
        for part in ("version", "deployment"):
            del entries[1][part]
        entries[1].update(outcome="unchanged", changes=[])

    rewrite(again, twice, sign_with=signer(log), batch=1)
    problem = found(again, replay=True)
    assert place(problem) == ("fold_mismatch", 1)


def edit(index: int, **data: Any) -> Callable[[list[Json]], None]:
    """Change members of an event's data."""

    def change(entries: list[Json]) -> None:
        entries[index]["event"]["data"].update(data)

    return change


def swap(entries: list[Json], one: int, other: int) -> None:
    """Let two entries change places."""
    entries[one], entries[other] = entries[other], entries[one]
