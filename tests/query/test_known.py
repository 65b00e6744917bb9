"""A ledger as it was known at a recorded time: of each shard the prefix that had been recorded by then."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ledger.errors import IntegrityError, NotFoundError
from ledger.query import questions
from ledger.query.known import known_prefix
from ledger.query.lookup import EntryId
from ledger.query.opened import open_ledger
from ledger.query.segments import read_prefix
from ledger.query.showing import entry_line
from tests.query.build import START, entry, write_ledger

SIX = [entry(minute, "changed") for minute in (0, 1, 2, 2, 4, 5)]


def recorded(minute: float) -> datetime:
    """When the entry of that minute was recorded: a second later (tests/query/build.py)."""
    return START + timedelta(minutes=minute, seconds=1)


@pytest.mark.parametrize(
    ("moment", "size", "covered"),
    [
        (recorded(0) - timedelta(microseconds=1), 0, 0),
        (recorded(0), 1, 0),
        (recorded(1), 2, 2),
        (recorded(2) - timedelta(microseconds=1), 2, 2),
        (recorded(2), 4, 4),
        (recorded(4), 5, 4),
        (recorded(5), 6, 6),
        (recorded(99), 6, 6),
    ],
)
def test_the_prefix_ends_after_the_last_entry_recorded_by_then(
    tmp_path: Path, moment: datetime, size: int, covered: int
) -> None:
    """Entries of the same instant belong together; the checkpoint covers none that was recorded later."""
    write_ledger(tmp_path, [SIX], segment_entries=2)
    prefix = known_prefix(read_prefix(tmp_path, 0), moment)
    assert prefix.size == size
    assert prefix.checkpoint.split("\n")[1:2] == ([str(covered)] if covered else [])
    assert sum(segment.size - segment.first for segment in prefix.segments) == size
    with open_ledger(str(tmp_path), known_at=moment) as ledger:
        assert ledger.connection.execute("SELECT count(*) FROM entries").fetchone() == (size,)
        assert sum(questions.status(ledger).outcomes.values()) == questions.status(ledger).size == size


def test_a_segment_beyond_is_not_even_read(tmp_path: Path) -> None:
    """Damage in what nobody knew then doesn't matter; in what was known it is an error."""
    write_ledger(tmp_path, [SIX], segment_entries=2)
    last, first = (tmp_path / f"log/0000/{index:016d}.ndjson.zst" for index in (4, 0))
    good = first.read_bytes()
    for path in (last, first):
        path.write_bytes(b"\0" * 40 + path.read_bytes()[-120:])
    first.write_bytes(good)
    with open_ledger(str(tmp_path), known_at=recorded(1)) as ledger:
        assert ledger.connection.execute("SELECT count(*) FROM entries").fetchone() == (2,)
    with open_ledger(str(tmp_path), known_at=recorded(4)) as ledger, pytest.raises(IntegrityError) as caught:
        _ = ledger.shards
    assert caught.value.code == "segment_unreadable"


def test_an_entry_of_later_is_not_found(tmp_path: Path) -> None:
    """Also where its segment is read for the entries before it."""
    write_ledger(tmp_path, [SIX], segment_entries=2)
    with open_ledger(str(tmp_path), known_at=recorded(4)) as ledger:
        assert b'"index":4' in entry_line(ledger, EntryId(0, 4))
        with pytest.raises(NotFoundError, match="no entry 0/5"):
            entry_line(ledger, EntryId(0, 5))
