"""The measurements themselves: they run, say what they say in the documented form, and measure what they claim to."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec
import pytest

from bench.core import Core, write_to
from bench.load import HEADERS, Load, Sent
from bench.memory import Memory
from bench.probe import probed
from bench.proofs import Proofs
from bench.report import Report, goals
from bench.scaling import Look, while_busy
from bench.verify import Verified
from bench.workers import LogWatcher
from ledger.log import batch
from ledger.log.records import Record
from ledger.log.replay import entries_of
from ledger.model import decoding
from ledger.model.decoding import decode
from ledger.model.events import Event
from ledger.storage import layout

ROOT: Final = Path(__file__).resolve().parent.parent.parent
REAL_EVENTS: Final = 15_513


@pytest.fixture(scope="module")
def repeated() -> list[Sent]:
    """A little more than one repetition of the real data."""
    return list(Load().events(REAL_EVENTS + 200))


def run_bench(tmp_path: Path, *options: str) -> tuple[Report, str]:
    """Run it as a process; its report as written to JSON, and what it printed."""
    output = tmp_path / "report.json"
    ended = subprocess.run(
        [sys.executable, "-m", "bench", *options, "--rounds", "1", "--output", output, "--work", tmp_path / "work"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return msgspec.json.decode(output.read_bytes(), type=Report), ended.stdout


def test_measuring_the_core_reports_every_part(tmp_path: Path) -> None:
    """`--only core` writes what each part costs and nothing of what it did not measure, and prints the same."""
    report, printed = run_bench(tmp_path, "--only", "core", "--events", "500")
    assert isinstance(report.core, Core)
    assert report.core.events == 500
    assert [part.name for part in report.core.parts] == [
        "bare SHA-256 of the entries",
        "leaf hashes and Merkle tree",
        "whole writer, store in memory",
        "in it: decode",
        "in it: fold",
        "in it: encode entries",
        "in it: decode and fold",
        "whole writer, local store with fsync",
    ]
    assert all(part.cpu_us_per_event > 0 and part.name in printed for part in report.core.parts)
    assert (report.consume, report.memory) == (None, None)
    assert not report.latency
    assert not report.goals


def test_measuring_memory_states_whether_the_goal_is_met(tmp_path: Path) -> None:
    """`--only memory` reports the bytes of a script beyond its manifest beside the goal."""
    report, printed = run_bench(tmp_path, "--only", "memory", "--scripts", "2000")
    assert isinstance(report.memory, Memory)
    assert report.memory.scripts == 2000
    assert [goal.name for goal in report.goals] == ["memory for a script"]
    assert report.goals == goals(report)
    assert ("not met" in printed) != report.goals[0].met


def test_measuring_proofs_reports_receipts(tmp_path: Path) -> None:
    """`--only proofs` makes a ledger, and tells what a receipt costs and how large it is."""
    report, printed = run_bench(tmp_path, "--only", "proofs", "--entries", "1500")
    assert isinstance(report.proofs, Proofs)
    assert (report.proofs.entries, report.proofs.receipts) == (1500, 1000)
    assert 500 < report.proofs.largest_bytes < 2048
    assert report.proofs.made_ms > 0
    assert "Receipts of 1,000 of 1,500 entries" in printed


def test_measuring_compaction_states_rate_and_size(tmp_path: Path) -> None:
    """`--only compaction` compacts all entries of a ledger, and sets packs against the segments that they were made of."""
    report, _ = run_bench(tmp_path, "--only", "compaction", "--entries", "3000")
    assert report.compaction is not None
    assert report.compaction.entries == 3000
    assert report.compaction.wall_s > 0
    assert 0.8 < report.compaction.of_segments < 1.5
    assert [goal.name for goal in report.goals] == ["compaction, entries/s", "packs / segments, bytes"]


def test_measuring_verification_states_whether_its_goals_are_met(tmp_path: Path) -> None:
    """`--only verify` verifies a log of the real writer whole, from a checkpoint on and by replay, beside bare SHA-256."""
    report, printed = run_bench(tmp_path, "--only", "verify", "--entries", "2000")
    assert isinstance(report.verify, Verified)
    runs = (report.verify.bare, report.verify.full, report.verify.since, report.verify.replay)
    assert [run.entries for run in runs] == [2000] * 4
    assert report.verify.small.entries == 500
    assert len(report.goals) == 5
    assert report.goals == goals(report)
    assert "bare SHA-256" in printed


def test_repeated_events_have_fresh_ids_and_accounts(repeated: list[Sent]) -> None:
    """No two events of the load share source and id, and a repetition shares no account with the data."""
    events = [decode(event.value, HEADERS) for event in repeated]
    assert all(isinstance(event, Event) for event in events)
    assert len({(event.source, event.id) for event in events if isinstance(event, Event)}) == len(events)
    first, second = ({event.key for event in part} for part in (repeated[:REAL_EVENTS], repeated[REAL_EVENTS:]))
    assert not first & second


def test_repeated_events_are_keyed_by_their_account_and_folded(repeated: list[Sent]) -> None:
    """Every event of a repetition becomes what the same event of the data becomes."""
    outcomes = []
    for part in (repeated[:200], repeated[REAL_EVENTS:]):
        records = [Record(offset, 1_800_000_000_000, *event, HEADERS) for offset, event in enumerate(part)]
        outcomes.append([entry["outcome"] for entry in entries_of(records)])
    assert outcomes[0] == outcomes[1]
    assert "rejected" not in outcomes[0]


def test_accounts_are_spread_evenly_over_partitions() -> None:
    """Every account has one partition, and no partition gets a tenth more events than another once there are repetitions."""
    load, count = Load(), 2 * REAL_EVENTS
    partitions = load.partitions(count, 4)
    sizes = Counter(partitions[event.key] for event in load.events(count))
    assert sorted(sizes) == [0, 1, 2, 3]
    assert max(sizes.values()) < 1.1 * min(sizes.values())


def test_a_probe_counts_calls_from_other_modules_and_leaves_nothing_behind() -> None:
    """Within the block the writer's calls are timed, as often as it runs; afterwards everything is as before."""
    records = [Record(0, 1_800_000_000_000, *next(Load().events(1)), HEADERS)]
    before = vars(batch)["decode"]
    with probed({"decode": (decoding.decode,)}) as spent:
        assert vars(batch)["decode"] is not before
        entries_of(records)
    assert vars(batch)["decode"] is before is decoding.decode
    assert spent["decode"] > 0


