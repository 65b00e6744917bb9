"""`diff`: against answers worked out by hand, and on the real data against the independent evaluator."""

import hashlib
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import IntegrityError, NotFoundError, UsageError
from ledger.query.differences import differences, summed
from ledger.query.forensics import Difference
from ledger.query.opened import OpenLedger, open_ledger
from ledger.storage.blobs import BlobStore
from ledger.storage.local import LocalStore
from tests.query.build import Json, at, deployment, entry, identifier, version, write_ledger
from tests.query.judge import Judge, Moment
from tests.reference.jsonvalues import same

Told = tuple[str, str, str, Any, Any]


def told(found: list[Difference]) -> list[Told]:
    """What a test compares of each difference."""
    return [(f"{one.aspect}/{one.name}", one.op, one.script, one.before, one.after) for one in found]


VERSIONS_1_TO_2: list[Told] = [
    ("bindings/CART", "removed", "shop", {"type": "kv_namespace", "namespace_id": "n1"}, None),
    ("config/secrets/KEY", "removed", "shop", {"mac": "cd" * 32}, None),
    ("config/usage_model", "changed", "shop", "bundled", "unbound"),
    ("config/vars/LIMITS", "removed", "shop", {"json": {"rate": 0.25}}, None),
    ("config/vars/STAGE", "removed", "shop", {"text": "live"}, None),
]


def test_versions_and_deployments_are_compared_name_by_name(ledger: OpenLedger) -> None:
    """Deployment 1 serves version 1, deployment 3 version 2: the same differences, with values; code is the same."""
    assert told(differences(ledger, identifier("v-shop", 1), identifier("v-shop", 2))) == VERSIONS_1_TO_2
    assert told(differences(ledger, identifier("d-shop", 1), identifier("d-shop", 3))) == VERSIONS_1_TO_2
    assert (
        told(differences(ledger, identifier("v-shop", 1)[:8] + identifier("v-shop", 1)[8:], identifier("d-shop", 3)))
        == VERSIONS_1_TO_2
    )


def test_what_is_the_same_does_not_differ(ledger: OpenLedger) -> None:
    """A rollback brought version 1 back."""
    assert differences(ledger, identifier("d-shop", 1), identifier("d-shop", 4)) == []


def test_the_other_way_round_added_and_removed_change_places(ledger: OpenLedger) -> None:
    """Before and after too."""
    there = differences(ledger, identifier("v-shop", 1), identifier("v-shop", 2))
    back = differences(ledger, identifier("v-shop", 2), identifier("v-shop", 1))
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    assert [(one.name, turned[one.op], one.after, one.before) for one in there] == [
        (one.name, one.op, one.before, one.after) for one in back
    ]


def test_where_traffic_is_split_each_version_has_its_value(ledger: OpenLedger) -> None:
    """Deployment 2 serves version 1 to 90 % and version 2 to 10 %; what both have alike does not differ."""
    found = {one.name: one for one in differences(ledger, identifier("d-shop", 1), identifier("d-shop", 2))}
    assert found["usage_model"].after == {
        "split": [
            {"version": 1, "percentage": 90, "value": "bundled"},
            {"version": 2, "percentage": 10, "value": "unbound"},
        ]
    }
    assert found["CART"].after["split"][1] == {"version": 2, "percentage": 10}
    assert set(found) == {"CART", "usage_model", "secrets/KEY", "vars/LIMITS", "vars/STAGE"}


def test_times_compare_triggers_and_what_is_active_too(ledger: OpenLedger) -> None:
    """From minute 5 to 35 blog came to have the route of shop, and shop a second deployment."""
    found = told(differences(ledger, at(5), at(35), account="acme"))
    assert ("routes/shop.example/*", "added", "blog", None, {}) in found
    assert ("routes/shop.example/*", "removed", "shop", {"zone": "shop.example"}, None) in found
    (active,) = [one for one in found if one[0] == "deployment/active"]
    assert (active[3]["number"], active[4]["number"], list(active[4]["versions"].values())) == (1, 2, [90, 10])
    assert [one for one in found if one[2] == "shop" and one[0] == "deployment/state"] == []


def test_a_script_that_is_gone_has_lost_every_name(ledger: OpenLedger) -> None:
    """Shop was deleted at minute 70."""
    found = differences(ledger, at(65), at(75), "shop", account="acme")
    assert {one.op for one in found} == {"removed"}
    assert {one.aspect for one in found} == {"bindings", "code", "config", "crons", "deployment", "routes", "subdomain"}


def test_an_id_is_compared_with_what_its_script_served_at_a_time(ledger: OpenLedger) -> None:
    """At minute 40 shop was back at version 1; nothing of triggers, for an id has none."""
    assert told(differences(ledger, at(40), identifier("v-shop", 2))) == VERSIONS_1_TO_2
    assert differences(ledger, identifier("v-shop", 1), at(40)) == []


def test_accounts_are_compared_script_by_script(ledger: OpenLedger) -> None:
    """Both have a shop at minute 25: of other's all that differs, and it says with whose it was compared."""
    found = differences(ledger, "acme", "other", at=datetime.fromisoformat(at(25)))
    assert {(one.account, one.script, one.other) for one in found} == {("other", "shop", "acme/shop")}
    assert "deployment" not in {one.aspect for one in found}
    only = differences(ledger, "acme", "other")
    assert [(one.script, one.name, one.before, one.after) for one in only if one.script == "shop"] == [
        ("shop", "state", None, "active")
    ]
    with pytest.raises(NotFoundError, match="no script blog in the account other"):
        differences(ledger, "account:acme", "account:other", "blog")
    with pytest.raises(NotFoundError, match="no script of the account nobody"):
        differences(ledger, "account:acme", "account:nobody")


