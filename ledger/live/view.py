"""The ledger as it is now, in memory, following the log: what a server answers from."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from ledger.broker.publish import Place
from ledger.errors import BrokerError, LedgerError
from ledger.live.cache import LiveCache
from ledger.live.following import Follower, cut_off
from ledger.live.history import History
from ledger.live.names import Names
from ledger.live.script import LiveScript
from ledger.live.shard import LiveShard, Seen, load_shard
from ledger.live.waiting import Signal, Waiter, Waiters
from ledger.log.ledgerfile import LedgerFile
from ledger.log.segments import Segment
from ledger.log.whole import WholeStore, whole
from ledger.model import ids
from ledger.model.entries import decode_entry
from ledger.model.state import Account
from ledger.query.opened import key_store_of, read_about
from ledger.storage.store import Store

__all__ = ["Batch", "LiveLedger", "open_live"]

Progress = Callable[[int], None]
OnProblem = Callable[[LedgerError | None], None]

Batch = list[tuple[int, int, bytes]]
"""Shard, index, entry; of one shard, in the order of the log."""


class _Shown(Struct, frozen=True, gc=False):
    """An account as it is shown: replaced as a whole, so that who reads never sees half of a segment."""

    account: Account
    scripts: dict[str, LiveScript]
    tags: dict[str, str]
    """Script tag to name. Shared with what was shown before, for it only grows."""


class LiveLedger:
    """The ledger as far as its log was followed. One for each server process; opened by `open_live`.

    Shows whole segments only, each once its checkpoint was found to be signed and to fit. Everything that is not `async` may be called
    from any thread; what is, from any event loop.
    """

    def __init__(
        self,
        store: WholeStore,
        about: LedgerFile,
        names: Names,
        cache: LiveCache,
        progress: Progress | None = None,
        on_problem: OnProblem | None = None,
    ) -> None:
        self.about = about
        self.store: Store = store
        """The ledger's objects, compacted or not."""
        self.names = names
        """Who people are."""
        self._whole = store
        self._cache = cache
        self._accounts: dict[str, _Shown] = {}
        self._histories: dict[int, History] = {}
        self._roots: dict[int, bytes] = {}
        self._waiters = Waiters()
        self._ended = False
        self._progress = progress
        self._read_so_far = 0
        self._follower = Follower(store, about, self._load, self._show, on_problem)

    # --- scripts ---------------------------------------------------------------------------------------------------------------------

    def accounts(self) -> list[str]:
        """The accounts that are at home here, sorted."""
        return sorted(self._accounts)

    def account(self, account: str) -> Account | None:
        """An account's state, to be read only; None where it was never seen."""
        shown = self._accounts.get(account)
        return None if shown is None else shown.account

    def script(self, account: str, script: str) -> LiveScript | None:
        """A script; None where it was never seen. The same object as long as no entry touches the script."""
        shown = self._accounts.get(account)
        return None if shown is None else shown.scripts.get(script)

    def scripts(self, account: str) -> list[LiveScript]:
        """The scripts of an account that exist, sorted by name."""
        shown = self._accounts.get(account)
        found = () if shown is None else shown.scripts.items()
        return [script for _, script in sorted(found) if script.script.newest is not None]

    def by_tag(self, account: str, tag: str) -> LiveScript | None:
        """The script with this tag; None where none was ever seen."""
        shown = self._accounts.get(account)
        name = None if shown is None else shown.tags.get(tag)
        return None if shown is None or name is None else shown.scripts.get(name)

    # --- the log ---------------------------------------------------------------------------------------------------------------------

    def sizes(self) -> dict[int, int]:
        """How many entries of each shard are visible."""
        return {shard: history.size for shard, history in sorted(self._histories.items())}

    def etag(self) -> str:
        """32 hex digits: others if and only if the checkpoint of any shard is another. Every server of the ledger says the same."""
        found = sha256(self.about.vkey.encode())
        for shard, root in sorted(self._roots.items()):
            found.update(b"%d %b\n" % (shard, root))
        return found.hexdigest()[:32]

    def entry(self, shard: int, index: int) -> bytes | None:
        """The exact bytes of an entry; None where there is none (yet). Reads the log: for threads that may wait.

        Raises:
            IntegrityError, StoreError: it cannot be read.
        """
        history = self._histories.get(shard)
        return history.entry(index) if history is not None and 0 <= index < history.size else None

    def problem(self) -> LedgerError | None:
        """Why what is shown may be behind the log (its store is away, it is damaged); None where it is not."""
        return self._follower.problem()

    async def entry_of(
        self, account: str, source: str, event_id: str, timeout_s: float, *, place: Place | None = None
    ) -> bytes:
        """The exact bytes of the entry that an event became; waits for it.

        Args:
            account: the event's. Entries of other accounts are never given out.
            source: of the event, as sent; likewise its id.
            event_id: the id.
            timeout_s: how long to wait at most.
            place: where the event's record lies, if that one alone is meant: the entry may be a `duplicate`, whose `first_index` names
                the one that has the event. Without it the accepted entry counts before a duplicate, any of them before a `rejected`
                one, of which the newest counts. What was refused before its account was known is found by source and id alone.

        Raises:
            BrokerError: `not_folded`, where there is none in time. It may still come.
            IntegrityError, StoreError: the log cannot be read.
        """
        waiter = Waiter(source, event_id)
        self._waiters.add(waiter)
        deadline = time.monotonic() + timeout_s
        try:
            while not self._ended:
                # What comes from now on is told to the waiter. What is there already, or came while a shard was loaded again, is looked up.
                found = _chosen(waiter.seen, account, source, event_id, place)
                if found is None:
                    found = _chosen(await self._known(source, event_id), account, source, event_id, place)
                if found is not None:
                    return found
                if not await waiter.wait(max(0.0, deadline - time.monotonic())):
                    break
        finally:
            self._waiters.remove(waiter)
        raise BrokerError(
            "not_folded",
            f"the event {event_id} of {source} has no entry after {timeout_s:g} s",
            "is a worker running, and does it keep up? The event may still come: send it again with the same id, which changes nothing twice",
        )

    def subscribe(self, since: Mapping[int, int] | None = None) -> AsyncIterator[Batch]:
        """Every entry that becomes visible from now on, each once, in batches of one shard; ends when the ledger is closed.

        Who reads slowly is not left behind: what was missed is read from the log.

        Args:
            since: sizes to begin at, by shard, of who comes back (those that are absent or too large: from now on).

        Raises:
            IntegrityError, StoreError: when reading, if the log cannot be read.
        """
        sizes = self.sizes()
        begin = {shard: min(size, max(0, (since or {}).get(shard, size))) for shard, size in sizes.items()}
        return self._batches(begin)

    async def _batches(self, places: dict[int, int]) -> AsyncIterator[Batch]:
        signal = Signal()
        self._waiters.subscribe(signal)
        try:
            while not self._ended:
                for shard, start in places.items():
                    at = start
                    while at < (size := self._histories[shard].size):
                        lines = (await asyncio.to_thread(self._histories[shard].lines, at))[: size - at]
                        yield [(shard, at + place, line) for place, line in enumerate(lines)]
                        at += len(lines)
                        places[shard] = at
                await signal.wait()
        finally:
            self._waiters.unsubscribe(signal)

    async def _known(self, source: str, event_id: str) -> list[tuple[int, bytes]]:
        """The entries that may have this event, and their shards."""
        histories = list(self._histories.items())
        known = [(shard, index) for shard, history in histories for index in history.events(source, event_id)]
        return await asyncio.to_thread(self._read, known) if known else []

    def _read(self, places: Sequence[tuple[int, int]]) -> list[tuple[int, bytes]]:
        return [(shard, self._histories[shard].entry(index)) for shard, index in places]

    # --- following -------------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Load what is there, and follow from then on. Raises what reading the log raises."""
        was_on = gc.isenabled()
        gc.disable()
        try:
            self._follower.start()
        finally:
            self._progress = None
            if was_on:
                gc.enable()
        gc.collect()
        gc.freeze()  # millions of objects that stay: not to be looked at again and again

    def close(self) -> None:
        """Follow no more; who waits or has subscribed is told so."""
        self._ended = True
        self._follower.stop()
        self._waiters.wake_all()
        self._cache.close()
        gc.unfreeze()

    def _load(self, shard: int) -> LiveShard:
        live = load_shard(self._whole, self.about, shard, self._cache, self._count)
        shown = self._histories.get(shard)
        if shown is not None and live.state.size < shown.size:
            raise cut_off(f"shard {shard:04d} had {shown.size} entries and has {live.state.size}")
        self._histories[shard] = History(self._whole, live, 0 if shown is None else shown.size)
        live.touched = {
            (name, script) for name, account in live.state.accounts.items() for script in ("", *account.scripts)
        }
        self._publish(live)
        self._waiters.wake_all()
        return live

    def _count(self, entries: int) -> None:
        self._read_so_far += entries
        if self._progress is not None:
            self._progress(self._read_so_far)

    def _show(self, live: LiveShard, segment: Segment, seen: list[Seen]) -> None:
        self._histories[live.shard].saw(live.state.size - len(segment.lines), segment)
        self._publish(live)
        self._waiters.tell(live.shard, seen)

    def _publish(self, live: LiveShard) -> None:
        """Show what was touched, account by account, then that the entries are there."""
        history = self._histories[live.shard]
        names: dict[str, set[str]] = {}
        for account, script in live.touched:
            names.setdefault(account, set()).add(script)
        live.touched.clear()
        for account, scripts in names.items():
            self._accounts[account] = self._shown(live, history, account, scripts - {""})
        self._roots[live.shard] = live.state.frontier.root()
        history.size = live.state.size

    def _shown(self, live: LiveShard, history: History, name: str, scripts: set[str]) -> _Shown:
        before = self._accounts.get(name)
        state = live.state.accounts[name]
        rings = live.rings.get(name, {})
        shown = dict(before.scripts) if before else {}
        tags = before.tags if before else {}
        for script in scripts:
            shown[script] = LiveScript(name, script, rings[script], history)
            tags[ids.script_tag(name, script)] = script
        account = Account(
            name=name,
            entries=state.entries,
            last=state.last,
            scripts=dict(state.scripts),
            routes=dict(state.routes),
            domains=dict(state.domains),
        )
        return _Shown(account, shown, tags)


