"""Changes through the platform's API: one event each, answered when its entry is in the log."""

import json
import threading
from typing import Any

import pytest

from ledger.model import ids
from tests.api.platform.rig import ACCOUNT, CODE, Scene
from tests.gateway.bodies import CONTENT_TYPE, multipart_body, part, upload_body
from tests.log.rig import Json

MAIN: Json = {"main_module": "index.js", "bindings": []}


def _with(*bindings: Json, **more: Any) -> Json:
    return {**MAIN, "bindings": list(bindings), **more}


def _share(version: str, percentage: float) -> Json:
    return {"version_id": version, "percentage": percentage}


def test_a_script_is_uploaded_listed_and_deleted(scene: Scene) -> None:
    """Every answer reads what was just written; the log has one entry for each change."""
    before = len(scene.entries())
    uploaded = scene.upload(
        "life", _with({"name": "A", "type": "plain_text", "text": "x"}), query="?excludeScript=true"
    )
    entry = scene.entries()[-1]
    assert entry["outcome"] == "deployed"
    assert entry["event"]["source"] == "ledger-gateway"
    assert entry["event"]["data"]["interface"] == "wrangler"
    assert uploaded["deployment_id"] == entry["version"]["id"]
    assert uploaded["tag"] == ids.script_tag(ACCOUNT, "life")
    deployments = scene.result("GET", "scripts/life/deployments")["deployments"]
    assert [item["id"] for item in deployments] == [entry["deployment"]["id"]]
    assert deployments[0]["author_email"] == "dev@acme.example"
    assert scene.result("DELETE", "services/life?force=true") is None
    assert scene.refusal("GET", "services/life")[:2] == (404, 10090)
    assert scene.refusal("GET", "scripts/life/deployments")[:2] == (404, 10007)
    assert scene.refusal("DELETE", "services/life")[:2] == (404, 10090)
    assert len(scene.entries()) == before + 2


def test_deployment_id_means_a_deployment_to_wrangler_2_and_a_version_to_later_ones(scene: Scene) -> None:
    """Told apart by what they ask."""
    second = scene.upload("ids", query="?include_subdomain_availability=true&excludeScript=true")
    entry = scene.entries()[-1]
    assert second["deployment_id"] == entry["deployment"]["id"]
    assert second["available_on_subdomain"] is False
    again = scene.upload("ids", query="?excludeScript=true&bindings_inherit=strict")
    assert scene.entries()[-1]["outcome"] == "unchanged"
    assert again["deployment_id"] == entry["version"]["id"]


def test_a_rollback_of_wrangler_2_names_a_deployment(scene: Scene) -> None:
    """And one of an unknown deployment makes no event."""
    scene.upload("back")
    first = scene.entries()[-1]["deployment"]["id"]
    scene.upload("back", MAIN, ("index.js", CODE[1], b"export default 2"))
    body = multipart_body([part("message", "bad release", None)])
    path = f"scripts/back?rollback_to={first}"
    rolled = scene.result("PUT", path, body, headers={"content-type": CONTENT_TYPE})
    entry = scene.entries()[-1]
    assert entry["deployment"]["rollback_of"] == first
    assert entry["event"]["data"]["message"] == "bad release"
    assert rolled["deployment_id"] == entry["deployment"]["id"]
    items = scene.result("GET", f"deployments/by-script/{rolled['tag']}?order=asc")
    assert items["items"][-1]["id"] == items["latest"]["id"] == entry["deployment"]["id"]
    assert items["latest"]["annotations"] == {
        "workers/message": "bad release",
        "workers/triggered_by": "rollback",
        "workers/rollback_from": first,
    }
    sent = len(scene.sender.sent)
    assert scene.refusal("PUT", "scripts/back?rollback_to=0", body, headers={"content-type": CONTENT_TYPE})[0] == 404
    assert len(scene.sender.sent) == sent


