"""`secret test`: which versions and deployments held a value, worked out by hand."""

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from hmac import digest
from pathlib import Path

import pytest

from ledger.errors import NotFoundError, UsageError
from ledger.query.opened import OpenLedger, open_ledger
from ledger.query.secrettest import held
from tests.query.build import START, Json, deployment, entry, version, write_ledger

KEY = bytes(range(32))


def _version(number: int, value: str | None) -> Json:
    """A version whose secret KEY has this value; None: recorded without a MAC."""
    secret = {} if value is None else {"mac": digest(KEY, value.encode(), "sha256").hex()}
    return version(number, config={"secrets": {"KEY": secret}})


STEPS = [
    entry(0, "deployed", version=_version(1, "old"), deployment=deployment(1, {1: 100})),
    entry(10, "uploaded", version=_version(2, "new")),
    entry(20, "deployed", deployment=deployment(2, {1: 75, 2: 25})),
    entry(30, "deployed", version=_version(3, None), deployment=deployment(3, {3: 100})),
    entry(40, "deployed", deployment=deployment(4, {1: 100, 2: 0})),
    entry(50, "uploaded", version=_version(4, "new")),
]


def write_secrets(root: Path, *, key: bool = True) -> Path:
    """A ledger of these steps, and the key of the account beside it."""
    write_ledger(root, [STEPS])
    accounts = root / "keys" / "accounts"
    accounts.mkdir(parents=True)
    if key:
        name = sha256(b"acme").hexdigest()[:32]
        text = json.dumps({"account": "acme", "key": base64.b64encode(KEY).decode()})
        (accounts / f"{name}.json").write_text(text)
    return root


@pytest.fixture
def secrets(tmp_path: Path) -> Iterator[OpenLedger]:
    """The ledger, opened."""
    with open_ledger(str(write_secrets(tmp_path))) as ledger:
        yield ledger


def _told(ledger: OpenLedger, value: bytes, minute: float = 99) -> list[tuple[object, ...]]:
    def minutes(moment: object) -> float | None:
        return None if moment is None else (moment - START).total_seconds() / 60  # type: ignore[operator]

    found = held(ledger, "shop", "KEY", value, at=START + timedelta(minutes=minute))
    return [
        (row.match, row.number, row.deployment_number, row.percentage, minutes(row.live_from), minutes(row.live_to))
        for row in found
    ]


UNKNOWN = ("unknown", 3, 3, 100, 30, 40)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"old", [("same", 1, 1, 100, 0, 20), ("same", 1, 2, 75, 20, 30), UNKNOWN, ("same", 1, 4, 100, 40, None)]),
        # To nobody, as deployment 4 serves it, is not live; version 4 never was.
        (b"new", [("same", 2, 2, 25, 20, 30), UNKNOWN, ("same", 4, None, None, None, None)]),
        (b"new\n", [("same", 2, 2, 25, 20, 30), UNKNOWN, ("same", 4, None, None, None, None)]),
        (b"new\r\n", [("same", 2, 2, 25, 20, 30), UNKNOWN, ("same", 4, None, None, None, None)]),
        (b"other", [UNKNOWN]),
        (b"new ", [UNKNOWN]),
        (b"\xff\x00", [UNKNOWN]),
    ],
)
def test_versions_and_times_that_held_a_value(
    secrets: OpenLedger, value: bytes, expected: list[tuple[object, ...]]
) -> None:
    """Each deployment that served it, from when to when; without a MAC nobody can say."""
    assert sorted(_told(secrets, value), key=str) == sorted(expected, key=str)


def test_as_of_a_time_what_came_later_is_not_known(secrets: OpenLedger) -> None:
    """At minute 25 version 1 was still live with 75 %."""
    assert _told(secrets, b"old", 25) == [("same", 1, 1, 100, 0, 20), ("same", 1, 2, 75, 20, None)]


@pytest.mark.parametrize("value", [b"", b"\n", b"\r\n"])
def test_no_value_is_a_mistake(secrets: OpenLedger, value: bytes) -> None:
    """An empty pipe is most likely a command that failed."""
    with pytest.raises(UsageError) as caught:
        held(secrets, "shop", "KEY", value)
    assert caught.value.code == "no_value"


def test_an_unknown_secret_is_not_found(secrets: OpenLedger) -> None:
    """Rather than never having held the value."""
    with pytest.raises(NotFoundError) as caught:
        held(secrets, "shop", "KEYS", b"old")
    assert caught.value.code == "secret_not_found"


def test_without_keys_nothing_can_be_tested(tmp_path: Path, ledger: OpenLedger) -> None:
    """Neither without a key store nor without the account's key in it."""
    with pytest.raises(UsageError) as caught:
        held(ledger, "shop", "KEY", b"old", account="acme")
    assert caught.value.code == "needs_keys"
    with open_ledger(str(write_secrets(tmp_path, key=False))) as keyless, pytest.raises(NotFoundError) as missing:
        held(keyless, "shop", "KEY", b"old")
    assert missing.value.code == "account_key_missing"
