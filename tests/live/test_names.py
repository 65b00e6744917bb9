"""Who people are: known as soon as their key is there, and no longer than that."""

from pathlib import Path

import pytest

from ledger.live import names as module
from ledger.live.made import LiveVersion
from ledger.live.names import Names
from ledger.model.said import SealedActor
from ledger.storage.local import LocalStore
from tests.live.rig import Stepping
from tests.log.rig import Log, append, code, event, record


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """A log on disk, with keys beside it."""
    return Log(LocalStore(tmp_path / "ledger"), LocalStore(tmp_path / "keys"))


def versions(stepping: Stepping) -> tuple[LiveVersion, ...]:
    """Of the one script."""
    stepping.step()
    script = stepping.live.script("acme", "shop")
    assert script is not None
    return script.versions


def test_people_are_known_while_their_key_is_there(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever came since, too; and of whom the key is deleted, nothing is known from the next look on."""
    monkeypatch.setattr(module, "_CHECK_S", 0.0)
    stepping = Stepping(log)
    writer = log.open()
    append(writer, [record(0, event("aa", code=code(1)))])
    (first,) = versions(stepping)
    names = stepping.live.names
    actor = names.actor("acme", first.actor)
    assert actor is not None
    assert (actor.id, actor.email, actor.type) == ("u_2", "ana@acme.example", "user")
    epoch = names.epoch("acme")
    assert names.epoch("acme") == epoch
    append(writer, [record(1, event("ab", code=code(2)))])
    second = versions(stepping)[0]
    assert second.pseudonym != first.pseudonym
    assert names.actor("acme", second.actor) is not None
    assert names.epoch("acme") == epoch + 1
    for name in list(log.keys.list("people/")):
        if first.pseudonym is not None and first.pseudonym.encode() in log.keys.get(name):
            log.keys.delete(name)
    assert names.actor("acme", first.actor) is None
    assert names.actor("acme", second.actor) is not None
    assert names.epoch("acme") == epoch + 2


def test_who_cannot_be_known_is_nobody(log: Log) -> None:
    """Without keys, of another account, or with a seal that was made up."""
    stepping = Stepping(log)
    append(log.open(), [record(0, event("a", code=code(1)))])
    (version,) = versions(stepping)
    assert version.actor is not None
    assert Names(None).actor("acme", version.actor) is None
    assert Names(None).epoch("acme") == 0
    assert stepping.live.names.actor("other", version.actor) is None
    assert stepping.live.names.actor("acme", None) is None
    assert stepping.live.names.actor("acme", SealedActor(version.actor.pseudonym, "bm9ib2R5", "user")) is None
