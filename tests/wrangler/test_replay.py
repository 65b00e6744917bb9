"""What four wranglers sent is replayed against the real thing: `ledger serve`, a worker and a broker. No Node is needed."""

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from ledger.verify.api import verify
from tests.api.rig import make_token
from tests.kafka.brokers import Broker
from tests.wrangler.recording import FIXTURES, read
from tests.wrangler.replay import Following, Json, Played, Replayer, replay, uploads
from tests.wrangler.scenes import SECRETS
from tests.wrangler.served import EMAIL, Whole, whole
from tests.wrangler.tools import VERSIONS

_UNCHANGED: Final = {
    "kinds-keep-vars",
    "kinds-unchanged",
    "life-unchanged",
    "life-newest-again",
    "places-member",
    "places-taken",
    "secrets-there",
    "secrets-unchanged",
    "service-unchanged",
    "site-no-script-unchanged",
    "site-unchanged",
}
"""Steps whose uploads hold what is there already."""
_ANSWERED_OTHERWISE: Final = {"life-rollback-unknown", "places-service-env"}
"""Steps that fail as they did against the stand-in, with a code that is better than its."""
_ASKS_ONLY: Final = ("/assets-upload-session", "/workers/assets/upload", "/domains/changeset")


class Replay:
    """A version's recording, replayed in an account of its own."""

    def __init__(self, version: str, served: Whole, played: list[Played]) -> None:
        self.version = version
        self.account = account_of(version)
        self.major = int(version.partition(".")[0])
        self.served = served
        self.played = played

    def of(self, step: str) -> list[Played]:
        """What became of a step's requests."""
        return [item for item in self.played if item.step == step]

    def entries(self, step: str) -> list[Json]:
        """The entries that a step made."""
        return [entry for item in self.of(step) for entry in item.entries]

    def all_entries(self) -> list[Json]:
        """The entries of the account, in their order."""
        return [entry for entry in self.served.ledger.all_entries() if entry["account"] == self.account]

    def has(self, step: str) -> bool:
        """Whether this version was recorded doing that."""
        return bool(self.of(step))


def account_of(version: str) -> str:
    """The account in which a version's recording is replayed."""
    return f"acme-{version}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, tansu: Broker) -> Iterator[Whole]:
    """One ledger for all; when it has stopped no secret is in what it wrote."""
    with whole(tmp_path_factory.mktemp("replay"), tansu) as found:
        yield found
    check_no_secret(found)


@pytest.fixture(scope="module", params=VERSIONS)
def replayed(request: pytest.FixtureRequest, served: Whole) -> Replay:
    """Each version's recording in turn."""
    version: str = request.param
    token = make_token(served.ledger.root, version, account=account_of(version), email=EMAIL)
    replayer = Replayer(served.server.url, token, account_of(version))
    try:
        steps = read(FIXTURES / f"{version}.jsonl.zst")
        return Replay(version, served, list(replay(steps, replayer, Following(served.ledger.root))))
    finally:
        replayer.close()


def check_no_secret(served: Whole) -> None:
    """Not one byte that anybody wrote, keys left out, holds a secret's value; nor does a record of the topic."""
    values = [value.encode() for value in SECRETS.values()]
    values += [value.encode("unicode_escape") for value in SECRETS.values() if not value.isascii()]
    written = list(served.files())
    assert any("log" in path.parts for path in written)
    assert served.said in written
    for path in written:
        data = path.read_bytes()
        found = [value for value in values if value in data]
        assert not found, path


def test_every_request_is_answered_as_it_was_recorded(replayed: Replay) -> None:
    """It succeeds where the wrangler could go on, and fails with the code that it acted upon."""
    differing = [
        (item.step, item.sent.method, item.sent.path, item.reply.status, item.reply.body[:200])
        for item in replayed.played
        if not item.agrees and item.step not in _ANSWERED_OTHERWISE
    ]
    assert differing == []
    for item in replayed.played:
        if item.step in _ANSWERED_OTHERWISE and not item.agrees:
            assert 400 <= item.reply.status < 500


