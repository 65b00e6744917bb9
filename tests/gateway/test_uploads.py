"""Uploads: from parts and metadata to a manifest and the event that says it; what is carried over, inherited and refused."""

import json
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from ledger.gateway.refusals import GatewayError
from ledger.gateway.resolving import AssetSet
from ledger.gateway.uploads import read_upload
from tests.gateway.bodies import CONTENT_TYPE, metadata_part, multipart_body, part, seal, upload_body
from tests.gateway.fleet import Fleet

CODE = part("index.js", "export default {}")
PLAIN = {"main_module": "index.js", "bindings": []}


def _var(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "type": "plain_text", "text": text}


def _secret(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "type": "secret_text", "text": text}


def _with(*bindings: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"main_module": "index.js", "bindings": list(bindings), **more}


def test_a_first_upload_replaces_all_three_and_merges_settings() -> None:
    """The event of an upload of an unknown script has no base."""
    fleet = Fleet()
    outcome = fleet.upload(
        _with(
            _var("STAGE", "live"),
            {"name": "LIMITS", "type": "json", "json": {"rate": 0.25}},
            {"name": "KV", "type": "kv_namespace", "namespace_id": "8ad0", "raw": None},
            _secret("KEY", "s3cr3t-value"),
            compatibility_date="2022-11-30",
            compatibility_flags=[],
            limits={},
            placement={"mode": "smart"},
            logpush=True,
            tail_consumers=[{"service": "tail"}],
            migrations={"new_tag": "v1", "steps": [{"new_classes": ["A"]}]},
            annotations={"workers/message": "first", "workers/tag": ""},
        ),
        CODE,
        part("./0a-page.html", "<p>", "text/plain"),
    )
    assert outcome.kind == "deployed"
    data = json.loads(fleet.events[0])["data"]
    module = {"type": "esm", "size": 17, "sha256": sha256(b"export default {}").hexdigest()}
    assert data == {
        "actor": {"type": "user", "id": "u_1"},
        "interface": "wrangler",
        "message": "first",
        "code": {
            "replace": {
                "main": "index.js",
                "modules": {
                    "index.js": module,
                    "./0a-page.html": {"type": "text", "size": 3, "sha256": sha256(b"<p>").hexdigest()},
                },
            }
        },
        "bindings": {"replace": {"KV": {"type": "kv_namespace", "namespace_id": "8ad0"}}},
        "config": {
            "replace": {
                "compatibility_date": "2022-11-30",
                "placement": {"mode": "smart"},
                "migration_tag": "v1",
                "vars": {"STAGE": {"text": "live"}, "LIMITS": {"json": {"rate": 0.25}}},
                "secrets": {"KEY": {"mac": seal(b"s3cr3t-value")}},
            }
        },
        "settings": {"merge": {"logpush": True, "tail_consumers": [{"service": "tail"}]}},
    }


def test_the_second_upload_names_its_base_and_says_only_what_differs() -> None:
    """Null for each key and variable that is gone; secrets, which stay, are not mentioned."""
    fleet = Fleet()
    first = fleet.upload(
        _with(
            _var("A", "1"), _var("B", "2"), _secret("KEY", "v"), compatibility_date="2022-11-30", limits={"cpu_ms": 50}
        ),
        CODE,
    )
    fleet.upload(_with(_var("A", "1"), _var("C", "3"), compatibility_date="2023-01-01"), CODE)
    data = json.loads(fleet.events[1])["data"]
    assert first.version is not None
    assert data["base"] == first.version.id
    assert data["config"] == {
        "merge": {"compatibility_date": "2023-01-01", "limits": None, "vars": {"B": None, "C": {"text": "3"}}}
    }
    assert fleet.config()["secrets"] == {"KEY": {"mac": seal(b"v")}}


def test_the_same_upload_again_is_unchanged() -> None:
    """Whatever the order of bindings and of parts, and whatever is empty."""
    fleet = Fleet()
    fleet.upload(_with(_var("A", "1"), {"name": "B", "type": "browser"}), CODE, part("b.js", "2"))
    again = _with({"name": "B", "type": "browser"}, _var("A", "1"), compatibility_flags=[], limits={}, placement={})
    body = multipart_body([part("b.js", "2"), CODE, metadata_part(again)])
    assert fleet.send(body).kind == "unchanged"


def test_an_uploaded_version_is_not_deployed_and_sets_no_settings() -> None:
    """`POST S/versions`: settings are sent once more when it is deployed."""
    fleet = Fleet()
    fleet.upload(PLAIN, CODE)
    outcome = fleet.upload(_with(_var("A", "1"), logpush=True), CODE, activate=False)
    assert outcome.kind == "uploaded"
    data = json.loads(fleet.events[1])["data"]
    assert data["activate"] is False
    assert "settings" not in data


