"""Which segments a reader sees."""

from pathlib import Path

import pytest

from ledger.errors import IntegrityError
from ledger.query.segments import read_prefix
from tests.query.build import entry, write_ledger, write_segment

THREE = [entry(minute, "changed") for minute in range(3)]


def test_the_prefix_is_all_contiguous_segments(tmp_path: Path) -> None:
    """Two segments, the second beginning where the first ends."""
    write_ledger(tmp_path, [THREE + THREE])
    prefix = read_prefix(tmp_path, 0)
    assert [(part.first, part.size) for part in prefix.segments] == [(0, 3), (3, 6)]
    assert prefix.size == 6
    assert prefix.missing_at is None
    assert prefix.checkpoint.startswith("test/0000\n6\n")


def test_a_segment_after_a_gap_is_not_seen(tmp_path: Path) -> None:
    """Readers see a prefix of the log, and are told where it stops."""
    write_ledger(tmp_path, [THREE])
    write_segment(tmp_path, 0, 5, THREE)
    prefix = read_prefix(tmp_path, 0)
    assert (prefix.size, prefix.missing_at) == (3, 3)


def test_a_stray_below_the_size_is_passed_over(tmp_path: Path) -> None:
    """What lies inside a range that was already read does not count twice."""
    write_ledger(tmp_path, [THREE + THREE])
    stray = write_segment(tmp_path, 0, 1, THREE)
    prefix = read_prefix(tmp_path, 0)
    assert prefix.size == 6
    assert [Path(name).name for name in prefix.strays] == [stray.name]


def test_names_that_are_no_segments_are_passed_over(tmp_path: Path) -> None:
    """Temporary files of a writer at work are not read."""
    write_ledger(tmp_path, [THREE])
    (tmp_path / "log" / "0000" / ".tmp-1-abc").write_bytes(b"half")
    assert read_prefix(tmp_path, 0).size == 3


@pytest.mark.parametrize("note", ["no size here", "test/0000\nmany\nAAAA\n", "test/0000\n0\nAAAA\n"])
def test_a_segment_without_a_proper_checkpoint_is_an_error(tmp_path: Path, note: str) -> None:
    """A reader does not guess how many entries a segment has."""
    write_segment(tmp_path, 0, 0, THREE, checkpoint=note)
    with pytest.raises(IntegrityError, match="does not end with a checkpoint"):
        read_prefix(tmp_path, 0)


def test_a_truncated_segment_is_an_error(tmp_path: Path) -> None:
    """Its last byte is missing: the checkpoint's frame does not end where the file does."""
    path = write_segment(tmp_path, 0, 0, THREE)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IntegrityError, match="checkpoint"):
        read_prefix(tmp_path, 0)
