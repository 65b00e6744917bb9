"""Whatever is done to a pack, verify finds it and says where; and to what lies beside it."""

import random
from pathlib import Path
from typing import Any, Final

import pytest

from ledger.log.segments import encode_segment, parse_segment
from ledger.storage import layout
from ledger.verify.findings import Problem
from ledger.verify.segments import Chunk, summaries_of
from ledger.verify.summary import Place
from tests.compact.rig import compact, copied, names, new_log, on_disk, rewrite, segments_of, verdict
from tests.log.rig import SHARD, Log

_PLACE: Final = 57
"""The entry that is tampered with."""


@pytest.fixture(scope="module")
def good() -> Log:
    """A compacted log of four packs; not to be changed."""
    log = new_log()
    compact(log)
    assert verdict(log).ok
    return log


def _pack(log: Log, index: int = _PLACE) -> str:
    """The name of the pack that holds an entry."""
    for name in names(log, layout.PACKS):
        pack = layout.parse_pack(name)
        if pack is not None and pack.first <= index < pack.end:
            return name
    raise AssertionError(index)


def _problem(log: Log, **options: Any) -> Problem:
    report = verdict(log, **options)
    assert not report.ok
    return report.problems[0]


def _replace(log: Log, name: str, data: bytes) -> None:
    log.store.delete(name)
    log.store.put(name, data)


def test_every_flipped_bit_of_a_pack_is_found(good: Log) -> None:
    """Anywhere in the file; it is said of the pack, and never of an entry before it."""
    name = _pack(good)
    data, first = good.store.get(name), layout.parse_pack(name)
    assert first is not None
    chance = random.Random(6)
    places = [*range(16), *range(len(data) - 16, len(data)), *(chance.randrange(len(data)) for _ in range(30))]
    for place in places:
        log = copied(good)
        changed = bytearray(data)
        changed[place] ^= 1 << chance.randrange(8)
        _replace(log, name, bytes(changed))
        problem = _problem(log)
        assert problem.file == name, (place, problem)
        assert first.first <= problem.index < first.end, (place, problem)
        assert problem.kind in {"bit_flip", "bad_pack", "column_mismatch", "entry_edited"}, (place, problem)


def test_an_edited_entry_is_named(good: Log, tmp_path: Path) -> None:
    """An entry in a pack that was written anew: the same kind and index as in a segment."""
    log = copied(good)
    edited = "replace(decode(entry), '2022-11-28T09:00:57', '2022-11-28T09:00:27')"
    select = f'SELECT * REPLACE (CASE WHEN "index" = {_PLACE} THEN encode({edited}) ELSE entry END AS entry) FROM pack'
    name = rewrite(log, _pack(log), select, tmp_path)
    problem = _problem(log)
    assert (problem.kind, problem.index, problem.file) == ("entry_edited", _PLACE, name)


_COLUMNS: Final = {
    "index": '"index" + 1000000',
    "recorded_at": "recorded_at - INTERVAL 1 SECOND",
}


@pytest.mark.parametrize("column", sorted(_COLUMNS))
def test_a_column_that_says_something_else_than_its_entry_is_found(good: Log, tmp_path: Path, column: str) -> None:
    """What is read of it would be another entry, or seen too early, although every hash holds."""
    log = copied(good)
    value = f'CASE WHEN "index" = {_PLACE} THEN {_COLUMNS[column]} ELSE "{column}" END'
    name = rewrite(log, _pack(log), f'SELECT * REPLACE ({value} AS "{column}") FROM pack', tmp_path)
    problem = _problem(log)
    assert (problem.kind, problem.file) == ("bad_pack" if column == "index" else "column_mismatch", name)
    assert problem.index <= _PLACE


_SHAPES: Final = {
    "an entry is gone": f'FROM pack WHERE "index" <> {_PLACE}',
    "an entry stands twice": f'FROM pack UNION ALL FROM pack WHERE "index" = {_PLACE} ORDER BY "index"',
    "no checkpoints": "SELECT * REPLACE (NULL::BLOB AS checkpoint) FROM pack",
    "another order": 'FROM pack ORDER BY "index" DESC',
    "a column is gone": "SELECT * EXCLUDE (recorded_at) FROM pack",
    "entries are numbers": "SELECT * REPLACE (1 AS entry) FROM pack",
    "indexes are gone": 'SELECT * EXCLUDE ("index") FROM pack',
}


@pytest.mark.parametrize("shape", sorted(_SHAPES))
def test_a_pack_of_another_shape_is_found(good: Log, tmp_path: Path, shape: str) -> None:
    """Rows removed, repeated or reordered, columns gone or of another type."""
    log = copied(good)
    rewrite(log, _pack(log), _SHAPES[shape], tmp_path)
    problem = _problem(log)
    assert problem.kind in {"bad_pack", "column_mismatch", "segment_missing", "truncated"}
    assert 35 <= problem.index <= _PLACE


