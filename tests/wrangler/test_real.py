"""The real wranglers against the real thing, where they are installed: what they print, and what stands in the log."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from ledger.verify.api import verify
from tests.kafka.brokers import Broker
from tests.wrangler.driver import Driver
from tests.wrangler.recording import FIXTURES, read
from tests.wrangler.replay import Json
from tests.wrangler.scenes import play
from tests.wrangler.served import EMAIL, Whole, whole
from tests.wrangler.test_replay import check_no_secret
from tests.wrangler.tools import VERSIONS, wanted

_PATIENCE_S: Final = 900

pytestmark = [pytest.mark.slow, pytest.mark.timeout(_PATIENCE_S)]

_ID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class Played:
    """A version that has played all its scenes."""

    def __init__(self, driver: Driver, served: Whole) -> None:
        self.driver = driver
        self.served = served
        self.version = driver.version
        self.major = driver.major

    def printed(self, step: str) -> str:
        """What it printed."""
        return self.driver.named(step).output

    def entries(self, script: str) -> list[Json]:
        """The entries of a script, in their order."""
        return [entry for entry in self.served.ledger.all_entries() if entry["event"]["subject"] == script]


@pytest.fixture(scope="module", params=VERSIONS)
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tansu: Broker) -> Iterator[Played]:
    """Each version that is installed, having played every scene against a ledger of its own."""
    program: Path = wanted(request.param)
    directory = tmp_path_factory.mktemp("real")
    with whole(directory / "served", tansu, at_most_s=_PATIENCE_S) as served:
        driver = Driver(
            version=request.param,
            program=program,
            directory=directory / "projects",
            url=served.server.url,
            token=served.token,
            account="acme",
        )
        play(driver)
        yield Played(driver, served)
    check_no_secret(served)


def blocks(output: str, first: str) -> list[str]:
    """A list's items, each from the line that begins with `first` on."""
    return [first + rest for rest in f"\n{output}".split(f"\n{first}")[1:]]


def test_every_command_was_played(played: Played) -> None:
    """All steps ended as they did when they were recorded: `play` checks each one's exit code."""
    recorded = [step.name for step in read(FIXTURES / f"{played.version}.jsonl.zst")]
    assert [ran.name for ran in played.driver.ran] == recorded


def test_the_list_of_deployments_is_the_log_s(played: Played) -> None:
    """Every deployment, in the order of the log, the last one active, with who and how."""
    made = [entry["deployment"]["id"] for entry in played.entries("tiny") if "deployment" in entry]
    deleted = [place for place, entry in enumerate(played.entries("tiny")) if entry["outcome"] == "deleted"]
    assert len(deleted) == 1
    before = [entry["deployment"] for entry in played.entries("tiny")[: deleted[0]] if "deployment" in entry]
    output = played.printed("life-list")
    if played.major < 3:
        items = blocks(output, "Deployment ID:")
        listed = [re.findall(_ID, item)[0] for item in items]
        assert listed == [deployment["id"] for deployment in before[: len(items)]]
        assert len(listed) == 3
        assert [("Active" in item) for item in items] == [False, False, True]
        assert all(f"Author: {EMAIL}" in " ".join(item.split()) for item in items)
    else:
        items = blocks(output, "Created:")
        versions = [re.findall(_ID, item)[0] for item in items]
        assert versions == [next(iter(deployment["versions"])) for deployment in before[: len(items)]]
        assert len(versions) == 3
        assert all(EMAIL in item for item in items)
    again = played.printed("life-list-again")
    listed_again = set(re.findall(_ID, again))
    last = played.entries("tiny")[-1]
    assert made[-1] not in {deployment["id"] for deployment in before}
    shown = {made[-1]} if played.major < 3 else set(last.get("version", {}).get("id", "").split())
    newest = [entry for entry in played.entries("tiny") if "deployment" in entry][-1]
    assert listed_again == (shown or set(newest["deployment"]["versions"]))


def test_what_a_deploy_prints_is_what_it_made(played: Played) -> None:
    """2.x prints the deployment's id, later ones the version's; one that changes nothing prints what is there."""
    first, second, unchanged = (played.driver.named(f"life-{step}").id for step in ("first", "second", "unchanged"))
    assert unchanged == second
    made = [entry for entry in played.entries("tiny") if "version" in entry][:2]
    if played.major < 3:
        assert [first, second] == [entry["deployment"]["id"] for entry in made]
    else:
        assert [first, second] == [entry["version"]["id"] for entry in made]


