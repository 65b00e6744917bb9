"""What is in the log of a shard and not in memory: any entry, older versions and deployments, the content of versions.

Everything here reads the store, and may be asked by any thread: hand it to one that may wait.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from ledger.live.made import LiveDeployment, LiveVersion, Made, deployment_from, version_from
from ledger.live.marks import again_key, number_key, same_key, served_key, text_key
from ledger.live.rings import made_by
from ledger.live.shard import LiveShard
from ledger.log.segments import Segment, parse_segment
from ledger.log.state import entry_that_made
from ledger.log.whole import WholeStore
from ledger.model import ids
from ledger.model.entries import Entry, decode_entry
from ledger.model.restore import changes_of, version_of
from ledger.model.said import SealedActor, said_of
from ledger.model.state import Version
from ledger.storage import layout

__all__ = ["History"]

_KEPT_SEGMENTS: Final = 4

T = TypeVar("T")
_Name = tuple[str, str]
"""Account and script."""


class History:
    """The log of a shard as far as it is visible.

    Args:
        store: the ledger's objects, compacted or not.
        live: the shard; only its reader and its indexes are used.
        size: so many entries are visible.
    """

    def __init__(self, store: WholeStore, live: LiveShard, size: int) -> None:
        self.shard = live.shard
        self.size = size
        """So many entries are visible: whole segments only. Moved by who follows."""
        self._store = store
        self._live = live
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, Segment] = OrderedDict()

    def entry(self, index: int) -> bytes:
        """The entry at an index (requires 0 <= index < size).

        Raises:
            IntegrityError, StoreError, NotFoundError: the log cannot be read.
        """
        start = self._live.state.reader.start_of(index)
        return self._segment(start).lines[index - start]

    def lines(self, start: int) -> list[bytes]:
        """Entries from an index on (requires 0 <= start < size), as many as are in its segment; raises as `entry`."""
        first = self._live.state.reader.start_of(start)
        return self._segment(first).lines[start - first :]

    def saw(self, start: int, segment: Segment) -> None:
        """Remember a segment that was just read."""
        with self._lock:
            self._remember(start, segment)

    def events(self, source: str, event_id: str) -> list[int]:
        """The entries that may have this event, ascending: accepted, rejected, duplicates."""
        live = self._live
        found = {
            *live.state.events.find(ids.event_key(source, event_id)),
            *live.marks.find(again_key(source, event_id)),
        }
        return sorted(index for index in found if index < self.size)

    def version(self, name: _Name, identifier: str) -> LiveVersion | None:
        """The version of a script with this id, of any of its lives; raises as `entry`."""
        entry = self._made("version", name, identifier)
        return None if entry is None else self._as_version(entry, name)

    def deployment(self, name: _Name, identifier: str) -> LiveDeployment | None:
        """The deployment of a script with this id, of any of its lives; raises as `entry`."""
        entry = self._made("deployment", name, identifier)
        return None if entry is None else self._as_deployment(entry, name)

    def content(self, name: _Name, identifier: str) -> Version | None:
        """The version of a script with this id, with its content; raises as `entry`."""
        entry = self._made("version", name, identifier)
        return None if entry is None else version_of(entry, self._live.state.blobs.get)

    def versions(self, name: _Name, numbers: range) -> list[LiveVersion]:
        """The versions of a script with these numbers, in their order; raises as `entry`."""
        return list(self._numbered("version", name, numbers, self._as_version))

    def deployments(self, name: _Name, numbers: range) -> list[LiveDeployment]:
        """The deployments of a script with these numbers, in their order; raises as `entry`."""
        return list(self._numbered("deployment", name, numbers, self._as_deployment))

    def texted(self, kind: str, name: _Name, text: str, limit: int) -> list[LiveVersion]:
        """The versions of a script that have this `tag` or `message`, or were left as they were by an upload with it, newest first."""
        found: list[LiveVersion] = []
        for index in reversed(self._marked(text_key(kind, *name, text))):
            entry = decode_entry(self.entry(index))
            if (entry.account, entry.event.subject) == name and entry.version is not None and len(found) < limit:
                found.append(self._as_version(entry, name))
        return found

    def _numbered(self, kind: str, name: _Name, numbers: range, form: Callable[[Entry, _Name], T]) -> Iterator[T]:
        for number in numbers:
            for index in self._marked(number_key(kind, *name, number)):
                entry = decode_entry(self.entry(index))
                made = entry.version if kind == "version" else entry.deployment
                if (entry.account, entry.event.subject) == name and made is not None and made.number == number:
                    yield form(entry, name)

    def _made(self, part: str, name: _Name, identifier: str) -> Entry | None:
        candidates = (index for index in self._live.state.ids.find(identifier) if index < self.size)
        return entry_that_made(part, *name, identifier, map(self.entry, candidates))

    def _marked(self, key: str) -> list[int]:
        return [index for index in self._live.marks.find(key) if index < self.size]

    def _as_version(self, entry: Entry, name: _Name) -> LiveVersion:
        return version_from(*self._form(entry, name), self.shard)

    def _as_deployment(self, entry: Entry, name: _Name) -> LiveDeployment:
        return deployment_from(*self._form(entry, name), self.shard)

    def _form(self, entry: Entry, name: _Name) -> tuple[Made, SealedActor | None]:
        fetch = self._live.state.blobs.get
        said = said_of(entry, fetch)
        same = max(self._live.marks.find(same_key(entry.index)), default=0)
        made = made_by(entry, said, changes_of(entry, fetch), same, lambda of: self._served(name, of, entry.index))
        return made, said.actor

    def _served(self, name: _Name, version: str, before: int) -> str | None:
        """The newest deployment before an entry that gave a version all traffic."""
        for index in reversed(self._marked(served_key(version))):
            if index < before:
                entry = decode_entry(self.entry(index))
                if (entry.account, entry.event.subject) == name and entry.deployment is not None:
                    return entry.deployment.id
        return None

    def _segment(self, start: int) -> Segment:
        with self._lock:
            found = self._kept.get(start)
        if found is None:
            name = layout.segment(self.shard, start)
            found = parse_segment(self._store.get(name), name)
            with self._lock:
                self._remember(start, found)
        return found

    def _remember(self, start: int, segment: Segment) -> None:
        self._kept[start] = segment
        self._kept.move_to_end(start)
        if len(self._kept) > _KEPT_SEGMENTS:
            self._kept.popitem(last=False)
