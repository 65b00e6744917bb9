"""Objects of the platform: versions, deployments, services; and that what is handed out comes back as no change."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.gateway import objects, scripts
from ledger.gateway.content import content, digests
from ledger.gateway.items import manifest_of
from ledger.gateway.objects import Author
from ledger.gateway.parts import read_parts
from ledger.gateway.refusals import GatewayError
from ledger.live.made import LiveDeployment, LiveVersion
from ledger.model.said import SealedActor
from ledger.model.state import Account, Triggers
from tests.gateway.bodies import Sent, metadata_part, multipart_body, part
from tests.gateway.fleet import Fleet

ACTOR = SealedActor(pseudonym="p" * 32, sealed="s", type="user")
WHEN = "2026-01-02T03:04:05.000000Z"


def _name(actor: SealedActor | None) -> Author:
    return Author(actor.pseudonym if actor else "", "dev@acme.example")


def _version(**more: Any) -> LiveVersion:
    fields: dict[str, Any] = {
        "id": "v1",
        "number": 1,
        "sha256": "0" * 64,
        "recorded_at": WHEN,
        "created_on": WHEN,
        "effective_at": WHEN,
        "interface": "wrangler",
        "message": None,
        "tag": None,
        "actor": ACTOR,
        "about_secrets": False,
        "shard": 0,
        "index": 0,
    }
    return LiveVersion(**fields | more)


def _deployment(**more: Any) -> LiveDeployment:
    fields: dict[str, Any] = {
        name: getattr(_version(), name) for name in LiveVersion.__struct_fields__ if name != "sha256"
    }
    fields |= {
        "id": "d1",
        "versions": {"v1": 100},
        "rollback": False,
        "rollback_of": None,
        "rollback_from": None,
        "made_version": True,
    }
    return LiveDeployment(**fields | more)


def test_a_version_says_what_the_ledger_knows_and_invents_nothing() -> None:
    """What the manifest has not is left out; handlers are an array."""
    fleet = Fleet()
    fleet.upload({"main_module": "a", "bindings": [{"name": "S", "type": "secret_text", "text": "x"}]}, part("a", "1"))
    shown = objects.version(_version(message="m", tag="t"), _name, fleet.script().newest)
    assert shown["metadata"] == {
        "created_on": WHEN,
        "modified_on": WHEN,
        "source": "wrangler",
        "author_id": "p" * 32,
        "author_email": "dev@acme.example",
        "has_preview": False,
    }
    assert shown["annotations"] == {"workers/message": "m", "workers/tag": "t", "workers/triggered_by": "upload"}
    assert shown["resources"]["script_runtime"] == {"usage_model": "standard"}
    assert shown["resources"]["bindings"] == [{"name": "S", "type": "secret_text"}]
    assert shown["resources"]["script"]["handlers"] == []
    assert len(shown["resources"]["script"]["etag"]) == 64
    assert shown["startup_time_ms"] == 0
    assert "resources" not in objects.version(_version(), _name)


TRIGGERED: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({}, {"workers/triggered_by": "upload"}),
    ({"made_version": False}, {}),
    ({"about_secrets": True}, {"workers/triggered_by": "secret"}),
    ({"rollback": True, "rollback_from": "d0"}, {"workers/triggered_by": "rollback", "workers/rollback_from": "d0"}),
    ({"rollback": True, "made_version": False}, {"workers/triggered_by": "rollback"}),
    ({"rollback_of": "d0", "rollback_from": "d0"}, {"workers/triggered_by": "rollback", "workers/rollback_from": "d0"}),
    ({"message": "m", "made_version": False}, {"workers/message": "m"}),
    ({"message": "", "made_version": False}, {}),
]


@pytest.mark.parametrize(("made", "said"), TRIGGERED)
def test_what_brought_a_deployment_about(made: dict[str, Any], said: dict[str, str]) -> None:
    """One of four words, or none: any other prints as unknown."""
    assert objects.annotations_of(_deployment(**made)) == said


def test_a_version_is_never_said_to_be_a_rollback() -> None:
    """Only deployments are."""
    assert objects.version(_version(about_secrets=True), _name)["annotations"] == {"workers/triggered_by": "secret"}


def test_percentages_are_numbers_100_for_a_whole_one() -> None:
    """The default of `rollback` looks for exactly 100."""
    shown = objects.deployment(_deployment(versions={"v1": 66.7, "v2": 33.3}), _name)
    assert shown["versions"] == [{"version_id": "v1", "percentage": 66.7}, {"version_id": "v2", "percentage": 33.3}]
    assert json.dumps(objects.deployment(_deployment(), _name)["versions"][0]["percentage"]) == "100"


@pytest.mark.parametrize(
    ("shares", "main"), [({"a": 20, "b": 80}, "b"), ({"a": 50, "b": 50}, "a"), ({"x": 0, "b": 100}, "b")]
)
def test_the_version_with_the_largest_share_stands_for_a_deployment(shares: dict[str, int | float], main: str) -> None:
    """The first of equals."""
    assert objects.main_version(shares) == main


def test_routes_of_a_zone_are_those_of_every_script() -> None:
    """By id, by name, and by host where none is given."""
    account = Account(name="acme", scripts={}, routes={}, domains={})
    fleet = Fleet()
    fleet.account = account
    fleet.say({"routes": {"replace": {"a.acme.example/*": {"zone_id": "z1"}, "b.acme.example/*": {}}}}, "one")
    fleet.say(
        {
            "routes": {
                "replace": {
                    "*.acme.example/x": {"zone": "acme.example"},
                    "c.evilacme.example/*": {},
                    "*acme.example/y": {},
                }
            }
        },
        "two",
    )
    fleet.say({"routes": {"replace": {"d.acme.example/*": {"zone_id": "z9"}}}}, "three")
    shown = scripts.zone_routes(account, "z1", "acme.example")
    assert sorted((route["script"], route["pattern"]) for route in shown) == [
        ("one", "a.acme.example/*"),
        ("one", "b.acme.example/*"),
        ("two", "*.acme.example/x"),
        ("two", "*acme.example/y"),
    ]
    assert [route["pattern"] for route in scripts.zone_routes(account, "z1", None)] == ["a.acme.example/*"]


def test_settings_show_what_edits_build_on_and_the_script_s_own() -> None:
    """Without variables and secrets but in the list of bindings."""
    fleet = Fleet()
    metadata = {
        "main_module": "a",
        "bindings": [{"name": "V", "type": "plain_text", "text": "x"}],
        "placement": {"mode": "smart"},
        "logpush": True,
    }
    fleet.upload(metadata, part("a", "1"))
    base = fleet.script().newest
    assert base is not None
    shown = scripts.settings(fleet.script(), base)
    assert shown["bindings"] == [{"name": "V", "type": "plain_text", "text": "x"}]
    assert shown["placement"] == {"mode": "smart"}
    assert shown["logpush"] is True
    assert "vars" not in shown
    assert scripts.subdomain(Triggers(subdomain=b'{"enabled":true}')) == {"enabled": True, "previews_enabled": False}


def test_a_service_workers_script_is_handed_out_alone() -> None:
    """Its bytes, and no entry point."""
    fleet = Fleet()
    fleet.send(
        multipart_body(
            [
                metadata_part({"body_part": "w.js"}),
                part("w.js", "x()", "application/javascript"),
                part("B", "b", "text/plain"),
            ]
        )
    )
    found = content(fleet.code(), {"w.js": b"x()", "B": b"b"})
    assert (found.body, found.content_type, found.headers) == (b"x()", "application/javascript", {})


@pytest.mark.parametrize("main", ["a\r\nset-cookie: x", "../a", "a\0"])
def test_a_name_that_another_producer_gave_breaks_no_header(main: str) -> None:
    """Only the gateway checks names of modules; the log takes any."""
    code = {"main": main, "modules": {main: {"type": "esm", "size": 1, "sha256": "0" * 64}}}
    with pytest.raises(GatewayError):
        content(code, {main: b"1"})


def test_names_beyond_ascii_are_their_utf8_bytes() -> None:
    """In the header and in the parts."""
    code = {"main": "日本.js", "modules": {"日本.js": {"type": "esm", "size": 1, "sha256": "0" * 64}}}
    found = content(code, {"日本.js": b"1"})
    assert found.headers["cf-entrypoint"].encode("latin-1").decode() == "日本.js"
    assert read_parts(found.content_type, found.body)[0].name == "日本.js"


_TYPES = st.sampled_from(
    ["application/javascript+module", "application/javascript", "application/wasm", "application/octet-stream", "text/plain",
     "text/x-python", "application/source-map", "application/json", "image/png"]
)  # fmt: skip
_NAMES = st.text(
    st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters='%\\/."'),
    min_size=1,
    max_size=12,
)
_SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3)


_VALUES = st.recursive(_SCALARS | _TEXTS, _nested, max_leaves=6)


@st.composite
def _uploads(draw: st.DrawFn) -> tuple[dict[str, Any], list[Sent]]:
    names = draw(st.lists(_NAMES, min_size=1, max_size=4, unique=True).filter(lambda names: "metadata" not in names))
    modules: list[Sent] = [(name, draw(_TYPES), draw(st.binary(max_size=60))) for name in names]
    bindings = [{"name": name, **draw(_items())} for name in draw(st.lists(_NAMES, max_size=5, unique=True))]
    metadata: dict[str, Any] = {"main_module": names[0], "bindings": bindings}
    if draw(st.booleans()):
        metadata |= {
            "compatibility_date": "2024-01-01",
            "limits": {"cpu_ms": 50},
            "compatibility_flags": ["nodejs_compat"],
        }
    if draw(st.booleans()):
        metadata |= {"placement": {"mode": "smart"}, "migrations": {"new_tag": "v1"}, "usage_model": "unbound"}
    return metadata, modules


@st.composite
def _items(draw: st.DrawFn) -> dict[str, Any]:
    match draw(st.sampled_from(["plain_text", "json", "secret_text", "kv_namespace"])):
        case "plain_text":
            return {"type": "plain_text", "text": draw(_TEXTS)}
        case "json":
            return {"type": "json", "json": draw(_VALUES)}
        case "secret_text":
            return {
                "type": "secret_text",
                "text": draw(_TEXTS),
            }
        case kind:
            return {
                "type": kind,
                "namespace_id": "8",
                "nested": draw(st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2)),
            }


@settings(max_examples=150, deadline=None)
@given(_uploads())
def test_what_is_handed_out_of_a_version_comes_back_as_no_change(sent: tuple[dict[str, Any], list[Sent]]) -> None:
    """`versions secret put` copies a version: its detail, its content, an inherit for each binding; nothing may differ by that."""
    metadata, modules = sent
    fleet = Fleet()
    fleet.upload(metadata, *modules)
    newest = fleet.script().newest
    assert newest is not None
    shown = objects.version(_version(), _name, newest)
    handed = content(
        fleet.code(), {name: fleet.blobs[digest] for name, digest in digests(manifest_of(newest).code).items()}
    )
    parts = read_parts(handed.content_type, handed.body)
    runtime, script = shown["resources"]["script_runtime"], shown["resources"]["script"]
    copied = {
        "main_module": handed.headers["cf-entrypoint"].encode("latin-1").decode(),
        "bindings": [
            {"name": item["name"], "type": "inherit"}
            for item in shown["resources"]["bindings"]
            if item["type"] != "secret_text"
        ],
        "keep_bindings": ["secret_key", "secret_text"],
        "keep_assets": True,
    }
    copied |= {
        name: runtime[name] for name in ("compatibility_date", "compatibility_flags", "limits") if name in runtime
    }
    if script.get("placement_mode") == "smart":
        copied["placement"] = {"mode": "smart"}
    again = [(found.name, found.content_type, found.data) for found in parts]
    outcome = fleet.send(multipart_body([metadata_part(copied), *again]), activate=False)
    assert (outcome.kind, outcome.changes) == ("unchanged", [])
