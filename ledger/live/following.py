"""Following the log in a thread: each segment as it appears under its name, over compaction and a store that is away for a while."""

import math
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ledger.errors import IntegrityError, LedgerError, NotFoundError
from ledger.live.shard import LiveShard, Seen
from ledger.log.ledgerfile import LedgerFile, read_ledger_file
from ledger.log.packs import reach_beyond
from ledger.log.segments import Segment, parse_segment
from ledger.log.whole import WholeStore
from ledger.storage import layout
from ledger.storage.local import LocalStore

__all__ = ["Follower", "cut_off"]

_POLL_LOCAL_S: Final = 0.004
_POLL_REMOTE_S: Final = 0.25
_LOOK_S: Final = 1.0
_LOOK_REMOTE_S: Final = 10.0
"""Between looks at what a name alone does not tell: is the ledger still there, was something compacted that was not read yet?"""
_CUT_OFF: Final = "log_cut_off"
_CHECK_S: Final = 30.0
"""Between looks whether the end of the log is still what was read."""
_AGAIN_S: Final = 0.5
"""Until a shard is tried again whose store failed,"""
_DAMAGED_AGAIN_S: Final = 10.0
"""or whose log contradicts itself, for it is loaded anew."""
_STOP_S: Final = 10.0
"""For how long a step under way may go on when it is to stop."""


class Follower:
    """Moves the shards of a ledger forward.

    Args:
        store: the ledger's objects.
        about: what the ledger is.
        load: loads a shard at its end, and shows it.
        show: makes a segment that was read visible.
        on_problem: told of each other problem, and of none any more; from the thread that follows.
    """

    def __init__(
        self,
        store: WholeStore,
        about: LedgerFile,
        load: Callable[[int], LiveShard],
        show: Callable[[LiveShard, Segment, list[Seen]], None],
        on_problem: Callable[[LedgerError | None], None] | None = None,
    ) -> None:
        self._store = store
        self._about = about
        self._load = load
        self._show = show
        self._on_problem = on_problem
        self._told = ""
        self._root = str(store.inner.root) if isinstance(store.inner, LocalStore) else None
        self._poll_s = _POLL_REMOTE_S if self._root is None else _POLL_LOCAL_S
        self._shards: list[LiveShard | None] = []
        self._problems: dict[int, LedgerError] = {}
        self._again_at: dict[int, float] = {}
        """When a shard with a problem is tried again."""
        self._missing: LedgerError | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)
        self._looked = self._checked = time.monotonic()

    def start(self) -> None:
        """Load all shards, then follow them in a thread of its own.

        Raises:
            IntegrityError: the log contradicts itself.
            StoreError: it cannot be read.
        """
        self._shards = [self._load(shard) for shard in range(self._about.shards)]
        self._thread.start()

    def stop(self) -> None:
        """Follow no more; keep what lets the next start be quick."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_S)
        if not self._thread.is_alive():  # else the store hangs, and nothing waits for it
            for live in self._shards:
                if live is not None:
                    live.keep(at_least=1)

    def problem(self) -> LedgerError | None:
        """Why what is shown may be behind the log; None where it is not."""
        return self._missing or next(iter(self._problems.values()), None)

    def _run(self) -> None:
        while not self._stop.wait(_AGAIN_S if self._missing else self._poll_s):
            now = time.monotonic()
            look_s = _LOOK_REMOTE_S if self._root is None else _LOOK_S
            looks, checks = now - self._looked >= look_s, now - self._checked >= _CHECK_S
            self._looked = now if looks else self._looked
            self._checked = now if checks else self._checked
            if looks or self._missing is not None:
                self._missing = _failure(self._check_ledger)
            for shard in range(self._about.shards):
                if self._missing is None and not self._stop.is_set() and self._again_at.get(shard, 0.0) <= now:
                    self._step(shard, looks=looks, checks=checks)
            self._tell()

    def _tell(self) -> None:
        problem = self.problem()
        code = "" if problem is None else problem.code
        if code != self._told and self._on_problem is not None:
            self._on_problem(problem)
        self._told = code

    def _step(self, shard: int, *, looks: bool, checks: bool) -> None:
        failure = _failure(lambda: self._follow(shard, looks=looks, checks=checks))
        if failure is None:
            self._problems.pop(shard, None)
            self._again_at.pop(shard, None)
            return
        self._problems[shard] = failure
        pause = _DAMAGED_AGAIN_S if isinstance(failure, IntegrityError) else _AGAIN_S
        self._again_at[shard] = math.inf if failure.code == _CUT_OFF else time.monotonic() + pause

    def _check_ledger(self) -> None:
        if read_ledger_file(self._store) != self._about:
            raise IntegrityError(
                "another_ledger", "another ledger is where this one was", "put it back, or start again"
            )

    def _follow(self, shard: int, *, looks: bool, checks: bool) -> None:
        live = self._shards[shard]
        if live is None:
            live = self._shards[shard] = self._load(shard)
        if checks:
            self._check_end(live)
        is_ahead = looks and reach_beyond(self._store.inner, shard, live.state.size)
        if not (is_ahead or checks or self._appeared(live)):
            return
        while (segment := live.state.reader.next_segment()) is not None:
            start = live.state.size
            self._shards[shard] = None  # half a segment is in its state if it fails: it has to be loaded again
            seen = live.take(segment)
            self._show(live, segment, seen)
            live.keep()
            self._shards[shard] = live
            is_in_pack = self._store.pack_of(shard, start) is not None
            if self._stop.is_set() or not (is_in_pack or self._appeared(live)):
                return  # without the listings that asking for a segment that is not there costs

    def _appeared(self, live: LiveShard) -> bool:
        """Whether there is an object with the name of the next segment: the one question that is asked all the time, and no listing."""
        name = layout.segment(live.shard, live.state.size)
        if self._root is not None:
            return os.path.lexists(f"{self._root}/{name}")
        with suppress(NotFoundError):
            self._store.inner.get(name)
            return True
        return False

    def _check_end(self, live: LiveShard) -> None:
        if not live.state.size:
            return
        name = layout.segment(live.shard, live.state.reader.start_of(live.state.size - 1))
        try:
            note = parse_segment(self._store.get(name), name).note
        except NotFoundError:
            note = b""
        if note != live.note:
            raise cut_off(f"{name} is not what it was")


def cut_off(message: str) -> IntegrityError:
    """What was read is no longer there: it is still shown, and nothing else until somebody has looked."""
    return IntegrityError(_CUT_OFF, message, "run: ledger verify")


def _failure(act: Callable[[], None]) -> LedgerError | None:
    """What went wrong, if anything: nothing ends the thread."""
    try:
        act()
    except LedgerError as error:
        return error
    except Exception as error:  # noqa: BLE001 - kept, and shown by who asks for the problem
        return LedgerError("internal_error", f"following the log failed: {error!r}", "start the server again")
    return None
