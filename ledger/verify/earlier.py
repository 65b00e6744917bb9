"""Earlier checkpoints: where they come from, and that today's log extends them."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from ledger.errors import IntegrityError, NotFoundError, StoreError, UsageError
from ledger.log.ledgerfile import LedgerFile, origin, read_ledger_file
from ledger.log.reader import segment_names
from ledger.log.segments import parse_segment
from ledger.log.whole import whole
from ledger.proof.checkpoints import Checkpoint, format_hash, open_checkpoint, read_unverified
from ledger.proof.merkle import Frontier, leaf_hash
from ledger.proof.notes import MAX_NOTE_BYTES, Verifier
from ledger.storage import layout
from ledger.storage.opening import open_store
from ledger.storage.store import Store
from ledger.verify.findings import BadError
from ledger.verify.reading import next_after, read_segment

__all__ = ["Earlier", "Extension", "Given", "lines_from", "read_earlier"]

_TIMEOUT_S: Final = 20.0


class Earlier(msgspec.Struct, frozen=True, kw_only=True):
    """A size and root that a shard's log had once."""

    size: int
    root: bytes
    where: str
    """From where it is known, for messages."""
    copy: Store | None = None
    """A ledger that holds the entries up to it, to find the first that differs."""
    named: bool = True
    """Whether it was asked for or is a checkpoint that was kept: then the report names it."""


class Given(msgspec.Struct, frozen=True):
    """A checkpoint that was asked for, verified."""

    shard: int
    checkpoint: Checkpoint
    copy: Store | None
    """The ledger that it was taken from."""
    where: str


def read_earlier(where: str, file: LedgerFile, key: Verifier) -> list[Given]:
    """The checkpoints at a place, verified.

    Args:
        where: a file with a signed checkpoint, an http(s) URL of one, or the directory of a ledger (of each shard the newest).
        file: the ledger that they must be of.
        key: its public key.

    Raises:
        NotFoundError, StoreError: nothing can be read there.
        UsageError: `other_log`: it is of another log.
        IntegrityError: it is not a checkpoint, or not signed with the key.
    """
    if where.startswith(("http://", "https://")):
        return [_opened(_download(where), where, file, key, None)]
    path = Path(where.removeprefix("file://"))
    if "://" in where or path.is_dir():
        return _of_ledger(whole(open_store(where)), where, file, key)
    try:
        return [_opened(path.read_bytes(), where, file, key, None)]
    except FileNotFoundError as error:
        raise NotFoundError(
            "no_checkpoint", f"there is no {where}", "give a file, a URL or a ledger's directory"
        ) from error
    except OSError as error:
        raise StoreError("checkpoint_unreadable", f"cannot read {where}: {error.strerror}") from error


def _of_ledger(store: Store, where: str, file: LedgerFile, key: Verifier) -> list[Given]:
    about = read_ledger_file(store)
    found: list[Given] = []
    for shard in range(min(about.shards, file.shards)):
        names = list(segment_names(store, shard))
        if names:
            note = parse_segment(store.get(names[-1][1]), names[-1][1]).note
            found.append(_opened(note, where, file, key, store))
    return found


def _opened(note: bytes, where: str, file: LedgerFile, key: Verifier, copy: Store | None) -> Given:
    try:
        claimed = read_unverified(note)
        shards = {origin(file.name, shard): shard for shard in range(file.shards)}
        if claimed.origin not in shards:
            message = f"{where} is a checkpoint of {claimed.origin}, which is no log of {file.name}"
            raise UsageError("other_log", message, "give a checkpoint of this ledger")
        return Given(shards[claimed.origin], open_checkpoint(note, key.renamed(claimed.origin)), copy, where)
    except IntegrityError as error:
        raise IntegrityError(error.code, f"{where}: {error.message}", error.hint) from error


