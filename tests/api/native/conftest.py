"""One server for the tests that only ask; all tokens are made before it starts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.api.tokens import Scope
from tests.api.rig import Server, make_token, serving


@pytest.fixture(scope="module")
def reader(ledger: Path) -> str:
    """A token of all accounts with the scope read: it is shown pseudonyms."""
    return make_token(ledger, "reader", Scope.read)


@pytest.fixture(scope="module")
def of_acme(ledger: Path) -> dict[str, str]:
    """Tokens of the account acme, one that names it and one that fits it, with all scopes but admin."""
    scopes = Scope.read, Scope.audit, Scope.write
    return {
        account: make_token(ledger, f"of-{number}", *scopes, account=account)
        for number, account in enumerate(("acme", "ac*"))
    }


@pytest.fixture(scope="module")
def server(ledger: Path, token: str, reader: str, of_acme: dict[str, str]) -> Iterator[Server]:
    """A server of the ledger, without a broker."""
    with serving(ledger) as running:
        yield running
