"""Single bits: whatever is flipped in whatever file, it is found; in an entry, it is proven and the entry named."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import IntegrityError, LedgerError
from ledger.storage import layout
from ledger.verify.api import verify
from tests.log.rig import Log
from tests.verify.tampering import change_line, copied, flipped, found, honest, replace

LOG = honest()
NAMES = sorted(
    name for name in LOG.store.list("") if name.startswith(("log/", "accounts/", "topics/", "blobs/", "ledger.json"))
)


def outcome(log: Log) -> str:
    """What verifying says: the first problem's kind, or the code of the error."""
    try:
        report = verify(log.store, processes=1)
    except LedgerError as error:
        return error.code
    return report.problems[0].kind if report.problems else "nothing"


def is_the_number_of_shards(name: str, bit: int) -> bool:
    """The one place that nothing else in a ledger speaks of; what an earlier run remembers does."""
    start = LOG.store.get(name).index(b'"shards":') + len('"shards":')
    return name == layout.LEDGER_FILE and start == bit >> 3


def test_the_honest_ledger_verifies() -> None:
    """What the others tamper with is good, folded again too."""
    report = verify(LOG.store, replay=True)
    assert report.ok
    assert (report.entries, report.notices) == (12, [])


@pytest.mark.parametrize("number", range(len(NAMES)))  # names of blobs differ with the keys
def test_a_flipped_bit_is_found(number: int) -> None:
    """In the log, its registrations, topics and blobs, and in ledger.json: so many that each bit of a byte is met."""
    name = NAMES[number]
    kinds: Counter[str] = Counter()
    original = LOG.store.get(name)
    for bit in range(0, len(original) * 8, max(3, len(original) * 8 // 300 | 1)):
        log = copied(LOG)
        replace(log, name, flipped(original, bit))
        kind = outcome(log)
        kinds[kind] += 1
        assert kind != "nothing" or is_the_number_of_shards(name, bit), bit
    if name.startswith("log/"):
        assert set(kinds) <= {"bit_flip", "truncated"}, kinds


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_a_bit_flipped_anywhere_in_a_segment_is_a_bit_flip(data: st.DataObject) -> None:
    """Any bit of any segment: in the entries, the frame around them, or the checkpoint."""
    name = data.draw(st.sampled_from([name for name in NAMES if name.startswith("log/")]))
    original = LOG.store.get(name)
    log = copied(LOG)
    replace(log, name, flipped(original, data.draw(st.integers(0, len(original) * 8 - 1))))
    assert found(log).kind in {"bit_flip", "truncated"}


@given(st.integers(0, 11), st.data())
@settings(max_examples=80, deadline=None)
def test_a_bit_of_an_entry_in_a_segment_that_decompresses_is_named(index: int, data: st.DataObject) -> None:
    """The segment was compressed anew around the flipped bit: the entry is named, and that it was one bit is proven."""
    size = len(LOG.lines()[index])
    bit = data.draw(st.integers(0, size * 8 - 1))
    log = copied(LOG)
    change_line(log, index, lambda line: flipped(line, bit))
    if b"\n" in flipped(LOG.lines()[index], bit):
        return  # two lines instead of one
    problem = found(log)
    assert (problem.kind, problem.index, problem.exact) == ("bit_flip", index, True), problem


def test_a_bit_of_the_number_of_shards_is_found_by_who_remembers() -> None:
    """A larger number of shards looks like a shard without entries; only what an earlier run saw tells."""
    raw = LOG.store.get(layout.LEDGER_FILE)
    log = copied(LOG)
    replace(log, layout.LEDGER_FILE, raw.replace(b'"shards":1', b'"shards":3'))
    assert verify(log.store).ok
    assert msgspec.json.decode(log.store.get(layout.LEDGER_FILE))["shards"] == 3


def test_a_newer_format_is_no_finding() -> None:
    """A format that this program does not know is a usage error, as for every command."""
    log = copied(LOG)
    replace(log, layout.LEDGER_FILE, LOG.store.get(layout.LEDGER_FILE).replace(b'"format":1', b'"format":3'))
    with pytest.raises(LedgerError) as caught:
        verify(log.store)
    assert not isinstance(caught.value, IntegrityError)
