"""Replay: the recorded events folded again, from the start, by the real fold and the real encoder; every entry must come out the same.

So a log that was *written* wrong is found, not only one that was changed later. Memory is the fold's state; what it looks up lies in
temporary files, as a worker's does in its cache.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, cast

import msgspec
from msgspec import UNSET

from ledger.errors import LedgerError, NotFoundError
from ledger.log.batch import Batch, Folder
from ledger.log.ledgerfile import LedgerFile
from ledger.log.segments import parse_segment
from ledger.log.state import ShardState
from ledger.proof.merkle import Frontier
from ledger.storage import layout
from ledger.storage.keys import KeyStore
from ledger.storage.store import Store
from ledger.verify.findings import BadError, Problem
from ledger.verify.forms import MEMBERS
from ledger.verify.rebuilt import Form, Rebuilt, StandInKeys, accepted_with, decode_form, quarantined, rebuild, refused

__all__ = ["Replay", "replay_shard"]

_INDEX_EVERY: Final = 50_000
"""Entries after which what is looked up goes to files."""
_SHOWN: Final = 400
"""How many characters of what was expected and found are said."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def replay_shard(
    store: Store, file: LedgerFile, shard: int, size: int, progress: Callable[[int], None]
) -> tuple[int, Problem | None]:
    """Fold the first `size` entries of a shard again (requires that they are well-formed).

    Returns:
        How many came out the same, and the first that did not.
    """
    with tempfile.TemporaryDirectory(prefix="ledger-replay-") as place:
        replay = Replay(store, file, shard, Path(place))
        try:
            while replay.size < size:
                progress(replay.segment())
        except BadError as bad:
            done = replay.size if bad.index is None else bad.index
            return done, bad.problem(shard, layout.segment(shard, replay.size), done)
        return size, None


class _NoTree:
    """In the place of the tree's frontier: whether the leaves hash to the signed roots is another check."""

    def extend(self, leaves: Sequence[bytes]) -> None:
        """Pass over leaves."""


class Replay:
    """Folds a shard again, segment after segment.

    Args:
        store: the ledger's objects; only read.
        file: what the ledger is.
        shard: which shard.
        place: a directory for temporary files.
    """

    def __init__(self, store: Store, file: LedgerFile, shard: int, place: Path) -> None:
        self._store = store
        self._file = file
        self._state = ShardState(store, shard)
        self._state.frontier = cast(Frontier, _NoTree())
        self._keys = StandInKeys()
        self._place = place
        self._indexed = 0
        self._folder: Folder | None = None
        self.size = 0

    def segment(self) -> int:
        """Fold the next segment's events again; returns how many entries it has.

        Raises:
            BadError: `fold_mismatch`, with the index.
        """
        name = layout.segment(self._state.shard, self.size)
        lines = parse_segment(self._store.get(name), name).lines
        for start, run in self._runs(lines):
            self._compare(lines[start : start + len(run)], self._fold(run), self.size + start)
        self._state.sealed(self.size, len(lines))
        self.size += len(lines)
        if self.size - self._indexed >= _INDEX_EVERY:
            for lookup, prefix in ((self._state.events, "events"), (self._state.ids, "ids")):
                lookup.save(self._place, prefix, self.size)
            self._indexed = self.size
        return len(lines)

    def _runs(self, lines: list[bytes]) -> Iterator[tuple[int, list[Form]]]:
        """Entries that are folded together, with the place of the first: refusals and changes of topic stand alone."""
        run: list[Form] = []
        for place, line in enumerate(lines):
            form = decode_form(line)
            alone = form.outcome == "rejected" or form.origin.topic_id is not UNSET or form.origin.gap is not None
            if alone and run:
                yield place - len(run), run
                run = []
            run.append(form)
            if alone:
                yield place, run
                run = []
        if run:
            yield len(lines) - len(run), run

    def _fold(self, run: list[Form]) -> Batch:
        first = run[0]
        if first.origin.topic_id is not UNSET:
            topic_id = str(first.origin.topic_id)
            keys = cast(KeyStore, self._keys)
            self._folder = Folder(self._store, keys, self._state, self._file.topic, topic_id, gaps={}, keeps=False)
        if self._folder is None:
            raise BadError("unknown_topic", "the first entry names no topic id", index=first.index)
        self._folder.gaps = accepted_with(first, self._state.shard)
        if first.outcome == "rejected":
            record = self._quarantined(first)
            if record is None:
                return self._folder.refuse(*refused(first))
            return self._folder.fold([record])
        try:
            records = [rebuild(form, self._keys, self._state.blobs) for form in run]
        except (msgspec.MsgspecError, LedgerError) as error:
            raise BadError("fold_mismatch", f"the event cannot be folded again: {error}", index=first.index) from None
        return self._folder.fold(records)

    def _quarantined(self, form: Form) -> Rebuilt | None:
        try:
            raw = self._store.get(layout.quarantine(self._state.shard, form.index))
        except NotFoundError:
            return None
        return quarantined(form, raw, self._keys)

    def _compare(self, lines: list[bytes], made: Batch, first: int) -> None:
        self._state.stored(made.objects)
        if lines == made.lines:
            return
        for index, (line, again) in enumerate(zip(lines, made.lines, strict=True), first):
            if line != again:
                raise _difference(_decode(line), _decode(again), index)


def _difference(entry: dict[str, Any], made: dict[str, Any], index: int) -> BadError:
    """What differs first between an entry and what its event folds to."""
    for name in MEMBERS:
        if entry.get(name) != made.get(name):
            expected, found = _shown(made.get(name)), _shown(entry.get(name))
            message = f"the event folds to another {name}: {expected}, recorded was {found}"
            return BadError("fold_mismatch", message, index=index, expected=expected, found=found)
    return BadError("fold_mismatch", "the entry is written in another form than the event folds to", index=index)


def _shown(value: object) -> str:
    text = "nothing" if value is None else _encode(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
