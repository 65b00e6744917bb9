"""One shard in memory: its state as the writer has it, a ring for each script, and where in the log things are.

Moved forward by one thread. What other threads may use of it is said where it is.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final
from weakref import WeakValueDictionary

import msgspec
from msgspec import UNSET, Struct, UnsetType

from ledger.errors import NotFoundError
from ledger.live.cache import LiveCache, LiveSnapshot, decode_snapshot, encode_snapshot, unpacked
from ledger.live.marks import again_key, number_key, same_key, served_key, text_key
from ledger.live.rings import Ring, advance, touched
from ledger.log.ledgerfile import LedgerFile
from ledger.log.lookup import Lookup
from ledger.log.segments import Segment
from ledger.log.snapshot import SnapshotFiles
from ledger.log.state import ShardState, continue_from, state_of, take_segment
from ledger.model.entries import Entry, decode_entry
from ledger.model.restore import MOVING, changes_of
from ledger.model.said import Said, SealedActor, said_of
from ledger.model.state import Account
from ledger.storage import layout
from ledger.storage.store import Store

__all__ = ["LiveShard", "Seen", "load_shard"]

_ASIDE_EVERY: Final = 20_000
"""Entries after which indexes are written to disk: some kilobytes of memory each until then."""
_TOLD_EVERY: Final = 1000
_KEEP_EVERY: Final = 250_000
"""Entries after which a snapshot is written while the server runs; it is when it ends, too."""


_Identity = tuple[str | None, str | None, str | None]
"""Source, event id, account."""


def _silent(_: int) -> None:
    """Nobody wants to know."""


class Seen(Struct, frozen=True, gc=False):
    """An entry that was followed."""

    source: str | None
    id: str | None
    account: str | None
    index: int
    line: bytes


class _Upload(Struct, frozen=True):
    """What of an event tells whether it is an upload, and on what it was built."""

    base: str | None = None
    code: msgspec.Raw | UnsetType = UNSET
    bindings: msgspec.Raw | UnsetType = UNSET
    config: msgspec.Raw | UnsetType = UNSET

    @property
    def is_one(self) -> bool:
        """Whether it says what a version consists of."""
        return not (self.code is UNSET and self.bindings is UNSET and self.config is UNSET)


_decode_upload = msgspec.json.Decoder(_Upload).decode


class LiveShard:
    """A shard that is followed. `load_shard` makes it."""

    def __init__(
        self, file: LedgerFile, cache: LiveCache, state: ShardState, progress: Callable[[int], None] = _silent
    ) -> None:
        self.state = state
        self.shard = state.shard
        self.rings: dict[str, dict[str, Ring]] = {}
        """By account and script; those of `state.accounts`."""
        self.marks = Lookup()
        """Where versions and deployments are by number, versions by tag and message, what was refused: see `ledger.live.marks`."""
        self.touched: set[tuple[str, str]] = set()
        """Account and script of what was touched since this was last emptied; accounts that only grew have an empty script."""
        self._file = file
        self._verifier = file.verifier(state.shard)
        self._cache = cache
        self.note = b""
        """The signed checkpoint at the end of the log, as it was read."""
        self._seen: list[_Identity] | None = None
        """Of the entries of the segment under way, where somebody wants to know."""
        self._aside_at = self._kept_at = state.size
        self._actors: WeakValueDictionary[tuple[str, str, str], SealedActor] = WeakValueDictionary()
        self._progress = progress
        state.on_entry = self._take

    def restore(self, snapshot: LiveSnapshot) -> None:
        """Take over a snapshot that `state` is from.

        Raises:
            LookupError, OSError, ValueError: it is damaged.
        """
        directory = self._cache.snapshots(self.shard)
        if directory is None:
            raise LookupError
        self.marks = Lookup.load(directory, snapshot.marks)
        for actor in snapshot.actors:
            self._actors[actor.pseudonym, actor.sealed, actor.type] = actor
        for name, content in snapshot.rings.items():
            self.rings[name] = unpacked(content, self.state.accounts[name], snapshot.actors)
        if any(len(account.scripts) != len(self.rings.get(name, ())) for name, account in self.state.accounts.items()):
            raise LookupError

    def catch_up(self, start: int) -> bool:
        """Read the log from `start` to its end; False where the state at `start` is not what the log says. Raises as `continue_from`."""
        if start and not continue_from(self.state, self._verifier, start):
            return False
        while not start and (segment := self.state.reader.next_segment()) is not None:
            self._move(segment)
            self.keep()  # who is stopped on this long way does not begin it again
        last = self.state.reader.last()
        self.note = b"" if last is None else last.note
        return True

    def take(self, segment: Segment) -> list[Seen]:
        """Move forward over the next segment, and say which entries that were. Raises as `take_segment`; then this is of no use any more."""
        start = self.state.size
        seen: list[_Identity] = []
        self._seen = seen
        self._move(segment)
        return [
            Seen(source, identifier, account, start + place, line)
            for place, ((source, identifier, account), line) in enumerate(zip(seen, segment.lines, strict=True))
        ]

    def keep(self, *, at_least: int = _KEEP_EVERY) -> None:
        """Write a snapshot where so many entries have come since the last one. A cache that cannot be written is none."""
        if not self._cache.keeps or self.state.size - self._kept_at < at_least:
            return
        self._kept_at = self._aside_at = self.state.size
        with suppress(OSError, ValueError):
            directory = self._cache.aside(self.shard)
            files = SnapshotFiles(directory)
            state = self.state.snapshot(directory)
            marks = self.marks.save(directory, "marks", self.state.size)
            content = encode_snapshot(state, marks, self.rings)
            files.write(files.pack_content(content, self.state.size, (*state.events, *state.ids, *marks)))

    def _move(self, segment: Segment) -> None:
        start = self.state.size
        take_segment(self.state, segment, self._verifier, layout.segment(self.shard, start))
        self.state.reader.add(start, len(segment.lines))
        self.note = segment.note

    def _put_aside(self) -> None:
        """Move what is recent in indexes from memory to files."""
        self._aside_at = self.state.size
        with suppress(OSError, ValueError):
            directory = self._cache.aside(self.shard)
            for name, lookup in (("events", self.state.events), ("ids", self.state.ids), ("marks", self.marks)):
                lookup.save(directory, name, self.state.size)

    def _take(self, entry: Entry) -> None:
        """Take over an entry that the state has taken over."""
        source, identifier = entry.event.source, entry.event.id
        if self._seen is not None:
            self._seen.append((source, identifier, entry.account))
        if entry.outcome in ("rejected", "duplicate") and source is not None and identifier is not None:
            self.marks.add_another(again_key(source, identifier), entry.index)
        if entry.account is not None:
            self.touched.add((entry.account, ""))
            if entry.outcome in MOVING and entry.event.subject is not None:
                self._advance(self.state.accounts[entry.account], entry.event.subject, entry)
        if self.state.size - self._aside_at >= _ASIDE_EVERY:
            self._put_aside()
        if self.state.size % _TOLD_EVERY == 0:
            self._progress(_TOLD_EVERY)

    def _advance(self, account: Account, name: str, entry: Entry) -> None:
        rings = self.rings.setdefault(account.name, {})
        said = self._shared(said_of(entry, self._blob))
        ring = advance(
            rings.get(name),
            entry,
            account.scripts[name],
            said,
            changes_of(entry, self.state.blobs.get),
            lambda version: self._served(account.name, name, version),
        )
        rings[name] = ring
        self.touched.add((account.name, name))
        for other in entry.others:
            rings[other.subject] = touched(rings[other.subject], account.scripts[other.subject], entry.index)
            self.touched.add((account.name, other.subject))
        self._mark(account.name, name, entry, said, ring)

    def _mark(self, account: str, script: str, entry: Entry, said: Said, ring: Ring) -> None:
        if ring.same:
            self.marks.add_another(same_key(entry.index), ring.same)
        if entry.version is not None:
            self.marks.add_another(number_key("version", account, script, entry.version.number), entry.index)
        if entry.deployment is not None:
            self.marks.add_another(number_key("deployment", account, script, entry.deployment.number), entry.index)
            for version, percentage in entry.deployment.versions.items():
                if percentage == 100:
                    self.marks.add_another(served_key(version), entry.index)
        if said.tag or said.message:
            made = self._version_meant(entry, ring)
            for kind, text in (("tag", said.tag), ("message", said.message)):
                if text and made is not None:
                    self.marks.add_another(text_key(kind, account, script, text), made)

    def _version_meant(self, entry: Entry, ring: Ring) -> int | None:
        """The entry that made the version which an upload made, or left as it was."""
        if entry.version is not None:
            return entry.index
        data = entry.event.data
        known = ring.script.serving or ring.script.newest
        if data is UNSET or known is None or not (upload := _decode_upload(data)).is_one:
            return None
        candidates = self.state.ids.find(upload.base or known.id)
        return candidates[-1] if candidates else None

    def _served(self, account: str, script: str, version: str) -> str | None:
        """The newest deployment that gave a version all traffic."""
        for index in reversed(self.marks.find(served_key(version))):
            entry = decode_entry(self.state.entry(index))
            if entry.account == account and entry.event.subject == script and entry.deployment is not None:
                return entry.deployment.id
        return None

    def _shared(self, said: Said) -> Said:
        """The same, with the actor that others have too."""
        actor = said.actor
        if actor is None:
            return said
        known = self._actors.setdefault((actor.pseudonym, actor.sealed, actor.type), actor)
        return said if known is actor else msgspec.structs.replace(said, actor=known)

    def _blob(self, digest: str) -> bytes | None:
        try:
            return self.state.blobs.get(digest)
        except NotFoundError:
            return None  # `ledger verify` complains


def load_shard(
    store: Store, file: LedgerFile, shard: int, cache: LiveCache, progress: Callable[[int], None] = _silent
) -> LiveShard:
    """A shard at the end of its log: from the newest snapshot that the log vouches for, and from the entries after it.

    Args:
        store: the ledger's objects.
        file: what the ledger is.
        shard: which one.
        cache: where its snapshots are.
        progress: told how many more entries were read, now and then.

    Raises:
        IntegrityError: the log contradicts itself.
        StoreError: it cannot be read.
    """
    directory = cache.snapshots(shard)
    for content in SnapshotFiles(directory).contents() if directory is not None else ():
        snapshot = decode_snapshot(content)
        if snapshot is None or snapshot.state.shard != shard or directory is None:
            continue
        state = state_of(snapshot.state, store, shard, directory)
        if state is None:
            continue
        live = LiveShard(file, cache, state, progress)
        with suppress(LookupError, OSError, ValueError):
            live.restore(snapshot)
            if live.catch_up(snapshot.state.size):
                live.keep(at_least=_ASIDE_EVERY)
                return live
    live = LiveShard(file, cache, ShardState(store, shard), progress)
    live.catch_up(0)
    live.keep(at_least=_ASIDE_EVERY)
    return live
