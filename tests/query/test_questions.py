"""The questions, against answers worked out by hand (tests/query/story.py)."""

import hashlib
from datetime import timedelta
from pathlib import Path

import pytest

from ledger.errors import IntegrityError, NotFoundError, UsageError
from ledger.query import questions
from ledger.query.answers import ShownDeployment, ShownEntry, ShownVersion
from ledger.query.lookup import EntryId
from ledger.query.opened import OpenLedger, open_ledger
from ledger.query.showing import entry_line, quarantined_bytes, show
from ledger.storage import layout
from tests.query.build import ANA, START, identifier
from tests.query.story import V1


def test_status_counts_entries_by_shard_and_outcome(ledger: OpenLedger) -> None:
    """Sizes, segments, outcomes and the last recorded time."""
    status = questions.status(ledger)
    assert status.size == 11
    assert status.outcomes == {
        "changed": 1,
        "deleted": 1,
        "deployed": 5,
        "duplicate": 1,
        "noted": 1,
        "rejected": 1,
        "uploaded": 1,
    }
    assert [(shard.size, shard.segments, shard.root) for shard in status.shards] == [(10, 3, "AAAA"), (1, 1, "AAAA")]
    assert status.last_recorded_at == START + timedelta(minutes=80, seconds=1)
    assert (status.scripts, status.accounts) == (1, 1)


def test_scripts_leaves_out_deleted_ones_unless_asked(ledger: OpenLedger) -> None:
    """Shop of acme is gone; with `deleted` it is listed, without a deployment."""
    assert [(row.account, row.script, row.state) for row in questions.scripts(ledger)] == [
        ("acme", "blog", "waiting"),
        ("other", "shop", "active"),
    ]
    assert [row.state for row in questions.scripts(ledger, account="acme", deleted=True)] == ["waiting", "deleted"]


def test_scripts_at_a_time_name_versions_and_shares(ledger: OpenLedger) -> None:
    """During the split both versions serve, the larger share first."""
    (row,) = questions.scripts(ledger, account="acme", at=START + timedelta(minutes=25))
    assert [(share.number, share.percentage) for share in row.versions] == [(1, 90), (2, 10)]
    assert row.routes == ["api.example/*", "shop.example/*"]
    assert row.author == ANA["pseudonym"]


def test_deployments_are_newest_first_with_the_rollback_named(ledger: OpenLedger) -> None:
    """Deployment 4 restores deployment 1; nothing is active after the deletion."""
    rows = questions.deployments(ledger, "shop", account="acme")
    assert [row.number for row in rows] == [4, 3, 2, 1]
    assert (rows[0].rollback, rows[0].rollback_of_number) == (True, 1)
    assert not any(row.active for row in rows)
    assert (rows[3].message, rows[3].tag, rows[3].entry) == ("first", "v1", "0/0")


def test_deployments_as_of_a_time_mark_what_was_active_then(ledger: OpenLedger) -> None:
    """At minute 25 the second deployment was active, and there were two."""
    rows = questions.deployments(ledger, "shop", account="acme", at=START + timedelta(minutes=25))
    assert [(row.number, row.active) for row in rows] == [(2, True), (1, False)]


def test_deployments_are_limited(ledger: OpenLedger) -> None:
    """The limit keeps the newest."""
    assert [row.number for row in questions.deployments(ledger, "shop", account="acme", limit=1)] == [4]


def test_versions_say_what_serves(ledger: OpenLedger) -> None:
    """At minute 25 version 1 has 90 % and version 2 10 %; version 2 was uploaded only."""
    rows = questions.versions(ledger, "shop", account="acme", at=START + timedelta(minutes=25))
    assert [(row.number, row.percentage, row.deployed) for row in rows] == [(2, 10, False), (1, 90, True)]
    assert [row.percentage for row in questions.versions(ledger, "shop", account="acme")] == [None, None]


def test_history_holds_what_a_script_lost(ledger: OpenLedger) -> None:
    """Every change of shop, the route that blog took and the note about it included, newest first."""
    rows = questions.history(ledger, "shop", account="acme")
    assert [row.entry for row in rows] == ["0/9", "0/8", "0/5", "0/4", "0/3", "0/2", "0/1", "0/0"]
    assert (rows[0].action, rows[0].detail, rows[1].action) == ("hold", {"because": "a lawsuit"}, None)
    lost = rows[4]
    assert (lost.lost_to, lost.version, [(change.name, change.op) for change in lost.changes]) == (
        "blog",
        None,
        [("shop.example/*", "removed")],
    )


def test_rejected_names_the_entry_and_the_reason(ledger: OpenLedger) -> None:
    """One record was rejected."""
    (row,) = questions.rejected(ledger)
    assert (row.entry, row.code, row.path) == ("0/6", "bad_time", "$.time")
    assert questions.rejected(ledger, account="acme") == []


