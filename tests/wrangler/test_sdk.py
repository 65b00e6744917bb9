"""The platform's own Python client against the real thing: what it shares with wrangler works, and every list ends."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import pytest
from cloudflare import BadRequestError, Cloudflare, NotFoundError

from tests.kafka.brokers import Broker
from tests.wrangler.scenes import SECRETS
from tests.wrangler.served import EMAIL, Whole, whole
from tests.wrangler.test_replay import check_no_secret

_ACCOUNT: Final = "acme"
_NAME: Final = "by-sdk"
_MANY: Final = 100
"""More than there is of anything: what is longer has no end."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tansu: Broker) -> Iterator[Whole]:
    """A ledger of its own."""
    with whole(tmp_path_factory.mktemp("sdk"), tansu) as found:
        yield found
    check_no_secret(found)


@pytest.fixture(scope="module")
def client(served: Whole) -> Iterator[Cloudflare]:
    """A client that has uploaded a script 13 times and set a secret."""
    with Cloudflare(api_token=served.token, base_url=served.server.url, max_retries=0) as found:
        for number in range(13):
            upload(found, number)
        found.workers.scripts.secrets.update(
            _NAME, account_id=_ACCOUNT, name="TOKEN", text=SECRETS["TOKEN"], type="secret_text"
        )
        yield found


def upload(client: Cloudflare, number: int) -> Any:
    """Upload the script, its code another one each time."""
    source = f"export default {{ number: {number} }};\n".encode()
    return client.workers.scripts.update(
        _NAME,
        account_id=_ACCOUNT,
        metadata={
            "main_module": "index.js",
            "compatibility_date": "2026-01-01",
            "bindings": [{"type": "plain_text", "name": "STAGE", "text": "live"}],
        },
        files=[
            ("index.js", source, "application/javascript+module"),
            ("notes.txt", "Grüße\n".encode(), "text/plain"),
        ],
    )


def test_versions_are_all_there_and_end(client: Cloudflare) -> None:
    """Page by page, each once, the newest first."""
    versions = list(islice(client.workers.scripts.versions.list(_NAME, account_id=_ACCOUNT), _MANY))
    assert [version.number for version in versions] == list(range(14, 0, -1))
    assert len({version.id for version in versions}) == 14


def test_deployments_end(client: Cloudflare) -> None:
    """The ten newest, as the client wants them: in the one item of a list."""
    items = list(islice(client.workers.scripts.deployments.list(_NAME, account_id=_ACCOUNT), _MANY))
    assert [len(item.deployments) for item in items] == [10]


def test_lists_of_all_kinds_end(client: Cloudflare) -> None:
    """Accounts, memberships, zones and scripts: each list has an end, whether it is asked for by page or not."""
    accounts = list(islice(client.accounts.list(), _MANY))
    assert _ACCOUNT in [account.id for account in accounts]
    assert len(list(islice(client.memberships.list(), _MANY))) < _MANY
    assert len(list(islice(client.zones.list(name="nowhere.example"), _MANY))) < _MANY
    scripts = list(islice(client.workers.scripts.list(account_id=_ACCOUNT), _MANY))
    assert [script.id for script in scripts] == [_NAME]


def test_a_version_has_what_was_uploaded(client: Cloudflare, served: Whole) -> None:
    """Modules by the names of the files, variables, the secret by its name alone, and who it was."""
    newest = next(iter(client.workers.scripts.versions.list(_NAME, account_id=_ACCOUNT)))
    assert newest.id is not None
    versions = client.workers.scripts.versions.with_raw_response  # its type of bindings cannot be built
    version: Any = versions.get(newest.id, account_id=_ACCOUNT, script_name=_NAME).json()
    bindings = {binding["name"]: binding for binding in version["result"]["resources"]["bindings"]}
    assert sorted(bindings) == ["STAGE", "TOKEN"]
    assert bindings["TOKEN"] == {"name": "TOKEN", "type": "secret_text"}
    entries = [entry for entry in served.ledger.all_entries() if "version" in entry]
    assert sorted(entries[-1]["version"]["manifest"]["code"]["modules"]) == ["index.js", "notes.txt"]
    assert newest.metadata is not None
    assert newest.metadata.author_email == EMAIL
    assert {entry["event"]["data"]["interface"] for entry in entries} == {"api"}


def test_content_is_what_was_uploaded(client: Cloudflare) -> None:
    """All modules of the newest version, byte for byte."""
    content = client.workers.scripts.content.get(_NAME, account_id=_ACCOUNT).read()
    assert b"export default { number: 12 };\n" in content
    assert "Grüße\n".encode() in content


def test_the_same_again_is_unchanged(client: Cloudflare, served: Whole) -> None:
    """The newest code once more makes no version."""
    before = len([entry for entry in served.ledger.all_entries() if "version" in entry])
    upload(client, 12)
    entries = served.ledger.all_entries()
    assert len([entry for entry in entries if "version" in entry]) == before
    assert [entry["outcome"] for entry in entries if entry["event"]["subject"] == _NAME][-1] == "unchanged"


def test_deploying_an_older_version_is_a_rollback(client: Cloudflare, served: Whole) -> None:
    """The client's `deployments.create` is what wrangler's `rollback` is."""
    versions = list(islice(client.workers.scripts.versions.list(_NAME, account_id=_ACCOUNT), 3))
    client.workers.scripts.deployments.create(
        _NAME,
        account_id=_ACCOUNT,
        strategy="percentage",
        versions=[{"percentage": 100, "version_id": versions[2].id or ""}],
        annotations={"workers_message": "back"},
    )
    made = [entry for entry in served.ledger.all_entries() if "deployment" in entry][-1]
    assert made["deployment"]["rollback"] is True
    assert made["event"]["data"]["message"] == "back"


def test_secrets_schedules_and_the_subdomain(client: Cloudflare) -> None:
    """Set, read back and taken away."""
    scripts = client.workers.scripts
    scripts.secrets.update(_NAME, account_id=_ACCOUNT, name="weird.name", text=SECRETS["API_KEY"], type="secret_text")
    names = [secret.name for secret in islice(scripts.secrets.list(_NAME, account_id=_ACCOUNT), _MANY)]
    assert "weird.name" in names
    scripts.secrets.delete("weird.name", account_id=_ACCOUNT, script_name=_NAME)
    names = [secret.name for secret in islice(scripts.secrets.list(_NAME, account_id=_ACCOUNT), _MANY)]
    assert "weird.name" not in names
    scripts.schedules.update(_NAME, account_id=_ACCOUNT, body=[{"cron": "*/5 * * * *"}])
    schedules = scripts.schedules.get(_NAME, account_id=_ACCOUNT).schedules
    assert [schedule.cron for schedule in schedules] == ["*/5 * * * *"]
    scripts.subdomain.create(_NAME, account_id=_ACCOUNT, enabled=True)
    assert scripts.subdomain.get(_NAME, account_id=_ACCOUNT).enabled is True


def test_what_is_not_there_is_an_error_of_the_client_s_own_kind(client: Cloudflare) -> None:
    """404 and 400 become its exceptions, with the platform's codes."""
    with pytest.raises(NotFoundError) as missing:
        client.workers.scripts.versions.get("0" * 8, account_id=_ACCOUNT, script_name="nobody")
    assert missing.value.errors[0].code == 10007
    other = ("index.js", b"export default {}\n", "application/javascript+module")
    with pytest.raises(BadRequestError) as refused:
        client.workers.scripts.update(_NAME, account_id=_ACCOUNT, metadata={"main_module": "none.js"}, files=[other])
    assert refused.value.errors[0].code == 10021
