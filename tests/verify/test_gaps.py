"""Accepted gaps as an auditor sees them: reported where they were accepted, a problem where they were not."""

from pathlib import Path

import msgspec
import pytest

from ledger.log.gaps import accept_gap, gap_file
from ledger.storage import layout
from ledger.verify.api import LAST, verify
from ledger.verify.findings import Problem
from ledger.verify.remembered import Memory
from tests.log.rig import SHARD, TOPIC_ID, Log, append, memory_log
from tests.log.test_gaps import RECORDS, gap
from tests.verify.tampering import copied, replace, rewrite, signer

NAME = layout.gap(SHARD, TOPIC_ID, 20)
SENTENCE = "10 records of partition 0, offsets 20 to 29, were lost; accepted by ana"


def with_gap() -> Log:
    """Records 20 to 29 are lost and that accepted; the entry at index 20 carries it."""
    log = memory_log()
    append(log.open(), RECORDS[:20])
    accept_gap(log.store, gap(20, 29, reason="retention"))
    append(log.open(), RECORDS[30:])
    return log


LOG = with_gap()


def problems(log: Log) -> list[Problem]:
    """What a verification finds."""
    return verify(log.store).problems


@pytest.mark.parametrize("processes", [1, 2])
def test_an_accepted_gap_is_reported_and_no_problem(processes: int) -> None:
    """Replay agrees; the report says how many, which, and who."""
    report = verify(LOG.store, replay=True, processes=processes)
    assert report.ok
    assert report.notices == []
    (lost,) = report.lost
    assert lost.message == SENTENCE
    assert msgspec.to_builtins(lost) | {"message": ""} == {
        "shard": 0, "index": 20, "topic_id": TOPIC_ID, "first_offset": 20, "last_offset": 29, "records": 10,
        "accepted_by": "ana", "reason": "retention", "message": "",
    }  # fmt: skip


def test_a_later_run_reports_it_still(tmp_path: Path) -> None:
    """Also one that reads only what came since."""
    memory = Memory(tmp_path, "here")
    log = copied(LOG)
    assert verify(log.store, memory=memory).ok
    for since in ([LAST], []):
        assert [lost.message for lost in verify(log.store, memory=memory, since=since).lost] == [SENTENCE]


def test_a_gap_that_nobody_accepted_is_found() -> None:
    """The object is gone, or was never there: the entry that claims it is named."""
    log = copied(LOG)
    log.store.delete(NAME)
    (problem,) = problems(log)
    assert (problem.kind, problem.index) == ("offset_gap", 20)
    assert "nothing" in problem.message


@pytest.mark.parametrize("other", [gap(20, 28), gap(20, 29, "ben"), gap(20, 9999, "ben")])
def test_an_entry_that_says_another_gap_than_was_accepted_is_found(other: object) -> None:
    """A smaller one was accepted, or somebody else did: put there in the form in which acceptances are written."""
    log = copied(LOG)
    replace(log, NAME, gap_file(other))  # type: ignore[arg-type]
    assert [(problem.kind, problem.index) for problem in problems(log)] == [("offset_gap", 20)]


def test_an_acceptance_that_is_not_as_it_was_written_is_named() -> None:
    """It counts as none, so that the entry is named too."""
    log = copied(LOG)
    replace(log, NAME, log.store.get(NAME).replace(b'"to":', b'"to": '))
    assert [(problem.kind, problem.file) for problem in problems(log)][-1] == ("bad_gap", NAME)
    assert problems(log)[0].kind == "offset_gap"
    stray = copied(LOG)
    stray.store.put(layout.gap(7, TOPIC_ID, 0), gap_file(gap(0, 1)))
    assert [problem.kind for problem in problems(stray)] == ["bad_gap"]


def test_an_entry_that_leaves_its_gap_away_is_found() -> None:
    """Signed so, by who has the key: offsets do not follow; or they do, for it says that Kafka held nothing there, and replay agrees."""
    log = copied(LOG)
    rewrite(log, lambda entries: entries[20]["origin"].pop("gap"), sign_with=signer(log))
    assert [(problem.kind, problem.index) for problem in problems(log)] == [("offset_gap", 20)]


def test_an_acceptance_that_no_entry_carries_is_mentioned() -> None:
    """No record came after it yet, or none was lost: nothing is wrong with the log."""
    log = copied(LOG)
    accept_gap(log.store, gap(60, 69))
    report = verify(log.store, replay=True)
    assert report.ok
    assert [notice.file for notice in report.notices] == [layout.gap(SHARD, TOPIC_ID, 60)]


def test_a_hole_that_was_skipped_stays_so_whatever_is_accepted_later() -> None:
    """Somebody accepts, while a worker runs, what was no loss: the log is good, and says what it said."""
    log = memory_log()
    append(log.open(), RECORDS[:20])
    writer = log.open()
    accept_gap(log.store, gap(20, 29))
    append(writer, RECORDS[30:])
    report = verify(log.store, replay=True)
    assert report.ok
    assert report.lost == []
    assert len(report.notices) == 1
