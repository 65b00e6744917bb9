"""The views, against answers worked out by hand (tests/query/story.py)."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ledger.query.opened import OpenLedger, open_ledger
from ledger.query.sql import describe_views
from ledger.storage.blobs import BlobStore
from ledger.storage.local import LocalStore
from tests.query.build import ANA, BEN, START, at, deployment, entry, identifier, triggers, version, write_ledger
from tests.query.story import V1
from tests.query.viewdocs import page

VIEWS = (
    "entries", "versions", "deployments", "changes", "bindings", "vars", "secrets", "modules", "routes", "domains", "crons",
    "queues", "activations", "scripts", "rejected", "notes",
)  # fmt: skip


def minute(moment: datetime | None) -> float | None:
    """Minutes after the story's start."""
    return None if moment is None else (moment - START).total_seconds() / 60


def ask(ledger: OpenLedger, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    return ledger.connection.execute(sql).fetchall()


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_an_empty_ledger_has_no_rows(tmp_path: Path, view: str) -> None:
    """Every view exists and is empty where nothing has been recorded."""
    write_ledger(tmp_path, [[], []])
    with open_ledger(str(tmp_path)) as empty:
        assert ask(empty, f"FROM {view}") == []


def test_every_column_of_every_view_is_documented(ledger: OpenLedger) -> None:
    """Each column has a meaning beside its type, each view too."""
    described = describe_views(ledger)
    assert {row.view for row in described} == set(VIEWS)
    assert all(row.meaning and row.view_comment for row in described)


def test_columns_do_not_depend_on_whether_there_are_entries(ledger: OpenLedger, tmp_path: Path) -> None:
    """An empty ledger's views have the same columns of the same types."""
    write_ledger(tmp_path, [[]])
    with open_ledger(str(tmp_path)) as empty:
        for view in VIEWS:
            assert ask(empty, f"DESCRIBE {view}") == ask(ledger, f"DESCRIBE {view}")


def test_entries_has_one_row_per_entry_in_its_place(ledger: OpenLedger) -> None:
    """Shard and index come from the log, and every outcome is there."""
    assert ask(ledger, 'SELECT shard, "index", outcome, account, script FROM entries ORDER BY ALL') == [
        (0, 0, "deployed", "acme", "shop"),
        (0, 1, "uploaded", "acme", "shop"),
        (0, 2, "deployed", "acme", "shop"),
        (0, 3, "changed", "acme", "blog"),
        (0, 4, "deployed", "acme", "shop"),
        (0, 5, "deployed", "acme", "shop"),
        (0, 6, "rejected", None, None),
        (0, 7, "duplicate", "acme", "shop"),
        (0, 8, "deleted", "acme", "shop"),
        (0, 9, "noted", "acme", None),
        (1, 0, "deployed", "other", "shop"),
    ]


def test_the_event_is_a_struct(ledger: OpenLedger) -> None:
    """The change event's members can be asked for by name."""
    sql = 'SELECT event.source, event.id, event.data.message, event.data.actor.pseudonym FROM entries WHERE shard = 0 AND "index" = 0'
    assert ask(ledger, sql) == [("gateway/eu-1", "event-0-shop", "first", ANA["pseudonym"])]


def test_times_are_shown_in_utc(ledger: OpenLedger) -> None:
    """A time is a TIMESTAMP WITH TIME ZONE, whatever the zone of the machine."""
    sql = "SELECT typeof(effective_at), effective_at::VARCHAR, recorded_at FROM entries WHERE shard = 1"
    expected = ("TIMESTAMP WITH TIME ZONE", "2022-11-28 09:05:00+00", datetime(2022, 11, 28, 9, 5, 1, tzinfo=UTC))
    assert ask(ledger, sql) == [expected]


def test_changes_has_a_row_for_what_a_script_lost_to_another(ledger: OpenLedger) -> None:
    """Blog's route is added to blog and removed from shop, by the same person at the same time."""
    sql = 'SELECT script, aspect, name, op, lost_to, actor, effective_at FROM changes WHERE "index" = 3 ORDER BY script'
    happened = datetime(2022, 11, 28, 9, 30, tzinfo=UTC)
    assert ask(ledger, sql) == [
        ("blog", "routes", "shop.example/*", "added", None, BEN["pseudonym"], happened),
        ("shop", "routes", "shop.example/*", "removed", "blog", BEN["pseudonym"], happened),
    ]


def test_activations_end_at_the_next_deployment_or_the_deletion(ledger: OpenLedger) -> None:
    """Each version served from its deployment to the next; one of two at the same time served for no time."""
    sql = """SELECT deployment, version, percentage, "from", "to" FROM activations WHERE account = 'acme' ORDER BY "index", version"""
    rows = [(row[0], row[1], row[2], minute(row[3]), minute(row[4])) for row in ask(ledger, sql)]
    v1, v2 = identifier("v-shop", 1), identifier("v-shop", 2)
    assert rows == [
        (identifier("d-shop", 1), v1, 100, 0, 20),
        (identifier("d-shop", 2), v1, 90, 20, 40),
        (identifier("d-shop", 2), v2, 10, 20, 40),
        (identifier("d-shop", 3), v2, 100, 40, 40),
        (identifier("d-shop", 4), v1, 100, 40, 70),
    ]


def test_an_activation_that_lasts_has_no_end(ledger: OpenLedger) -> None:
    """The other account's shop still serves."""
    assert ask(ledger, """SELECT "to" FROM activations WHERE account = 'other'""") == [(None,)]


def test_a_deleted_script_has_no_active_deployment(ledger: OpenLedger) -> None:
    """Of the deployments only the other account's is active."""
    assert ask(ledger, "SELECT account, script FROM deployments WHERE active") == [("other", "shop")]


def test_a_rollback_is_marked_and_names_what_it_restores(ledger: OpenLedger) -> None:
    """Deployment 4 restores deployment 1."""
    assert ask(ledger, "SELECT number, rollback_of FROM deployments WHERE rollback") == [(4, identifier("d-shop", 1))]


def test_the_content_of_versions_can_be_asked_by_name(ledger: OpenLedger) -> None:
    """Bindings, vars, secrets and modules have one row per version and name."""
    where = "WHERE account = 'acme' ORDER BY number, name"
    assert ask(ledger, f"SELECT number, name, type, value ->> 'namespace_id' FROM bindings {where}") == [
        (1, "CART", "kv_namespace", "n1")
    ]
    assert ask(ledger, f"SELECT number, name, text, json FROM vars {where}") == [
        (1, "LIMITS", None, '{"rate":0.25}'),
        (1, "STAGE", "live", None),
    ]
    assert ask(ledger, f"SELECT number, name, type, mac FROM secrets {where}") == [(1, "KEY", "secret_text", "cd" * 32)]
    assert ask(ledger, f"SELECT number, name, type, size, main FROM modules {where}") == [
        (1, "b.wasm", "wasm", 9, False),
        (1, "index.js", "esm", 3, True),
        (2, "b.wasm", "wasm", 9, False),
        (2, "index.js", "esm", 3, True),
    ]


def test_routes_last_from_their_entry_until_lost_or_removed(ledger: OpenLedger) -> None:
    """A route lost to another script ends there and begins at the other."""
    sql = 'SELECT script, pattern, zone, zone_id, "from", "to" FROM routes ORDER BY script, pattern'
    rows = [(*row[:4], minute(row[4]), minute(row[5])) for row in ask(ledger, sql)]
    assert rows == [
        ("blog", "shop.example/*", None, None, 30, None),
        ("shop", "api.example/*", None, "z1", 0, 70),
        ("shop", "shop.example/*", "shop.example", None, 0, 30),
    ]


def test_a_changed_value_of_a_trigger_ends_one_row_and_begins_another(tmp_path: Path) -> None:
    """A queue consumer's settings have a row for each value."""
    first, second = ({"type": "worker", "settings": {"batch_size": size}} for size in (10, 20))
    changes = ["queues", "orders"]
    write_ledger(
        tmp_path,
        [[
            entry(0, "changed", changes=[[*changes, "added"]], triggers=triggers(queues={"orders": first})),
            entry(5, "changed", changes=[[*changes, "changed"]], triggers=triggers(queues={"orders": second})),
        ]],
    )  # fmt: skip
    with open_ledger(str(tmp_path)) as opened:
        rows = ask(
            opened, """SELECT (value -> 'settings' ->> 'batch_size')::INT, "from", "to" FROM queues ORDER BY "index" """
        )
    assert [(size, minute(since), minute(until)) for size, since, until in rows] == [(10, 0, 5), (20, 5, None)]


def test_domains_and_crons_have_rows_of_their_own(tmp_path: Path) -> None:
    """A custom domain and a cron are found in their views, and not in others."""
    entries = [
        entry(
            0,
            "changed",
            changes=[["crons", "0 0 * * *", "added"], ["domains", "a.example", "added"]],
            triggers=triggers(crons={"0 0 * * *": {}}, domains={"a.example": {"zone": "example"}}),
        )
    ]
    write_ledger(tmp_path, [entries])
    with open_ledger(str(tmp_path)) as opened:
        assert ask(opened, "SELECT host, zone FROM domains") == [("a.example", "example")]
        assert ask(opened, "SELECT expression FROM crons") == [("0 0 * * *",)]
        assert ask(opened, "FROM routes") == []


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (-1, []),
        (0, [("shop", "active", 1)]),
        (29, [("shop", "active", 2)]),
        (30, [("blog", "waiting", None), ("shop", "active", 2)]),
        (40, [("blog", "waiting", None), ("shop", "active", 4)]),
        (70, [("blog", "waiting", None), ("shop", "deleted", None)]),
    ],
)
def test_scripts_at_gives_the_state_as_of_a_time(ledger: OpenLedger, minutes: float, expected: list[Any]) -> None:
    """What had happened by the time counts, and nothing later; the last of several at one time decides."""
    sql = f"SELECT script, state, number FROM scripts_at('{at(minutes)}'::TIMESTAMPTZ) WHERE account = 'acme' ORDER BY script"
    assert ask(ledger, sql) == expected


