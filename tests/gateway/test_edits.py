"""Edits of secrets, settings and the newest version: what they say, and when they are refused."""

from typing import Any

import pytest

from ledger.gateway import edits
from ledger.gateway.refusals import GatewayError
from ledger.model.state import ABSENT
from tests.gateway.bodies import part, seal
from tests.gateway.fleet import Fleet

CODE = part("index.js", "1")
Json = dict[str, Any]


def _fleet(*more: Json) -> Fleet:
    fleet = Fleet()
    bindings = [
        {"name": "V", "type": "plain_text", "text": "x"},
        {"name": "J", "type": "json", "json": {"a": None}},
        {"name": "KV", "type": "kv_namespace", "namespace_id": "8"},
        {"name": "S", "type": "secret_text", "text": "one"},
        *more,
    ]
    fleet.upload({"main_module": "index.js", "bindings": bindings, "limits": {"cpu_ms": 50}}, CODE)
    return fleet


def _split(fleet: Fleet) -> Fleet:
    first = fleet.script().newest
    fleet.upload({"main_module": "index.js"}, CODE, activate=False)
    second = fleet.script().newest
    assert first is not None
    assert second is not None
    fleet.say({"deploy": {first.id: 80, second.id: 20}})
    return fleet


def _code(caught: pytest.ExceptionInfo[GatewayError]) -> int:
    return caught.value.errors[0][0]


def test_a_secret_is_set_by_its_mac_and_without_a_base() -> None:
    """Several arrive at once: each is merged into whatever is active by then."""
    fleet = _fleet()
    secret = edits.read_secret({"name": "T", "text": "two", "type": "secret_text"}, seal)
    assert "two" not in repr(secret)
    data = edits.put_secret(fleet.script(), secret)
    assert data == {"config": {"merge": {"secrets": {"T": {"mac": seal(b"two")}}}}}
    assert fleet.say(data).changes == [("config", "secrets/T", "added")]
    assert fleet.say(edits.put_secret(fleet.script(), secret)).kind == "unchanged"


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": 1}, {"name": "A"}, {"name": "A", "text": "x", "type": "plain_text"}]
)
def test_a_secret_without_name_value_or_type_is_none(body: Json) -> None:
    """Whatever is missing."""
    with pytest.raises(GatewayError) as caught:
        edits.read_secret(body, seal)
    assert _code(caught) == 10021


def test_edits_of_what_is_not_there_are_refused_by_the_platforms_codes() -> None:
    """10007, 10053, 10056."""
    fleet = _fleet()
    secret = edits.read_secret({"name": "V", "text": "x"}, seal)
    cases: list[tuple[Any, int]] = [
        (lambda: edits.put_secret(None, secret), 10007),
        (lambda: edits.put_secret(ABSENT, secret), 10007),
        (lambda: edits.put_secret(fleet.script(), secret), 10053),
        (lambda: edits.delete_secret(None, "S"), 10007),
        (lambda: edits.delete_secret(fleet.script(), "NO"), 10056),
        (lambda: edits.delete_secret(fleet.script(), "V"), 10056),
        (lambda: edits.put_secrets(fleet.script(), {"NO": None}), 10056),
        (lambda: edits.put_secrets(fleet.script(), {"KV": {}}), 10053),
        (lambda: edits.edit_latest(None, edits.read_latest({}, seal)), 10007),
        (lambda: edits.edit_latest(fleet.script(), edits.read_latest({"env": {"NO": None}}, seal)), 10056),
        (lambda: edits.edit_settings(None, edits.read_settings({}, seal)), 10007),
    ]
    for run, code in cases:
        with pytest.raises(GatewayError) as caught:
            run()
        assert _code(caught) == code


def test_edits_are_refused_while_traffic_is_split_but_not_those_of_the_newest_version() -> None:
    """10215 for secrets, 10214 for settings: there is no one version to build on."""
    fleet = _split(_fleet())
    secret = edits.read_secret({"name": "T", "text": "x"}, seal)
    with pytest.raises(GatewayError) as caught:
        edits.put_secret(fleet.script(), secret)
    assert _code(caught) == 10215
    with pytest.raises(GatewayError) as caught:
        edits.edit_settings(fleet.script(), edits.read_settings({"bindings": []}, seal))
    assert _code(caught) == 10214
    env = {"env": {"T": {"type": "secret_text", "text": "x"}}}
    assert fleet.say(edits.edit_latest(fleet.script(), edits.read_latest(env, seal))).kind == "uploaded"


def test_several_secrets_are_one_event() -> None:
    """Null takes one away."""
    fleet = _fleet()
    values = edits.read_secrets({"secrets": {"T": {"name": "T", "text": "2", "type": "secret_text"}, "S": None}}, seal)
    outcome = fleet.say(edits.put_secrets(fleet.script(), values))
    assert outcome.changes == [("config", "secrets/S", "removed"), ("config", "secrets/T", "added")]


