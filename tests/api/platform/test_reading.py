"""Reads of the platform's API: who is named to whom, pages that end, old versions, and what is not the ledger's."""

from hashlib import sha256
from typing import Any

import pytest
from cloudflare import Cloudflare

from ledger.storage import layout
from tests.api.platform.rig import ACCOUNT, CODE, Scene
from tests.gateway.bodies import CONTENT_TYPE, metadata_part, multipart_body, part, upload_body

MAIN = {"main_module": "index.js"}


def _module(number: int) -> tuple[str, str | None, bytes]:
    return "index.js", CODE[1], b"export default %d" % number


@pytest.fixture(scope="module")
def many(scene: Scene) -> list[str]:
    """A script with 13 versions; their ids, oldest first."""
    return [scene.upload("many", MAIN, _module(number))["deployment_id"] for number in range(13)]


def test_lists_have_ten_newest_first_and_pages_end(scene: Scene, many: list[str]) -> None:
    """A client that asks page after page comes to an empty one."""
    shown = scene.result("GET", "scripts/many/deployments")["deployments"]
    assert [item["versions"][0]["version_id"] for item in shown] == many[:2:-1]
    pages = [scene.result("GET", f"scripts/many/versions?page={page}")["items"] for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [10, 3, 0]
    assert [item["id"] for page in pages for item in page] == many[::-1]
    assert "resources" not in pages[0][0]
    times = [item["created_on"] for item in shown]
    assert times == sorted(times, reverse=True)
    assert len({len(time) for time in times}) == 1
    small = scene.result("GET", "scripts/many/versions?page=5&per_page=3&deployable=true")["items"]
    assert [item["id"] for item in small] == [many[0]]
    assert scene.refusal("GET", "scripts/many/versions?page=x")[:2] == (400, 10021)
    assert scene.refusal("GET", "scripts/many/versions?page=999999999999")[:2] == (400, 10021)


def test_the_platforms_own_client_lists_what_there_is(scene: Scene, many: list[str]) -> None:
    """The `cloudflare` package: its paging ends, its types fit."""
    with Cloudflare(api_token=scene.token, base_url=scene.server.url) as client:
        assert [version.id for version in client.workers.scripts.versions.list("many", account_id=ACCOUNT)] == many[
            ::-1
        ]
        (listed,) = client.workers.scripts.deployments.list("many", account_id=ACCOUNT)
        assert listed.deployments[0].versions[0].version_id == many[-1]
        assert listed.deployments[0].versions[0].percentage == 100
        assert "many" in {script.id for script in client.workers.scripts.list(account_id=ACCOUNT)}
        assert client.workers.scripts.secrets.list("many", account_id=ACCOUNT).result == []
        # Raw: the client's own type of a version cannot be built with the pydantic of today.
        raw = client.workers.scripts.versions.with_raw_response.get(many[0], script_name="many", account_id=ACCOUNT)
        assert raw.http_response.json()["result"]["id"] == many[0]
        assert [account.id for account in client.accounts.list()] == [ACCOUNT]


def test_old_versions_and_deployments_are_found_by_their_ids(scene: Scene, many: list[str]) -> None:
    """Also those that no list shows; with and without hyphens."""
    assert scene.result("GET", f"scripts/many/versions/{many[0]}")["number"] == 1
    assert scene.result("GET", f"scripts/many/versions/{many[0].replace('-', '')}")["number"] == 1
    assert scene.result("GET", "scripts/many/versions/latest")["id"] == many[-1]
    entry = next(entry for entry in scene.entries() if entry.get("version", {}).get("id") == many[0])
    shown = scene.result("GET", f"scripts/many/deployments/{entry['deployment']['id']}")
    assert shown["versions"] == [{"version_id": many[0], "percentage": 100}]
    tag = scene.result("GET", "services/many")["default_environment"]["script"]["tag"]
    detail = scene.result("GET", f"deployments/by-script/{tag}/detail/{entry['deployment']['id']}")
    assert detail["number"] == 1
    assert detail["resources"]["script"]["handlers"] == []
    assert scene.refusal("GET", "scripts/many/versions/nothing")[0] == 404
    assert scene.refusal("GET", f"scripts/many/deployments/{many[0]}")[0] == 404


def test_the_modules_of_an_old_version_come_back_byte_for_byte(scene: Scene, many: list[str]) -> None:
    """All of them, or one by its digest: as bytes that no browser runs."""
    answer = scene.ask("GET", f"scripts/many/content/v2?version={many[0]}")
    assert answer.headers["cf-entrypoint"] == "index.js"
    assert b"export default 0" in answer.body
    digest = sha256(b"export default 0").hexdigest()
    one = scene.ask("GET", f"scripts/many/versions/{many[0]}/modules/{digest}")
    assert one.body == b"export default 0"
    assert one.headers["content-type"] == "application/octet-stream"
    assert one.headers["x-content-type-options"] == "nosniff"
    assert scene.refusal("GET", f"scripts/many/versions/{many[1]}/modules/{digest}")[0] == 404
    assert scene.refusal("GET", f"scripts/many/versions/{many[0]}/modules/..%2F..%2Fkeys%2Fledger.json")[0] == 404
    assert scene.refusal("GET", "scripts/many/content/v2?version=nothing")[0] == 404
    (scene.root / layout.blob(digest)).unlink()
    assert "not kept here" in scene.refusal("GET", f"scripts/many/content/v2?version={many[0]}")[2]


def test_a_service_workers_script_is_its_bytes_alone(scene: Scene) -> None:
    """With the content type that wrangler takes."""
    body = multipart_body(
        [
            part("B", "b", "text/plain"),
            metadata_part({"body_part": "w.js"}),
            part("w.js", "x()", "application/javascript"),
        ]
    )
    scene.result("PUT", "scripts/classic", body, headers={"content-type": CONTENT_TYPE})
    answer = scene.ask("GET", "scripts/classic/content/v2")
    assert answer.body == b"x()"
    assert answer.headers["content-type"].startswith("application/javascript")
    assert "cf-entrypoint" not in answer.headers


def test_who_made_something_is_shown_to_themselves_and_to_auditors_only(scene: Scene) -> None:
    """Others see a pseudonym; that an auditor was shown a name is in the trail before it is shown."""
    scene.upload("named")
    path = "scripts/named/deployments"

    def author(token: str) -> str:
        return str(scene.result("GET", path, token=scene.tokens[token])["deployments"][0]["author_email"])

    for _ in range(2):  # once made, once remembered
        assert (author("writer"), author("reader"), author("auditor")) == (
            "dev@acme.example",
            "withheld",
            "dev@acme.example",
        )
    assert scene.ask("GET", path).headers["cache-control"] == "no-store"
    trail = "".join(file.read_text() for file in sorted((scene.root / "audit").glob("*.ndjson")))
    named = [line for line in trail.splitlines() if '"named"' in line]
    assert len(named) == 2
    pseudonym = scene.result("GET", "scripts/named/versions/latest", token=scene.tokens["reader"])["metadata"][
        "author_id"
    ]
    assert all(pseudonym in line for line in named)


def test_whoever_is_erased_is_named_no_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also not from an answer that was made before."""
    monkeypatch.setattr("ledger.live.names._CHECK_S", 0.0)
    monkeypatch.setattr("ledger.api.platform.rendered._CHECK_S", 0.0)
    scene.upload("erased")
    path = "scripts/erased/deployments"
    assert scene.result("GET", path)["deployments"][0]["author_email"] == "dev@acme.example"
    kept = {file: file.read_bytes() for file in (scene.root / "keys" / "people").rglob("*.json")}
    try:
        for file in kept:
            file.unlink()
        assert scene.result("GET", path)["deployments"][0]["author_email"] == "erased"
    finally:
        for file, data in kept.items():
            file.write_bytes(data)


def test_an_answer_that_was_made_before_is_made_anew_when_the_script_changes(scene: Scene) -> None:
    """Whoever writes reads what they wrote."""
    scene.upload("anew")
    for number in range(1, 4):
        scene.upload("anew", MAIN, _module(number))
        assert len(scene.result("GET", "scripts/anew/deployments")["deployments"]) == number + 1


def test_whoami_and_accounts_are_the_tokens(scene: Scene) -> None:
    """Exactly one membership, or a run without a terminal fails."""
    user = scene.result("GET", "/user")
    assert user["email"] == "dev@acme.example"
    assert scene.result("GET", "/user/tokens/verify") == {"id": user["id"], "status": "active"}
    assert scene.result("GET", "/memberships?page=1") == [{"id": ACCOUNT, "account": {"id": ACCOUNT, "name": ACCOUNT}}]
    assert scene.result("GET", "/accounts") == [{"id": ACCOUNT, "name": ACCOUNT}]
    assert scene.result("GET", "/accounts?page=2") == []
    assert scene.result("GET", "/accounts", token=scene.tokens["stranger"]) == [{"id": "other", "name": "other"}]


OURS: list[tuple[str, Any]] = [
    ("/zones?name=shop.acme.example", []),
    ("/zones?name=acme.example&account.id=acme", [{"id": "z1", "name": "acme.example", "status": "active", "account": {"id": "acme", "name": "acme"}}]),
    ("subdomain", {"subdomain": "acme"}),
    (f"/accounts/{ACCOUNT}/storage/kv/namespaces?page=1", []),
    ("durable_objects/namespaces", []),
    (f"/accounts/{ACCOUNT}/r2/buckets/images", {"name": "images"}),
    (f"/accounts/{ACCOUNT}/d1/database/3333", {"uuid": "3333", "name": "3333"}),
    (f"/accounts/{ACCOUNT}/queues", []),
]  # fmt: skip


@pytest.mark.parametrize(("path", "expected"), OURS, ids=[path for path, _ in OURS])
def test_what_the_ledger_does_not_own_is_answered_from_the_settings(scene: Scene, path: str, expected: Any) -> None:
    """The tools look before they deploy: what is named is said to be there."""
    assert scene.result("GET", path) == expected


def test_a_queue_that_is_named_is_said_to_be_there(scene: Scene) -> None:
    """By name, for each generation of the tools."""
    (queue,) = scene.result("GET", f"/accounts/{ACCOUNT}/queues?name=orders&page=1")
    assert queue["queue_name"] == "orders"
    assert scene.result("GET", f"/accounts/{ACCOUNT}/queues/{queue['queue_id']}")["queue_name"] == "orders"
    assert scene.result("GET", "queues/orders")["queue_id"] == queue["queue_id"]


def test_domains_are_asked_about_before_they_are_set(scene: Scene) -> None:
    """The answer's members are arrays."""
    changeset = scene.result("POST", "scripts/many/domains/changeset?replace_state=true", [{"hostname": "a.example"}])
    assert changeset == {"added": [], "removed": [], "updated": [], "conflicting": []}


def test_a_script_edited_in_the_dashboard_is_compared_by_what_4_reads(scene: Scene) -> None:
    """The places that wrangler 4 reads after a dashboard edit."""
    scene.upload("dash", {**MAIN, "bindings": [{"name": "A", "type": "plain_text", "text": "x"}]})
    scene.result("PUT", "scripts/dash/routes", [{"pattern": "d.acme.example/*", "zone_id": "z1"}])
    base = "services/dash/environments/production"
    assert scene.result("GET", base)["script"]["id"] == "dash"
    assert scene.result("GET", f"{base}/bindings") == [{"name": "A", "type": "plain_text", "text": "x"}]
    (route,) = scene.result("GET", f"{base}/routes?show_zonename=true")
    assert (route["pattern"], route["zone_name"]) == ("d.acme.example/*", "acme.example")
    assert scene.result("GET", f"{base}/subdomain") == {"enabled": False, "previews_enabled": False}
    assert scene.refusal("GET", "services/dash/environments/staging")[:2] == (404, 10092)
    assert scene.result("GET", "workers/dash")["subdomain"] == {"enabled": False, "previews_enabled": False}
    scene.result("PUT", "scripts/dash/domains/records", {"origins": [{"hostname": "d.acme.example", "zone_id": "z1"}]})
    (domain,) = scene.result("GET", "domains/records?service=dash")
    assert scene.result("GET", f"domains/records/{domain['id']}")["hostname"] == "d.acme.example"
    assert scene.refusal("GET", "domains/records/nothing")[0] == 404


def test_an_upload_larger_than_litestars_own_limit_is_taken(scene: Scene) -> None:
    """The server's limit counts, not the library's."""
    big = ("big.bin", "application/octet-stream", b"\0" * (11 << 20))
    body = upload_body(MAIN, CODE, big)
    scene.result("PUT", "scripts/big", body, headers={"content-type": CONTENT_TYPE})
    assert scene.entries()[-1]["version"]["manifest"]["code"]["modules"]["big.bin"]["size"] == 11 << 20
