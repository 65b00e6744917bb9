"""Accounts' keys for the MACs of secrets: read once, made and durable before a MAC of theirs leaves this process."""

import threading
from pathlib import Path

from ledger.errors import NotFoundError
from ledger.gateway.refusals import REFUSED, GatewayError
from ledger.storage import layout
from ledger.storage.keys import KeyRaceError, KeyStore, read_account_key
from ledger.storage.macs import Mac
from ledger.storage.opening import open_store
from ledger.storage.store import Store

__all__ = ["AccountKeys", "open_account_keys"]


def open_account_keys(ledger: str, keys: str | None, name: str) -> "AccountKeys":
    """The keys of a ledger's accounts.

    Args:
        ledger: its directory or object store URL.
        keys: where its keys are; None: `keys/` in its directory.
        name: the ledger's.
    """
    location = keys
    if location is None and "://" not in ledger and (Path(ledger) / layout.KEYS).is_dir():
        location = str(Path(ledger) / layout.KEYS)
    store = None if location is None else open_store(location, file_mode=0o600, dir_mode=0o700)
    return AccountKeys(store, name)


class AccountKeys:
    """The keys of accounts. For any thread; reads and writes the key store.

    Args:
        store: of the keys; None where there is none.
        name: the ledger's.
    """

    def __init__(self, store: Store | None, name: str) -> None:
        self._store = store
        self._name = name
        self._lock = threading.Lock()
        self._keys: KeyStore | None = None
        self._known: dict[str, bytes] = {}

    def key(self, account: str) -> bytes:
        """An account's key, 32 bytes; made where there is none.

        Raises:
            GatewayError: this server has no keys.
            IntegrityError, StoreError: they cannot be used.
        """
        found = self._known.get(account)
        if found is None:
            with self._lock:
                found = self._known[account] = self._read(account)
        return found

    def find(self, account: str) -> bytes | None:
        """The same, or None where there is none; raises IntegrityError and StoreError."""
        found = self._known.get(account)
        return found if found is not None or self._store is None else read_account_key(self._store, account)

    def mac(self, account: str) -> Mac:
        """MACs under an account's key; raises as `key`."""
        return Mac(self.key(account))

    def _read(self, account: str) -> bytes:
        try:
            if self._store is None:
                raise NotFoundError("keys_missing", "the ledger's keys are not here")
            keys = (self._keys or KeyStore.open(self._store, self._name)).fresh()
        except NotFoundError:
            raise GatewayError(503, (REFUSED, "this server has no keys, so it can take no secrets")) from None
        self._keys = keys
        while True:
            found = keys.account(account)
            try:
                # Crash here: a key that nothing uses; it is found and used again.
                keys.keep(keys.take_staged())
            except KeyRaceError:
                keys = keys.fresh()  # a worker made it first
                continue
            return found
