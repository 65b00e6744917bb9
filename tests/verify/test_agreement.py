"""Two ways, one verdict: quick and exact, one process and many; and no alarm about any log that an honest writer made."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.proof.merkle import Frontier
from ledger.verify import api
from ledger.verify.api import verify
from ledger.verify.content import read_exactly
from ledger.verify.findings import BadError
from ledger.verify.quick import read_quickly
from ledger.verify.ranges import joined, range_of
from ledger.verify.usual import read_usual
from tests.log.rig import Log, append, code, event, memory_log, record, story
from tests.verify.tampering import dumped, flipped, honest

HONEST = honest()
LINES = [*HONEST.lines()]


def written(seed: int, count: int, batch: int) -> Log:
    """A log of made-up records of every kind."""
    log = memory_log()
    append(log.open(), story(count, seed), batch)
    return log


def is_good(line: bytes) -> bool:
    """What the exact way says."""
    try:
        read_exactly(line)
    except BadError:
        return False
    return True


@given(st.integers(0, 10_000), st.integers(1, 90), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_no_alarm_about_what_an_honest_writer_wrote(seed: int, count: int, batch: int) -> None:
    """Whatever records came, in whatever batches: everything verifies, and folds to the same again."""
    log = written(seed, count, batch)
    report = verify(log.store, replay=True, processes=1)
    assert (report.problems, report.notices) == ([], [])
    assert report.shards[0].replayed == count


def test_a_replay_does_not_need_what_was_refused() -> None:
    """Quarantined records may be dropped: what their entries say is taken as it is."""
    log = written(3, 80, 7)
    for name in list(log.store.list("quarantine/")):
        log.store.delete(name)
    assert verify(log.store, replay=True).ok


@given(st.sampled_from(LINES), st.data())
@settings(max_examples=400, deadline=None)
def test_what_is_good_quickly_is_good_exactly(line: bytes, data: st.DataObject) -> None:
    """The quick way never says of a changed entry what the exact way does not say."""
    entry = json.loads(line)
    match data.draw(st.sampled_from(("bit", "member", "blank", "order", "number"))):
        case "bit":
            line = flipped(line, data.draw(st.integers(0, len(line) * 8 - 1)))
        case "member":
            del entry[data.draw(st.sampled_from(sorted(entry)))]
            line = dumped(entry)
        case "blank":
            place = data.draw(st.integers(0, len(line)))
            line = line[:place] + b" " + line[place:]
        case "order":
            part = data.draw(st.sampled_from((entry, entry["origin"], entry["event"], entry.get("version", {}))))
            moved = data.draw(st.permutations(list(part.items())))
            part.clear()
            part.update(moved)
            line = dumped(entry)
        case _:
            line = line.replace(
                b":1,", data.draw(st.sampled_from((b":1.0,", b":01,", b":1e0,", b":-1,", b":true,"))), 1
            )
    if read_quickly(line) is not None or read_usual(line) is not None:
        assert is_good(line)


def test_changes_of_code_go_the_quick_way() -> None:
    """What most entries are about; late, deleted and changed triggers too."""
    log = memory_log()
    values = [event(f"e{number}", code=code(number)) for number in range(20)]
    values += [event("cron", crons={"replace": {"* * * * *": {}}}), event("held", code=code(30), activate=False)]
    values += [event("config", config={"merge": {"limits": {"cpu": 5}}}), event("gone", delete=True)]
    append(log.open(), [record(offset, value) for offset, value in enumerate(values)])
    quick = [read_quickly(line) is not None for line in log.lines()]
    assert sum(read_usual(line) is not None for line in log.lines()) == 20
    assert quick == ['"activate"' not in line.decode() for line in log.lines()]
    assert all(map(is_good, log.lines()))


@given(st.integers(0, 300), st.lists(st.integers(0, 40), max_size=6))
def test_a_tree_hashed_in_pieces_is_the_tree(start: int, counts: list[int]) -> None:
    """Compact ranges of any length, joined in order, lead to the frontier of all leaves."""
    leaves = [index.to_bytes(32, "big") for index in range(start + sum(counts))]
    whole, pieces = Frontier(), Frontier()
    whole.extend(leaves)
    pieces.extend(leaves[:start])
    for count in counts:
        first = int(pieces.size)
        pieces = joined(pieces, range_of(first, leaves[first : first + count]))
    assert (pieces.size, pieces.hashes) == (whole.size, whole.hashes)


def test_many_processes_find_what_one_finds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same report, whether segments are checked here or by others; and again where one of them is bad."""
    monkeypatch.setattr(api, "_ALONE_BYTES", 0)
    log = written(5, 120, 3)
    assert verify(log.store, processes=2) == verify(log.store, processes=1)
    log.store.delete("log/0000/0000000000000030.ndjson.zst")
    assert verify(log.store, processes=2) == verify(log.store, processes=1)
