"""Tiles and bundles against the published vectors and a naive count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityError
from ledger.proof.tiles import Tile, decode_bundle, encode_bundle, new_bundles, new_tiles, parse_tile_path, tile_path
from tests.proof.trees import VECTORS

SIZES: dict[int, list[str]] = {
    0: [],
    1: ["tile/0/000.p/1"],
    255: ["tile/0/000.p/255"],
    256: ["tile/0/000", "tile/1/000.p/1"],
    257: ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"],
}


def published() -> set[str]:
    """The paths of the vectors' log of 70,000 entries, as its table counts them."""
    level_0 = {f"tile/0/{n:03d}" for n in range(273)} | {"tile/0/273.p/112"}
    return level_0 | {"tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"}


def test_tiles_have_the_published_paths() -> None:
    """Groups of three digits, an x before each but the last, partial tiles with their width."""
    named = [
        ("0", 0, 256),
        ("0", 999, 256),
        ("0", 1000, 256),
        ("0", 1_234_067, 256),
        ("0", 1_234_067, 5),
        ("5", 42, 1),
        ("entries", 1_000_000, 256),
        ("entries", 999_999, 255),
    ]
    assert [tile_path(*tile) for tile in named] == VECTORS["paths"]


@pytest.mark.parametrize(("size", "paths"), SIZES.items())
def test_a_size_implies_the_published_tiles(size: int, paths: list[str]) -> None:
    """Full tiles, at most one partial tile a level, no empty one."""
    assert [tile.path for tile in new_tiles(0, size)] == paths


def test_the_largest_vector_implies_the_published_tiles() -> None:
    """Three levels."""
    assert {tile.path for tile in new_tiles(0, 70_000)} == published()
    assert [tile.path for tile in new_tiles(65_535, 65_536)] == ["tile/0/255", "tile/1/000", "tile/2/000.p/1"]


@given(st.integers(0, 200_000), st.integers(0, 3_000))
def test_what_is_new_is_what_the_old_size_did_not_have(old: int, more: int) -> None:
    """For tiles of every level, and bundles."""
    size = old + more
    assert set(new_tiles(old, size)) == set(new_tiles(0, size)) - set(new_tiles(0, old))
    assert [tile.bundle for tile in new_bundles(old, size)] == [
        tile.path.replace("tile/0/", "tile/entries/") for tile in new_tiles(old, size) if not tile.level
    ]


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_a_bundle_is_read_back(entries: list[bytes]) -> None:
    """Empty entries too."""
    assert decode_bundle(encode_bundle(entries), len(entries)) == entries


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x00\x01",
        b"\x00\x01a",
        b"\x00\x01a\x00\x02b",
        b"\x00\x01a\x00\x01b!",
        b"\x00\x01a\x00\x01b\x00\x00",
    ],
)
def test_a_bundle_of_another_number_of_entries_is_refused(data: bytes) -> None:
    """Too few, cut, or with bytes behind."""
    with pytest.raises(IntegrityError) as error:
        decode_bundle(data, 2)
    assert error.value.code == "malformed_bundle"


def test_a_tile_names_its_bundle() -> None:
    """The entries of a tile of level 0."""
    assert Tile(0, 1_000_000).bundle == "tile/entries/x001/x000/000"
    assert Tile(0, 999_999, 255).bundle == "tile/entries/x999/999.p/255"


@given(st.integers(0, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_a_path_is_read_back(level: int, number: int, width: int) -> None:
    """Of tiles and of bundles."""
    tile = Tile(level, number, width)
    assert parse_tile_path(tile.path) == (tile, False)
    assert parse_tile_path(tile.bundle) == (Tile(0, number, width), True)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/000/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/000\n",
        "tile/entries/000.p/999",
        "tile/entry/000",
        "/tile/0/000",
        "tile/0/../000",
        "tile/0/" + "x001/" * 7 + "000",
    ],
)
def test_what_is_no_path_of_a_tile_is_not_read(path: str) -> None:
    """One tile has one path."""
    assert parse_tile_path(path) is None
