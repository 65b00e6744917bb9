"""A part of a ledger: some accounts' entries, so many of each shard; from segments, packs, and packs that are larger."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.errors import InputError, NotFoundError
from ledger.log.ledgerfile import read_ledger_file
from ledger.query import questions
from ledger.query.accountproofs import account_home
from ledger.query.fleet import fleet_at
from ledger.query.following import Follower
from ledger.query.known import sized_prefix
from ledger.query.lookup import EntryId
from ledger.query.opened import OpenLedger
from ledger.query.rows import END_OF_TIME
from ledger.query.segments import read_prefix
from ledger.query.showing import entry_line
from ledger.storage.local import LocalStore
from tests.compact.rig import compact, new_log
from tests.log.rig import Log

SIZES = (0, 1, 7, 8, 40, 41, 63, 80, 119, 120)
Open = Callable[..., OpenLedger]


@pytest.fixture(scope="module", params=["segments", "packs"])
def log(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Log:
    """120 entries of two accounts, in segments of 7; of the second, some are compacted in packs of 40."""
    log = new_log(LocalStore(tmp_path_factory.mktemp("seen")), 120)
    if request.param == "packs":
        compact(log, pack=40)
    return log


@pytest.fixture
def opened(log: Log) -> Iterator[Open]:
    """Opens the ledger."""
    assert isinstance(log.store, LocalStore)
    root = log.store.root
    with ExitStack() as stack:

        def opened(**part: Any) -> OpenLedger:
            ledger = OpenLedger(str(root), read_ledger_file(LocalStore(root)), LocalStore(root), root, None, **part)
            stack.callback(ledger.close)
            return ledger

        yield opened


def indexes(ledger: OpenLedger) -> list[int]:
    """Of the entries in the views."""
    return [index for (index,) in ledger.connection.execute('SELECT "index" FROM entries ORDER BY ALL').fetchall()]


@pytest.mark.parametrize("size", SIZES)
def test_so_many_entries_are_seen(opened: Open, size: int) -> None:
    """Whatever they lie in, also where that holds more; by views, by place, by the status. The checkpoint covers no more."""
    ledger = opened(sizes=(size,))
    assert indexes(ledger) == list(range(size))
    status = questions.status(ledger)
    assert (status.size, sum(status.outcomes.values())) == (size, size)
    checkpoint = ledger.shards[0].checkpoint
    assert (int(checkpoint.split("\n")[1]) if checkpoint else 0) == size // 7 * 7 if size < 120 else 120
    if size:
        assert msgspec.json.decode(entry_line(ledger, EntryId(0, size - 1)))["index"] == size - 1
    with pytest.raises(NotFoundError):
        entry_line(ledger, EntryId(0, size))


def test_more_than_there_is_is_all(log: Log) -> None:
    """A size beyond the log changes nothing."""
    assert isinstance(log.store, LocalStore)
    prefix = read_prefix(log.store.root, 0)
    assert sized_prefix(prefix, 121) is prefix


@pytest.mark.parametrize("account", ["acme", "beta"])
@pytest.mark.parametrize("size", [41, 120])
def test_only_what_an_account_has_is_seen(opened: Open, account: str, size: int) -> None:
    """By every question: what who sees all is told of the account; and entries of others, and of none, are not there."""
    part, everything = opened(sizes=(size,), accounts=(account,)), opened(sizes=(size,))
    assert questions.scripts(part, deleted=True) == questions.scripts(everything, account=account, deleted=True)
    for script in {row.script for row in questions.scripts(part, deleted=True)}:
        assert questions.history(part, script) == questions.history(everything, script, account=account)
    assert questions.rejected(part) == questions.rejected(everything, account=account)
    at = END_OF_TIME
    assert fleet_at(part, at) == fleet_at(everything, at, account=account)
    seen = indexes(part)
    for index in range(size):
        if index in seen:
            assert entry_line(part, EntryId(0, index)) == entry_line(everything, EntryId(0, index))
        else:
            with pytest.raises(NotFoundError):
                entry_line(part, EntryId(0, index))
    assert account_home(part, account) == 0
    with pytest.raises(NotFoundError):
        account_home(part, "acme" if account == "beta" else "beta")


def test_who_has_no_account_sees_nothing(opened: Open) -> None:
    """An empty list is not all; a name is no pattern and no SQL."""
    for accounts in ((), ("*",), ("') OR true --",), ("acm_",)):
        ledger = opened(accounts=accounts)
        assert indexes(ledger) == []
        assert questions.scripts(ledger, deleted=True) == []


@pytest.mark.parametrize("begin", SIZES)
def test_following_begins_at_any_place(opened: Open, begin: int) -> None:
    """Inside a segment and inside a pack."""
    follower = Follower(opened(), begin=[begin])
    assert [int(row.entry.split("/")[1]) for row in follower.further()] == list(range(begin, 120))
    assert follower.places == [120]


@pytest.mark.parametrize("begin", [[121], [], [0, 0]])
def test_following_begins_at_no_place_that_is_not_there(opened: Open, begin: list[int]) -> None:
    """Beyond the log, or of other shards."""
    with pytest.raises(InputError) as caught:
        Follower(opened(), begin=begin)
    assert caught.value.code == "bad_place"


def test_what_was_asked_of_segments_is_the_same_when_they_are_compacted(tmp_path: Path) -> None:
    """Between two pages of a list, with an opened ledger that is kept and with a new one."""
    log = new_log(LocalStore(tmp_path), 120)
    about = read_ledger_file(LocalStore(tmp_path))

    def opened() -> OpenLedger:
        return OpenLedger(str(tmp_path), about, LocalStore(tmp_path), tmp_path, None, sizes=(63,), accounts=("acme",))

    kept = opened()
    before = questions.history(kept, "a")
    compact(log, pack=40)
    for ledger in (kept, opened()):
        assert questions.history(ledger, "a") == before
        ledger.close()
