"""The files of the key store: their names and their bytes."""

from hashlib import sha256
from typing import Final

import msgspec

from ledger.errors import IntegrityError, NotFoundError
from ledger.storage.macs import Mac
from ledger.storage.store import Store

__all__ = [
    "ACCOUNTS",
    "ACCOUNT_KEY_BYTES",
    "PEOPLE",
    "PERSON_KEY_BYTES",
    "KeyFile",
    "account_name",
    "check_key",
    "people_prefix",
    "person_name",
    "read_account_key",
    "read_key",
]

ACCOUNTS: Final = "accounts/"
PEOPLE: Final = "people/"
ACCOUNT_KEY_BYTES: Final = 32
PERSON_KEY_BYTES: Final = 64


class KeyFile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is in a key's file; which members there are depends on the kind of key. Bytes are base64 in the file."""

    name: str = ""
    """The ledger's name (signing and ledger key)."""
    account: str = ""
    """The account (account and person keys)."""
    pseudonym: str = ""
    """How the log names the person (person keys)."""
    seed: bytes = b""
    """Ed25519 seed (signing key)."""
    key: bytes = b""
    """The key (all others)."""

    def encode(self) -> bytes:
        """The file's bytes."""
        return msgspec.json.encode(self)

    def __repr__(self) -> str:
        return f"KeyFile(name={self.name!r}, account={self.account!r}, pseudonym={self.pseudonym!r})"


def account_name(account: str) -> str:
    """The name of an account's key file."""
    return f"{ACCOUNTS}{_account_id(account)}.json"


def people_prefix(account: str) -> str:
    """The prefix of the key files of an account's people."""
    return f"{PEOPLE}{_account_id(account)}/"


def person_name(account: str, account_key: bytes, actor_id: str) -> str:
    """The name of a person's key file: only who has the account's key can find it by the actor's id."""
    return f"{people_prefix(account)}{Mac(account_key)(actor_id.encode())}.json"


def read_key(store: Store, name: str) -> KeyFile | None:
    """Read a key file, or None where it does not exist.

    Raises:
        IntegrityError: `malformed_key`.
    """
    try:
        data = store.get(name)
    except NotFoundError:
        return None
    try:
        return msgspec.json.decode(data, type=KeyFile)
    except msgspec.MsgspecError:
        # Without the cause: its text could quote what is in the file.
        raise IntegrityError(
            "malformed_key", f"{name} in {store!r} is not a key file", "restore it from a copy"
        ) from None


def read_account_key(store: Store, account: str) -> bytes | None:
    """An account's key, 32 bytes, or None where it has none.

    Raises:
        IntegrityError: `malformed_key`.
    """
    name = account_name(account)
    key_file = read_key(store, name)
    if key_file is None:
        return None
    if key_file.account != account:
        raise IntegrityError("malformed_key", f"{name} in {store!r} is not the key of account {account}")
    return check_key(key_file.key, ACCOUNT_KEY_BYTES, name)


def check_key(key: bytes, size: int, name: str) -> bytes:
    """Give the key back where it has `size` bytes.

    Raises:
        IntegrityError: `malformed_key`.
    """
    if len(key) != size:
        raise IntegrityError(
            "malformed_key", f"the key in {name} has {len(key)} bytes instead of {size}", "restore it from a copy"
        )
    return key


def _account_id(account: str) -> str:
    return sha256(account.encode()).hexdigest()[:32]
