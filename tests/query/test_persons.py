"""`who`: worked out by hand on the story, and on the real data, where the keys are, counted plainly from its lines."""

import json
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.errors import NotFoundError, UsageError
from ledger.log.ledgerfile import create_ledger
from ledger.log.records import Record
from ledger.log.writer import open_writer
from ledger.query.opened import OpenLedger, open_ledger
from ledger.query.persons import done_by, summed_up
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore
from ledger.storage.memory import MemoryStore
from tests.query.build import ANA, START, entry, write_ledger
from tests.query.judge import Judge
from tests.reference.test_evaluator import real_records


def test_a_pseudonym_is_found_by_its_beginning(ledger: OpenLedger) -> None:
    """Ben uploaded version 2 and gave blog its route, which is not counted again for shop, who lost it."""
    found = done_by(ledger, "BBBB")
    assert [(row.script, row.entry, row.outcome, row.version, row.deployment) for row in found] == [
        ("blog", "0/3", "changed", None, None),
        ("shop", "0/1", "uploaded", 2, None),
    ]
    assert [(change.name, change.op) for change in found[0].changes] == [("shop.example/*", "added")]
    assert found[0].actor_type == "user"


def test_the_summary_counts_by_script_and_interface(ledger: OpenLedger) -> None:
    """Ana: five changes of shop, four of them deployments, all through wrangler; the most first."""
    (row,) = summed_up(done_by(ledger, ANA["pseudonym"]))
    assert (row.script, row.interface, row.entries, row.deployments) == ("shop", "wrangler", 5, 4)
    assert (row.first_at, row.last_at) == (START, START + timedelta(minutes=70))


def test_time_and_account_narrow_it_down(ledger: OpenLedger) -> None:
    """Up to minute 25 Ben had done one thing; in other nothing."""
    assert [row.entry for row in done_by(ledger, "bbbb", at=START + timedelta(minutes=25))] == ["0/1"]
    with pytest.raises(NotFoundError):
        done_by(ledger, "bbbb", account="other")


@pytest.mark.parametrize("person", ["bbb", "", "ana@acme.example", "zzzz", "\udcff"])
def test_who_is_not_known_is_not_found(ledger: OpenLedger, person: str) -> None:
    """Three digits could be anybody; without keys nobody has a name, and the hint says so."""
    with pytest.raises(NotFoundError) as caught:
        done_by(ledger, person)
    assert caught.value.code == "person_not_found"
    assert "without the key store" in caught.value.hint


def test_a_beginning_of_several_pseudonyms_is_ambiguous(tmp_path: Path) -> None:
    """The error names them."""
    actors = [{"type": "user", "pseudonym": "abcd" + digit * 28, "sealed": "QQ"} for digit in "12"]
    write_ledger(tmp_path, [[entry(minute, "changed", actor=actor) for minute, actor in enumerate(actors)]])
    with open_ledger(str(tmp_path)) as ledger:
        with pytest.raises(UsageError, match="abcd1111") as caught:
            done_by(ledger, "abcd")
        assert caught.value.code == "ambiguous_person"
        assert len(done_by(ledger, "abcd2")) == 1


@pytest.mark.parametrize("suffix", ["", "@people.example", "@PEOPLE.example"])
def test_a_real_person_is_found_by_id_and_address(real: OpenLedger, judge: Judge, suffix: str) -> None:
    """Whoever changed most: as many entries as their lines in the data, newest first."""
    people = Counter(json.loads(record.value or b"")["data"]["actor"]["id"] for record in real_records())
    person, lines = next(item for item in people.most_common() if item[0].startswith("u_"))
    found = done_by(real, person + suffix)
    assert len(found) == lines
    assert {row.author for row in found} == {f"{person}@people.example"}
    assert [row.effective_at for row in found] == sorted((row.effective_at for row in found), reverse=True)
    assert sum(row.entries for row in summed_up(found)) == lines


def test_what_a_token_did_for_somebody_is_theirs_too(tmp_path: Path) -> None:
    """By the id of the token, and by that of the person."""
    actor = {"type": "token", "id": "t_ci", "on_behalf_of": "u_ana"}
    event = {
        "specversion": "1.0", "type": "ledger.change.v1", "source": "ci", "id": "1", "subject": "shop",
        "time": "2022-11-28T09:00:00Z", "accountid": "acme",
        "data": {"actor": actor, "crons": {"replace": {"* * * * *": {}}}},
    }  # fmt: skip
    store, keys = LocalStore(tmp_path), MemoryStore()
    file = create_ledger(store, keys, name="test", topic="ledger.changes", shards=1)
    writer = open_writer(store, file, KeyStore.open(keys, "test"), 0, "test")
    draft = writer.fold([Record(0, 1_700_000_000_000, b"acme", json.dumps(event, separators=(",", ":")).encode())])
    assert draft is not None
    writer.commit(draft)
    with open_ledger(str(tmp_path)) as unnamed, pytest.raises(NotFoundError):
        done_by(unnamed, "u_ana")
    for name in list(keys.list("")):
        LocalStore(tmp_path / "keys").put(name, keys.get(name))
    with open_ledger(str(tmp_path)) as named:
        assert [row.actor_type for row in done_by(named, "u_ana")] == ["token"]
        assert done_by(named, "u_ana") == done_by(named, "t_ci")
