"""Every step of the commit path, going wrong in every way: the log that is opened again goes on as if nothing had happened."""

from pathlib import Path

import pytest

from tests.faults.lives import RECORDS, REFUSED, live, on_disk
from tests.faults.points import CRASHED, HALVES, HOWS, STEPS, Fault
from tests.log.rig import Log, check, check_objects

PASSED = {
    "fold": 3,
    "keys": 2,
    "accounts": 2,
    "objects": 3,
    "segment": 3,
    "write": 3,
    "fsync": 3,
    "link": 3,
    "directory": 4,
    "snapshot": 1,
}
"""How often a life without faults passes each step; a test holds the numbers."""
FAULTS = [
    Fault(point=point, how=how, nth=nth)
    for point in STEPS
    for how in HOWS
    if point in HALVES or "half" not in how
    for nth in range(PASSED[point])
]


def name_of(fault: Fault) -> str:
    """A test's name."""
    return f"{fault.point}-{fault.nth}-{fault.how.replace(' ', '-')}"


def complete(log: Log, root: Path) -> None:
    """A life without faults completes the log, and the oracle finds nothing wrong with it."""
    assert live(root)[0] == 0
    check_objects(log, check(log, RECORDS))


def test_the_matrix_covers_every_passage(tmp_path: Path) -> None:
    """A life without faults passes each step as often as the matrix lets it go wrong there, and no step is left out."""
    on_disk(tmp_path)
    assert live(tmp_path) == (0, PASSED)
    assert set(PASSED) == set(STEPS)


@pytest.mark.parametrize("fault", FAULTS, ids=name_of)
def test_a_fault_leaves_a_log_that_goes_on(tmp_path: Path, fault: Fault) -> None:
    """The writer died, or was told of a failure, before, amid or after a step: started again, each record has its one entry."""
    log = on_disk(tmp_path)
    ended, _ = live(tmp_path, [fault])
    if fault.how.startswith("dies"):
        assert ended == CRASHED
    else:
        # A snapshot is a cache: that it cannot be written ends nothing.
        assert ended == (0 if fault.point == "snapshot" else REFUSED)
    committed = log.lines()
    assert len(committed) <= len(RECORDS)
    complete(log, tmp_path)
    assert log.lines()[: len(committed)] == committed


@pytest.mark.parametrize("first", [fault for fault in FAULTS if fault.nth == 0 and fault.how in HOWS[2:]], ids=name_of)
def test_a_second_fault_while_recovering_does_no_harm_either(tmp_path: Path, first: Fault) -> None:
    """Whatever goes wrong first, and then another thing in the next life: the third one completes the log."""
    log = on_disk(tmp_path)
    live(tmp_path, [first])
    live(tmp_path, [Fault(point="link", how="kept"), Fault(point="objects", how="dies half", nth=1)])
    complete(log, tmp_path)
