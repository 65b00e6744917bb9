"""The evaluator on the real data set gives the counts that the data's own README states."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.reference.decoding import Record
from tests.reference.evaluator import evaluate

REAL_CHANGES = Path(__file__).parents[2] / "examples" / "real-changes.ndjson.zst"


def real_records() -> Iterator[Record]:
    """The real changes as records of one partition, taken in just when they happened."""
    packed = REAL_CHANGES.read_bytes()
    reader = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(packed, read_across_frames=True)
    for offset, line in enumerate(reader.read().splitlines()):
        event = json.loads(line)
        time = datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        yield Record(offset, int(time.timestamp()) * 1000, event["accountid"].encode(), line)


@pytest.fixture(scope="module")
def entries() -> list[dict[str, Any]]:
    """The expected entries of the whole data set in one shard."""
    return evaluate(real_records(), topic="ledger.changes", partition=0, shard=0)


def test_outcomes_of_the_real_data_are_as_counted(entries: list[dict[str, Any]]) -> None:
    """Every real event is accepted, and the outcomes are those of the README's table."""
    counted = Counter(entry["outcome"] for entry in entries)
    assert counted == {"changed": 178, "deleted": 256, "deployed": 15_078, "unchanged": 1}


def test_versions_of_the_real_data_are_as_counted(entries: list[dict[str, Any]]) -> None:
    """15,078 versions are made, 123 of them equal to an older one of their script."""
    seen: Counter[tuple[str, str, str]] = Counter()
    versions = [entry for entry in entries if "version" in entry]
    for entry in versions:
        seen[entry["account"], entry["event"]["subject"], entry["version"]["sha256"]] += 1
    assert (len(versions), len(versions) - len(seen)) == (15_078, 123)


def test_moves_of_the_real_data_are_as_counted(entries: list[dict[str, Any]]) -> None:
    """13 routes or domains move from one script to another."""
    moved = [change for entry in entries for other in entry.get("others", ()) for change in other["changes"]]
    assert len(moved) == 13


def test_times_of_the_real_data_stand(entries: list[dict[str, Any]]) -> None:
    """Events taken in when they happened keep their own time."""
    assert not [entry["index"] for entry in entries if "skew" in entry]