def test_uploaded_deployed_split_and_rolled_back_as_wrangler_4_does(scene: Scene) -> None:
    """Percentages with fractions; a rollback is the same request as a deployment."""
    first = scene.upload("split")["deployment_id"]
    metadata = {**MAIN, "annotations": {"workers/message": "candidate", "workers/tag": "v2"}}
    second = scene.upload_version("split", metadata, ("index.js", CODE[1], b"2"))
    assert second["number"] == 2
    assert second["annotations"] == {
        "workers/message": "candidate",
        "workers/tag": "v2",
        "workers/triggered_by": "upload",
    }
    body = {"strategy": "percentage", "versions": [_share(first, 66.7), _share(second["id"], 33.3)]}
    split = scene.result("POST", "scripts/split/deployments", {**body, "annotations": {"workers/message": ""}})
    assert {item["version_id"]: item["percentage"] for item in split["versions"]} == {first: 66.7, second["id"]: 33.3}
    assert scene.refusal("PUT", "scripts/split/secrets", {"name": "A", "text": "x"})[:2] == (400, 10215)
    over = scene.upload_version("split", MAIN, ("index.js", CODE[1], b"3"))
    assert over["number"] == 3
    back = scene.result("POST", "scripts/split/deployments?force=true", {"versions": [_share(first, 100)]})
    assert back["versions"] == [_share(first, 100)]
    assert scene.entries()[-1]["deployment"]["rollback"] is True
    status, code, message = scene.refusal(
        "POST", "scripts/split/deployments", {"versions": [_share("0" * 8 + "-0000-4000-8000-" + "0" * 12, 100)]}
    )
    assert (status, code) == (400, 10021)
    assert "unknown_version" in message


def test_a_version_that_changes_nothing_is_the_newest_again_not_the_active_one(scene: Scene) -> None:
    """Else who deploys what they uploaded would deploy something else."""
    scene.upload("newest")
    second = scene.upload_version("newest", MAIN, ("index.js", CODE[1], b"2"))
    again = scene.upload_version("newest", MAIN, ("index.js", CODE[1], b"2"))
    assert scene.entries()[-1]["outcome"] == "unchanged"
    assert again["id"] == second["id"]


def test_secrets_are_put_listed_bulk_edited_and_deleted(scene: Scene) -> None:
    """Each edit builds on the active version."""
    scene.upload("sec", _with({"name": "V", "type": "plain_text", "text": "x"}))
    put = {"name": "A", "text": "s3cr3t-value", "type": "secret_text"}
    assert scene.result("PUT", "scripts/sec/secrets", put) == {"name": "A", "type": "secret_text"}
    assert scene.entries()[-1]["changes"] == [["config", "secrets/A", "added"]]
    assert scene.result("PUT", "scripts/sec/secrets", put)["name"] == "A"
    assert scene.entries()[-1]["outcome"] == "unchanged"
    assert scene.refusal("PUT", "scripts/sec/secrets", {**put, "name": "V"})[:2] == (400, 10053)
    kept = [{"name": "V", "type": "plain_text"}, {"name": "A", "type": "secret_text"}]
    settings = multipart_body(
        [part("settings", json.dumps({"bindings": [*kept, {**put, "name": "weird.name"}]}), None)]
    )
    edited = scene.result("PATCH", "scripts/sec/settings", settings, headers={"content-type": CONTENT_TYPE})
    assert [item["name"] for item in edited["bindings"]] == ["A", "V", "weird.name"]
    bulk = {"secrets": {"A": None, "B": put | {"name": "B"}}}
    listed = scene.result(
        "PATCH", "scripts/sec/secrets-bulk", bulk, headers={"content-type": "application/merge-patch+json"}
    )
    assert [item["name"] for item in listed] == ["B", "weird.name"]
    assert scene.result("DELETE", "scripts/sec/secrets/weird%2Ename?url_encoded=true") is None
    assert scene.refusal("DELETE", "scripts/sec/secrets/weird.name")[:2] == (404, 10056)
    assert scene.result("GET", "scripts/sec/secrets") == [{"name": "B", "type": "secret_text"}]


def test_the_newest_version_is_edited_without_deploying_it(scene: Scene) -> None:
    """As later wranglers do `versions secret put`."""
    scene.upload("latest")
    body = {"env": {"K": {"type": "secret_text", "text": "s3cr3t-value"}}, "annotations": {"workers/message": "k"}}
    made = scene.result("PATCH", "workers/latest/versions/latest", body)
    assert made["number"] == 2
    assert made["resources"]["bindings"] == [{"name": "K", "type": "secret_text"}]
    assert scene.entries()[-1]["outcome"] == "uploaded"
    made = scene.result("PATCH", "workers/latest/versions/latest", {"env": {"K": None}})
    assert made["resources"]["bindings"] == []


