"""One server for the tests that only ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.rig import Server, make_token, serving, write_ledger


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a ledger of two accounts, acme and beta."""
    return write_ledger(tmp_path_factory.mktemp("api") / "ledger")


@pytest.fixture(scope="module")
def token(ledger: Path) -> str:
    """A token of all accounts for everything."""
    return make_token(ledger)


@pytest.fixture(scope="module")
def server(ledger: Path, token: str) -> Iterator[Server]:
    """A server of that ledger, without a broker."""
    with serving(ledger) as running:
        yield running
