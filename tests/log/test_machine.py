"""Two writers on one shard, interleaved at random, crashing at random: never a fork, never an event twice."""

import shutil
import tempfile
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.errors import StoreConflictError, StoreError
from ledger.log.writer import Draft, ShardWriter, open_writer
from ledger.storage.keys import KeyStore
from tests.log.rig import SHARD, TOPIC_ID, Faults, FaultyStore, Log, append, check, essence, memory_log, story

WRITERS = st.sampled_from((0, 1))
COUNT = 60


class TwoWriters(RuleBasedStateMachine):
    """A shard, two writers that know nothing of each other, and the records that each is fed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.log: Log = memory_log()
        self.records = story(COUNT)
        self.writers: list[ShardWriter | None] = [None, None]
        self.drafts: list[list[Draft]] = [[], []]
        self.faults = [Faults(), Faults()]
        self.cache = Path(tempfile.mkdtemp())
        self.seen: list[bytes] = []

    @initialize(seed=st.integers(0, 50))
    def begin(self, seed: int) -> None:
        """Choose the records."""
        self.records = story(COUNT, seed)

    @rule(place=WRITERS, with_cache=st.booleans())
    def open(self, place: int, with_cache: bool) -> None:
        """A writer starts, or is killed and starts anew: what it had in memory is gone."""
        self.faults[place] = Faults()
        stores = [FaultyStore(store, self.faults[place]) for store in (self.log.store, self.log.keys)]
        keys = KeyStore.open(stores[1], "test")
        cache = self.cache if with_cache else None
        self.writers[place] = open_writer(stores[0], self.log.file, keys, SHARD, TOPIC_ID, cache)
        self.drafts[place] = []

    @rule(place=WRITERS, count=st.integers(1, 9), again=st.integers(0, 4))
    def fold(self, place: int, count: int, again: int) -> None:
        """A writer folds what comes next, perhaps some records again before it."""
        writer = self.writers[place]
        if writer is None:
            return
        start = writer.next_offset
        try:
            draft = writer.fold(self.records[max(0, start - again) : start + count])
        except StoreError:
            self.writers[place] = None
            return
        if draft is not None:
            self.drafts[place].append(draft)

    @rule(place=WRITERS)
    def commit(self, place: int) -> None:
        """A writer commits its oldest draft; where another was first, it drops everything."""
        writer = self.writers[place]
        if writer is None or not self.drafts[place]:
            return
        try:
            writer.commit(self.drafts[place].pop(0))
        except StoreConflictError:
            self.writers[place] = None
        except StoreError:
            self.writers[place] = None

    @rule(place=WRITERS, after=st.integers(0, 3), how=st.sampled_from(("lost", "half", "kept")))
    def break_store(self, place: int, after: int, how: str) -> None:
        """One of a writer's next writes is going to fail."""
        self.faults[place].fail_after(after, how)

    @rule(place=WRITERS)
    def save(self, place: int) -> None:
        """A writer with no draft under way keeps a snapshot."""
        writer = self.writers[place]
        if writer is not None and not self.drafts[place]:
            writer.save_snapshot()

    @invariant()
    def the_log_only_grows(self) -> None:
        """What was read once is there for ever, followed by entries of the next offsets."""
        lines = self.log.lines()
        assert lines[: len(self.seen)] == self.seen
        offsets = [msgspec.json.decode(line)["origin"]["offset"] for line in lines]
        assert offsets == list(range(len(lines)))
        self.seen = lines

    def teardown(self) -> None:
        """Whatever happened, an undisturbed writer completes the log."""
        check(self.log, self.records[: len(self.seen)])
        writer = self.log.open()
        append(writer, self.records)
        check(self.log, self.records)
        assert essence(self.log.state()) == essence(writer._state)
        shutil.rmtree(self.cache)


TestTwoWriters = TwoWriters.TestCase
TestTwoWriters.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