def test_a_probe_refuses_a_function_that_nobody_imported() -> None:
    """What cannot be measured is an error, not a cost of zero."""
    with pytest.raises(LookupError), probed({"nothing": (run_bench,)}):
        pass


def test_the_watcher_sees_each_segment_once(tmp_path: Path) -> None:
    """Segments are seen in the order of the log, with the number of their entries as their checkpoints say."""
    events = list(Load().events(2500))
    records = [Record(offset, 1_800_000_000_000, *event, HEADERS) for offset, event in enumerate(events)]
    watcher = LogWatcher(tmp_path / "log", shards=1)
    assert watcher.look() == []
    write_to(records, tmp_path)
    seen = watcher.look()
    assert [sighting.entries for sighting in seen] == [1000, 1000, 500]
    assert [sighting.name for sighting in seen] == [layout.segment(0, first) for first in (0, 1000, 2000)]
    assert watcher.look() == []
    assert watcher.size == 2500


def test_starting_again_reports_both_ways(tmp_path: Path) -> None:
    """`--only restart` opens a log from a snapshot and without one, and puts both beside their goals."""
    report, printed = run_bench(tmp_path, "--only", "restart", "--entries", "3000")
    assert report.restart is not None
    assert (report.restart.entries, report.restart.scripts) == (3000, 300)
    assert (
        0 < report.restart.imports_s < report.restart.with_snapshot_s
    )  # of the same process; the other one is another
    assert report.restart.without_s > 0
    assert [goal.name for goal in report.goals] == ["restart with a snapshot", "restart without"]
    assert "with a snapshot" in printed


def test_a_servers_view_is_measured(tmp_path: Path) -> None:
    """`--only live` opens it with a snapshot and without, reads from it, and writes what it has to see."""
    report, printed = run_bench(tmp_path, "--only", "live", "--entries", "3000")
    measured = report.live
    assert measured is not None
    assert (measured.entries, measured.scripts) == (3000, 60)
    assert min(measured.first_open_s, measured.open_s, measured.deployments_us, measured.own_bytes) > 0
    assert 0 < measured.seen_ms <= measured.seen_max_ms
    assert len(report.goals) == 3
    assert "bytes/script" in printed


def test_two_processes_are_measured_only_while_both_are_at_work() -> None:
    """What was written while one of them had not begun, or had nothing left to do, does not count."""
    looks = [
        Look(0.0, 0, [0.0, 0.0]),
        Look(1.0, 10, [1.0, 0.1]),  # the second one has not begun
        Look(2.0, 30, [1.9, 0.9]),
        Look(3.0, 50, [2.8, 1.8]),
        Look(4.0, 60, [3.7, 1.9]),  # it has nothing left to do
    ]
    measured = while_busy(looks)
    assert (measured.events, measured.seconds) == (40, 2.0)
    assert measured.cpu_s == pytest.approx(3.5)
    with pytest.raises(RuntimeError, match="never at work together"):
        while_busy(looks[:2])
