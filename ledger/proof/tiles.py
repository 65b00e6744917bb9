"""Tiles and entry bundles (https://c2sp.org/tlog-tiles): which files a tree of some size has, their paths and contents.

Pure: no IO. A tile is 256 consecutive hashes of every eighth level of the tree, or at the right edge fewer; a bundle is the
entries of a tile of level 0.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from ledger.errors import IntegrityError

__all__ = [
    "WIDTH",
    "Tile",
    "decode_bundle",
    "encode_bundle",
    "new_bundles",
    "new_tiles",
    "parse_tile_path",
    "tile_path",
]

WIDTH: Final = 256
_HEIGHT: Final = 8
_ENTRIES: Final = "entries"
_LENGTH_BYTES: Final = 2
_PATH: Final = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([0-9]{1,3}))?")
_MAX_LEVEL: Final = 63


class Tile(NamedTuple):
    """A tile, or the bundle below one of level 0."""

    level: int
    number: int
    width: int = WIDTH
    """How many hashes or entries; 256 where it is full."""

    @property
    def path(self) -> str:
        """Of the tile: `tile/0/x001/x234/067.p/5`."""
        return tile_path(str(self.level), self.number, self.width)

    @property
    def bundle(self) -> str:
        """Of the bundle: `tile/entries/000`."""
        return tile_path(_ENTRIES, self.number, self.width)


def tile_path(level: str, number: int, width: int = WIDTH) -> str:
    """The path of a tile below its log's prefix (requires number >= 0 and 1 <= width <= 256).

    Args:
        level: in decimal, or `entries` for a bundle.
        number: of the tile, from the left.
        width: how many hashes it has.
    """
    path = f"{number % 1000:03d}"
    while number >= 1000:
        number //= 1000
        path = f"x{number % 1000:03d}/{path}"
    return f"tile/{level}/{path}" + (f".p/{width}" if width < WIDTH else "")


def parse_tile_path(path: str) -> tuple[Tile, bool] | None:
    """The tile that a path names, and whether it names the bundle below it; None where it is the path of none."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    is_bundle = match[1] == _ENTRIES
    tile = Tile(
        level=0 if is_bundle else int(match[1]),
        number=int(match[2].replace("x", "").replace("/", "")),
        width=int(match[3]) if match[3] else WIDTH,
    )
    # One tile has one path: no leading zeros, no full tile as a partial one.
    is_good = tile.level <= _MAX_LEVEL and tile.width >= 1 and (tile.bundle if is_bundle else tile.path) == path
    return (tile, is_bundle) if is_good else None


def new_tiles(old: int, size: int) -> Iterator[Tile]:
    """The tiles of a tree of `size` that a tree of `old` does not have (requires 0 <= old <= size); all of them where old is 0."""
    level = 0
    while size:
        yield from _new_in_level(level, old, size)
        level, old, size = level + 1, old >> _HEIGHT, size >> _HEIGHT


def new_bundles(old: int, size: int) -> Iterator[Tile]:
    """The tiles of level 0 whose bundles a log of `old` entries does not have."""
    return _new_in_level(0, old, size)


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The bytes of a bundle: before each entry its length in 16 bits (requires entries of at most 65,535 bytes)."""
    return b"".join(len(entry).to_bytes(_LENGTH_BYTES, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int = WIDTH) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        IntegrityError: `malformed_bundle`, unless it holds exactly `width` whole entries and nothing behind them.
    """
    entries, place = list[bytes](), 0
    while len(entries) < width:
        start = place + _LENGTH_BYTES
        place = start + int.from_bytes(data[place:start], "big")
        if start > len(data) or place > len(data):
            raise IntegrityError("malformed_bundle", f"the bundle ends inside entry {len(entries)} of {width}")
        entries.append(data[start:place])
    if place != len(data):
        raise IntegrityError("malformed_bundle", f"{len(data) - place} bytes follow the {width} entries of the bundle")
    return entries


def _new_in_level(level: int, old: int, size: int) -> Iterator[Tile]:
    """Between two numbers of hashes that the level has."""
    if old == size:
        return
    full, rest = divmod(size, WIDTH)
    for number in range(old // WIDTH, full):
        yield Tile(level, number)
    if rest:
        yield Tile(level, full, rest)