KEPT: list[tuple[list[str] | None, set[str]]] = [
    (None, {"TEXT", "KEY"}),
    ([], {"TEXT", "KEY"}),
    (["plain_text", "json"], {"TEXT", "KEY", "V", "J"}),
    (["secret_text"], {"TEXT"}),
    (["secret_key"], {"KEY"}),
    (["secret_text", "secret_key"], {"TEXT", "KEY"}),
    (["plain_text", "json", "secret_text", "secret_key"], {"TEXT", "KEY", "V", "J"}),
    (["kv_namespace"], {"TEXT", "KEY", "KV"}),
]


@pytest.mark.parametrize(("keep", "stays"), KEPT)
def test_keep_bindings_says_exactly_which_secrets_stay_only_where_it_names_secrets(
    keep: list[str] | None, stays: set[str]
) -> None:
    """Rules 1, 2 and 5 of what is carried over."""
    fleet = Fleet()
    key = {"name": "KEY", "type": "secret_key", "key_base64": "AAEC", "format": "raw", "usages": ["sign"]}
    fleet.upload(
        _with(
            _secret("TEXT", "s"),
            key,
            _var("V", "1"),
            {"name": "J", "type": "json", "json": None},
            {"name": "KV", "type": "kv_namespace", "namespace_id": "8"},
        ),
        CODE,
    )
    fleet.upload(PLAIN if keep is None else _with(keep_bindings=keep), CODE)
    assert {item["name"] for item in fleet.items()} == stays


def test_an_explicit_item_wins_over_a_carried_one_of_another_kind() -> None:
    """A variable X replaces the secret X."""
    fleet = Fleet()
    fleet.upload(_with(_secret("X", "v")), CODE)
    fleet.upload(_with(_var("X", "1")), CODE)
    assert fleet.items() == [{"name": "X", "type": "plain_text", "text": "1"}]
    assert "secrets" not in fleet.config()


def test_usage_model_and_migration_tag_stay_until_they_are_said_anew() -> None:
    """Rule 4."""
    fleet = Fleet()
    fleet.upload(_with(usage_model="unbound", migrations={"new_tag": "v1"}), CODE)
    fleet.upload(_with(compatibility_date="2023-01-01"), CODE)
    assert fleet.config() == {"usage_model": "unbound", "migration_tag": "v1", "compatibility_date": "2023-01-01"}
    fleet.upload(_with(migrations={"old_tag": "v1", "new_tag": "v2"}), CODE)
    assert fleet.config() == {"usage_model": "unbound", "migration_tag": "v2"}


def test_inherit_takes_bindings_variables_and_secrets_from_the_newest_version() -> None:
    """`versions secret put`: everything is inherited, and one secret set."""
    fleet = Fleet()
    fleet.upload(
        _with(_var("V", "1"), _secret("S", "old"), {"name": "B", "type": "kv_namespace", "namespace_id": "8"}), CODE
    )
    inherits = [{"name": name, "type": "inherit"} for name in ("V", "B", "S")]
    outcome = fleet.upload(_with(*inherits, _secret("T", "new"), keep_bindings=["secret_key"]), CODE, activate=False)
    assert outcome.changes == [("config", "secrets/T", "added")]


def test_versions_secret_delete_keeps_what_it_inherits_and_nothing_else() -> None:
    """`keep_bindings: ["secret_key"]` and an inherit for each secret but one."""
    fleet = Fleet()
    fleet.upload(_with(_secret("A", "1"), _secret("B", "2")), CODE)
    outcome = fleet.upload(_with({"name": "B", "type": "inherit"}, keep_bindings=["secret_key"]), CODE)
    assert outcome.changes == [("config", "secrets/A", "removed")]


def test_inherit_falls_back_to_the_active_version_takes_old_names_and_named_versions() -> None:
    """Where the newest version lacks it."""
    fleet = Fleet()
    first = fleet.upload(_with(_var("OLD", "1")), CODE)
    fleet.upload(_with(_var("MID", "2")), CODE)
    fleet.upload(PLAIN, CODE, activate=False)
    assert first.version is not None
    fleet.upload(
        _with(
            {"name": "MID", "type": "inherit"},
            {"name": "NEW", "type": "inherit", "old_name": "OLD", "version_id": first.version.id},
        ),
        CODE,
    )
    assert fleet.config()["vars"] == {"MID": {"text": "2"}, "NEW": {"text": "1"}}


