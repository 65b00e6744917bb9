"""The live view of the real data: equal to the fold's state and to what the questions answer."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ledger.live.made import LiveDeployment, LiveVersion
from ledger.live.view import LiveLedger, open_live
from ledger.model import ids
from ledger.query import questions
from ledger.query.opened import OpenLedger, open_ledger
from tests.query.real import write_real


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the real data's ledger."""
    return write_real(tmp_path_factory.mktemp("real") / "ledger")


@pytest.fixture(scope="module")
def live(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveLedger]:
    """That ledger, followed; started from a snapshot."""
    cache = tmp_path_factory.mktemp("cache")
    with open_live(str(root), cache=cache) as first:
        etag = first.etag()
    with open_live(str(root), cache=cache) as opened:
        assert opened.etag() == etag
        yield opened


@pytest.fixture(scope="module")
def asked(root: Path) -> Iterator[OpenLedger]:
    """The same, opened for questions."""
    with open_ledger(str(root)) as opened:
        yield opened


def busiest(live: LiveLedger) -> tuple[str, str]:
    """Account and name of the script with the most versions."""
    scripts = (script for account in live.accounts() for script in live.scripts(account))
    script = max(scripts, key=lambda script: script.version_count)
    return script.account, script.name


def test_the_scripts_are_those_that_the_questions_name(live: LiveLedger, asked: OpenLedger) -> None:
    """Those that exist, by account and name, with what serves."""
    rows = questions.scripts(asked)
    named = {(row.account, row.script): row for row in rows if row.state in {"active", "uploaded"}}
    found = {(script.account, script.name): script for name in live.accounts() for script in live.scripts(name)}
    assert sorted(found) == sorted(named)
    for name, script in found.items():
        active = script.script.active
        assert (active.id if active else None) == named[name].deployment
        assert live.by_tag(script.account, ids.script_tag(*name)) is script


def test_deployments_and_versions_are_those_that_the_questions_list(live: LiveLedger, asked: OpenLedger) -> None:
    """Of the busiest script, the newest ten and all that came before."""
    account, name = busiest(live)
    script = live.script(account, name)
    assert script is not None
    deployments = questions.deployments(asked, name, account=account, limit=None)
    assert _deployments(script.deployments) == [row.deployment for row in deployments[:10]]
    everything = [one for skip in range(0, script.deployment_count, 7) for one in script.more_deployments(skip, 7)]
    assert _deployments(everything) == [row.deployment for row in deployments[: script.deployment_count]]
    for live_row, row in zip(everything, deployments, strict=False):
        assert live_row.effective_at == row.effective_at.isoformat().replace("+00:00", "Z")
        assert (live_row.message, live_row.tag, live_row.interface) == (row.message, row.tag, row.interface)
        actor = live.names.actor(account, live_row.actor)
        assert actor is not None
        assert (actor.email, f"{live_row.shard}/{live_row.index}") == (row.author, row.entry)
    versions = questions.versions(asked, name, account=account, limit=None)
    assert _versions(script.more_versions(0, 1000)) == [row.version for row in versions[: script.version_count]]
    assert list(script.more_versions(script.version_count, 10)) == []


def _deployments(found: Sequence[LiveDeployment]) -> list[str]:
    return [deployment.id for deployment in found]


def _versions(found: Sequence[LiveVersion]) -> list[str]:
    return [version.id for version in found]
