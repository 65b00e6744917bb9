"""Go's x/mod note and tlog and tessera's fsck accept what we write, and reject what was changed."""

import shutil
from pathlib import Path

import pytest

from tests.interop.conftest import verdict
from tests.interop.logs import DAMAGES, SIZES, Shown, flip, show


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """A log of a thousand entries that grew in steps."""
    return show(tmp_path_factory.mktemp("thousand"), 1, 255, 256, 257, 600, 1000)


@pytest.mark.parametrize("size", SIZES)
def test_a_directory_of_any_size_is_accepted(goverify: Path, tmp_path: Path, size: int) -> None:
    """At the edges of tiles too."""
    shown = show(tmp_path, size)
    assert verdict(goverify, "log", shown.vkey, shown.directory) == "accepted"


def test_a_directory_that_grew_is_accepted(goverify: Path, thousand: Shown) -> None:
    """Whatever steps it grew in."""
    assert verdict(goverify, "log", thousand.vkey, thousand.directory) == "accepted"


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_directory_is_rejected(goverify: Path, thousand: Shown, tmp_path: Path, damage: str) -> None:
    """So that accepting means something."""
    copy = tmp_path / "copy"
    shutil.copytree(thousand.directory, copy)
    DAMAGES[damage](copy)
    assert verdict(goverify, "log", thousand.vkey, copy).startswith("rejected: ")


def test_receipts_are_accepted_and_changed_ones_rejected(goverify: Path, thousand: Shown, tmp_path: Path) -> None:
    """Of entries at the edges, and with another entry, index or hash."""
    file, entry = tmp_path / "r.tlog-proof", tmp_path / "entry"
    for index in (0, 1, 255, 256, 700, 767, 768, 999):
        data = bytes(thousand.receipt(index))
        file.write_bytes(data)
        entry.write_bytes(str(index).encode())
        assert verdict(goverify, "receipt", thousand.vkey, file, entry) == "accepted"
        entry.write_bytes(str(index + 1).encode())
        assert verdict(goverify, "receipt", thousand.vkey, file, entry).startswith("rejected: ")
        entry.write_bytes(str(index).encode())
        for place in (data.index(b"index ") + 6, data.index(b"=\n") - 5, data.index(b"\n1000\n") + 1, len(data) - 9):
            file.write_bytes(data)
            flip(file, place)
            assert verdict(goverify, "receipt", thousand.vkey, file, entry).startswith("rejected: ")


def test_growth_proofs_are_accepted_and_changed_ones_rejected(goverify: Path, thousand: Shown, tmp_path: Path) -> None:
    """From each older checkpoint; a changed hash is found."""
    file = tmp_path / "g.growth-proof"
    for old, note in thousand.notes.items():
        data = bytes(thousand.growth(old, note))
        file.write_bytes(data)
        assert verdict(goverify, "growth", thousand.vkey, file) == "accepted"
        if old < thousand.tree.size:
            flip(file, data.index(b"=\n") - 5)
            assert verdict(goverify, "growth", thousand.vkey, file).startswith("rejected: ")
