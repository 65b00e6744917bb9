"""Accepted gaps: what a writer makes of holes in the offsets, what can be accepted, and that nothing of it is ever changed."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import IntegrityError, UsageError
from ledger.log.gaps import AcceptedGap, accept_gap, first_not_accepted, gap_before, read_gaps
from ledger.model.entries import Gap
from ledger.storage import layout
from tests.log.rig import SHARD, TOPIC_ID, Json, Log, append, memory_log, story

RECORDS = story(60)


def gap(start: int, to: int, by: str = "ana", *, topic_id: str = TOPIC_ID, **more: str) -> AcceptedGap:
    """A gap of the only shard."""
    return AcceptedGap(topic_id=topic_id, partition=SHARD, from_=start, to=to, accepted_by=by, **more)


def origins(log: Log) -> list[Json]:
    """Of the entries after a hole."""
    found = [msgspec.json.decode(line)["origin"] for line in log.lines()]
    return [origin for origin in found if "gap" in origin or "skipped" in origin]


def holed(log: Log, *accepted: AcceptedGap, first: int = 20, then: int = 30, batch: int = 7) -> list[Json]:
    """Records without those from `first` to before `then`, their loss accepted; returns what is said of holes."""
    append(log.open(), RECORDS[:first], batch)
    for one in accepted:
        accept_gap(log.store, one)
    append(log.open(), RECORDS[then:], batch)
    return origins(log)


@pytest.mark.parametrize("then", [30, 31, 40])
def test_the_first_entry_after_a_gap_carries_it(then: int) -> None:
    """Whatever it is about; offsets after the gap that Kafka holds no record for are skipped besides."""
    (origin,) = holed(memory_log(), gap(20, 29), then=then)
    assert origin["offset"] == then
    assert origin["gap"] == {"from": 20, "to": 29, "accepted_by": "ana"}
    assert origin.get("skipped", 0) == then - 30
    members = ["topic", "partition", "offset", "skipped", "gap", "mac"]
    assert list(origin) == [name for name in members if name in origin]


def test_gaps_that_follow_one_another_are_one() -> None:
    """More had expired when the worker came back: each acceptance stays, the entry names who accepted."""
    (origin,) = holed(memory_log(), gap(20, 24, "ana"), gap(25, 27, "ben"), gap(28, 29, "ana"))
    assert origin["gap"] == {"from": 20, "to": 29, "accepted_by": "ana, ben"}
    assert "skipped" not in origin


def test_a_record_that_is_there_is_not_lost() -> None:
    """A gap that was accepted too large ends before the record."""
    (origin,) = holed(memory_log(), gap(20, 50), gap(51, 55))
    assert origin["gap"] == {"from": 20, "to": 29, "accepted_by": "ana"}


@pytest.mark.parametrize("accepted", [gap(19, 29), gap(21, 29), gap(20, 29, topic_id="topic-2")])
def test_a_gap_elsewhere_says_nothing_of_this_hole(accepted: AcceptedGap) -> None:
    """Only one that begins at the ledger's next offset, of this topic id, is one."""
    (origin,) = holed(memory_log(), accepted)
    assert "gap" not in origin
    assert origin["skipped"] == 10


@pytest.mark.parametrize("first", [0, 20])
@pytest.mark.parametrize("batch", [1, 13])
def test_the_bytes_depend_on_records_and_acceptances_alone(first: int, batch: int) -> None:
    """Also where the log is empty before the gap, and in whatever batches they come."""
    log = memory_log()
    assert len(holed(log, gap(first, 29), first=first)) == 1
    other = Log.__new__(Log)
    other.store, other.keys, other.file = memory_log().store, log.keys, log.file
    holed(other, gap(first, 29), first=first, batch=batch)
    assert other.lines() == log.lines()


def test_what_was_accepted_is_never_changed() -> None:
    """The same again is no error; another end, another person, another reason is."""
    log = memory_log()
    assert accept_gap(log.store, gap(3, 9, reason="disk full"))
    assert not accept_gap(log.store, gap(3, 9, reason="disk full"))
    for other in (gap(3, 10, reason="disk full"), gap(3, 9, "ben", reason="disk full"), gap(3, 9)):
        with pytest.raises(UsageError, match="accepted by ana already"):
            accept_gap(log.store, other)
    assert read_gaps(log.store, SHARD, TOPIC_ID) == {3: gap(3, 9, reason="disk full")}
    assert log.store.get(layout.gap(SHARD, TOPIC_ID, 3)) == (
        b'{"topic_id":"topic-1","partition":0,"from":3,"to":9,"accepted_by":"ana","reason":"disk full"}\n'
    )


@pytest.mark.parametrize(
    "bad",
    [
        gap(5, 4),
        gap(-1, 4),
        gap(0, 1 << 63),
        gap(0, 4, ""),
        gap(0, 4, " ana"),
        gap(0, 4, "a\nb"),
        gap(0, 4, "a" * 101),
        gap(0, 4, "\udcff"),
        gap(0, 4, reason=""),
        gap(0, 4, reason="a\x1b[31m"),
        gap(0, 4, topic_id="../ledger"),
        AcceptedGap(topic_id="t", partition=10_000, from_=0, to=1, accepted_by="ana"),
    ],
)
def test_what_no_gap_can_be_is_refused(bad: AcceptedGap) -> None:
    """Nothing is written."""
    log = memory_log()
    with pytest.raises(UsageError) as raised:
        accept_gap(log.store, bad)
    assert raised.value.code == "bad_gap"
    assert not list(log.store.list(layout.GAPS))


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\xff", b'{"topic_id":"topic-1","partition":0,"from":4,"to":9,"accepted_by":"a"}\n']
)
def test_a_writer_believes_no_damaged_acceptance(data: bytes) -> None:
    """It stops: what it would write could not be verified."""
    log = memory_log()
    log.store.put(layout.gap(SHARD, TOPIC_ID, 3), data)
    with pytest.raises(IntegrityError) as raised:
        log.open()
    assert raised.value.code == "bad_gap"


@given(
    sizes=st.lists(st.tuples(st.integers(1, 4), st.sampled_from("abc")), max_size=4),
    distance=st.integers(1, 20),
)
def test_a_gap_is_what_was_accepted_up_to_the_record(sizes: list[tuple[int, str]], distance: int) -> None:
    """For any row of acceptances and any record: offset by offset, the plain way."""
    accepted, start = {}, 100
    for size, name in sizes:
        accepted[start] = gap(start, start + size - 1, name)
        start += size
    lost = [offset for offset in range(100, 100 + distance) if offset < start]
    names = [one.accepted_by for one in accepted.values() if one.from_ in lost]
    expected = Gap(from_=100, to=lost[-1], accepted_by=", ".join(dict.fromkeys(names))) if lost else None
    assert gap_before(accepted, 100, 100 + distance) == expected
    assert first_not_accepted(accepted, 100) == start