@pytest.mark.parametrize(
    "body",
    [{}, {"secrets": {}}, {"secrets": []}, {"secrets": {"A": {"name": "B", "text": "x"}}}, {"secrets": {"A": 1}}],
)
def test_secrets_that_are_none_are_refused(body: Json) -> None:
    """No names, or names that contradict each other."""
    with pytest.raises(GatewayError):
        edits.read_secrets(body, seal)


KEPT = [
    {"name": name, "type": kind}
    for name, kind in (("V", "plain_text"), ("J", "json"), ("KV", "kv_namespace"), ("S", "secret_text"))
]


def test_secret_bulk_keeps_what_has_only_name_and_type_and_sets_the_rest() -> None:
    """The event says the difference and nothing else."""
    fleet = _fleet()
    body = {"bindings": [*KEPT, {"name": "T", "type": "secret_text", "text": "2"}]}
    base = fleet.script().newest
    assert base is not None
    data = edits.edit_settings(fleet.script(), edits.read_settings(body, seal))
    assert data == {"base": base.id, "config": {"merge": {"secrets": {"T": {"mac": seal(b"2")}}}}}
    assert fleet.say(data).kind == "deployed"
    assert (
        fleet.say(
            edits.edit_settings(
                fleet.script(), edits.read_settings({"bindings": [*KEPT, {"name": "T", "type": "secret_text"}]}, seal)
            )
        ).kind
        == "unchanged"
    )


def test_what_the_list_omits_goes_and_a_name_may_change_its_kind() -> None:
    """A binding becomes a variable, a variable a secret."""
    fleet = _fleet()
    body = {
        "bindings": [
            {"name": "V", "type": "secret_text", "text": "2"},
            {"name": "KV", "type": "plain_text", "text": "y"},
            {"name": "B", "type": "browser"},
            {"name": "MOVED", "type": "inherit", "old_name": "J"},
        ],
        "limits": None,
        "compatibility_date": "2024-01-01",
        "logpush": True,
        "tags": None,
    }
    fleet.say(edits.edit_settings(fleet.script(), edits.read_settings(body, seal)))
    assert fleet.items() == [
        {"name": "B", "type": "browser"},
        {"name": "KV", "type": "plain_text", "text": "y"},
        {"name": "MOVED", "type": "json", "json": {"a": None}},
        {"name": "V", "type": "secret_text"},
    ]
    config = fleet.config()
    assert "limits" not in config
    assert config["compatibility_date"] == "2024-01-01"
    assert fleet.script().triggers.settings == b'{"logpush":true}'


def test_a_body_without_bindings_leaves_them_alone() -> None:
    """Only what is named changes."""
    fleet = _fleet()
    outcome = fleet.say(edits.edit_settings(fleet.script(), edits.read_settings({"usage_model": "unbound"}, seal)))
    assert outcome.changes == [("config", "usage_model", "added")]


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"name": "NO", "type": "secret_text"}, 10056),
        ({"name": "NO", "type": "plain_text"}, 10056),
        ({"name": "KV", "type": "d1"}, 10056),
        ({"name": "NO", "type": "inherit", "old_name": "NOT"}, 10057),
    ],
)
def test_what_cannot_be_kept_is_refused(item: Json, code: int) -> None:
    """It is not there, or another kind of thing."""
    fleet = _fleet()
    with pytest.raises(GatewayError) as caught:
        edits.edit_settings(fleet.script(), edits.read_settings({"bindings": [item]}, seal))
    assert _code(caught) == code


def test_the_newest_version_is_edited_in_whichever_place_has_the_name() -> None:
    """`env` names variables, secrets and bindings alike."""
    fleet = _fleet()
    env = {"V": None, "KV": None, "S": {"type": "plain_text", "text": "1"}, "T": {"type": "secret_text", "text": "2"}}
    edit = edits.read_latest({"env": env, "annotations": {"workers/message": "m", "workers/tag": "t"}}, seal)
    data = edits.edit_latest(fleet.script(), edit)
    assert data["activate"] is False
    assert (data["message"], data["tag"]) == ("m", "t")
    fleet.say(data)
    assert [item["name"] for item in fleet.items()] == ["J", "S", "T"]
    assert fleet.config()["vars"]["S"] == {"text": "1"}


@pytest.mark.parametrize("name", ["main_module", "modules", "assets", "migrations", "body_part"])
def test_what_needs_an_upload_cannot_be_edited(name: str) -> None:
    """The ledger would not have the bytes."""
    with pytest.raises(GatewayError, match=name):
        edits.read_latest({name: {"a": 1}}, seal)


def test_secrets_are_listed_by_name_and_type() -> None:
    """Nothing is read back."""
    fleet = _fleet({"name": "K", "type": "secret_key", "key_base64": "AAEC", "format": "raw", "usages": []})
    version = fleet.script().newest
    assert version is not None
    assert edits.secret_names(version) == [{"name": "K", "type": "secret_key"}, {"name": "S", "type": "secret_text"}]
