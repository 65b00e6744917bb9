"""The live view equals what all entries say, and the fold's own state, at every segment of made-up and real histories."""

import json
import random
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.live.made import created_on
from ledger.log.records import Record
from ledger.model import ids
from ledger.storage.blobs import BlobStore
from tests.live.naive import Story, check_script, stories, take
from tests.live.rig import Stepping
from tests.log.rig import Json, Log, append, code, event, memory_log, record, story
from tests.reference.test_evaluator import real_records


def check_state(stepping: Stepping, log: Log, accounts: Json) -> None:
    """What is shown of accounts is what the writer's fold has."""
    live = stepping.live
    assert live.accounts() == sorted(accounts)
    for name, account in accounts.items():
        assert live.account(name) == account
        exist = sorted(script for script, state in account.scripts.items() if state.newest is not None)
        assert [script.name for script in live.scripts(name)] == exist
        for script, state in account.scripts.items():
            found = live.script(name, script)
            assert found is not None
            assert found.script == state
            assert live.by_tag(name, found.tag) is found
    assert live.sizes() == {0: len(log.lines())}


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**32), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_every_segment_of_made_up_histories(seed: int, sizes: list[int]) -> None:
    """Every outcome, several lives, splits, rollbacks, moved routes, what is too large for an entry."""
    log = memory_log()
    writer = log.open()
    stepping = Stepping(log)
    records = story(sum(sizes), seed)
    fetch = BlobStore(log.store).get
    done, lines = 0, log.lines()
    for size in sizes:
        before = {name: stepping.live.script(*name) for name in stories(lines, fetch)}
        draft = writer.fold(records[done : done + size])
        assert draft is not None
        writer.commit(draft)
        done += size
        stepping.step()
        check_state(stepping, log, writer._state.accounts)
        lines = log.lines()
        for name, of in stories(lines, fetch).items():
            found = stepping.live.script(*name)
            assert found is not None
            check_script(found, of)
            # The same object if and only if nothing touched it.
            assert (found is before.get(name)) == (of.touched < len(lines) - size)
    assert [stepping.live.entry(0, index) for index in range(len(lines))] == lines
    assert stepping.live.entry(0, len(lines)) is None


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), first=st.integers(1, 90), rest=st.integers(0, 60))
def test_a_snapshot_and_the_rest_are_as_all_from_the_start(seed: int, first: int, rest: int) -> None:
    """Whatever was written before and after it."""
    records = story(first + rest, seed)
    log = memory_log()
    writer = log.open()
    with TemporaryDirectory() as directory:
        append(writer, records[:first])
        Stepping(log, Path(directory)).keep()
        assert list(Path(directory).rglob("state-*.bin"))
        append(writer, records[first:])
        stepping = Stepping(log, Path(directory))
        shard = stepping.follower._shards[0]
        assert shard is not None
        assert shard._kept_at == first, "it did not begin with the snapshot"
        check_state(stepping, log, writer._state.accounts)
        for name, of in stories(log.lines(), BlobStore(log.store).get).items():
            found = stepping.live.script(*name)
            assert found is not None
            check_script(found, of)
        stepping.live.close()


def test_every_segment_of_the_real_data() -> None:
    """15,513 events in segments of random sizes: each script that an entry touched, right after it."""
    records = [Record(record.offset, record.timestamp_ms, record.key, record.value) for record in real_records()]
    log = memory_log()
    writer = log.open()
    stepping = Stepping(log)
    chance = random.Random(7)
    fetch = BlobStore(log.store).get
    found: dict[tuple[str, str], Story] = {}
    done = 0
    while done < len(records):
        draft = writer.fold(records[done : (done := done + chance.choice((1, 1, 20, 200, 500)))])
        assert draft is not None
        writer.commit(draft)
        stepping.step()
        before = {name: one.touched for name, one in found.items()}
        for line in draft.lines:
            take(found, json.loads(line), fetch)
        touched = sorted(name for name, one in found.items() if one.touched != before.get(name))
        for name in touched if len(touched) < 3 else chance.sample(touched, 3):
            script = stepping.live.script(*name)
            assert script is not None
            check_script(script, found[name], deep=False)
    check_state(stepping, log, writer._state.accounts)
    for name in chance.sample(sorted(found), 25):
        script = stepping.live.script(*name)
        assert script is not None
        check_script(script, found[name])


