"""Measuring questions: the fleet is what it says, its ledgers hold the same, and no answer is measured that differs from another."""

from collections import Counter
from pathlib import Path
from typing import Final

import msgspec
import pytest

from bench.fleetledger import FleetLedger, fleet_ledger, fleet_name
from bench.fleetload import Fleet, FleetLoad
from bench.query import measure
from bench.querysame import joined, plain_rows
from ledger.log.ledgerfile import read_ledger_file
from ledger.log.reader import ShardReader
from ledger.log.whole import WholeStore
from ledger.storage.local import LocalStore

FLEET: Final = Fleet(entries=2500, scripts=60, accounts=6, shards=2)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the ledgers of the fleet are kept."""
    return tmp_path_factory.mktemp("fleets")


@pytest.fixture(scope="module")
def made(cache: Path) -> FleetLedger:
    """The fleet's ledgers."""
    return fleet_ledger(FLEET, cache)


def lines(root: Path) -> list[bytes]:
    """All entries of a ledger, shard by shard."""
    store = LocalStore(root)
    shards = range(read_ledger_file(store).shards)
    segments = (segment for shard in shards for _, _, segment in ShardReader(WholeStore(store), shard).segments())
    return [line for segment in segments for line in segment.lines]


def test_the_same_fleet_is_the_same_events_whichever_shard_is_asked_for() -> None:
    """Shards share no account, have all events together, each in the order of Kafka's times, and the same ones each time."""
    shards = [list(FleetLoad(FLEET).records(shard)) for shard in range(FLEET.shards)]
    assert sum(map(len, shards)) == FLEET.entries
    assert [len(records) for records in shards] == [FleetLoad(FLEET).size(shard) for shard in range(FLEET.shards)]
    assert not {record.key for record in shards[0]} & {record.key for record in shards[1]}
    assert all(
        [record.timestamp for record in records] == sorted(record.timestamp for record in records) for records in shards
    )
    assert list(FleetLoad(FLEET).records(1)) == shards[1]


def test_a_fleet_has_scripts_of_very_different_busyness(made: FleetLedger, cache: Path) -> None:
    """The first by rank is changed more often than the last, in all accounts, by entries that are nearly all accepted."""
    entries = [msgspec.json.decode(line) for line in lines(made.segments(cache))]
    changed = Counter((entry["account"], entry["event"]["subject"]) for entry in entries)
    ranked = FleetLoad(FLEET).ranked()
    assert len(ranked) == len(set(ranked)) == FLEET.scripts
    assert len({account for account, _ in ranked}) == FLEET.accounts
    assert set(changed) <= set(ranked)
    assert changed[ranked[0]] > changed[ranked[-1]]
    outcomes = Counter(entry["outcome"] for entry in entries)
    assert outcomes["deployed"] > FLEET.entries * 0.8
    assert outcomes["rejected"] < FLEET.entries * 0.01
    assert outcomes["deleted"]
    assert outcomes["changed"]
    assert any(entry.get("deployment", {}).get("rollback") for entry in entries)
    assert any("skew" in entry for entry in entries)


def test_both_ledgers_hold_the_same_entries_and_are_made_once(made: FleetLedger, cache: Path) -> None:
    """One has segments alone, the other packs and a tail, as long as it says."""
    assert lines(made.segments(cache)) == lines(made.packed(cache))
    assert not list(made.segments(cache).rglob("*.parquet"))
    assert len(list((made.packed(cache) / "packs").rglob("*.parquet"))) >= FLEET.shards
    assert 0 < made.tail < FLEET.entries / 2
    before = made.packed(cache).stat().st_ctime_ns
    assert fleet_ledger(FLEET, cache) == made
    assert made.packed(cache).stat().st_ctime_ns == before


def test_a_ledger_that_was_not_finished_is_made_again(tmp_path: Path) -> None:
    """What a killed run left is no ledger of a fleet."""
    small = Fleet(entries=200, scripts=20, accounts=2, shards=1)
    (tmp_path / f"{fleet_name(small)}-segments.unfinished").mkdir()
    (tmp_path / fleet_name(small)).mkdir()
    made = fleet_ledger(small, tmp_path)
    assert len(lines(made.packed(tmp_path))) == 200


def test_a_question_is_measured_in_every_way_with_one_answer(made: FleetLedger, cache: Path) -> None:
    """Packs, segments and both plain tables answer alike; what is reported is of processes that ran."""
    report = measure([FLEET], cache, 1, ["at T"])
    (size,) = report.sizes
    assert size.ledger == made
    (asked,) = size.asked
    assert asked.segments is not None
    assert asked.segments.sha256 == asked.packed.sha256
    assert asked.packed.output_bytes > 1000
    assert asked.packed.peak_bytes > 20_000_000
    (beside,) = size.beside
    assert beside.rows > FLEET.scripts / 4
    assert set(beside.cold_s) == {"ledger", "duckdb", "sqlite"}
    goals = {goal.name: goal.met for goal in report.goals}
    assert goals["at T"] == (asked.packed.median_s <= 1.0)


def test_another_answer_from_segments_ends_the_measurement(made: FleetLedger, tmp_path: Path) -> None:
    """Where a ledger is compared with another one's segments, nothing is measured."""
    other = fleet_ledger(FLEET, tmp_path)
    fewer = fleet_ledger(msgspec.structs.replace(FLEET, entries=2000), tmp_path)
    other.segments(tmp_path).rename(tmp_path / "aside")
    fewer.segments(tmp_path).rename(other.segments(tmp_path))
    with pytest.raises(RuntimeError, match="another answer from segments"):
        measure([FLEET], tmp_path, 1, ["at T"])


def test_intervals_that_touch_are_one() -> None:
    """As `exposure` joins them."""
    assert joined([["a", "s", 1, 2], ["a", "s", 2, 5], ["a", "s", 6, None], ["a", "t", 6, 7]]) == [
        ["a", "s", 1, 5],
        ["a", "s", 6, None],
        ["a", "t", 6, 7],
    ]


def test_times_of_answers_are_microseconds() -> None:
    """What plain tables hold is compared to the last digit."""
    row = {"account": "a", "script": "s", "deployment": "d", "number": 3, "since": "1970-01-01T00:00:01.000002Z"}
    assert plain_rows("at T", [row, row | {"deployment": None}]) == [["a", "s", "d", 3, 1_000_002]]