def test_a_name_in_two_accounts_needs_the_account(ledger: OpenLedger) -> None:
    """The error names the accounts."""
    with pytest.raises(UsageError, match="2 accounts have a script shop: acme, other") as caught:
        questions.deployments(ledger, "shop")
    assert caught.value.code == "ambiguous_script"


def test_an_unknown_script_is_not_found_and_close_names_are_hinted(ledger: OpenLedger) -> None:
    """A slip of the finger gets the name that was meant."""
    with pytest.raises(NotFoundError) as caught:
        questions.history(ledger, "shpo")
    assert (caught.value.code, caught.value.hint) == ("script_not_found", "close: shop")


def test_a_script_of_another_account_is_hinted(ledger: OpenLedger) -> None:
    """Blog belongs to acme."""
    with pytest.raises(NotFoundError) as caught:
        questions.history(ledger, "blog", account="other")
    assert caught.value.hint == "it exists in: acme"


def test_show_finds_a_version_by_prefix_in_any_spelling(ledger: OpenLedger) -> None:
    """Upper case and missing dashes don't matter; the manifest is whole."""
    shown = show(ledger, identifier("v-shop", 1).upper().replace("-", "")[:30])
    assert isinstance(shown, ShownVersion)
    assert (shown.version.number, shown.manifest) == (1, V1["manifest"])


def test_show_gives_a_deployment_with_the_versions_that_it_serves(ledger: OpenLedger) -> None:
    """The split's two versions come with their manifests."""
    shown = show(ledger, identifier("d-shop", 2))
    assert isinstance(shown, ShownDeployment)
    assert [version.version.number for version in shown.versions] == [1, 2]


def test_show_gives_an_entry_as_it_stands_with_its_leaf_hash(ledger: OpenLedger) -> None:
    """The leaf hash is SHA-256 of a zero byte and the line (RFC 6962)."""
    shown = show(ledger, "0/5")
    assert isinstance(shown, ShownEntry)
    line = entry_line(ledger, EntryId(0, 5))
    assert line.startswith(b'{"v":1,"index":5,')
    assert shown.leaf_hash == hashlib.sha256(b"\x00" + line).hexdigest()


def test_an_ambiguous_prefix_lists_the_candidates(ledger: OpenLedger) -> None:
    """More than one id begins with 00000001."""
    with pytest.raises(UsageError, match="several ids begin with 00000001") as caught:
        show(ledger, "00000001")
    assert "version 1 of shop" in caught.value.message


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("ffff", NotFoundError, "id_not_found"),
        ("0/10", NotFoundError, "entry_not_found"),
        ("7/0", NotFoundError, "entry_not_found"),
        ("hello", UsageError, "bad_id"),
        ("", UsageError, "bad_id"),
    ],
)
def test_an_id_that_names_nothing_is_said_to(ledger: OpenLedger, text: str, kind: type[Exception], code: str) -> None:
    """Not found is one thing, not an id another."""
    with pytest.raises(kind) as caught:
        show(ledger, text)
    assert getattr(caught.value, "code", None) == code


def test_the_bytes_of_a_rejected_record_come_from_quarantine(story: Path, ledger: OpenLedger) -> None:
    """They are given back as they were received."""
    path = story / layout.quarantine(0, 6)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('{"topic":"t","partition":0,"offset":6,"timestamp":0,"key":null,"headers":[],"value":"AAEC"}')
    assert quarantined_bytes(ledger, "0/6") == b"\x00\x01\x02"
    with pytest.raises(NotFoundError, match="no bytes are kept"):
        quarantined_bytes(ledger, "0/5")


@pytest.mark.parametrize("kept", ["", "{", "[]", "{}", '{"value":"???"}', '{"value":1}', "\udcff"])
def test_damaged_quarantine_is_said_to_be(story: Path, ledger: OpenLedger, kept: str) -> None:
    """Not an internal error, and not taken for a record of no bytes."""
    path = story / layout.quarantine(0, 6)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(kept, errors="surrogateescape")
    with pytest.raises(IntegrityError, match="what is kept for the entry 0/6 is damaged"):
        quarantined_bytes(ledger, "0/6")


def test_a_segment_that_is_damaged_is_an_integrity_error(tmp_path: Path, story: Path) -> None:
    """A question over entries that cannot be read fails with the code for a failed verification."""
    path = tmp_path / layout.segment(0, 0)
    path.parent.mkdir(parents=True)
    (tmp_path / layout.LEDGER_FILE).write_bytes((story / layout.LEDGER_FILE).read_bytes())
    original = bytearray((story / layout.segment(0, 0)).read_bytes())
    original[40] ^= 0xFF
    path.write_bytes(original)
    with open_ledger(str(tmp_path)) as damaged, pytest.raises(IntegrityError):
        questions.status(damaged)