def test_triggers_are_set_shown_and_the_same_again_changes_nothing(scene: Scene) -> None:
    """Routes, schedules, domains, subdomain, settings, queues."""
    scene.upload("trig")
    routes = [
        {"pattern": "t.acme.example/*", "zone_id": "z1"},
        {"pattern": "u.acme.example/*", "zone_name": "acme.example"},
    ]
    requests: list[tuple[str, str, Any]] = [
        ("PUT", "scripts/trig/routes", routes),
        ("PUT", "scripts/trig/schedules", [{"cron": "*/5 * * * *"}]),
        ("POST", "scripts/trig/subdomain", {"enabled": True}),
        (
            "PUT",
            "scripts/trig/domains/records",
            {"override_scope": True, "origins": [{"hostname": "www.acme.example"}]},
        ),
        ("PATCH", "scripts/trig/script-settings", {"observability": {"enabled": True}, "tags": []}),
        ("PUT", "queues/orders/consumers/trig", {"settings": {"batch_size": 5}}),
    ]
    for outcome in ("changed", "unchanged"):
        for method, path, body in requests:
            scene.result(method, path, body)
            assert scene.entries()[-1]["outcome"] == outcome, path
    assert scene.result("GET", "scripts/trig/subdomain") == {"enabled": True, "previews_enabled": False}
    assert [item["cron"] for item in scene.result("GET", "scripts/trig/schedules")["schedules"]] == ["*/5 * * * *"]
    assert {item["pattern"] for item in scene.result("GET", "/zones/z1/workers/routes")} >= {
        "t.acme.example/*",
        "u.acme.example/*",
    }
    assert scene.result("GET", "scripts/trig/script-settings") == {"observability": {"enabled": True}, "tags": []}
    assert [item["hostname"] for item in scene.result("GET", "domains/records?service=trig")] == ["www.acme.example"]
    assert scene.entries()[-7]["triggers"]["queues"] == {"orders": {"type": "worker", "settings": {"batch_size": 5}}}


def test_a_route_of_a_zone_is_given_to_the_account_of_the_token(scene: Scene) -> None:
    """The tools' way where they may not set all routes of a script."""
    scene.upload("zoned")
    scene.result("POST", "/zones/z2/workers/routes", {"pattern": "q.other.example/*", "script": "zoned"})
    assert scene.entries()[-1]["triggers"]["routes"] == {"q.other.example/*": {"zone_id": "z2"}}
    shown = scene.result("GET", "/zones/z2/workers/routes")
    assert [(route["pattern"], route["script"]) for route in shown] == [("q.other.example/*", "zoned")]


def test_a_queue_is_found_by_the_id_that_was_given_for_its_name(scene: Scene) -> None:
    """No matter which server gave it."""
    scene.upload("consumer")
    (queue,) = scene.result("GET", f"/accounts/{ACCOUNT}/queues?name=orders-2&page=1")
    path = f"/accounts/{ACCOUNT}/queues/{queue['queue_id']}/consumers"
    scene.result("POST", path, {"type": "worker", "script_name": "consumer", "settings": {"batch_size": 5}})
    entry = scene.entries()[-1]
    assert entry["event"]["subject"] == "consumer"
    assert entry["triggers"]["queues"] == {"orders-2": {"type": "worker", "settings": {"batch_size": 5}}}
    assert scene.result("GET", path)[0]["script_name"] == "consumer"
    scene.result("DELETE", f"{path}/consumer")
    assert scene.entries()[-1]["triggers"]["queues"] == {}
    scene.result("PUT", "queues/orders-3/consumers/consumer", {"settings": {}})
    scene.result("DELETE", "queues/orders-3/consumers/consumer")
    assert [change[2] for change in scene.entries()[-1]["changes"]] == ["removed"]
    assert scene.refusal("POST", f"/accounts/{ACCOUNT}/queues/zz/consumers", {"script_name": "consumer"})[0] == 404