def test_a_script_uploaded_again_after_deletion_is_uploaded(tmp_path: Path) -> None:
    """A version without a deployment after a deletion is a state of its own."""
    write_ledger(
        tmp_path,
        [[
            entry(0, "deployed", version=version(1), deployment=deployment(1, {1: 100})),
            entry(1, "deleted"),
            entry(2, "uploaded", version=version(2)),
        ]],
    )  # fmt: skip
    with open_ledger(str(tmp_path)) as opened:
        assert ask(opened, "SELECT state, deployment, version_count, deployment_count FROM scripts") == [
            ("uploaded", None, 2, 1)
        ]


def test_scripts_says_how_a_script_is_reached(ledger: OpenLedger) -> None:
    """Routes, crons and the subdomain as of a time."""
    sql = f"SELECT routes, crons, subdomain FROM scripts_at('{at(35)}'::TIMESTAMPTZ) WHERE script = 'shop' AND account = 'acme'"
    assert ask(ledger, sql) == [(["api.example/*"], ["*/5 * * * *"], True)]


def test_rejected_says_why_and_where_the_bytes_are(ledger: OpenLedger) -> None:
    """The reason, its path, what could be read, and the object in quarantine."""
    assert ask(ledger, "SELECT code, path, event_id, event_time, quarantine FROM rejected") == [
        ("bad_time", "$.time", "bad", "yesterday", "quarantine/0000/0000000000000006.json")
    ]


