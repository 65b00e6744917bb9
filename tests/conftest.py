"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest

pytest_plugins = ["tests.kafka.rig"]


@pytest.fixture(autouse=True)
def _state_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees what another one, or whoever runs the tests, has verified, cached or configured."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state-of-user"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache-of-user"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-of-user"))
    for name in [name for name in os.environ if name.startswith("LEDGER_") and name != "LEDGER_REQUIRE"]:
        monkeypatch.delenv(name)