def test_a_change_by_others_meanwhile_is_resolved_anew(scene: Scene) -> None:
    """The event names its base; where that has moved another one is sent, of what is there then."""
    scene.upload("race", _with({"name": "A", "type": "secret_text", "text": "1"}))

    def others() -> None:
        newest = scene.context.live.account(ACCOUNT).scripts["race"].newest  # type: ignore[union-attr]
        assert newest is not None
        scene.sender.append(json.dumps(_event("race", f"other-{newest.number}", base=newest.id)).encode())

    scene.sender.before = [others]
    sent = len(scene.sender.sent)
    scene.upload("race", MAIN, ("index.js", CODE[1], b"mine"))
    outcomes = [(entry["outcome"], entry.get("reason", {}).get("code")) for entry in scene.entries()[-3:]]
    assert outcomes == [("deployed", None), ("rejected", "conflict"), ("deployed", None)]
    assert len(scene.sender.sent) == sent + 2
    last = scene.entries()[-1]["version"]["manifest"]
    assert list(last["config"]["secrets"]) == ["A", "OTHER"]
    scene.sender.before = [others, others, others]
    body = upload_body(MAIN, ("index.js", CODE[1], b"again"))
    assert scene.refusal("PUT", "scripts/race", body, headers={"content-type": CONTENT_TYPE})[:2] == (409, 10021)
    # With a key, the try that was taken is found again, though the one before it was refused.
    scene.sender.before = [others]
    keyed = {"content-type": CONTENT_TYPE, "idempotency-key": "race-1"}
    first = scene.result("PUT", "scripts/race", body, headers=keyed)
    entries = len(scene.entries())
    assert scene.result("PUT", "scripts/race", body, headers=keyed) == first
    assert len(scene.entries()) == entries
    # And where all were refused, the same request is tried again: what its events were refused for is no answer to it.
    keyed["idempotency-key"] = "race-2"
    scene.sender.before = [others, others, others]
    assert scene.refusal("PUT", "scripts/race", body, headers=keyed)[0] == 409
    scene.result("PUT", "scripts/race", body, headers=keyed)
    assert scene.entries()[-1]["outcome"] == "unchanged"


def _event(script: str, event_id: str, **data: Any) -> Json:
    return {
        "specversion": "1.0",
        "type": "ledger.change.v1",
        "source": "others",
        "id": event_id,
        "subject": script,
        "time": "2026-01-02T03:04:05Z",
        "accountid": ACCOUNT,
        "data": {"interface": "api", "config": {"merge": {"secrets": {"OTHER": {}}}}, **data},
    }


