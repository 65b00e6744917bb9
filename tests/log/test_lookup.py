"""The lookup against a dict: merges, collisions, damaged files."""

import tempfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.log.lookup import Lookup

KEYS = st.text("abcdef", min_size=1, max_size=2)
STEPS = st.lists(st.one_of(KEYS, st.sampled_from(("save", "reload"))), max_size=60)


def weak_digest(key: str) -> int:
    """A digest that collides all the time."""
    return sum(key.encode()) % 5


@pytest.mark.parametrize("collide", [False, True])
@given(steps=STEPS)
@settings(max_examples=60, deadline=None)
def test_a_lookup_is_a_dict(collide: bool, steps: list[str]) -> None:
    """Whatever is added, saved, merged and loaded again, a key's first index is among its candidates; without collisions alone."""
    digest = (
        patch("ledger.log.lookup._digest_of", weak_digest)
        if collide
        else patch("ledger.log.lookup._ratio", 4, create=True)
    )
    with digest, tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        lookup, model, saved = Lookup(), dict[str, int](), dict[str, int]()
        files = lookup.save(directory, "events", 0)
        for index, step in enumerate(steps):
            if step == "save":
                files, saved = lookup.save(directory, "events", index), dict(model)
            elif step == "reload":
                lookup, model = Lookup.load(directory, files), dict(saved)
            elif step not in model:
                lookup.add(step, index)
                model[step] = index
        assert len(lookup) == len(model)
        for key in {*model, "zz", "a", "f"}:
            found = lookup.find(key)
            assert found == sorted(found)
            if collide:
                assert model.get(key, -1) in (*found, -1)
            else:
                assert found == ([model[key]] if key in model else [])
        in_runs = lookup.find_in_runs(sorted(model))
        for place, key in enumerate(sorted(model)):
            recent = lookup.recent(key)
            assert model[key] in (*in_runs.get(place, ()), recent)


def test_there_are_few_runs(tmp_path: Path) -> None:
    """Runs are merged as they grow: a hundred saves leave a handful, the longest first."""
    lookup = Lookup()
    for number in range(100):
        for key in range(10):
            lookup.add(f"{number}-{key}", number * 10 + key)
        files = lookup.save(tmp_path, "ids", number)
        assert len(files) <= 6
    assert [lookup.find(f"{number}-3") for number in range(100)] == [[number * 10 + 3] for number in range(100)]


def test_a_save_that_fails_forgets_nothing(tmp_path: Path) -> None:
    """Where a run cannot be written, everything is still found, and the next save keeps it."""
    lookup = Lookup()
    for number in range(30):
        lookup.add(f"k{number}", number)
        if number % 5 == 4:
            with pytest.raises(OSError, match="No such file"):
                lookup.save(tmp_path / "missing", "ids", number)
            assert [lookup.find(f"k{place}") for place in range(number + 1)] == [[place] for place in range(number + 1)]
        if number % 10 == 7:
            lookup.save(tmp_path, "ids", number)
    assert [lookup.find(f"k{place}") for place in range(30)] == [[place] for place in range(30)]


@given(place=st.floats(0, 0.999), bit=st.integers(0, 7))
@settings(max_examples=60, deadline=None)
def test_a_damaged_run_is_noticed_or_harmless(place: float, bit: int) -> None:
    """Any flipped bit of a run's file makes loading fail, or changes nothing of what is found."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        lookup = Lookup()
        for index in range(20):
            lookup.add(f"k{index}", index)
        files = lookup.save(directory, "ids", 20)
        path = directory / files[0].name
        raw = bytearray(path.read_bytes())
        raw[int(place * len(raw))] ^= 1 << bit
        path.write_bytes(raw)
        try:
            loaded = Lookup.load(directory, files)
        except (OSError, ValueError):
            return
        assert [loaded.find(f"k{index}") for index in range(20)] == [[index] for index in range(20)]


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"garbage" * 100], ids=["empty", "header only", "garbage"])
def test_a_file_that_is_no_run_is_refused(tmp_path: Path, content: bytes) -> None:
    """What is no array is refused with an error that makes the cache be rebuilt."""
    lookup = Lookup()
    lookup.add("k", 1)
    files = lookup.save(tmp_path, "ids", 1)
    (tmp_path / files[0].name).write_bytes(content)
    with pytest.raises((OSError, ValueError)):
        Lookup.load(tmp_path, files)


def test_arrays_of_another_shape_are_refused(tmp_path: Path) -> None:
    """An array of other numbers, dimensions or objects is refused."""
    lookup = Lookup()
    lookup.add("k", 1)
    files = lookup.save(tmp_path, "ids", 1)
    for array in (np.zeros(4, np.uint64), np.zeros((3, 2), np.uint64), np.zeros((2, 1), np.int64), np.array([{}, {}])):
        np.save(tmp_path / files[0].name, array)
        with pytest.raises((OSError, ValueError)):
            Lookup.load(tmp_path, files)


def test_workers_with_one_directory_do_not_write_over_each_other(tmp_path: Path) -> None:
    """Two lookups that save at the same size keep what each knows, and each finds its own again."""
    first, second = Lookup(), Lookup()
    for index in range(10):
        first.add(f"first-{index}", index)
        second.add(f"second-{index}", index)
    files = first.save(tmp_path, "ids", 10), second.save(tmp_path, "ids", 10)
    for lookup in (first, Lookup.load(tmp_path, files[0])):
        assert [lookup.find(f"first-{index}") for index in range(10)] == [[index] for index in range(10)]