def _download(url: str) -> bytes:
    try:
        with urlopen(url, timeout=_TIMEOUT_S) as response:  # noqa: S310 - the caller lets only http and https through
            data: bytes = response.read(MAX_NOTE_BYTES + 1)
            return data
    except (URLError, OSError, ValueError) as error:
        hint = "check the address and the network"
        raise StoreError("checkpoint_unavailable", f"cannot read {url}: {error}", hint) from error


class Extension:
    """Compares a shard's log, as it is walked over, with what it was earlier.

    Args:
        store: the ledger's objects.
        shard: which shard.
        earlier: what is known, in any order.
    """

    def __init__(self, store: Store, shard: int, earlier: Sequence[Earlier]) -> None:
        self._store = store
        self._shard = shard
        self._pending = sorted(earlier, key=lambda known: known.size, reverse=True)
        self._good = 0
        """The largest size at which the log is known to be what it was."""
        self.extends: list[Earlier] = []

    def begin(self, frontier: Frontier) -> None:
        """Compare what an earlier run has reached, after which this one begins; raises BadError as `follow` does."""
        self._good = int(frontier.size)
        self.follow(frontier, frontier, list)

    def follow(self, before: Frontier, after: Frontier, lines: Callable[[], list[bytes]]) -> None:
        """Compare what the segment that leads from `before` to `after` has reached; `lines` are its entries, asked for if needed.

        Raises:
            BadError: `entry_edited` or `forked`.
        """
        while self._pending and self._pending[-1].size <= after.size:
            known = self._pending.pop()
            if known.size < before.size:
                continue  # below where this run began: an earlier run has compared it
            root = after.root() if known.size == after.size else _root_inside(before, known.size, lines)
            if root != known.root:
                raise self._contradiction(known, root, is_boundary=known.size in {before.size, after.size})
            self._good = max(self._good, known.size)
            if known.named:
                self.extends.append(known)

    def end(self, size: int) -> None:
        """Say what the log has not reached; raises BadError `truncated`."""
        if self._pending:
            known = self._pending[0]
            message = f"the log has {size} entries; it had {known.size} when it was seen before ({known.where})"
            raise BadError("truncated", message, index=size, expected=str(known.size), found=str(size))

    def _contradiction(self, known: Earlier, root: bytes, *, is_boundary: bool) -> BadError:
        expected, found = format_hash(known.root), format_hash(root)
        is_newest = next_after(self._store, self._shard, known.size - 1) is None
        kind = "entry_edited" if is_boundary and not is_newest else "forked"
        index, exact = self._good, known.size - self._good == 1
        if known.copy is not None:
            index, exact = _first_difference(self._store, known.copy, self._shard, self._good), True
        which = f"entry {index} differs" if exact else f"one of the entries {index} to {known.size - 1} differs"
        message = f"at {known.size} entries the log had the root {expected} ({known.where}), today {found}: {which}"
        return BadError(kind, message, index=index, exact=exact, expected=expected, found=found)


def _root_inside(before: Frontier, size: int, lines: Callable[[], list[bytes]]) -> bytes:
    if size <= before.size:
        return before.root()
    frontier = before.copy()
    frontier.extend([leaf_hash(line) for line in lines()[: size - before.size]])
    return frontier.root()


def _first_difference(store: Store, copy: Store, shard: int, start: int) -> int:
    """The first index from `start` on at which two logs differ, as far as they can be read."""
    index = start
    for ours, theirs in zip(lines_from(store, shard, start), lines_from(copy, shard, start), strict=False):
        if ours != theirs:
            return index
        index += 1
    return index


def lines_from(store: Store, shard: int, start: int, but: int | None = None) -> Iterator[bytes]:
    """The entries of a log from an index on, up to what cannot be read; `but` is the first index of a segment that does not count."""
    firsts = [first for first, _ in segment_names(store, shard) if first != but]
    size = max((first for first in firsts if first <= start), default=0)
    while (data := read_segment(store, layout.segment(shard, size))) is not None:
        try:
            lines = parse_segment(data, "").lines
        except IntegrityError:
            return
        yield from lines[max(0, start - size) :]
        size += len(lines)