def followed(*values: bytes, same_time: bool = False) -> tuple[Stepping, Log, Story]:
    """These events of the script `shop`, followed one by one, and its story; all recorded in one millisecond where so wanted."""
    log = memory_log()
    writer = log.open()
    stepping = Stepping(log)
    for offset, value in enumerate(values):
        made = record(offset, value)
        append(writer, [Record(offset, 1_669_626_000_123, made.key, value) if same_time else made])
        stepping.step()
    return stepping, log, stories(log.lines(), BlobStore(log.store).get)["acme", "shop"]


def test_entries_of_one_millisecond_keep_their_order_as_text() -> None:
    """The last three of six digits count them; beyond a thousand they stay what they are."""
    stepping, _, story = followed(*(event(f"e{n}", code=code(n)) for n in range(12)), same_time=True)
    script = stepping.live.script("acme", "shop")
    assert script is not None
    check_script(script, story)
    shown = [version.created_on for version in script.more_versions(0, 12)]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] == "2022-11-28T09:00:00.123011Z"
    assert created_on("2022-11-28T09:00:00.123Z", 1000) == created_on("2022-11-28T09:00:00.123Z", 999)


def test_a_rollback_names_what_it_brought_back_however_long_ago() -> None:
    """From the ring and from the log."""
    first = ids.version_id("acme", "shop", "test", "e0")
    recent = ids.version_id("acme", "shop", "test", "e12")
    stepping, _, story = followed(
        *(event(f"e{n}", code=code(n)) for n in range(14)),
        event("old", deploy={first: 100}),
        event("new", deploy={recent: 100}, message="back"),
        event("again", deploy={first: 100}),
    )
    script = stepping.live.script("acme", "shop")
    assert script is not None
    check_script(script, story)
    assert [one.rollback_from for one in script.deployments[:3]] == [
        ids.deployment_id("acme", "shop", "test", "old"),
        None,
        ids.deployment_id("acme", "shop", "test", "e0"),
    ]


def test_a_version_is_found_by_the_tag_of_an_upload_that_left_it_as_it_was() -> None:
    """Of the base that the upload names, or of what is active; of no change of triggers."""
    first, second = (ids.version_id("acme", "shop", "test", name) for name in ("one", "two"))
    stepping, _, story = followed(
        event("one", code=code(1), tag="v1"),
        event("same", code=code(1), tag="v1-again", message="nothing new"),
        event("two", code=code(2), tag="v2", activate=False),
        event("two-again", code=code(2), tag="v2-again", activate=False, base=second),
        event("routes", crons={"replace": {"* * * * *": {}}}, tag="crons"),
        event("crons", crons={"replace": {"* * * * *": {}}}, tag="crons"),
        event("both", code=code(1), settings={"merge": {"logpush": True}}, tag="v1", base=first),
        event("gone", delete=True),
        event("back", code=code(1), tag="v1"),
    )
    script = stepping.live.script("acme", "shop")
    assert script is not None
    check_script(script, story)
    third = ids.version_id("acme", "shop", "test", "back")
    assert [one.id for one in script.tagged("v1")] == [third, first]
    assert [one.id for one in script.tagged("v1", limit=1)] == [third]
    assert [one.id for one in script.tagged("v1-again")] == [first]
    assert [one.id for one in script.with_message("nothing new")] == [first]
    assert [one.id for one in script.tagged("v2-again")] == [second]
    assert script.tagged("crons") == []


def test_a_deleted_script_is_seen_and_not_listed() -> None:
    """Its tag still finds it; with its next life it is there again, its numbers go on."""
    stepping, log, _ = followed(event("one", code=code(1)), event("gone", delete=True))
    script = stepping.live.script("acme", "shop")
    assert script is not None
    assert script.script.newest is None
    assert (script.versions, script.deployments, script.version_count, script.created_on) == ((), (), 0, "")
    assert stepping.live.scripts("acme") == []
    assert stepping.live.by_tag("acme", script.tag) is script
    append(log.open(), [record(2, event("back", code=code(1)))])
    stepping.step()
    (again,) = stepping.live.scripts("acme")
    assert [version.number for version in again.versions] == [2]
    assert stepping.live.script("acme", "other") is stepping.live.script("nobody", "shop") is None
    assert stepping.live.scripts("nobody") == []
    assert stepping.live.account("nobody") is None
    assert stepping.live.by_tag("acme", "0" * 32) is None