def test_a_rollback_is_shown_as_one(played: Played) -> None:
    """It says from what and why, and the list marks it."""
    if played.version == "2.6.2":
        return
    first = played.driver.named("life-first").id
    if played.version == "2.21.3":
        assert f"Successfully rolled back to Deployment ID: {first}" in played.printed("life-rollback")
        items = blocks(played.printed("life-after"), "Deployment ID:")
        assert ["Rollback" in item for item in items] == [False, False, False, True, True]
        assert f"Rollback from: {first}" in " ".join(items[3].split())
        assert "bad release" in items[3]
        assert ["Active" in item for item in items] == [False] * 4 + [True]
    else:
        assert f"Worker Version {first} has been deployed to 100% of traffic" in played.printed("life-rollback")
        items = blocks(played.printed("life-after"), "Created:")
        assert "older still" in items[-1]
        assert first in items[-1]
        assert "bad release" in items[-2]
        assert [entry["deployment"]["rollback"] for entry in played.entries("tiny") if "deployment" in entry][3:5] == [
            True,
            True,
        ]


def test_a_version_is_shown_with_what_it_holds(played: Played) -> None:
    """Bindings, vars, message and tag of the version that was asked for."""
    if played.version == "2.6.2":
        return
    output = played.printed("life-view")
    for words in ("KV", "1" * 32, "GREETING", *(() if played.major == 3 else ("OBJ",))):  # 3 prints no JSON
        assert words in output
    if played.major >= 4:
        assert "zweite Fassung: größer" in output
        assert "v1.2.3" in output


def test_a_deleted_script_is_gone(played: Played) -> None:
    """Nothing is listed after it was deleted, and the next life begins with one deployment and goes on counting."""
    code = 10090 if played.major < 3 else 10007
    assert f"[code: {code}]" in played.printed("life-gone")
    numbers = [entry["version"]["number"] for entry in played.entries("tiny") if "version" in entry]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_split_is_shown(played: Played) -> None:
    """Shares, in per cent, of the versions that were named."""
    if played.major < 3:
        return
    assert "20%" in played.printed("splits-status")
    assert "80%" in played.printed("splits-status")
    for share in ("12.5%", "33.333%", "54.167%"):
        assert share in played.printed("splits-three")
    assert "latest version of your Worker isn't currently deployed" in played.printed("splits-secret")
    assert "multiple versions" in played.printed("splits-deploy-over")
    shares = [entry["deployment"]["versions"] for entry in played.entries("canary") if "deployment" in entry]
    assert [sorted(share.values()) for share in shares] == [
        [100],
        [20, 80],
        [12.5, 33.333, 54.167],
        [33.333, 33.333, 33.334],
        [0, 100],
        [0.5, 99.5],
        [100],
        [100],
    ]


def test_secrets_are_listed_by_name(played: Played) -> None:
    """Names and nothing more."""
    listed = re.findall(r'"name": "([^"]+)"', played.printed("secrets-list"))
    if not listed:
        listed = re.findall(r"Secret Name: (\S+)", played.printed("secrets-list"))
    assert sorted(listed) == ["API_KEY", "DB_PASS", "TOKEN", "weird.name"]


def test_a_route_of_another_script_is_seen(played: Played) -> None:
    """Wrangler refuses to take it, names its owner, and takes it all the same when told that it may."""
    said = played.printed("places-not-mine")
    assert "assigned to another worker" in said
    assert '"owner"' in said
    assert "owned.shop.example/*" in said


def test_required_secrets_are_missed(played: Played) -> None:
    """Wrangler 4 names those that are not there, and goes on once they are."""
    if played.major < 4:
        return
    assert "required secrets have not been set: NEEDED" in played.printed("secrets-required")


def test_modules_come_back_as_they_were(played: Played) -> None:
    """`versions secret put` downloads a version's modules and sends them again: its code is the same, byte for byte."""
    if played.major < 3:
        return
    made = [entry["version"] for entry in played.entries("vault") if "version" in entry]
    codes = [version["manifest"]["code"] for version in made]
    deployed = next(code for code in codes if code["main"] == "index.js")
    assert [code for code in codes[codes.index(deployed) :] if code != deployed] == []


def test_the_log_of_it_verifies(played: Played) -> None:
    """All of it, and nothing was refused by the fold."""
    report = verify(played.served.ledger.store)
    assert report.ok, report.problems
    assert not [entry for entry in played.served.ledger.all_entries() if entry["outcome"] in {"rejected", "duplicate"}]
