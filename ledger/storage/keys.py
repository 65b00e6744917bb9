"""The ledger's keys: signing, ledger, one for each account, one for each person.

They lie in a store of their own (mode 0600 where it is local), apart from the log:

    signing.json                              {"name", "seed"}    Ed25519, signs the checkpoints of all shards
    ledger.json                               {"name", "key"}     MACs of records without an actor
    accounts/<account id>.json                {"account", "key"}  MACs of secrets' values
    people/<account id>/<person id>.json      {"account", "pseudonym", "key"}

where an account's id is the first 32 hex digits of SHA-256(account), a person's the hex HMAC-SHA256(account key, actor id): a
person's key can be found by the actor's id, and nothing in it names them. To erase a person is to delete that key.
Keys are never logged; no `repr` shows one.
"""

import secrets
from typing import Final

from ledger.errors import IntegrityError, NotFoundError, StoreConflictError, UsageError
from ledger.proof.notes import Signer
from ledger.storage.keyfiles import (
    ACCOUNT_KEY_BYTES,
    PEOPLE,
    PERSON_KEY_BYTES,
    KeyFile,
    account_name,
    check_key,
    person_name,
    read_account_key,
    read_key,
)
from ledger.storage.macs import Mac
from ledger.storage.people import PeopleReader, Person, pseudonym_of
from ledger.storage.store import Store

__all__ = ["KeyRaceError", "KeyStore", "Mac", "PeopleReader", "Person", "Staged", "read_account_key"]

_SIGNING: Final = "signing.json"
_LEDGER: Final = "ledger.json"
_SEED_BYTES: Final = 32
_LEDGER_KEY_BYTES: Final = 32


Staged = tuple[tuple[str, bytes], ...]
"""New keys that are not stored yet: name and content of their files."""


class KeyRaceError(StoreConflictError):
    """Another worker made one of the keys first. What used ours is of no use: fold again with `fresh` keys, which finds the stored ones."""


