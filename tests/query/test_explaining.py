"""`explain`: the story's entries in sentences, worked out by hand, and all kinds of real ones without a contradiction."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.errors import NotFoundError, UsageError
from ledger.query.explaining import explain
from ledger.query.opened import OpenLedger, open_ledger
from tests.query.build import ANA, BEN, START, at, entry, identifier, write_ledger
from tests.query.judge import Judge

A, B = f"{ANA['pseudonym']}, through wrangler,", f"{BEN['pseudonym']}, through"


def test_a_deployment_in_sentences(ledger: OpenLedger) -> None:
    """Deployment 2 splits the traffic; two things came after it at minute 40."""
    told = explain(ledger, identifier("d-shop", 2))
    assert told.sentences[:3] == [
        f"{A} made deployment 2 of shop of acme on 2022-11-28 09:20:00Z.",
        "It served version 1 to 90 % and version 2 to 10 %.",
        "It replaced deployment 1, which had been live since 2022-11-28 09:00:00Z.",
    ]
    assert told.sentences[4:] == [
        "The script was reached by routes/api.example/*, routes/shop.example/*, workers.dev, crons/*/5 * * * *.",
        f"It was live for 20 minutes, until deployment 3 replaced it, by {A} on 2022-11-28 09:40:00Z (0/4).",
    ]
    assert (told.replaced, told.live_to, told.next_entry) == (1, START + timedelta(minutes=40), "0/4")


def test_a_rollback_says_to_what_and_what_it_brought_back(ledger: OpenLedger) -> None:
    """Values go from those of deployment 3 to those of deployment 1, until the script was deleted."""
    told = explain(ledger, "0/5")
    assert "It was a rollback to deployment 1." in told.sentences
    assert [(one.name, one.op, one.before, one.after) for one in told.changes][2] == (
        "usage_model",
        "changed",
        "unbound",
        "bundled",
    )
    assert told.sentences[-1] == (
        f"It was live for 30 minutes, until the script was deleted by {A} on 2022-11-28 10:10:00Z (0/8)."
    )


def test_an_upload_says_when_it_was_first_deployed(ledger: OpenLedger) -> None:
    """By its version's id; deployment 2 was the first to serve it."""
    told = explain(ledger, identifier("v-shop", 2))
    assert (
        told.sentences[0]
        == f"{B} dash, uploaded version 2 of shop of acme without deploying it on 2022-11-28 09:10:00Z."
    )
    assert told.sentences[-1] == "The version was first deployed by deployment 2 on 2022-11-28 09:20:00Z (0/2)."
    assert {one.name for one in told.changes} == {"CART", "usage_model", "secrets/KEY", "vars/LIMITS", "vars/STAGE"}
    assert explain(ledger, "0/1", START + timedelta(minutes=15)).sentences[-1] == "The version has never been deployed."


def test_a_change_of_triggers_and_a_deletion(ledger: OpenLedger) -> None:
    """What has not been changed since, and what has not been deployed again."""
    blog, gone = explain(ledger, "0/3"), explain(ledger, "0/8")
    assert blog.sentences == [
        f"{B} wrangler, changed how blog of acme is reached or watched, and made no version on 2022-11-28 09:30:00Z.",
        "1 name changed: routes/shop.example/* was added ({}).",
        "The script was reached by routes/shop.example/*.",
        "None of these names has been changed since.",
    ]
    assert gone.sentences[0] == f"{A} deleted shop of acme on 2022-11-28 10:10:00Z."
    assert gone.sentences[-1] == "The script has not been deployed again."
    assert {one.op for one in gone.changes} == {"removed"}


def test_what_was_not_known_by_then_has_not_come_after(ledger: OpenLedger) -> None:
    """As of minute 30 deployment 2 is still live; as of minute 10 it is not there."""
    assert explain(ledger, "0/2", START + timedelta(minutes=30)).sentences[-1] == "It is still live."
    with pytest.raises(NotFoundError) as caught:
        explain(ledger, "0/2", START + timedelta(minutes=10))
    assert caught.value.code == "nothing_changed"


@pytest.mark.parametrize(
    ("id", "code"), [("0/6", "nothing_changed"), ("0/7", "nothing_changed"), ("0/9", "nothing_changed"), ("0/99", "entry_not_found"), ("ffff", "id_not_found")]
)  # fmt: skip
def test_what_changed_nothing_has_no_story(ledger: OpenLedger, id: str, code: str) -> None:
    """Rejected, repeated, noted; or not there at all."""
    with pytest.raises(NotFoundError) as caught:
        explain(ledger, id)
    assert caught.value.code == code


def test_what_is_no_id_is_refused(ledger: OpenLedger) -> None:
    """As `show` does."""
    with pytest.raises(UsageError):
        explain(ledger, "shop")


def test_what_came_late_is_said(tmp_path: Path) -> None:
    """Two hours after it happened."""
    write_ledger(tmp_path, [[entry(0, "changed", recorded_at=at(120))]])
    with open_ledger(str(tmp_path)) as ledger:
        assert explain(ledger, "0/0").sentences[-1] == (
            "The ledger learnt of it only on 2022-11-28 11:00:00Z, 2 hours later."
        )


def test_real_entries_change_what_the_log_says_they_change(real: OpenLedger, judge: Judge) -> None:
    """Of each its names and what happened to them are those of the evaluator's entry, for all outcomes."""
    own = [
        moment.entry
        for key in sorted(judge.scripts)
        for moment in judge.scripts[key]
        if moment.entry["event"]["subject"] == key[1] and not moment.entry.get("deployment", {}).get("rollback")
    ]
    by_outcome = {
        outcome: [one for one in own if one["outcome"] == outcome] for outcome in ("deployed", "changed", "deleted")
    }
    for outcome, entries in by_outcome.items():
        for wanted in random.Random(7).sample(entries, 4):
            told = explain(real, f"0/{wanted['index']}")
            found = sorted([one.aspect, one.name, one.op] for one in told.changes)
            if outcome == "deleted":  # what it was made of is gone too
                found = [one for one in found if one[0] not in {"code", "bindings", "config"}]
            assert found == wanted["changes"], wanted["index"]
