"""Who people are, for a process that goes on running: whoever is new is known within a second, and whoever was erased is not."""

import threading
import time
from typing import Final

import msgspec
from msgspec import Struct

from ledger.errors import IntegrityError
from ledger.model.events import Actor
from ledger.model.said import SealedActor
from ledger.storage.keyfiles import people_prefix
from ledger.storage.people import PeopleReader
from ledger.storage.store import Store

__all__ = ["Names"]

_CHECK_S: Final = 1.0

_decode = msgspec.json.Decoder(Actor).decode


class _Known(Struct):
    """The people of an account, as far as somebody asked."""

    reader: PeopleReader
    files: frozenset[str]
    checked: float
    epoch: int
    actors: dict[str, Actor | None] = {}
    """By what is sealed."""


class Names:
    """Opens sealed identities as the key store has their keys at that moment. Any thread may ask; it may read the store.

    Args:
        store: the key store; None where there is none: then nobody is known.
    """

    def __init__(self, store: Store | None) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._accounts: dict[str, _Known] = {}

    def actor(self, account: str, sealed: SealedActor | None) -> Actor | None:
        """Who is behind what an entry says; None where the key is not there (never was one here, or it was erased) or does not fit.

        Raises:
            StoreError: the keys cannot be read.
        """
        if sealed is None or self._store is None:
            return None
        with self._lock:
            known = self._known(account, self._store)
            if sealed.sealed not in known.actors:
                known.actors[sealed.sealed] = _opened(known.reader, account, sealed)
            return known.actors[sealed.sealed]

    def epoch(self, account: str) -> int:
        """Another number means that people of the account have come or were erased: what names them is to be made again. Raises as `actor`."""
        if self._store is None:
            return 0
        with self._lock:
            return self._known(account, self._store).epoch

    def _known(self, account: str, store: Store) -> _Known:
        known = self._accounts.get(account)
        now = time.monotonic()
        if known is not None and now - known.checked < _CHECK_S:
            return known
        files = frozenset(store.list(people_prefix(account)))
        if known is None or files != known.files:
            epoch = 0 if known is None else known.epoch + 1
            known = self._accounts[account] = _Known(PeopleReader(store), files, now, epoch, {})
        known.checked = now
        return known


def _opened(reader: PeopleReader, account: str, sealed: SealedActor) -> Actor | None:
    try:
        identity = reader.identity(account, sealed.pseudonym, sealed.sealed)
        return None if identity is None else _decode(identity)
    except (IntegrityError, msgspec.MsgspecError):
        return None  # `ledger verify` complains about it
