"""The checkpoints that an answer rests on."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ledger.model.entries import decode_entry
from ledger.query.opened import open_ledger
from ledger.query.resting import Rest, rests_on
from ledger.storage.local import LocalStore
from tests.compact.rig import compact, new_log, segments_of
from tests.query.build import START, entry, write_ledger


def test_every_shard_with_entries_has_one(tmp_path: Path) -> None:
    """The last one, where all of the log is seen."""
    write_ledger(tmp_path, [[entry(minute, "changed") for minute in range(5)], []], segment_entries=2)
    with open_ledger(str(tmp_path)) as ledger:
        assert rests_on(ledger) == [Rest(shard=0, entries=5, size=5, root="AAAA")]


@pytest.mark.parametrize(("minute", "entries", "size"), [(0, 1, 2), (1, 2, 2), (2, 3, 4), (4, 5, 5)])
def test_what_was_known_earlier_rests_on_the_first_that_has_it(
    tmp_path: Path, minute: int, entries: int, size: int
) -> None:
    """A segment's checkpoint has entries that were not known yet; the one before lacks some that were."""
    write_ledger(tmp_path, [[entry(minute, "changed") for minute in range(5)]], segment_entries=2)
    known_at = START + timedelta(minutes=minute, seconds=1)
    with open_ledger(str(tmp_path), known_at=known_at) as ledger:
        assert rests_on(ledger) == [Rest(shard=0, entries=entries, size=size, root="AAAA")]


def test_compaction_changes_nothing(tmp_path: Path) -> None:
    """The checkpoints of segments are in the pack; one is found there for what was known earlier too."""
    log = new_log(LocalStore(tmp_path))
    moments = [
        datetime.fromisoformat(decode_entry(part[-3]).recorded_at) for _, part, _ in segments_of(log) if len(part) > 3
    ]
    before = [_rests(tmp_path, moment) for moment in (None, *moments)]
    compact(log, pack=40)
    assert [_rests(tmp_path, moment) for moment in (None, *moments)] == before
    assert any(rest.entries < rest.size for rests in before for rest in rests)


def _rests(root: Path, known_at: datetime | None) -> list[Rest]:
    with open_ledger(str(root), known_at=known_at) as ledger:
        return rests_on(ledger)
