"""What a person's key is for: a pseudonym, sealing who they are, and opening it again for readers."""

from base64 import b64decode, b64encode
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from ledger.errors import IntegrityError, StoreError
from ledger.storage.keyfiles import PERSON_KEY_BYTES, check_key, people_prefix, read_key
from ledger.storage.macs import Mac
from ledger.storage.store import Store

__all__ = ["PeopleReader", "Person", "pseudonym_of"]

_PSEUDONYM_DIGITS: Final = 32
_REMEMBERED_SEALS: Final = 64


def pseudonym_of(key: bytes, actor_id: str) -> str:
    """32 hex digits: the first 16 bytes of HMAC-SHA256(person key, actor id)."""
    return Mac(key)(actor_id.encode())[:_PSEUDONYM_DIGITS]


class Person:
    """A person as the log knows them, with their key (64 bytes, for HMAC-SHA256 and for AES-256-SIV, RFC 5297).

    Args:
        account: the account that they act in; bound to what is sealed.
        pseudonym: how the log names them, 32 hex digits.
        key: 64 bytes.
    """

    __slots__ = ("_associated", "_seals", "_siv", "account", "mac", "pseudonym")

    def __init__(self, account: str, pseudonym: str, key: bytes) -> None:
        self.account = account
        self.pseudonym = pseudonym
        self.mac = Mac(key)
        self._siv = AESSIV(key)
        self._associated = [account.encode()]
        self._seals: dict[bytes, str] = {}

    def seal(self, actor_json: bytes) -> str:
        """Encrypt who they are (base64). Deterministic, so that replays agree; one actor's are remembered, they repeat much."""
        sealed = self._seals.get(actor_json)
        if sealed is None:
            if len(self._seals) >= _REMEMBERED_SEALS:
                self._seals.clear()
            sealed = self._seals[actor_json] = b64encode(self._siv.encrypt(actor_json, self._associated)).decode()
        return sealed

    def unseal(self, sealed: str) -> bytes:
        """Decrypt what `seal` made.

        Raises:
            IntegrityError: `bad_seal`, where it was made with another key, for another account, or was changed.
        """
        try:
            return self._siv.decrypt(b64decode(sealed, validate=True), self._associated)
        except (ValueError, InvalidTag) as error:
            message = f"the sealed identity of {self.pseudonym} can't be opened with their key"
            raise IntegrityError("bad_seal", message, "verify the ledger, and that these are its keys") from error

    def __repr__(self) -> str:
        return f"Person({self.account!r}, {self.pseudonym!r})"


class PeopleReader:
    """Names people for readers, as far as their keys exist. Needs no signing key and writes nothing.

    Reads an account's keys once, at the first question about it; open another one to see what came after.

    Args:
        store: the key store's; one that is missing or not readable for this user is one without keys.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._accounts: dict[str, dict[str, Person]] = {}

    def identity(self, account: str, pseudonym: str, sealed: str) -> bytes | None:
        """Who is behind a pseudonym: the actor's JSON, or None where there is no key (never was one here, or it was erased).

        Raises:
            IntegrityError: `malformed_key`, or `bad_seal` where the key exists and does not fit.
        """
        people = self._accounts.get(account)
        if people is None:
            people = self._accounts[account] = self._read(account)
        person = people.get(pseudonym)
        return None if person is None else person.unseal(sealed)

    def _read(self, account: str) -> dict[str, Person]:
        people: dict[str, Person] = {}
        try:
            for name in self._store.list(people_prefix(account)):
                key_file = read_key(self._store, name)
                if key_file is not None and key_file.account == account:  # None: erased since it was listed
                    key = check_key(key_file.key, PERSON_KEY_BYTES, name)
                    people[key_file.pseudonym] = Person(account, key_file.pseudonym, key)
        except StoreError as error:
            if error.code != "permission_denied":
                raise
        return people