def test_notes_say_what_was_done_to_what(ledger: OpenLedger) -> None:
    """Action and detail, as the operator wrote them, and who did it."""
    sql = "SELECT account, subject, action, detail ->> 'because', actor, interface FROM notes"
    assert ask(ledger, sql) == [("acme", "shop", "hold", "a lawsuit", ANA["pseudonym"], "wrangler")]


def test_what_an_oversized_entry_moved_to_the_blob_store_is_answered_too(tmp_path: Path) -> None:
    """Manifest, data, triggers and changes answer the same from blobs."""
    blobs = BlobStore(LocalStore(tmp_path))

    def put(value: object) -> str:
        return blobs.put(json.dumps(value).encode())

    whole = entry(
        0,
        "deployed",
        version=V1,
        deployment=deployment(1, {1: 100}),
        changes=[["routes", "a/*", "added"]],
        triggers=triggers(routes={"a/*": {}}),
    )
    moved = dict(whole)
    moved["version"] = {"id": V1["id"], "number": 1, "sha256": put(V1["manifest"])}
    moved["event"] = {**whole["event"], "data_sha256": put(whole["event"]["data"])}
    del moved["event"]["data"]
    moved["changes_sha256"] = put(moved.pop("changes"))
    moved["triggers_sha256"] = put(moved.pop("triggers"))
    write_ledger(tmp_path, [[moved]])
    with open_ledger(str(tmp_path)) as opened:
        assert ask(opened, "SELECT name FROM modules ORDER BY name") == [("b.wasm",), ("index.js",)]
        assert ask(opened, "SELECT actor, interface FROM deployments") == [(ANA["pseudonym"], "wrangler")]
        assert ask(opened, "SELECT name, op FROM changes") == [("a/*", "added")]
        assert ask(opened, "SELECT pattern FROM routes") == [("a/*",)]


def test_the_page_about_the_views_is_up_to_date() -> None:
    """docs/VIEWS.md says what DuckDB is told."""
    assert (Path(__file__).parents[2] / "docs" / "VIEWS.md").read_text() == page()