@contextmanager
def open_live(
    location: str,
    *,
    keys: str | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
    on_problem: OnProblem | None = None,
) -> Iterator[LiveLedger]:
    """Open a ledger and follow it.

    Args:
        location: its directory or object store URL.
        keys: location of its key store; default `keys/` in the ledger's directory. Without one, people stay pseudonyms.
        cache: a directory for what makes the next start quick, such as `ledger.log.tree.default_cache()`; None: keep nothing.
        progress: told how many entries were read so far, now and then, while it is opened.
        on_problem: told when what is shown falls behind the log, why, and with None when it does no more; from a thread of its own.

    Raises:
        NotFoundError: `no_ledger`, `keys_missing`.
        UsageError: `not_a_directory`, `newer_format`.
        IntegrityError: what is stored contradicts itself.
        StoreError: what the store raises.
    """
    store, about = read_about(location)
    names = Names(key_store_of(store, keys))
    live = LiveLedger(whole(store), about, names, LiveCache(cache, about), progress, on_problem)
    try:
        live.start()
        yield live
    finally:
        live.close()


def _chosen(
    lines: Sequence[tuple[int, bytes]], account: str, source: str, event_id: str, place: Place | None
) -> bytes | None:
    """The entry that is meant, or None where it is not among these (in the order of the log, shard by shard)."""
    best: tuple[int, bytes] | None = None
    for shard, line in lines:
        entry = decode_entry(line)
        if (entry.event.source, entry.event.id) != (source, event_id) or entry.account not in (account, None):
            continue
        if place is not None:
            if (shard, entry.origin.offset) == (place.partition, place.offset):
                return line
            continue
        rank = {"rejected": 2, "duplicate": 1}.get(entry.outcome, 0)
        if best is None or rank < best[0] or (rank == best[0] == 2):
            best = rank, line
    return None if best is None else best[1]
