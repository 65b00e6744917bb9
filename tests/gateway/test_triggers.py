"""Ways to a script and traffic to its versions: what the tools send, and what the event says."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.errors import UsageError
from ledger.gateway import triggers
from ledger.gateway.deployments import deploy, uuid_of
from ledger.gateway.events import Origin, change_event, check_names, checked, idempotent_id, interface_of
from ledger.gateway.refusals import GatewayError, from_reason
from ledger.gateway.zones import zones_of
from ledger.model.reasons import CODES, Reason
from tests.gateway.bodies import part
from tests.gateway.fleet import Fleet

SAID: list[tuple[Any, Any]] = [
    (
        triggers.schedules([{"cron": "*/5 * * * *"}, {"cron": "0 3 * * *"}]),
        {"crons": {"replace": {"*/5 * * * *": {}, "0 3 * * *": {}}}},
    ),
    (triggers.schedules([]), {"crons": {"replace": {}}}),
    (
        triggers.routes([{"pattern": "a/*", "zone_id": "z"}, {"pattern": "b/*", "zone_name": "b"}, {"pattern": "c/*"}]),
        {"routes": {"replace": {"a/*": {"zone_id": "z"}, "b/*": {"zone": "b"}, "c/*": {}}}},
    ),
    (
        triggers.zone_route("z", {"pattern": "a/*", "script": "s"}),
        ("s", {"routes": {"merge": {"a/*": {"zone_id": "z"}}}}),
    ),
    (
        triggers.domains(
            {"override_scope": True, "origins": [{"hostname": "w", "zone_name": "z", "enabled": True, "x": None}]}
        ),
        {"domains": {"replace": {"w": {"zone": "z", "enabled": True}}}},
    ),
    (triggers.subdomain({"enabled": False}), {"subdomain": {"merge": {"enabled": False}}}),
    (
        triggers.subdomain({"enabled": True, "previews_enabled": True}),
        {"subdomain": {"merge": {"enabled": True, "previews_enabled": True}}},
    ),
    (
        triggers.script_settings({"tags": [], "observability": None}),
        {"settings": {"merge": {"tags": [], "observability": None}}},
    ),
    (
        triggers.consumer(
            "q", {"type": "worker", "script_name": "s", "settings": {"batch_size": 5}, "dead_letter_queue": None}
        ),
        {"queues": {"merge": {"q": {"type": "worker", "settings": {"batch_size": 5}}}}},
    ),
    (triggers.no_consumer("q"), {"queues": {"merge": {"q": None}}}),
    (
        deploy(
            {
                "strategy": "percentage",
                "versions": [{"version_id": "a", "percentage": 33.333}, {"version_id": "b", "percentage": 66.667}],
                "annotations": {"workers/message": ""},
            }
        ),
        {"deploy": {"a": 33.333, "b": 66.667}},
    ),
    (
        deploy({"versions": [{"version_id": "A" * 32, "percentage": 100}], "annotations": {"workers/message": "m"}}),
        {"message": "m", "deploy": {"aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa": 100}},
    ),
]


@pytest.mark.parametrize(("said", "expected"), SAID)
def test_a_request_is_said_as_the_contract_has_it(said: Any, expected: Any) -> None:
    """Zones as they were sent; the rest of an object beside them."""
    assert said == expected


NOTHING: list[Callable[[], object]] = [
    lambda: triggers.schedules([{"cron": ""}]),
    lambda: triggers.schedules([{}]),
    lambda: triggers.routes([{"pattern": 1}]),
    lambda: triggers.routes([{"pattern": "a", "zone_id": 1}]),
    lambda: triggers.zone_route("z", {"pattern": "a"}),
    lambda: triggers.domains({"origins": [1]}),
    lambda: triggers.domains({"origins": [{"hostname": "w", "x": {"type": "secret_text", "text": "x"}}]}),
    lambda: triggers.subdomain({}),
    lambda: triggers.subdomain({"enabled": 1}),
    lambda: triggers.script_settings({"a": {"type": "secret_text"}}),
    lambda: triggers.consumer("q", {"settings": {"type": "SECRET_KEY"}}),
    lambda: triggers.queue_name("zz"),
    lambda: triggers.queue_name(""),
    lambda: triggers.queue_name("FF"),
    lambda: triggers.queue_name("7 1"),
    lambda: deploy({}),
    lambda: deploy({"versions": [1]}),
    lambda: deploy({"versions": [{"version_id": "a", "percentage": True}]}),
    lambda: deploy({"versions": [{"version_id": "a", "percentage": "100"}]}),
    lambda: deploy({"versions": [{"version_id": "a", "percentage": 50}] * 2}),
    lambda: deploy({"strategy": "gradual", "versions": [{"version_id": "a", "percentage": 100}]}),
]


@pytest.mark.parametrize("place", range(len(NOTHING)))
def test_what_says_nothing_is_refused(place: int) -> None:
    """Before an event is made of it."""
    with pytest.raises(GatewayError):
        NOTHING[place]()


@pytest.mark.parametrize("name", ["orders", "Bestellungen-ä", "a/b"])
def test_the_id_of_a_queue_gives_its_name_back(name: str) -> None:
    """Nobody has to remember which id was given."""
    assert triggers.queue_name(triggers.queue_id(name)) == name


def test_ids_are_taken_with_and_without_hyphens() -> None:
    """Others stay what they are."""
    whole = "11110001-0000-4000-8000-000000000001"
    assert uuid_of(whole.replace("-", "").upper()) == uuid_of(whole) == whole
    assert uuid_of("latest") == "latest"


@pytest.mark.parametrize(
    ("agent", "interface"),
    [
        ("wrangler/4.86.0", "wrangler"),
        ("Wrangler/2.6.2", "wrangler"),
        ("HashiCorp Terraform/1.5", "terraform"),
        ("Cloudflare/Python 4.0", "api"),
        ("", "api"),
        ("not-wrangler/1", "api"),
    ],
)
def test_the_interface_is_what_the_user_agent_says(agent: str, interface: str) -> None:
    """Nothing else tells."""
    assert interface_of(agent) == interface


def _origin(**more: Any) -> Origin:
    named: dict[str, Any] = {
        "account": "acme",
        "script": "shop",
        "source": "g",
        "id": "1",
        "time": "2026-01-02T03:04:05Z",
    }
    return Origin(**named | {"actor": None, "interface": "api"} | more)


@pytest.mark.parametrize(
    ("more", "data", "code"),
    [
        ({"script": "-x"}, {"delete": True}, "bad_value"),
        ({}, {"config": {"merge": {"secrets": {"A": {"text": "s3cr3t-value"}}}}}, "plaintext_secret"),
        ({}, {"deploy": {"a": 50}}, "bad_split"),
        ({}, {"settings": {"merge": {"a": "x" * (1 << 20)}}}, "too_large"),
    ],
)
def test_what_the_decoder_refuses_is_refused_before_it_is_sent(more: Any, data: Any, code: str) -> None:
    """By the same code, and without the value."""
    with pytest.raises(GatewayError) as caught:
        checked(change_event(_origin(**more), data))
    assert code in caught.value.message
    assert "s3cr3t-value" not in caught.value.message


def test_a_text_that_is_no_utf8_is_refused() -> None:
    """A lone surrogate, which JSON can say and UTF-8 cannot."""
    with pytest.raises(GatewayError):
        change_event(_origin(), {"message": "\ud800", "delete": True})


def test_every_reason_has_a_status_and_a_code_that_tools_know() -> None:
    """Absent scripts and split traffic have their own."""
    codes = {code: from_reason(Reason(code, "$", "why")) for code in CODES}
    assert {error.status for error in codes.values()} == {400, 404, 409}
    assert codes["script_absent"].errors[0][0] == 10007
    assert codes["ambiguous_base"].errors[0][0] == 10215
    assert from_reason(Reason("ambiguous_base", "$", ""), about_secrets=False).errors[0][0] == 10214
    assert codes["conflict"].status == 409


def test_the_fold_refuses_before_anything_is_sent() -> None:
    """As things are."""
    fleet = Fleet()
    with pytest.raises(GatewayError) as caught:
        fleet.say({"delete": True})
    assert caught.value.errors[0][0] == 10007
    fleet.upload({"main_module": "a"}, part("a", "1"))
    with pytest.raises(GatewayError, match="unknown_version"):
        fleet.say({"deploy": {"nothing": 100}})
    with pytest.raises(GatewayError, match="changed by others") as caught:
        fleet.say({"base": "nothing", "config": {"merge": {}}})
    assert caught.value.status == 409


@pytest.mark.parametrize("name", ["", "-x", "a/b", "../x", "a b", "ä", "x" * 256, "a\n"])
def test_names_that_no_script_can_have_are_refused(name: str) -> None:
    """Before bytes are stored or keys made for them."""
    with pytest.raises(GatewayError):
        check_names("acme", name)
    with pytest.raises(GatewayError):
        check_names(name, "shop")


def test_an_idempotent_id_is_a_uuid_of_all_that_is_asked() -> None:
    """The parts do not run into one another."""
    assert idempotent_id("a", "b") == idempotent_id("a", "b")
    assert (
        len({idempotent_id("a", "b"), idempotent_id("ab", ""), idempotent_id("b", "a"), idempotent_id("a", "b", "1")})
        == 4
    )
    assert idempotent_id("a")[14] == "8"


def test_zones_are_names_and_ids() -> None:
    """Spaces do not matter, international names become ASCII."""
    assert zones_of("") == {}
    assert zones_of(" acme.example = z1 ,bücher.example=z_2") == {"acme.example": "z1", "xn--bcher-kva.example": "z_2"}


@pytest.mark.parametrize(
    "text", ["acme.example", "=z1", "acme=z1", "acme.example=", "a.example=1,a.example=2", "a.example=b c"]
)
def test_zones_that_are_none_are_the_users_error(text: str) -> None:
    """Said when the server starts."""
    with pytest.raises(UsageError, match="zone"):
        zones_of(text)
