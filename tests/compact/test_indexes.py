"""Indexes of packs: derived, checked, made again where they are missing, and of no influence on any answer."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc
import pytest

from ledger.compact import indexing
from ledger.errors import StoreError
from ledger.log.indexes import Indexed, index_names, indexes_of
from ledger.pyapi.fleettable import fleet_table
from ledger.query.fleet import fleet_at
from ledger.query.opened import open_ledger
from ledger.query.questions import one_script, scripts
from ledger.query.rows import rows, state_rows
from ledger.storage import layout
from ledger.storage.local import LocalStore
from ledger.storage.memory import MemoryStore
from ledger.storage.objects import ObjectStore
from ledger.storage.store import Store
from ledger.verify.findings import Problem
from tests.compact.rig import compact, copied, names, new_log, rewrite_index, segments_of, verdict
from tests.log.rig import SHARD, Log, append, story

_PLACE: Final = 62
"""The entry that is tampered with: a deployment with a version."""


@pytest.fixture(scope="module")
def good() -> Log:
    """A compacted log of four packs; not to be changed."""
    log = new_log()
    compact(log)
    assert verdict(log).ok
    return log


def _indexes(log: Log) -> list[Indexed]:
    return sorted(indexes_of(index_names(log.store, SHARD)).values())


def _index(log: Log, place: int = _PLACE) -> Indexed:
    """The index of the pack that holds an entry."""
    return next(one for one in _indexes(log) if one.said.pack.first <= place < one.said.pack.end)


def _problem(log: Log, **options: Any) -> Problem:
    report = verdict(log, **options)
    assert not report.ok
    return report.problems[0]


def test_every_pack_gets_an_index(good: Log) -> None:
    """Of two objects, named by the pack; the first is full, for nothing was before it."""
    packs = [layout.parse_pack(name) for name in names(good, layout.PACKS)]
    assert [one.said.pack for one in _indexes(good)] == packs
    assert _indexes(good)[0].said.full
    assert len(names(good, layout.INDEX)) == 2 * len(packs)


@pytest.mark.parametrize(
    "make",
    [lambda _: MemoryStore(), LocalStore, lambda _: ObjectStore("memory:///")],
    ids=["memory", "local", "objects"],
)
def test_missing_indexes_are_made_by_the_next_run(make: Callable[[Path], Store], tmp_path: Path) -> None:
    """All, one in the middle, half of one: afterwards they are what they were, and nothing else was touched."""
    log = new_log(make(tmp_path))
    compact(log)
    before = {name: log.store.get(name) for name in log.store.list("")}
    there = names(log, layout.INDEX)
    for gone in (there, there[2:4], there[4:5], there[5:6]):
        for name in gone:
            log.store.delete(name)
        assert verdict(log).ok
        done = compact(log)
        assert (done.packs, done.indexes, done.index_bytes > 0) == ([], len(gone) // 2 or 1, True)
        assert names(log, layout.INDEX) == there
        assert verdict(log).ok
    assert set(before) == set(log.store.list(""))
    assert all(log.store.get(name) == data for name, data in before.items() if not name.startswith(layout.INDEX))


class _Refusing:
    """A store that takes no index, as one does whose process ends before it."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    def put(self, name: str, data: bytes) -> None:
        """See `Store.put`."""
        if name.startswith(layout.INDEX):
            raise StoreError("disk_full", "no space")
        self.inner.put(name, data)

    def put_many(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """See `Store.put_many`."""
        return self.inner.put_many(objects)

    def get(self, name: str) -> bytes:
        """See `Store.get`."""
        return self.inner.get(name)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See `Store.list`."""
        return self.inner.list(prefix, after)

    def delete(self, name: str) -> None:
        """See `Store.delete`."""
        self.inner.delete(name)


def test_a_run_that_ends_between_pack_and_index_has_removed_nothing() -> None:
    """The pack counts, its segments are there still; the next run makes the index and goes on."""
    log = new_log()
    seen = segments_of(log)
    whole, log.store = log.store, _Refusing(log.store)
    with pytest.raises(StoreError):
        compact(log)
    log.store = whole
    assert (len(names(log, layout.PACKS)), names(log, layout.INDEX)) == (1, [])
    assert len(names(log, layout.LOG)) == len(seen)
    assert segments_of(log) == seen
    done = compact(log)
    assert (len(done.packs), done.indexes) == (3, 4)
    assert names(log, layout.LOG) == []
    assert verdict(log).ok


_ROWS: Final = {
    "account": "'other'",
    "script": "'other'",
    "effective_at": "effective_at + INTERVAL 1 SECOND",
    "until": "effective_at + INTERVAL 1 HOUR",
    "outcome": "'noted'",
    "actor": "repeat('0', 32)",
    "lost_to": "'other'",
    "changes": "[['code', 'main', 'added']]",
    "triggers": "'{}'",
    "version_id": "'00000000-0000-8000-8000-000000000000'::UUID",
    "version_sha256": "'x'::BLOB",
    "deployment_versions": "MAP {'00000000-0000-8000-8000-000000000000': 100.0::DOUBLE}",
    "rollback": "NOT coalesce(rollback, false)",
    "rare": "'{}'",
    "took_from": "['other']",
}


@pytest.mark.parametrize("column", sorted(_ROWS))
def test_a_row_that_says_something_else_than_its_entry_is_found(good: Log, tmp_path: Path, column: str) -> None:
    """Questions would be answered with it although every hash holds."""
    log = copied(good)
    value = f'CASE WHEN part = 0 AND "index" = {_PLACE} THEN {_ROWS[column]} ELSE "{column}" END'
    name = rewrite_index(log, _index(log).rows, f'SELECT * REPLACE ({value} AS "{column}") FROM rows', tmp_path)
    problem = _problem(log)
    assert (problem.kind, problem.index, problem.exact, problem.file) == ("column_mismatch", _PLACE, True, name)


_OTHERS: Final = {
    "a row is gone": (f'FROM rows WHERE "index" <> {_PLACE}', "column_mismatch"),
    "a row stands twice": (f'FROM rows UNION ALL FROM rows WHERE "index" = {_PLACE}', "bad_index"),
    "a row more": (
        f'FROM rows UNION ALL SELECT * REPLACE (0 AS "index") FROM rows WHERE "index" = {_PLACE}',
        "column_mismatch",
    ),
    "a column is gone": ("SELECT * EXCLUDE (script) FROM rows", "bad_index"),
    "a column of another type": ('SELECT * REPLACE ("index"::VARCHAR AS "index") FROM rows', "bad_index"),
    "no rows": ("FROM rows LIMIT 0", "column_mismatch"),
}


@pytest.mark.parametrize("shape", sorted(_OTHERS))
def test_an_index_of_another_shape_is_found(good: Log, tmp_path: Path, shape: str) -> None:
    """Rows removed, repeated or added, columns gone or of another type; of the rows and, as far as it applies, of the ids."""
    select, kind = _OTHERS[shape]
    log = copied(good)
    name = rewrite_index(log, _index(log).rows, select, tmp_path)
    problem = _problem(log)
    assert (problem.kind, problem.file) == (kind, name)
    if "column" not in shape:
        log = copied(good)
        name = rewrite_index(log, _index(log).ids, select, tmp_path)
        problem = _problem(log)
        assert (problem.kind, problem.file) == (kind, name)


def test_what_is_carried_from_before_is_compared_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A row of part 1, about an entry of an earlier pack: the place is the pack's, and the entry is named."""
    monkeypatch.setattr(indexing, "ROWS_A_CARRIED", 0)
    log = new_log()
    compact(log, pack=100)
    full = _indexes(log)[-1]
    assert (full.said.full, full.said.pack.first) == (True, 105)
    name = rewrite_index(
        log,
        full.rows,
        "SELECT * REPLACE (CASE WHEN part = 1 THEN 'other' ELSE interface END AS interface) FROM rows",
        tmp_path,
    )
    problem = _problem(log)
    assert (problem.kind, problem.index, problem.exact, problem.file) == ("column_mismatch", 105, False, name)
    assert "from before its pack" in problem.message


def test_damaged_renamed_and_strange_indexes_are_found(good: Log) -> None:
    """Garbage, other times in the name, a pack's index under the name of another; what belongs to no pack is mentioned."""
    log = copied(good)
    index = _index(log)
    log.store.delete(index.rows)
    log.store.put(index.rows, b"garbage")
    problem = _problem(log)
    assert (problem.kind, problem.index, problem.file) == ("bad_index", index.said.pack.first, index.rows)
    log = copied(good)
    data = log.store.get(index.rows)
    log.store.delete(index.rows)
    other = layout.index(index.said._replace(most_us=index.said.most_us + 1))
    log.store.put(other, data)
    assert (_problem(log).kind, _problem(log).file) == ("bad_index", other)
    log = copied(good)
    first = _indexes(good)[0]
    log.store.delete(index.rows)
    log.store.put(index.rows, log.store.get(first.rows))
    assert _problem(log).kind == "column_mismatch"
    log = copied(good)
    stray = layout.index(index.said._replace(pack=index.said.pack._replace(digest="0" * 32)))
    log.store.put(stray, b"?")
    log.store.put("index/0000/notes.txt", b"?")
    report = verdict(log)
    assert report.ok
    assert sorted(notice.file for notice in report.notices) == sorted((stray, "index/0000/notes.txt"))


# ------------------------------------------------------------------------------------------------------------- answers


_SHOWN: Final = ("account", "script", "deployment", "number", "versions", "since")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"versions": dict(row["versions"]), "since": row["since"].astimezone(UTC)}