def test_one_request_that_changes_something_is_one_entry(replayed: Replay) -> None:
    """Whoever only asks, or is refused, makes none."""
    for item in replayed.played:
        asks = item.sent.method == "GET" or item.sent.path.endswith(_ASKS_ONLY)
        refused = item.reply.status >= 400
        made = [entry["outcome"] for entry in item.entries]
        told = (item.step, item.sent.method, item.sent.path, made)
        assert len(made) == (0 if asks or refused else 1), told
        assert "rejected" not in made, told
        assert "duplicate" not in made, told
    assert sum(len(item.entries) for item in replayed.played) == len(replayed.all_entries())


def test_uploads_come_to_what_they_hold(replayed: Replay) -> None:
    """What is there already is unchanged; everything else makes a version, and deploys it where the request says so."""
    found = uploads(replayed.played)
    assert len(found) > 15
    for step, outcomes in found.items():
        if step in _UNCHANGED:
            assert set(outcomes) == {"unchanged"}, step
    fine = {"deployed"} if replayed.major < 3 else {"deployed", "uploaded"}
    others = {step for step, outcomes in found.items() if step not in _UNCHANGED and not set(outcomes) <= fine}
    assert others == set()


def test_the_newest_version_is_deployed_again_after_a_rollback(replayed: Replay) -> None:
    """3 and 4 upload what the newest version holds, and deploy it by the id that they are told: not the older one that was active."""
    if replayed.major < 3:
        return
    newest = replayed.entries("life-third")[0]["version"]["id"]
    made = [entry["deployment"] for entry in replayed.entries("life-newest-again") if "deployment" in entry]
    assert [(deployment["versions"], deployment["rollback"]) for deployment in made] == [({newest: 100}, False)]


def test_deploying_again_changes_nothing_at_all(replayed: Replay) -> None:
    """Routes, crons, settings and the subdomain are sent every time; not one of them is a change."""
    for step in _UNCHANGED:
        if replayed.has(step) and step.endswith("-unchanged"):
            outcomes = [entry["outcome"] for entry in replayed.entries(step)]
            # the settings come with the second deploy of 3 and 4 for the first time
            assert set(outcomes) - {"changed"} == {"unchanged"}, step
            changed = [entry["changes"] for entry in replayed.entries(step) if entry["outcome"] == "changed"]
            assert all(change[0] == "settings" for changes in changed for change in changes), step


def test_a_rollback_is_one(replayed: Replay) -> None:
    """It makes no version, says so itself, and names what it restores where it was asked for by deployment."""
    steps = [step for step in ("life-rollback", "life-rollback-default", "splits-rollback") if replayed.has(step)]
    assert bool(steps) == (replayed.version != "2.6.2")
    for step in steps:
        (entry,) = replayed.entries(step)
        assert entry["outcome"] == "deployed"
        assert "version" not in entry
        if replayed.major >= 3:
            assert entry["deployment"]["rollback"] is True
        else:
            assert entry["deployment"]["rollback_of"]
    if replayed.version == "2.21.3":
        first, back = replayed.entries("life-first")[0], replayed.entries("life-rollback")[0]
        assert back["deployment"]["rollback_of"] == first["deployment"]["id"]
        assert list(back["deployment"]["versions"]) == [first["version"]["id"]]
        assert back["event"]["data"]["message"] == "bad release"


def test_a_split_is_what_was_asked_for(replayed: Replay) -> None:
    """Fractions are kept, a version without traffic stays named, and the same split again is no change."""
    if replayed.major < 3:
        return
    split, again = replayed.entries("splits-three"), replayed.entries("splits-three-again")
    assert sorted(split[0]["deployment"]["versions"].values()) == [12.5, 33.333, 54.167]
    assert [entry["outcome"] for entry in again if "deploy" in entry["event"]["data"]] == ["unchanged"]
    nothing = replayed.entries("splits-nothing-for-one")[0]
    assert sorted(nothing["deployment"]["versions"].values()) == [0, 100]
    refused = replayed.of("splits-secret")[-1]
    assert (refused.reply.status, refused.reply.json["errors"][0]["code"]) == (400, 10215)