class KeyStore:
    """The keys of one ledger, for one writer. New keys are *staged*: in memory until they are taken and kept.

    A segment must not be written before the keys that it uses are kept: a crash between would leave MACs and sealed
    identities that nobody can ever check or open. Not for use from several threads at once, but for `keep` and `stored_people`. Keys
    that were read stay in memory until `forget_erased`, so a process that runs goes on using a person's key that was erased meanwhile.

    Open with `KeyStore.open`, make with `KeyStore.create`.
    """

    def __init__(self, store: Store, name: str, seed: bytes, ledger_key: bytes) -> None:
        self._store = store
        self._seed = seed
        self._accounts: dict[str, bytes] = {}
        self._people: dict[tuple[str, str], Person] = {}
        self._staged: dict[str, bytes] = {}
        self._stored: dict[str, tuple[str, str]] = {}
        """Files of people's keys that were seen on storage, and whose they are in `_people`;"""
        self._fresh: dict[str, tuple[str, str]] = {}
        """likewise of keys that were made here;"""
        self._kept: set[str] = set()
        """and which of these were made durable since it was last asked for."""
        self._own_accounts: set[str] = set()
        """Accounts whose key was made here: no person of theirs can be stored that was not made here too."""
        self._ledger_key = ledger_key
        self.name = name
        self.ledger = Mac(ledger_key)

    @classmethod
    def create(cls, store: Store, name: str) -> "KeyStore":
        """Make the signing key and the ledger key of a new ledger; durable on return.

        Raises:
            StoreConflictError: `keys_exist`, where there is a signing key already; nothing is changed.
        """
        # The signing key is written last and decides: after a crash between the two, creating again keeps the ledger key.
        store.put_many([(_LEDGER, KeyFile(name=name, key=secrets.token_bytes(_LEDGER_KEY_BYTES)).encode())])
        try:
            store.put(_SIGNING, KeyFile(name=name, seed=secrets.token_bytes(_SEED_BYTES)).encode())
        except StoreConflictError as error:
            message = f"{store!r} has a signing key already"
            raise StoreConflictError(
                "keys_exist", message, "open the ledger that it belongs to, or use another directory"
            ) from error
        return cls.open(store, name)

    @classmethod
    def open(cls, store: Store, name: str) -> "KeyStore":
        """Read the signing key and the ledger key of the ledger of that name.

        Raises:
            NotFoundError: `keys_missing`.
            UsageError: `wrong_keys`, where they belong to another ledger.
            IntegrityError: `malformed_key`.
        """
        signing = read_key(store, _SIGNING)
        ledger = read_key(store, _LEDGER)
        if signing is None or ledger is None:
            missing = "signing key" if signing is None else "ledger key"
            hint = (
                "give the ledger's key directory; without its keys a ledger can be read and verified, but not written"
            )
            raise NotFoundError("keys_missing", f"{store!r} has no {missing}", hint)
        if signing.name != name or ledger.name != name:
            raise UsageError(
                "wrong_keys", f"the keys in {store!r} are not those of {name}", "give this ledger's key directory"
            )
        seed = check_key(signing.seed, _SEED_BYTES, _SIGNING)
        return cls(store, name, seed, check_key(ledger.key, _LEDGER_KEY_BYTES, _LEDGER))

    def signer(self, origin: str) -> Signer:
        """The signing key under the name of a shard's log (`<ledger name>/<shard, 4 digits>`)."""
        return Signer(origin, self._seed)

    def vkey(self, name: str) -> str:
        """The public signing key as text, under a name: the ledger's, or an origin."""
        return self.signer(name).vkey

    def account(self, account: str) -> bytes:
        """The account's key, 32 bytes; made and staged where there is none."""
        key = self._accounts.get(account)
        if key is None:
            key = read_account_key(self._store, account)
            if key is None:
                key = secrets.token_bytes(ACCOUNT_KEY_BYTES)
                self._staged[account_name(account)] = KeyFile(account=account, key=key).encode()
                self._own_accounts.add(account)
            self._accounts[account] = key
        return key

    def person(self, account: str, actor_id: str) -> Person:
        """The key of the person that acts in an account under this id; made and staged where there is none."""
        found = self._people.get((account, actor_id))
        return found if found is not None else self._load_person(account, actor_id)

    def fresh(self) -> "KeyStore":
        """The same keys as they are stored: nothing staged, nothing remembered."""
        return KeyStore(self._store, self.name, self._seed, self._ledger_key)

    def take_staged(self) -> Staged:
        """The keys that were staged since the last time; whoever takes them keeps them, or drops all that used them."""
        staged = tuple(self._staged.items())
        self._staged.clear()
        return staged

    def keep(self, staged: Staged) -> None:
        """Make keys durable, together. Uses nothing that others use but one set, so another thread may do it.

        Raises:
            KeyRaceError: `key_race`: another worker made one of them first, and the stored one wins.
            StoreError: which of them were stored is unknown.
        """
        if not staged:
            return
        created = self._store.put_many(staged)
        if not all(created):
            # An account's key that lost leaves people's keys whose names were derived from it: nobody will look for them, and
            # nothing was sealed with them. They are made again under the account's stored key.
            count = created.count(False)
            raise KeyRaceError(
                "key_race", f"another worker made {count} of {len(created)} new keys first", "read again and repeat"
            )
        self._kept.update(name for name, _ in staged)

    @property
    def staged(self) -> int:
        """How many keys wait to be taken."""
        return len(self._staged)

    def stored_people(self) -> frozenset[str]:
        """The names of the files of people's keys. Another thread may ask.

        Raises:
            StoreError: they cannot be listed.
        """
        return frozenset(self._store.list(PEOPLE))

    def forget_erased(self, stored: frozenset[str]) -> bool:
        """Forget the people whose keys are no longer stored; what is forgotten in error is read again.

        Args:
            stored: what `stored_people` said a short while ago.

        Returns:
            Whether anybody was forgotten.
        """
        while self._kept:
            name = self._kept.pop()
            if name in self._fresh:
                self._stored[name] = self._fresh.pop(name)
        gone = [name for name in self._stored if name not in stored]
        for name in gone:
            person = self._stored.pop(name)
            del self._people[person]
            self._own_accounts.discard(person[0])  # whoever is there now may have been made by another worker
        return bool(gone)

    def erase(self, account: str, actor_id: str) -> str | None:
        """Delete a person's key, durably; what is sealed with it can never be opened again.

        Returns:
            The pseudonym under which the log knows them, or None where there is no such key.
        """
        account_key = read_account_key(self._store, account)
        if account_key is None:
            return None
        name = person_name(account, account_key, actor_id)
        key_file = read_key(self._store, name)
        if key_file is None:
            return None
        self._store.delete(name)
        self._people.pop((account, actor_id), None)
        self._stored.pop(name, None)
        return key_file.pseudonym

    def __repr__(self) -> str:
        return f"KeyStore({self.name!r} in {self._store!r}, {len(self._staged)} staged)"

    def _load_person(self, account: str, actor_id: str) -> Person:
        name = person_name(account, self.account(account), actor_id)
        key_file = None if account in self._own_accounts else read_key(self._store, name)
        key = (
            secrets.token_bytes(PERSON_KEY_BYTES)
            if key_file is None
            else check_key(key_file.key, PERSON_KEY_BYTES, name)
        )
        person = Person(account, pseudonym_of(key, actor_id), key)
        if key_file is None:
            self._staged[name] = KeyFile(account=account, pseudonym=person.pseudonym, key=key).encode()
        elif key_file.pseudonym != person.pseudonym or key_file.account != account:
            raise IntegrityError(
                "malformed_key", f"{name} in {self._store!r} is not the key of the person that it is named for"
            )
        self._people[account, actor_id] = person
        if key_file is not None:
            self._stored[name] = account, actor_id
        else:
            self._fresh[name] = account, actor_id
        return person
