"""The stores that the contract suite runs against."""

from pathlib import Path

import pytest

from ledger.storage.local import LocalStore
from ledger.storage.objects import ObjectStore
from ledger.storage.store import Store


@pytest.fixture(params=["local", "objects"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store of each kind."""
    return LocalStore(tmp_path / "root") if request.param == "local" else ObjectStore("memory:///")
