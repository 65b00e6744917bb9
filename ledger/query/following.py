"""Following the log live: every entry as it becomes visible, each once and none left out, while workers write and compact.

A place in a shard is a size at which a segment ended. What is read next is the object with that name, so nothing depends on
what a listing of a directory shows while it changes; a segment that is in a pack by then is read from the pack.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from heapq import merge
from operator import gt

import msgspec

from ledger.errors import InputError, NotFoundError
from ledger.log.reader import ShardReader, read_entry
from ledger.log.segments import parse_segment
from ledger.log.whole import whole
from ledger.model.entries import Entry
from ledger.model.said import SealedActor, said_of
from ledger.query.answers import Change, WatchRow
from ledger.query.lookup import Accounts, is_wanted
from ledger.query.opened import OpenLedger, read_about
from ledger.query.segments import ShardPrefix, sizes_of
from ledger.storage import layout
from ledger.storage.blobs import BlobStore

__all__ = ["Follower", "is_about"]


_decode_changes = msgspec.json.Decoder(list[tuple[str, str, str]]).decode


def is_about(row: WatchRow, script: str | None, account: Accounts) -> bool:
    """Whether an entry is of these accounts, and about the script or takes something from it."""
    return (script is None or script == row.script or script in row.taken_from) and is_wanted(row.account, account)


class Follower:
    """All shards of a ledger from a time on, from places on, or from the end of what is there.

    Args:
        ledger: opened, as it is now.
        since: entries recorded then or later; None: only those that come after what the ledger has.
        begin: the index of the first entry wanted of each shard, instead.
        wanted: whether entries of an account (None: of none) are; default: those that the ledger shows.

    Raises:
        InputError: `bad_place`, where a shard has fewer entries, or there are not as many shards.
    """

    def __init__(
        self,
        ledger: OpenLedger,
        since: datetime | None = None,
        begin: Sequence[int] | None = None,
        wanted: Callable[[str | None], bool] | None = None,
    ) -> None:
        self._ledger = ledger
        self._store = whole(ledger.store)
        self._blobs = BlobStore(ledger.store)
        self._wanted = wanted or ledger.sees
        self._since = None if begin is not None else since
        sizes = [prefix.size for prefix in ledger.shards]
        if begin is not None and (len(begin) != len(sizes) or any(map(gt, begin, sizes))):
            raise InputError("bad_place", "the log does not reach so far", "begin anew, without a place")
        self._begin = begin
        self._readers = {
            prefix.shard: ShardReader(self._store, prefix.shard, self._start(prefix)) for prefix in ledger.shards
        }

    def further(self) -> Iterator[WatchRow]:
        """What has become visible since the last time, in the order of recorded time. To be read to its end.

        Raises:
            IntegrityError: `segment_missing`, `bad_segment`, `bad_pack`, `malformed_entry`.
            NotFoundError: `no_ledger`: it was moved away.
            StoreError: what the store raises.
        """
        read_about(self._ledger.location)
        self._ledger.forget_people()
        yield from merge(*(self._shard(shard) for shard in self._readers), key=lambda row: row.recorded_at)

    @property
    def named(self) -> set[tuple[str, str]]:
        """The people named so far: accounts and pseudonyms."""
        return set(self._ledger.named)

    @property
    def places(self) -> list[int]:
        """The index of the next entry of each shard, once `further` was read to its end."""
        return [max(reader.size, begin) for reader, begin in zip(self._readers.values(), self._begins(), strict=True)]

    def _begins(self) -> Sequence[int]:
        return [0] * len(self._readers) if self._begin is None else self._begin

    def _shard(self, shard: int) -> Iterator[WatchRow]:
        begin = self._begins()[shard]
        for first, name, segment in self._readers[shard].further():
            for line in segment.lines[max(0, begin - first) :]:
                entry = read_entry(line, name)
                if self._wanted(entry.account) and self._is_late(entry):
                    yield self._row(shard, entry)

    def _is_late(self, entry: Entry) -> bool:
        return self._since is None or datetime.fromisoformat(entry.recorded_at) >= self._since

    def _start(self, prefix: ShardPrefix) -> int:
        """Where the first segment begins that may hold what is wanted."""
        if self._begin is not None:
            begin = self._begin[prefix.shard]
            ends = [prefix.size] if begin == prefix.size else [0, *sizes_of(prefix)]
            return ends[bisect_right(ends, begin) - 1]
        since = self._since
        if since is None:
            return prefix.size
        starts = [0, *sizes_of(prefix)]
        place = bisect_left(starts[:-1], since, key=lambda start: self._first_recorded(prefix.shard, start))
        return starts[max(0, place - 1)]

    def _first_recorded(self, shard: int, start: int) -> datetime:
        name = layout.segment(shard, start)
        line = parse_segment(self._store.get(name), name).lines[0]
        return datetime.fromisoformat(read_entry(line, name).recorded_at)

    def _row(self, shard: int, entry: Entry) -> WatchRow:
        data = said_of(entry, self._blob)
        is_note = entry.outcome == "noted"
        return WatchRow(
            entry=f"{shard}/{entry.index}",
            account=entry.account,
            script=entry.event.subject,
            effective_at=datetime.fromisoformat(entry.effective_at),
            recorded_at=datetime.fromisoformat(entry.recorded_at),
            outcome=entry.outcome,
            author=self._author(entry.account, data.actor),
            interface=data.interface,
            message=data.message,
            tag=data.tag,
            version=entry.version.number if entry.version else None,
            deployment=entry.deployment.number if entry.deployment else None,
            changes=[Change(aspect=aspect, name=name, op=op) for aspect, name, op in self._changes(entry)],
            taken_from=[lost.subject for lost in entry.others],
            reason=entry.reason.code if entry.reason else None,
            action=data.action if is_note else None,
            detail=data.detail if is_note else None,
        )

    def _author(self, account: str | None, actor: SealedActor | None) -> str | None:
        if actor is None or account is None:
            return None
        return self._ledger.person(account, actor.pseudonym, actor.sealed) if self._ledger.people else actor.pseudonym

    def _changes(self, entry: Entry) -> list[tuple[str, str, str]]:
        content = self._blob(entry.changes_sha256)
        return entry.changes or [] if content is None else _decode_changes(content)

    def _blob(self, digest: str | None) -> bytes | None:
        """What had to leave a large entry; None where nothing had to, or where it is not there: `ledger verify` complains then."""
        try:
            return None if digest is None else self._blobs.get(digest)
        except NotFoundError:
            return None