def _state(root: Path, moment: datetime, known_at: datetime | None) -> Any:
    with open_ledger(str(root), known_at=known_at) as ledger:
        fleet = fleet_at(ledger, moment, deleted=True)
        listed = scripts(ledger, at=moment, deleted=True)
        whole = rows(ledger, "SELECT * FROM scripts_at($at) ORDER BY account, script", at=moment)
        near = state_rows(ledger, moment, "SELECT * FROM _states('_near', $at) ORDER BY account, script", at=moment)
        assert near == whole
        active = [row for row in whole if row["state"] == "active"]
        table = fleet_table(ledger, moment).filter(pc.field("state") == "active").select(_SHOWN)
        assert [_plain(row) for row in table.to_pylist()] == [{name: row[name] for name in _SHOWN} for row in active]
        for row in whole[::5]:
            one = one_script(ledger, row["script"], account=row["account"], at=moment)
            assert (one.state, one.deployment) == (row["state"], row["deployment"])
        return fleet, listed


@pytest.mark.parametrize("amount", [0, 1000])
def test_the_state_at_any_time_is_the_same_with_indexes_of_any_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, amount: int
) -> None:
    """At and as known at times in the middle of packs: routes that others took, scripts made again, clocks ahead and late."""
    monkeypatch.setattr(indexing, "ROWS_A_CARRIED", amount)
    log = new_log(LocalStore(tmp_path), entries=150)
    seen = [json.loads(line) for line in log.lines()]
    moments = [datetime.fromisoformat(entry["effective_at"]) for entry in seen[20::60]]
    moments += [datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)]
    known = [None, *(datetime.fromisoformat(entry["recorded_at"]) for entry in seen[57::60])]
    before = [_state(tmp_path, moment, one) for moment in moments for one in known]
    assert sum(len(fleet) for fleet, _ in before) > 20
    compact(log, pack=23, least=23)
    assert {one.said.full for one in _indexes(log)} == ({True} if amount == 0 else {True, False})
    assert [_state(tmp_path, moment, one) for moment in moments for one in known] == before
    for name in _indexes(log)[2]:
        if isinstance(name, str):
            log.store.delete(name)
    assert [_state(tmp_path, moment, one) for moment in moments for one in known] == before


