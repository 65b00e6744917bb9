"""Opened ledgers between two questions. Opening one costs more than most questions do, so some are kept."""

import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from ledger.api.native.sight import Sight
from ledger.errors import IntegrityError
from ledger.query.copying import copy_log
from ledger.query.opened import OpenLedger, key_store_of, read_about
from ledger.storage.local import LocalStore

__all__ = ["LedgerPool"]

KEPT: Final = 6


class LedgerPool:
    """A ledger, opened as often as it takes. Its methods are for any thread.

    Args:
        ledger: its directory or object store's URL.
        keys: location of its keys; None: those in the ledger's directory, if any.
        kept: opened ledgers that are kept, at most.

    Raises:
        NotFoundError, UsageError, IntegrityError, StoreError: as `ledger.query.opened.open_ledger`.
    """

    def __init__(self, ledger: str, keys: str | None, *, kept: int = KEPT) -> None:
        self._location = ledger
        self.store, self.about = read_about(ledger)
        self._key_store = key_store_of(self.store, keys)
        self._copy = None if isinstance(self.store, LocalStore) else tempfile.TemporaryDirectory(prefix="ledger-log-")
        self._most = kept
        self._lock = threading.Lock()
        self._copying = threading.Lock()
        self._kept: deque[tuple[Sight, OpenLedger]] = deque()
        self._is_closed = False

    def take(self, sight: Sight) -> OpenLedger:
        """An opened ledger that nobody else has until it is given back.

        Raises:
            IntegrityError: `segment_missing`, where the log has less by now than was seen of it; and what reading it raises.
        """
        with self._lock:
            found = next((kept for kept in self._kept if kept[0] == sight), None)
            if found is not None:
                self._kept.remove(found)
        if found is not None:
            found[1].forget_people()  # who was erased meanwhile is named no more
            return found[1]
        ledger = self.opened(named=sight.named, known_at=sight.known_at, accounts=sight.accounts, sizes=sight.sizes)
        if sight.known_at is None:
            _check_whole(ledger, sight)
        return ledger

    def opened(
        self,
        *,
        named: bool,
        known_at: datetime | None = None,
        accounts: Sequence[str] | None = None,
        sizes: Sequence[int] | None = None,
    ) -> OpenLedger:
        """An opened ledger that whoever takes it keeps and closes; arguments as of `Sight`, `sizes` None: as it is now."""
        keys = self._key_store if named else None
        return OpenLedger(
            self._location,
            self.about,
            self.store,
            self._root(),
            keys,
            known_at=known_at,
            accounts=accounts,
            sizes=sizes,
        )

    def give_back(self, sight: Sight, ledger: OpenLedger) -> None:
        """Keep an opened ledger for the next question of the same sight; the one that was longest not used is closed."""
        ledger.named.clear()
        with self._lock:
            self._kept.append((sight, ledger))
            gone = [] if not self._is_closed and len(self._kept) <= self._most else [self._kept.popleft()]
        for _, old in gone:
            old.close()

    def close(self) -> None:
        """Close what is kept; what is out is closed when it is given back."""
        with self._lock:
            self._is_closed = True
            gone = list(self._kept)
            self._kept.clear()
        for _, ledger in gone:
            ledger.close()
        if self._copy is not None:
            self._copy.cleanup()

    def _root(self) -> Path:
        if self._copy is None:
            assert isinstance(self.store, LocalStore)  # noqa: S101
            return self.store.root.resolve()
        root = Path(self._copy.name)
        with self._copying:
            copy_log(self.store, root)
        return root


def _check_whole(ledger: OpenLedger, sight: Sight) -> None:
    """No answer is given of a part of what was seen as if it were all."""
    for shard, size in zip(ledger.shards, sight.sizes, strict=True):
        if shard.size < size:
            what = f"shard {shard.shard} has {shard.size} entries, and {size} were seen of it"
            raise IntegrityError("segment_missing", what, "run `ledger verify`")
