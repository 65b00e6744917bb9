"""`ledger tiles`: a directory for each shard, grown by running it again."""

import json
from pathlib import Path

import pytest

from ledger.storage.local import LocalStore
from tests.cli.conftest import Run
from tests.cli.proofs import write_ledger
from tests.log.rig import Log, append, story


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_every_shard_has_a_directory(run: Run, tmp_path: Path) -> None:
    """An empty one has none; the checkpoint is the newest."""
    root, out = write_ledger(tmp_path / "audit", shards=2), tmp_path / "tiles"
    code, printed, _ = run("tiles", str(out), "--ledger", str(root), "--json")
    assert code == 0
    assert [(row["log"], row["before"], row["size"]) for row in json.loads(printed)] == [
        ("test/0000", 0, 60),
        ("test/0001", 0, 0),
    ]
    assert (out / "0000" / "checkpoint").read_text() == run("checkpoint", "--ledger", str(root), "--shard", "0")[1]
    assert not (out / "0001").exists()
    assert run("tiles", str(out), "--ledger", str(root), "--shard", "2")[0] == 4


def test_running_it_again_extends(run: Run, tmp_path: Path) -> None:
    """With what the log has now."""
    log = Log(LocalStore(tmp_path / "audit"), LocalStore(tmp_path / "audit" / "keys"))
    records, out = story(50), str(tmp_path / "tiles")
    append(log.open(), records[:20])
    assert run("tiles", out, "--ledger", str(tmp_path / "audit"))[0] == 0
    append(log.open(), records[20:])
    row = json.loads(run("tiles", out, "--ledger", str(tmp_path / "audit"), "--json")[1])[0]
    assert (row["before"], row["size"], row["files"]) == (20, 50, 3)


def test_the_directory_of_another_ledger_is_refused(run: Run, tmp_path: Path) -> None:
    """Exit code 3, and what is there."""
    for name in ("one", "two"):
        write_ledger(tmp_path / name)
    out = str(tmp_path / "tiles")
    assert run("tiles", out, "--ledger", str(tmp_path / "one"))[0] == 0
    code, _, err = run("tiles", out, "--ledger", str(tmp_path / "two"))
    assert (code, "is not of this log" in err) == (3, True)
