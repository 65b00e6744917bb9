"""What the verifiers of others are shown: directories of tiles, receipts and growth proofs, whole and damaged."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ledger.log.tiles import write_tiles
from ledger.log.tree import ShardTree, open_tree
from ledger.proof.growth import Growth
from ledger.proof.merkle import Index
from ledger.proof.receipts import Receipt
from ledger.storage.local import LocalStore
from tests.log.leaves import grow
from tests.log.rig import SHARD, Log

__all__ = ["DAMAGES", "SIZES", "Shown", "flip", "show"]

SIZES = (1, 2, 255, 256, 257, 1000, 65_537)


class Shown(NamedTuple):
    """A log in the forms in which others read it."""

    vkey: str
    """Of the shard's log."""
    directory: Path
    tree: ShardTree
    notes: dict[int, bytes]
    """The signed checkpoints by size."""

    def receipt(self, index: int) -> Receipt:
        """For an entry, in the newest checkpoint."""
        return Receipt(index=Index(index), path=tuple(self.tree.inclusion(index)), note=self.tree.note)

    def growth(self, old: int, note: bytes) -> Growth:
        """From an older checkpoint to the newest."""
        return Growth(path=tuple(self.tree.consistency(old)), old=note, new=self.tree.note)


def show(root: Path, *sizes: int) -> Shown:
    """A log with segments that end at these sizes, and a directory that grew with each."""
    log = Log(LocalStore(root / "ledger"), LocalStore(root / "keys"))
    key = log.file.verifier(SHARD)
    notes = {}
    for size in sizes:
        grow(log, size)
        grown = open_tree(log.store, log.file, SHARD)
        write_tiles(log.store, SHARD, grown, key, root / "tiles")
        notes[size] = grown.note
    return Shown(key.vkey, root / "tiles", open_tree(log.store, log.file, SHARD), notes)


def flip(path: Path, place: int) -> None:
    """Flip a bit of a byte."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


Damage = Callable[[Path], object]

DAMAGES: dict[str, Damage] = {
    "bit of an entry": lambda root: flip(root / "tile/entries/001", 50),
    "length of an entry": lambda root: flip(root / "tile/entries/001", 1),
    "bit of the last entry": lambda root: flip(root / "tile/entries/003.p/232", -1),
    "bit of a leaf hash": lambda root: flip(root / "tile/0/001", 40),
    "bit of the last leaf hash": lambda root: flip(root / "tile/0/003.p/232", -1),
    "bit of an upper hash": lambda root: flip(root / "tile/1/000.p/3", 33),
    "size": lambda root: _replace(root / "checkpoint", b"\n1000\n", b"\n1001\n"),
    "smaller size": lambda root: _replace(root / "checkpoint", b"\n1000\n", b"\n999\n"),
    "root": lambda root: flip(root / "checkpoint", 20),
    "signature": lambda root: flip(root / "checkpoint", -20),
    "origin": lambda root: _replace(root / "checkpoint", b"test/0000\n", b"test/0001\n"),
    "no checkpoint": lambda root: (root / "checkpoint").unlink(),
    "no bundle": lambda root: (root / "tile/entries/000").unlink(),
    "no tile": lambda root: (root / "tile/0/000").unlink(),
    "no upper tile": lambda root: (root / "tile/1/000.p/3").unlink(),
    "cut bundle": lambda root: _cut(root / "tile/entries/002"),
    "cut tile": lambda root: _cut(root / "tile/0/002"),
    "swapped bundles": lambda root: _swap(root / "tile/entries/000", root / "tile/entries/001"),
    "swapped tiles": lambda root: _swap(root / "tile/0/000", root / "tile/0/001"),
}
"""What is done to the directory of a log of 1,000 entries."""


def _replace(path: Path, old: bytes, new: bytes) -> None:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _swap(one: Path, two: Path) -> None:
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)