def test_secrets_are_changes_of_secrets(replayed: Replay) -> None:
    """Each names what it sets; the same value again is no change, another is one."""
    outcomes: Callable[[str], list[str]] = lambda step: [entry["outcome"] for entry in replayed.entries(step)]  # noqa: E731
    assert outcomes("secrets-same") == ["unchanged"]
    assert outcomes("secrets-other") == ["deployed"]
    bulk = [change for entry in replayed.entries("secrets-bulk") for change in entry["changes"]]
    wanted = [["config", f"secrets/{name}", "added"] for name in ("API_KEY", "DB_PASS", "weird.name")]
    assert sorted(bulk) == sorted(wanted)
    assert len(replayed.entries("secrets-bulk")) == (3 if replayed.major < 3 else 1)
    if replayed.major >= 3:
        (drop,) = replayed.entries("secrets-next-delete")
        assert drop["outcome"] == "uploaded"
        assert ["config", "secrets/API_KEY", "removed"] in drop["changes"]
        assert drop["event"]["data"]["message"] == "drop"


def test_a_removed_binding_is_a_change_of_its_own_name(replayed: Replay) -> None:
    """What goes and what changes is named, and nothing besides; secrets stay."""
    changes = [change for entry in replayed.entries("kinds-fewer") for change in entry["changes"]]
    assert ["bindings", "CART", "removed"] in changes
    assert ["config", "vars/COUNT", "removed"] in changes
    assert ["config", "vars/LIMITS", "changed"] in changes
    assert ["crons", "*/20 * * * *", "removed"] in changes
    assert not any(change[1].startswith("secrets/") for change in changes)
    replaced = [change for entry in replayed.entries("kinds-var-for-secret") for change in entry["changes"]]
    assert ["config", "secrets/TOKEN", "removed"] in replaced
    assert ["config", "vars/TOKEN", "added"] in replaced


def test_a_route_that_is_taken_names_who_lost_it(replayed: Replay) -> None:
    """The entry of the one has the other's change."""
    taken = [entry for entry in replayed.entries("places-taken") if "others" in entry]
    assert [other["subject"] for entry in taken for other in entry["others"]] == ["owner"]
    assert taken[0]["others"][0]["changes"] == [["routes", "owned.shop.example/*", "removed"]]


def test_everything_says_who_and_with_what(replayed: Replay) -> None:
    """Each entry is from wrangler, by the token, whose identity is sealed; what people are called stands nowhere."""
    for entry in replayed.all_entries():
        data = entry["event"]["data"]
        assert data["interface"] == "wrangler"
        assert data["actor"]["type"] == "token"
        assert data["actor"]["sealed"]
    for path in (replayed.served.ledger.root / "log").rglob("*.zst"):
        assert EMAIL.encode() not in path.read_bytes()


def test_versions_end_page_by_page(replayed: Replay) -> None:
    """Whoever asks for the next page until one is empty comes to an end, with each version once."""
    seen: list[int] = []
    for page in range(1, 20):
        answer = replayed.served.server.ask(
            f"/accounts/{replayed.account}/workers/scripts/vault/versions?page={page}&per_page=2",
            token=replayed.served.token,
        )
        items = answer.json["result"]["items"]
        if not items:
            break
        seen += [item["number"] for item in items]
    else:
        pytest.fail("there is always another page")
    assert seen == list(range(len(seen), 0, -1))
    made = [entry for entry in replayed.all_entries() if entry["event"]["subject"] == "vault"]
    assert len(seen) == sum("version" in entry for entry in made)


def test_the_log_verifies(replayed: Replay) -> None:
    """Everything that came of it can be checked."""
    report = verify(replayed.served.ledger.store)
    assert report.ok, report.problems


def test_no_record_holds_a_secret(replayed: Replay) -> None:
    """What was sent to the topic says that a secret changed, not what it is."""
    records = replayed.served.records()
    assert len(records) >= len(replayed.all_entries())
    for value in SECRETS.values():
        assert not any(value.encode() in record for record in records)