def test_what_cannot_be_inherited_is_one_error_for_each_name() -> None:
    """Wrangler 4 lists the missing secrets by these messages."""
    fleet = Fleet()
    fleet.upload(PLAIN, CODE)
    with pytest.raises(GatewayError) as caught:
        fleet.upload(_with({"name": "A", "type": "inherit"}, {"name": "B", "type": "inherit"}), CODE)
    assert caught.value.errors == (
        (10057, "inherit binding 'A' is invalid"),
        (10057, "inherit binding 'B' is invalid"),
    )
    assert len(fleet.events) == 1


def test_an_inherited_blob_brings_the_module_that_it_names() -> None:
    """A service worker's script comes back alone from `content/v2`: its blobs are inherited, and must not be lost."""
    fleet = Fleet()
    blob = {"name": "NOTE", "type": "text_blob", "part": "NOTE"}
    script = part("worker.js", "x", "application/javascript")
    note = part("NOTE", "a note", "text/plain")
    fleet.send(multipart_body([note, metadata_part({"body_part": "worker.js", "bindings": [blob]}), script]))
    assert fleet.code()["modules"]["worker.js"]["type"] == "service-worker"
    again = {"body_part": "worker.js", "bindings": [{"name": "NOTE", "type": "inherit"}]}
    assert fleet.send(multipart_body([metadata_part(again), script])).kind == "unchanged"


def test_assets_are_a_digest_and_a_count_and_stay_where_they_are_to_be_kept() -> None:
    """The token itself goes nowhere."""
    fleet = Fleet()
    assets = {"jwt": "a.b.c", "config": {"html_handling": "none"}}
    fleet.upload({"assets": assets, "compatibility_date": "2024-09-23"}, assets=AssetSet("0" * 64, 2))
    assert fleet.code() == {"assets": {"sha256": "0" * 64, "count": 2}}
    assert fleet.config() == {"assets": {"html_handling": "none"}, "compatibility_date": "2024-09-23"}
    fleet.upload(_with(keep_assets=True), CODE)
    assert fleet.code()["assets"] == {"sha256": "0" * 64, "count": 2}
    assert fleet.config() == {"assets": {"html_handling": "none"}}
    fleet.upload(PLAIN, CODE)
    assert "assets" not in fleet.code()
    assert b"a.b.c" not in b"".join(fleet.events)


def test_a_deploy_over_a_split_builds_on_the_newest_version() -> None:
    """It names its base, so nothing is ambiguous."""
    fleet = Fleet()
    first = fleet.upload(PLAIN, CODE)
    second = fleet.upload(_with(_var("A", "1")), CODE, activate=False)
    assert first.version is not None
    assert second.version is not None
    fleet.say({"deploy": {first.version.id: 80, second.version.id: 20}})
    assert fleet.upload(_with(_var("A", "2")), CODE, activate=False).kind == "uploaded"
    assert fleet.upload(_with(_var("A", "3")), CODE).kind == "deployed"


def test_json_variables_may_be_null_empty_or_hold_nulls() -> None:
    """And names may have dots."""
    fleet = Fleet()
    values = {"N": None, "O": {"a": None}, "E": {}, "L": [1, 1e21, 0.1], "BIG": 12345678901234567000, "weird.name": 1}
    items = [{"name": name, "type": "json", "json": value} for name, value in values.items()]
    fleet.upload(_with(*items), CODE)
    assert {name: value["json"] for name, value in fleet.config()["vars"].items()} == {
        **values,
        "BIG": 1.2345678901234567e19,
    }
    assert fleet.upload(_with(*items), CODE).kind == "unchanged"


def test_the_type_of_a_number_counts() -> None:
    """1, 1.0 and true are three values to the log."""
    fleet = Fleet()
    fleet.upload(_with({"name": "A", "type": "json", "json": 1}), CODE)
    outcome = fleet.upload(_with({"name": "A", "type": "json", "json": True}), CODE)
    assert outcome.changes == [("config", "vars/A", "changed")]


def test_modules_of_the_python_client_are_called_by_their_file_names() -> None:
    """It calls every part `files`; wrangler never does."""
    fleet = Fleet()
    body = multipart_body([part("files", "1"), part("files", "2"), metadata_part({"main_module": "a.js"})])
    named = body.replace(b"/home/dev/files", b"a.js", 1).replace(b"/home/dev/files", b"b.js", 1)
    fleet.send(named)
    assert sorted(fleet.code()["modules"]) == ["a.js", "b.js"]
    with pytest.raises(GatewayError, match="one name"):
        fleet.send(body.replace(b"/home/dev/files", b"a.js"))
    fleet.upload({"main_module": "files"}, part("files", "1"))
    assert list(fleet.code()["modules"]) == ["files"]


