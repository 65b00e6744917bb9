"""Lines out of files, plain and compressed."""

import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.broker.lines import MAX_LINE_BYTES, Line, Source, open_source
from ledger.errors import InputError, UsageError

CODECS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.compress,
    "frames": lambda data: zstandard.compress(data[: len(data) // 2]) + zstandard.compress(data[len(data) // 2 :]),
    "members": lambda data: gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :]),
}
compressed = pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)


def lines_of(data: bytes) -> list[Line]:
    """The lines of a stream that holds these bytes."""
    return list(Source(io.BufferedReader(io.BytesIO(data)), "memory").lines())


@compressed
def test_lines_are_numbered_and_blank_ones_left_out(codec: Callable[[bytes], bytes]) -> None:
    """Every line that is not blank comes out once with its number, whether or not the last one ends."""
    assert lines_of(codec(b'{"a":1}\n\n  \n{"b":2}\r\n{"c":3}')) == [
        Line(number=1, value=b'{"a":1}', is_cut=False),
        Line(number=4, value=b'{"b":2}', is_cut=False),
        Line(number=5, value=b'{"c":3}', is_cut=False),
    ]


@compressed
@given(pieces=st.lists(st.binary(min_size=1, max_size=6000).map(lambda item: item.replace(b"\n", b"") + b"x")))
def test_what_was_written_as_lines_is_read_as_lines(codec: Callable[[bytes], bytes], pieces: list[bytes]) -> None:
    """Lines longer than what is read at a time come out whole."""
    # Plain bytes that begin like a compressed file are taken for one; no JSON does.
    assume(not pieces or not pieces[0].startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd")))
    assert [line.value for line in lines_of(codec(b"\n".join(pieces)))] == pieces


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_compressed_file_cut_short_is_an_error_after_what_it_holds(kind: str) -> None:
    """A download that broke off is not taken for the whole."""
    data = CODECS[kind](bytes(range(256)).replace(b"\n", b"") * 100)
    with pytest.raises(InputError) as caught:
        lines_of(data[:-3])
    assert caught.value.code == "bad_file"


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_damaged_compressed_file_is_an_error(kind: str) -> None:
    """What cannot be decompressed is said to be damaged."""
    data = bytearray(CODECS[kind](b"x" * 1000))
    data[6:] = b"\xff" * 40
    with pytest.raises(InputError) as caught:
        lines_of(bytes(data))
    assert caught.value.code == "bad_file"


@pytest.mark.parametrize("size", [MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 3 * MAX_LINE_BYTES])
def test_only_the_start_of_a_huge_line_is_kept(size: int) -> None:
    """A line over the limit is cut and said to be; the next one is whole."""
    huge, small = lines_of(b"x" * size + b"\ny")
    assert huge.is_cut == (size > MAX_LINE_BYTES)
    assert len(huge.value) == MAX_LINE_BYTES
    assert small == Line(number=2, value=b"y", is_cut=False)


def test_a_file_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    """64 MB of lines in a small compressed file take a few megabytes to read."""
    path = tmp_path / "many.zst"
    path.write_bytes(zstandard.compress(b"x" * 999 + b"\n") * 64_000)
    tracemalloc.start()
    try:
        with open_source(str(path)) as source:
            assert sum(1 for _ in source.lines()) == 64_000
            assert source.read_bytes == source.total_bytes == path.stat().st_size
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_the_example_data_can_be_read() -> None:
    """The data set in the repository, compressed with the largest window, has the lines that its README says."""
    path = Path(__file__).parents[2] / "examples" / "real-changes.ndjson.zst"
    with open_source(str(path)) as source:
        assert sum(1 for _ in source.lines()) == 15_513


def test_a_file_that_cannot_be_opened_is_the_users_error(tmp_path: Path) -> None:
    """A missing file and a directory are each one clear line."""
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(UsageError) as caught, open_source(str(path)):
            pass
        assert caught.value.code == "file_unreadable"
        assert str(path) in caught.value.message