def test_an_event_without_an_entry_in_time_is_a_504_that_names_it(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is waited for as long as the settings say."""
    scene.upload("late")
    waited: list[float] = []
    live = scene.context.live
    wait = live.entry_of

    async def at_once(account: str, source: str, event_id: str, timeout_s: float, **more: Any) -> bytes:
        waited.append(timeout_s)
        return await wait(account, source, event_id, 0.05, **more)

    monkeypatch.setattr(live, "entry_of", at_once)
    scene.sender.fails = ["lost"]
    status, code, message = scene.refusal("POST", "scripts/late/subdomain", {"enabled": True})
    assert (status, code) == (504, 10021)
    assert json.loads(scene.sender.sent[-1])["id"] in message
    assert waited == [10.0]


def test_what_may_have_arrived_is_waited_for_and_what_was_not_sent_is_refused(scene: Scene) -> None:
    """A copy of the first would be another event."""
    scene.upload("unclear")
    scene.sender.fails = ["unclear"]
    assert scene.result("POST", "scripts/unclear/subdomain", {"enabled": True})["enabled"] is True
    scene.sender.fails = ["away"]
    status, code, message = scene.refusal("POST", "scripts/unclear/subdomain", {"enabled": False})
    assert (status, code) == (503, 10021)
    assert "broker" in message


def test_a_request_with_an_idempotency_key_is_one_event_however_often_it_is_sent(scene: Scene) -> None:
    """Also where doing it again would be refused; another key, script or token is another event."""
    scene.upload("idem")
    scene.result("PUT", "scripts/idem/secrets", {"name": "A", "text": "1"})
    before = len(scene.entries())
    key = {"idempotency-key": "deploy-7"}
    for _ in range(3):
        assert scene.result("DELETE", "scripts/idem/secrets/A", headers=key) is None
    assert len(scene.entries()) == before + 1
    assert scene.refusal("DELETE", "scripts/idem/secrets/A", headers={"idempotency-key": "deploy-8"})[:2] == (
        404,
        10056,
    )
    first = scene.upload("idem-2")
    body = upload_body(_with({"name": "A", "type": "json", "json": 1}), CODE)
    headers = key | {"content-type": CONTENT_TYPE}
    answers = [scene.result("PUT", "scripts/idem-2", body, headers=headers) for _ in range(2)]
    assert answers[0] == answers[1] != first
    assert scene.refusal("DELETE", "scripts/idem/secrets/A", headers={"idempotency-key": ""})[:2] == (400, 10021)


def test_parallel_requests_do_not_wait_for_one_another(scene: Scene) -> None:
    """`secret:bulk` of wrangler 2 puts all secrets at once."""
    scene.upload("par")
    names = [f"S{number}" for number in range(20)]
    failed: list[Any] = []

    def put(name: str) -> None:
        answer = scene.ask("PUT", "scripts/par/secrets", {"name": name, "text": name, "type": "secret_text"})
        if answer.status != 200:
            failed.append(answer)

    threads = [threading.Thread(target=put, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert {item["name"] for item in scene.result("GET", "scripts/par/secrets")} == set(names)


def test_a_token_that_may_only_read_changes_nothing(scene: Scene) -> None:
    """And one of another account sees nothing."""
    scene.upload("guard")
    reader, other = scene.tokens["reader"], scene.tokens["stranger"]
    sent = len(scene.sender.sent)
    assert scene.refusal("DELETE", "scripts/guard", token=reader)[:2] == (403, 10000)
    assert scene.refusal("GET", "scripts/guard/settings", token=other)[0] == 404
    assert scene.refusal("DELETE", "scripts/guard", token=other)[0] == 404
    assert scene.result("GET", "/zones/z1/workers/routes", token=other) == []
    assert scene.refusal("GET", "/zones?name=acme.example&account.id=acme", token=other)[0] == 404
    assert len(scene.sender.sent) == sent


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("PUT", "services/x/environments/staging", b"", 10021),
        ("PUT", "subdomain", {"subdomain": "x"}, 10021),
        ("PUT", f"/accounts/{ACCOUNT}/workflows/w", {}, 10021),
        ("PUT", "scripts/-bad", b"", 10021),
        ("PUT", "scripts/..%2F..%2Fetc/secrets", {"name": "A", "text": "x"}, 10021),
        ("PUT", "scripts/x/secrets", b"{", 10021),
        ("PUT", "scripts/x/secrets", [1], 10021),
        ("PUT", "scripts/x/schedules", {"cron": 1}, 10021),
        ("PUT", "scripts/x/schedules", [{"cron": 1}], 10021),
        ("PUT", "scripts/x/routes", [{"zone_id": "z"}], 10021),
        ("POST", "scripts/x/subdomain", {"enabled": "yes"}, 10021),
        ("POST", "scripts/x/deployments", {"versions": []}, 10021),
        ("POST", "scripts/x/deployments", {"versions": [{"version_id": "a", "percentage": 100}]}, 10007),
        ("POST", "scripts/x/versions", b"", 10007),
        ("PUT", "scripts/x/secrets", {"name": "A", "text": "x"}, 10007),
        ("DELETE", "scripts/x", None, 10007),
        ("GET", "scripts/x/versions?page=0", None, 10007),
        ("GET", "nowhere", None, 7003),
        ("GET", "deployments/by-script/0123456789abcdef0123456789abcdef", None, 10007),
    ],
)
def test_what_cannot_be_done_is_refused_by_the_platforms_code_and_makes_no_entry(
    scene: Scene, method: str, path: str, body: Any, code: int
) -> None:
    """With a sentence that says why."""
    sent = len(scene.sender.sent)
    assert scene.refusal(method, path, body)[1] == code
    assert len(scene.sender.sent) == sent