def test_metadata_larger_than_any_event_is_not_even_read() -> None:
    """It would keep others waiting."""
    with pytest.raises(GatewayError) as caught:
        read_upload(CONTENT_TYPE, upload_body({"main_module": "index.js", "x": "y" * (2 << 20)}, CODE), seal)
    assert caught.value.status == 413


REFUSED: list[tuple[str, Any]] = [
    ("metadata is no object", []),
    ("main module is missing", {"main_module": "other.js"}),
    ("no main named", {"bindings": []}),
    ("two mains", {"main_module": "index.js", "body_part": "index.js"}),
    ("bindings are no array", {"main_module": "index.js", "bindings": {}}),
    ("a binding is no object", _with("s3cr3t-value")),  # type: ignore[arg-type]
    ("a binding without a name", _with({"type": "browser"})),
    ("a binding without a type", _with({"name": "A", "text": "s3cr3t-value"})),
    ("one name twice", _with(_secret("A", "s3cr3t-value"), _var("A", "1"))),
    ("a secret that is no text", _with({"name": "A", "type": "secret_text", "text": ["s3cr3t-value"]})),
    ("a secret without a value", _with({"name": "A", "type": "secret_text"})),
    ("a secret in capitals", _with({"name": "A", "type": "SECRET_TEXT", "text": "s3cr3t-value"})),
    ("a secret in a binding", _with({"name": "A", "type": "x", "in": [_secret("B", "s3cr3t-value")]})),
    ("a secret in the configuration", _with(unsafe={"bindings": [_secret("B", "s3cr3t-value")]})),
    ("a secret in the settings", _with(observability={"a": _secret("B", "s3cr3t-value")})),
    ("secrets beside bindings", _with(secrets={"A": {"text": "s3cr3t-value"}})),
    ("variables beside bindings", _with(vars={"A": "s3cr3t-value"})),
    ("a key with two values", _with({"name": "A", "type": "secret_key", "key_base64": "AA==", "key_jwk": {}})),
    ("a key that is no base64", _with({"name": "A", "type": "secret_key", "key_base64": "s3cr3t-value"})),
    ("a variable without a value", _with({"name": "A", "type": "plain_text"})),
    ("a variable that is no text", _with({"name": "A", "type": "plain_text", "text": 1})),
    ("kept types are no array", _with(keep_bindings="secret_text")),
    ("a message that is too long", _with(annotations={"workers/message": "m" * 1001})),
    ("a tag that is too long", _with(annotations={"workers/tag": "ä" * 51})),
    ("annotations that are none", _with(annotations=["x"])),
    ("neither modules nor assets", None),
]


@pytest.mark.parametrize(("what", "metadata"), REFUSED, ids=[what for what, _ in REFUSED])
def test_what_cannot_be_an_upload_is_refused_and_makes_no_event(what: str, metadata: Any) -> None:
    """Each with a sentence that quotes no value."""
    fleet = Fleet()
    modules = [] if metadata is None else [CODE]
    with pytest.raises(GatewayError) as caught:
        fleet.upload({} if metadata is None else metadata, *modules)
    assert caught.value.errors[0][0] == 10021
    assert "s3cr3t-value" not in str(caught.value.errors)
    assert fleet.events == []


@pytest.mark.parametrize(
    "metadata",
    [
        b"{",
        b'{"bindings":[{"name":"A","type":"secret_text","text":"s3cr3t-value","text":"s3cr3t-value"}]}',
        b'{"a":{"s3cr3t-value":1,"s3cr3t-value":2}}',
        b"[" * 100,
        b'"\\ud800"',
        b"\xff",
    ],
)
def test_metadata_that_is_not_exact_json_is_refused_without_quoting_it(metadata: bytes) -> None:
    """Repeated members, depth, lone surrogates, what is not UTF-8."""
    body = multipart_body([("metadata", None, metadata), CODE])
    with pytest.raises(GatewayError) as caught:
        read_upload(CONTENT_TYPE, body, seal)
    assert "s3cr3t-value" not in str(caught.value)


def test_an_upload_without_metadata_is_none() -> None:
    """A module called like nothing in particular does not stand for it."""
    with pytest.raises(GatewayError, match="metadata"):
        read_upload(CONTENT_TYPE, multipart_body([CODE]), seal)


def test_no_object_that_is_made_of_an_upload_holds_the_value() -> None:
    """Not in what it shows of itself, nor anywhere inside."""
    body = upload_body(_with(_secret("A", "s3cr3t-value")), CODE)
    upload = read_upload(CONTENT_TYPE, body, seal)
    assert "s3cr3t-value" not in repr(upload)
    assert b"s3cr3t-value" not in msgspec.json.encode(upload)
