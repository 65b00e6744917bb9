"""How a question reaches the ledger: one at a time, of the entries that were there when it was opened."""

import threading
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec

from ledger.errors import LedgerError, UsageError
from ledger.pyapi.answers import Rows
from ledger.pyapi.given import When, moment_of
from ledger.query.opened import OpenLedger, open_ledger
from ledger.query.resting import Rest, rests_on

__all__ = ["Asking"]

T = TypeVar("T")
R = TypeVar("R", bound=msgspec.Struct)

_CUT_OFF: Final = "Query interrupted"
"""What DuckDB says, as a RuntimeError, where Ctrl-C cut it off."""
_REMEMBERED: Final = 4
"""So many views of the ledger as it was known at a time are kept open."""


class Asking:
    """A ledger that was opened with `ledger.open`; a context manager.

    All questions see the same entries, those that were there when it was opened, whatever is written or compacted meanwhile, until
    `refresh`. Any number of threads may ask; they take turns.

    Args:
        location: the ledger's directory or object store URL.
        keys: location of its keys, where they are not in `keys/` below it.
        as_known_at: see only what had been recorded by then.
    """

    def __init__(self, location: str, *, keys: str | None = None, as_known_at: When | None = None) -> None:
        self.location = location
        self._keys = keys
        self._known_at = moment_of(as_known_at)
        self._lock = threading.RLock()
        self._resources = ExitStack()
        self._views: dict[datetime | None, OpenLedger] = {}
        self._opened: OpenLedger | None = None
        self._open()

    def refresh(self) -> None:
        """From now on questions see what is there now, and people by the names that the keys give them now."""
        with self._lock:
            self._check_open()
            self._close()
            self._open()

    def close(self) -> None:
        """Let go of it; closing again does nothing. Answers that were given stay."""
        with self._lock:
            self._close()

    def rests_on(self) -> list[Rest]:
        """The checkpoints that answers rest on: of each shard the first signed one that has all the entries that are seen."""
        return self._ask(rests_on, None)

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.location!r}{' closed' if self._opened is None else ''}>"

    def _rows(self, kind: type[R], question: Callable[[OpenLedger], Iterable[R]], as_known_at: When | None) -> Rows[R]:
        """The answers of a question that has several, of one kind; otherwise as `_ask`."""
        return Rows(kind, self._ask(question, as_known_at))

    def _ask(self, question: Callable[[OpenLedger], T], as_known_at: When | None) -> T:
        """The answer of a question, as it was known at a time, the ledger's own where none is given."""
        known_at = self._known_at if as_known_at is None else moment_of(as_known_at)
        with self._lock:
            view = self._view(known_at)
            try:
                return question(view)
            except LedgerError:
                raise
            except BaseException as error:
                view.close()  # a database that was cut off may be good for nothing: the next question has another
                if isinstance(error, RuntimeError) and str(error) == _CUT_OFF:
                    raise KeyboardInterrupt from error
                raise

    def _view(self, known_at: datetime | None) -> OpenLedger:
        opened = self._check_open()
        if known_at == self._known_at:
            return opened
        view = self._views.pop(known_at, None) or opened.as_known(known_at, opened.sizes)
        self._views[known_at] = view  # the newest last
        if len(self._views) > _REMEMBERED:
            self._views.pop(next(iter(self._views))).close()
        return view

    def _check_open(self) -> OpenLedger:
        if self._opened is None:
            raise UsageError(
                "ledger_closed", f"{self.location} was closed", "open it again, or ask inside of the `with`"
            )
        return self._opened

    def _open(self) -> None:
        try:
            opened = self._resources.enter_context(open_ledger(self.location, keys=self._keys))
            shards = opened.shards
        except BaseException:
            self._close()
            raise
        for shard in shards:
            if shard.missing_at is not None:
                warnings.warn(
                    f"a segment of shard {shard.shard} is missing: nothing from entry {shard.shard}/{shard.missing_at} on "
                    "is seen; run `ledger verify`",
                    stacklevel=4,
                )
        opened.sizes = [shard.size for shard in shards]
        self._opened = opened if self._known_at is None else opened.as_known(self._known_at, opened.sizes)

    def _close(self) -> None:
        self._opened = None
        self._views.clear()
        self._resources.close()
