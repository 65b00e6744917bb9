"""What is checked of packs besides the segments that they hold: their files' digests, their columns, and copies beside them."""

from collections.abc import Iterator
from pathlib import Path

from ledger.errors import IntegrityError
from ledger.log.packfile import PackFile, digest_of
from ledger.log.packs import Part, pack_names
from ledger.log.whole import WholeStore
from ledger.storage import layout
from ledger.verify.columns import first_differing
from ledger.verify.earlier import lines_from
from ledger.verify.findings import BadError, Notice, Problem

__all__ = ["PackChecks", "judge_unused"]


class PackChecks:
    """Looks at the packs of a shard while the walk passes over them.

    Args:
        store: the ledger's objects.
        shard: which shard.
    """

    def __init__(self, store: WholeStore, shard: int) -> None:
        self._store = store
        self._shard = shard
        self._next = 0

    def name_of(self, index: int) -> str | None:
        """The pack from which an entry is read, or None; also where the packs cannot be read."""
        try:
            return self._store.pack_of(self._shard, index)
        except IntegrityError:
            return None

    def compare(self, start: int, end: int) -> None:
        """Compare columns with entries, from `start` to below `end`, where they are in a pack.

        Raises:
            BadError: `column_mismatch`, with the first index at which one differs; `bad_pack`.
        """
        name = self.name_of(start)
        if name is None:
            return
        try:
            differing = first_differing(self._store.file(name), start, end)
        except IntegrityError as error:
            raise BadError("bad_pack", error.message, index=start, exact=False, file=name) from None
        if differing is not None:
            message = (
                f"a column beside entry {differing} is not what the entry says: questions would be answered with it"
            )
            raise BadError("column_mismatch", message, index=differing, file=name)

    def passed(self, size: int) -> None:
        """Check the file of each pack whose entries were found to be good, up to `size`.

        Raises:
            BadError: `bit_flip`: the file is not the one that was named.
        """
        parts = self._store.parts(self._shard)
        while self._next < len(parts) and parts[self._next].end <= size:
            part = parts[self._next]
            self._next += 1
            found = digest_of(self._store.file(part.name).path)
            if not found.startswith(part.pack.digest):
                raise _changed(part, found)

    def skip(self, size: int) -> None:
        """Leave the files of packs alone that end at or below `size`: an earlier run has looked at them."""
        parts = self._store.parts(self._shard)
        self._next = sum(part.end <= size for part in parts)

    def blamed(self, bad: BadError, size: int) -> BadError:
        """The problem that was found after `size` good entries: of a pack whose file is not the one that was named, it is that."""
        name = self.name_of(size if bad.index is None else bad.index)
        pack = layout.parse_pack(name) if name else None
        if name is None or pack is None or bad.kind in {"bit_flip", "entry_edited", "segment_missing"}:
            return bad
        if digest_of(self._store.file(name).path).startswith(pack.digest):
            return bad
        message = f"{bad.message}; the file's SHA-256 is not the one in its name"
        return BadError("bit_flip", message, index=bad.index, exact=bad.exact, file=name)

    def unreadable(self, error: IntegrityError, size: int) -> BadError:
        """The problem of a pack that cannot be read, after `size` entries that are good."""
        for name in pack_names(self._store.inner, self._shard):
            pack = layout.parse_pack(name)
            if pack is None or pack.end <= size or not error.message.startswith(name):
                continue
            path = self._path(name)
            if path is not None and not digest_of(path).startswith(pack.digest):
                message = f"{error.message}; its SHA-256 is not the one in its name"
                return BadError("bit_flip", message, index=max(size, pack.first), exact=False, file=name)
            return BadError("bad_pack", error.message, index=max(size, pack.first), exact=False, file=name)
        return BadError("bad_pack", error.message, index=size, exact=False)

    def _path(self, name: str) -> Path | None:
        try:
            return self._store.file(name).path
        except IntegrityError:
            return None


def _changed(part: Part, found: str) -> BadError:
    message = "the file is not the one that its name says, although every entry, checkpoint and column that is read from it is good"
    return BadError(
        "bit_flip",
        message,
        index=part.pack.first,
        exact=False,
        expected=part.pack.digest,
        found=found[:32],
        file=part.name,
    )


def judge_unused(store: WholeStore, shard: int, since: int, size: int) -> Iterator[Problem | Notice]:
    """Packs of which nothing or not all is read, because others hold the same entries: they must hold the same.

    Args:
        store: the ledger's objects.
        shard: which shard.
        since: packs that end at or below this index are left alone.
        size: of the log, as far as it is good.
    """
    parts = {part.name: part for part in store.parts(shard)}
    for name in pack_names(store.inner, shard):
        pack = layout.parse_pack(name)
        part = parts.get(name)
        if pack is None or pack.end <= since or (part is not None and part.start == pack.first):
            continue
        bad = _differing(store, PackFile(store.file(name).path, name), shard, size)
        if bad is not None:
            yield bad.problem(shard, name)
        else:
            yield Notice(
                file=name, message="it does not count, or not all of it: its entries are in other packs already"
            )


def _differing(store: WholeStore, pack: PackFile, shard: int, size: int) -> BadError | None:
    parsed = layout.parse_pack(pack.name)
    if parsed is None:
        return None
    try:
        if not digest_of(pack.path).startswith(parsed.digest):
            return BadError("bit_flip", "its SHA-256 is not the one in its name", index=parsed.first, exact=False)
        ours = lines_from(store, shard, parsed.first)
        start = index = parsed.first
        for end, _ in pack.boundaries():
            for line in (line for segment in pack.segments(start, end) for line in segment.lines):
                if index < size and line != next(ours, None):
                    return BadError("stray_segment", "it holds other entries than the log", index=index)
                index += 1
            start = end
        differing = first_differing(pack, parsed.first, parsed.end)
    except IntegrityError as error:
        return BadError("bad_pack", error.message, index=parsed.first, exact=False)
    finally:
        pack.close()
    if differing is not None:
        return BadError("column_mismatch", "a column is not what the entry says", index=differing)
    return None