def test_a_pack_that_does_not_say_its_format_is_found(good: Log, tmp_path: Path) -> None:
    """Its metadata is gone."""
    log = copied(good)
    name = rewrite(log, _pack(log), "FROM pack", tmp_path, metadata=False)
    problem = _problem(log)
    assert (problem.kind, problem.file) == ("bad_pack", name)


def test_a_missing_pack_is_a_hole(good: Log) -> None:
    """One in the middle, with its first entry; the last one only by an earlier checkpoint, as with segments."""
    log = copied(good)
    note = segments_of(good)[-1][2]
    first = layout.parse_pack(_pack(log))
    assert first is not None
    log.store.delete(_pack(log))
    problem = _problem(log)
    assert (problem.kind, problem.index) == ("segment_missing", first.first)
    cut = copied(good)
    cut.store.delete(names(cut, layout.PACKS)[-1])
    assert verdict(cut).ok
    assert note


def test_an_older_checkpoint_contradicts_a_shorter_log(good: Log, tmp_path: Path) -> None:
    """`against` works over packs: the last one is gone."""
    kept = tmp_path / "kept"
    kept.write_bytes(segments_of(good)[-1][2])
    assert verdict(good, against=[str(kept)]).extends
    cut = copied(good)
    cut.store.delete(names(cut, layout.PACKS)[-1])
    assert _problem(cut, against=[str(kept)]).kind == "truncated"


def test_swapped_and_renamed_packs_are_found(good: Log) -> None:
    """The bytes of one under the name of another; a name that says another place."""
    one, other, *_ = names(good, layout.PACKS)
    log = copied(good)
    data = log.store.get(one)
    _replace(log, one, log.store.get(other))
    _replace(log, other, data)
    assert _problem(log).file == one
    moved = copied(good)
    pack = layout.parse_pack(other)
    assert pack is not None
    moved.store.delete(other)
    moved.store.put(layout.pack(SHARD, pack.first + 1, pack.entries, pack.digest), good.store.get(other))
    assert _problem(moved).index == pack.first


def test_a_kept_segment_that_differs_from_the_pack_is_found() -> None:
    """Where both exist they are compared: either one may be the one that was changed."""
    log = new_log()
    compact(log, keep=True)
    assert verdict(log).ok
    first, lines, note = next(one for one in segments_of(log) if one[0] > _PLACE)
    name = layout.segment(SHARD, first)
    _replace(log, name, encode_segment([lines[0], lines[1] + b" ", *lines[2:]], note))
    problem = _problem(log)
    assert (problem.kind, problem.index, problem.file) == ("forked", first + 1, name)
    _replace(log, name, b"garbage")
    problem = _problem(log)
    assert (problem.kind, problem.index, problem.file) == ("stray_segment", first, name)


def test_a_flipped_bit_of_a_kept_segment_is_found() -> None:
    """Also where it changes nothing of what is decompressed."""
    log = new_log()
    compact(log, keep=True)
    name = layout.segment(SHARD, 49)
    data = log.store.get(name)
    for place in range(0, len(data), 97):
        changed = bytearray(data)
        changed[place] ^= 4
        _replace(log, name, bytes(changed))
        assert _problem(log).file == name, place


def test_names_that_are_no_packs_are_mentioned(good: Log) -> None:
    """A stranger among packs is no problem; a pack of a shard that does not exist is one."""
    log = copied(good)
    log.store.put("packs/0000/notes.txt", b"?")
    report = verdict(log)
    assert report.ok
    assert [notice.file for notice in report.notices] == ["packs/0000/notes.txt"]
    log.store.put(layout.pack(7, 0, 1, "0" * 32), b"?")
    assert _problem(log).kind == "unknown_shard"


def test_since_reads_on_where_a_segment_was_compacted_meanwhile(tmp_path: Path) -> None:
    """What an earlier run saw as segments is in a pack now; only what is new is read, and what is wrong with it found."""
    from ledger.storage.local import LocalStore
    from ledger.verify.remembered import Memory

    log = new_log()
    root = on_disk(log, tmp_path / "ledger")
    memory = Memory(tmp_path / "state", str(root))
    log.store = LocalStore(root)
    size = verdict(log, memory=memory).entries
    compact(log)
    report = verdict(log, memory=memory, since=["last"])
    assert report.ok
    assert report.shards[0].since == size == report.entries


def test_a_pack_whose_copy_has_gone_is_looked_at_again(tmp_path: Path) -> None:
    """Of an object store some packs are copied at a time: a process that comes too late leaves it to the one that has them all."""
    log = new_log(entries=7)
    place = Place(SHARD, "topic", log.file.verifier(SHARD).vkey)
    assert summaries_of(Chunk(place, [(0, None), (7, None)], str(tmp_path / "gone"), "p", 14)) == [None, None]


def test_a_good_pack_reads_as_a_segment_parses(good: Log) -> None:
    """What is compared above are really the segments."""
    first, lines, note = segments_of(good)[2]
    parsed = parse_segment(encode_segment(lines, note), "x")
    assert (parsed.lines, parsed.note) == (lines, note)
    assert first