def test_a_full_index_needs_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The state at the end of the log is the same where every index but the last full one, and those after it, holds nothing."""
    monkeypatch.setattr(indexing, "ROWS_A_CARRIED", 0)
    log = new_log(LocalStore(tmp_path / "l"), entries=150)
    compact(log, pack=100)
    end = datetime(2100, 1, 1, tzinfo=UTC)
    with open_ledger(str(tmp_path / "l")) as ledger:
        before = fleet_at(ledger, end)
    assert [one.said.full for one in _indexes(log)] == [True, True]
    rewrite_index(log, _indexes(log)[0].rows, "FROM rows LIMIT 0", tmp_path)
    with open_ledger(str(tmp_path / "l")) as ledger:
        assert fleet_at(ledger, end) == before
        assert fleet_at(ledger, end - timedelta(days=40_000)) == []
    assert before


def test_a_log_that_goes_on_has_indexes_that_go_on() -> None:
    """Compacted by turns with writing, with packs that overlap: every index verifies."""
    records = story(150)
    log = Log(MemoryStore(), MemoryStore())
    for end in range(30, 151, 30):
        append(log.open(), records[:end])
        compact(log, pack=40, keep=True)
    other = copied(log)
    for name in [*names(other, layout.PACKS), *names(other, layout.INDEX)]:
        other.store.delete(name)
    compact(other, pack=55)
    for name in [*names(other, layout.PACKS), *names(other, layout.INDEX)]:
        if name not in set(log.store.list("")):
            log.store.put(name, other.store.get(name))
    report = verdict(log)
    assert report.problems == []
    compact(log)
    assert verdict(log).problems == []
