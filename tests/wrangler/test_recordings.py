"""The recordings are whole, and replaying them works, on an API that is known to fit them."""

import tempfile
from pathlib import Path

import pytest

from tests.wrangler.recording import FIXTURES, Exchange, Step, body_of, exchange, read, write
from tests.wrangler.replay import Replayer, replay
from tests.wrangler.serving import recorder, standing_in
from tests.wrangler.tools import VERSIONS

_MAX_BYTES = 300_000


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recording_has_every_kind_of_command_of_its_version(version: str) -> None:
    """Each was recorded whole: from the first deploy of the first scene to the last of the last."""
    steps = list(read(FIXTURES / f"{version}.jsonl.zst"))
    names = [step.name for step in steps]
    assert len(names) == len(set(names))
    scenes = {name.partition("-")[0] for name in names}
    wanted = {"life", "kinds", "service", "secrets", "places"}
    assert scenes == (wanted if version.startswith("2.") else wanted | {"splits", "site"})
    agents = {sent.headers.get("user-agent") for step in steps for sent in step.exchanges}
    assert f"wrangler/{version}" in agents
    assert all(step.output and step.exchanges for step in steps if step.name != "site-no-script-unchanged")


def test_the_recordings_are_small() -> None:
    """All of them together are a few hundred KB at most."""
    assert sum(path.stat().st_size for path in FIXTURES.iterdir()) < _MAX_BYTES


def test_the_recordings_hold_no_token_and_no_folder_of_who_made_them() -> None:
    """What was cleaned away stays away."""
    for path in FIXTURES.iterdir():
        for step in read(path):
            assert "test-token" not in str(step)
            assert tempfile.gettempdir() + "/" not in step.output, step.output


@pytest.mark.parametrize("version", VERSIONS)
def test_a_replay_maps_ids(version: str) -> None:
    """On a platform that numbers otherwise every recorded request is answered as it was, though later ones name ids."""
    with recorder(standing_in(first=7000)) as server:
        replayer = Replayer(server.url, "any")
        try:
            played = list(replay(read(FIXTURES / f"{version}.jsonl.zst"), replayer))
        finally:
            replayer.close()
        asked = server.taken()
    assert len(asked) == len(played) > 100
    assert [item.sent.path for item in played if not item.agrees] == []
    for item, kept in zip(played, asked, strict=True):
        same = {name: value for name, value in item.sent.headers.items() if name != "transfer-encoding"}
        assert {name: value for name, value in kept.headers.items() if name in same} == same
        assert ("transfer-encoding" in kept.headers) == ("transfer-encoding" in item.sent.headers)
    named = [
        item.sent.path for item in played if "0000000-0000-4000-8000-" in item.sent.path and item.reply.status == 200
    ]
    assert [path for path in named if path in {kept.path for kept in asked}] == []


def test_bytes_that_are_no_text_come_back(tmp_path: Path) -> None:
    """A body is kept byte for byte, text or not, and no header beside those that matter."""
    headers = [("Authorization", "Bearer x"), ("Content-Type", "application/octet-stream")]
    bodies = [b"\xff\x00\r\n", "Grüße".encode(), b""]
    kept = [exchange("PUT", "/a?b=c&d", headers, body, 200, {"result": None}) for body in bodies]
    path = tmp_path / "some.jsonl.zst"
    write(path, [Step(name="one", arguments=["publish"], exchanges=kept)])
    (step,) = read(path)
    assert [body_of(item) for item in step.exchanges] == bodies
    assert step.exchanges[0] == Exchange(
        method="PUT",
        path="/a",
        query="b=c&d",
        headers={"content-type": "application/octet-stream"},
        base64="/wANCg==",
        answer={"result": None},
    )