@pytest.mark.parametrize(
    ("a", "b", "code"),
    [
        ("acme", "now", "bad_pair"),
        ("acme", f"id:{identifier('v-shop', 1)}", "bad_pair"),
        ("no-such", "acme", "bad_point"),
        (identifier("v-shop", 1)[:8], "acme", "ambiguous_id"),
        ("\udcff", "now", "bad_point"),
    ],
)
def test_what_cannot_be_compared_is_refused(ledger: OpenLedger, a: str, b: str, code: str) -> None:
    """With a hint."""
    with pytest.raises(UsageError) as caught:
        differences(ledger, a, b)
    assert (caught.value.code, bool(caught.value.hint)) == (code, True)


# --- the text of modules


OLD, NEW = "one\ntwo\nthree\n", "one\nzwei\nthree\nfour"


def _module(text: bytes) -> Json:
    return {"type": "esm", "size": len(text), "sha256": hashlib.sha256(text).hexdigest()}


def _with_modules(root: Path, old: bytes, new: bytes, *, keep: tuple[bytes, ...]) -> str:
    """A ledger of two versions whose module a.js has these bytes, of which some are in the blob store."""
    first = version(1, code={"main": "a.js", "modules": {"a.js": _module(old)}})
    second = version(2, code={"main": "a.js", "modules": {"a.js": _module(new), "b.js": _module(old)}})
    steps = [
        entry(0, "deployed", version=first, deployment=deployment(1, {1: 100})),
        entry(1, "deployed", version=second, deployment=deployment(2, {2: 100})),
    ]
    write_ledger(root, [steps])
    BlobStore(LocalStore(root)).put_many(keep)
    return str(root)


def test_modules_are_compared_line_by_line(tmp_path: Path) -> None:
    """A unified diff; a module that came to be is all new lines; and how many lines in sum."""
    with open_ledger(_with_modules(tmp_path, OLD.encode(), NEW.encode(), keep=(OLD.encode(), NEW.encode()))) as ledger:
        found = differences(ledger, identifier("v-shop", 1), identifier("v-shop", 2))
        assert [one.name for one in found] == ["modules/a.js", "modules/b.js"]
        assert found[0].text == (
            "--- a/a.js\n+++ b/a.js\n@@ -1,3 +1,4 @@\n one\n-two\n+zwei\n three\n+four\n\\ No newline at end of file\n"
        )
        (stat,) = summed(found)
        assert (stat.added, stat.changed, stat.removed, stat.lines_added, stat.lines_removed) == (1, 1, 0, 5, 1)
        assert [one.text for one in differences(ledger, at(0), at(1), code=False)] == [None] * 3


@pytest.mark.parametrize(
    ("new", "keep"),
    [(NEW.encode(), (OLD.encode(),)), (b"\xff\xfe", (OLD.encode(), b"\xff\xfe")), (b"a\0b", (OLD.encode(), b"a\0b"))],
    ids=["not kept", "no text", "binary"],
)
def test_what_has_no_text_is_told_by_digest_alone(tmp_path: Path, new: bytes, keep: tuple[bytes, ...]) -> None:
    """The difference is there, its lines aren't."""
    with open_ledger(_with_modules(tmp_path, OLD.encode(), new, keep=keep)) as ledger:
        changed = differences(ledger, identifier("v-shop", 1), identifier("v-shop", 2))[0]
        assert (changed.op, changed.text, changed.after) == ("changed", None, _module(new))


def test_a_blob_that_was_changed_is_not_shown(tmp_path: Path) -> None:
    """Nobody is to read lines that were never deployed; without code the rest can still be asked."""
    location = _with_modules(tmp_path, OLD.encode(), NEW.encode(), keep=(OLD.encode(), NEW.encode()))
    digest = hashlib.sha256(NEW.encode()).hexdigest()
    (tmp_path / "blobs" / digest[:2] / digest).write_text("evil")
    ids = identifier("v-shop", 1), identifier("v-shop", 2)
    with open_ledger(location) as ledger:
        with pytest.raises(IntegrityError) as caught:
            differences(ledger, *ids)
        assert caught.value.code == "blob_changed"
        assert len(differences(ledger, *ids, code=False)) == 2


# --- the real data


def _whole(moments: list[Moment]) -> dict[tuple[str, str], Any]:
    """All names of a script as it was, but for what is active."""
    now = moments[-1]
    (content,) = now.content or [{}]
    named = {(aspect, name): value for aspect, members in now.triggers.items() for name, value in members.items()}
    return content | named


@pytest.mark.parametrize("seed", range(3))
def test_the_real_fleet_at_two_times_differs_as_the_evaluator_says(real: OpenLedger, judge: Judge, seed: int) -> None:
    """Every name that differs in any of 607 scripts, and its values."""
    random_ = random.Random(seed)
    first = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(days=random_.randrange(1900))
    second = first + timedelta(days=random_.randrange(20, 90))
    answered = {
        (one.account, one.script, one.aspect, one.name): (one.op, one.before, one.after)
        for one in differences(real, first.isoformat(), second.isoformat())
        if one.aspect != "deployment"
    }
    before = {key: _whole(moments) for key, moments in judge.fleet(first)}
    after = {key: _whole(moments) for key, moments in judge.fleet(second)}
    expected = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key, {}), after.get(key, {})
        for name in old.keys() | new.keys():
            if name not in old:
                expected[(*key, *name)] = ("added", None, new[name])
            elif name not in new:
                expected[(*key, *name)] = ("removed", old[name], None)
            elif not same(old[name], new[name]):
                expected[(*key, *name)] = ("changed", old[name], new[name])
    assert answered == expected
    assert expected
