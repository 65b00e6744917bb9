"""Verify: derive everything that a ledger says of itself again, and name the first place that does not fit.

An independent reader: it shares the formats with the writer, and none of its state. It needs no keys and never writes into the ledger.
Its verdict is as good as the public key it was given, and as old as what it remembers.
"""

from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Final

import msgspec

from ledger.errors import IntegrityError, UsageError
from ledger.log.ledgerfile import origin, read_ledger_file
from ledger.log.whole import whole
from ledger.proof.cosignatures import WitnessPolicy
from ledger.proof.notes import Verifier
from ledger.storage import layout
from ledger.storage.store import Store
from ledger.verify.beside import Beside, read_gaps, read_topics, unused
from ledger.verify.chain import Chain
from ledger.verify.earlier import Earlier, Extension, Given, read_earlier
from ledger.verify.findings import BadError, Notice, Problem, Report
from ledger.verify.indexes import judge_indexes
from ledger.verify.packs import judge_unused
from ledger.verify.pool import Pool, cores, without_collector
from ledger.verify.remembered import Memory, Seen, SeenPlace
from ledger.verify.replay import replay_shard
from ledger.verify.segments import Chunk, summaries_of, weight_of
from ledger.verify.strays import judge_covered, judge_stray
from ledger.verify.summary import Summary
from ledger.verify.walk import Walk
from ledger.verify.witnessed import Witnesses

__all__ = ["LAST", "verify"]

LAST: Final = "last"
"""As `since`: what the last run saw."""
_ALONE_BYTES: Final = 2 << 20
"""So many bytes of segments are checked before other processes are started."""

Progress = Callable[[int], None]


def verify(  # noqa: PLR0913 - each is a question of its own
    store: Store,
    *,
    vkey: str | None = None,
    against: Sequence[str] = (),
    since: Sequence[str] = (),
    replay: bool = False,
    memory: Memory | None = None,
    witnesses: WitnessPolicy | None = None,
    progress: Progress | None = None,
    processes: int | None = None,
) -> Report:
    """Verify a whole ledger.

    Args:
        store: its objects.
        vkey: the ledger's public key, from somewhere else than the ledger.
        against: where earlier checkpoints are, see `read_earlier`: the log must extend them.
        since: checkpoints that an earlier run verified (or `LAST`): only what came after is read, where `memory` has what that needs.
        replay: fold the recorded events again too, and compare.
        memory: what earlier runs saw; None to know nothing and to leave nothing behind.
        witnesses: who must have cosigned a checkpoint of each shard, and how many; what they cosigned is held against the log too.
        progress: called with the number of entries after each segment.
        processes: how many work on it; default: one for each core.

    Raises:
        NotFoundError: `no_ledger`, `no_checkpoint`.
        UsageError: `newer_format`, `other_log`, `full_run_needed`; `bad_vkey` for the key given.
        IntegrityError: `bad_ledger_file`, or `malformed_note` and the like for a checkpoint given.
        StoreError: the store or a checkpoint cannot be read.
    """
    run = _Run(store, vkey, memory, witnesses)
    with without_collector():
        return run.verify(against, since, progress or (lambda _: None), processes or cores(), replay=replay)


class _Run:
    """One verification."""

    def __init__(self, store: Store, vkey: str | None, memory: Memory | None, witnesses: WitnessPolicy | None) -> None:
        self._store = whole(store)
        self._file = read_ledger_file(store)
        self._raw = store.get(layout.LEDGER_FILE)
        self._key = Verifier.from_vkey(self._file.vkey) if vkey is None else _given_key(vkey)
        self._memory = memory
        self._place = memory.place() if memory else None
        self._pinned = vkey is not None
        self._topics, self._problems = read_topics(store, self._file)
        self._gaps, bad_gaps = read_gaps(store, self._file)
        self._problems += [*bad_gaps, *self._file_problems()]
        self._beside = Beside(store, self._file)
        self._witnesses = Witnesses(store, self._file, witnesses)
        self._seen = {
            shard: memory.shard(self._shard_key(shard)) if memory else None for shard in range(self._file.shards)
        }

    def verify(
        self, against: Sequence[str], since: Sequence[str], progress: Progress, processes: int, *, replay: bool
    ) -> Report:
        """The verdict."""
        given = [
            one for where in against for one in read_earlier(where, self._file, self._key)
        ] + self._witnesses.given()
        started = self._starts(since)
        walks = [self._walk(shard, given, started.get(shard)) for shard in range(self._file.shards)]
        pool: Pool[Chunk, list[Summary | None]] = Pool(summaries_of, processes, _ALONE_BYTES, weight_of)
        try:
            for walk in walks:
                for count in walk.run(pool):
                    progress(count)
        finally:
            pool.close()
        found, notices = self._judged(walks, whole=not started)
        replayed = {}
        if replay:
            for walk in walks:
                replayed[walk.shard], problem = replay_shard(self._store, self._file, walk.shard, walk.size, progress)
                found += [problem] if problem else []
        found += filter(None, (self._witnesses.problem(walk.shard, walk.size) for walk in walks))
        problems = sorted(found, key=lambda problem: (problem.shard, problem.index)) + self._problems
        warnings = self._remembered(walks, problems)
        return Report(
            ledger=self._file.name,
            ok=not problems,
            entries=sum(walk.size for walk in walks),
            shards=[walk.report(replayed.get(walk.shard)) for walk in walks],
            problems=problems,
            vkey=self._key.vkey,
            trust="pinned" if self._pinned else "seen" if self._is_seen() else "beside",
            extends=[
                f"{origin(self._file.name, walk.shard)} {known.size}"
                for walk in walks
                for known in walk.extension.extends
            ],
            notices=notices,
            warnings=warnings,
            lost=[one for walk in walks for one in walk.lost],
            witnessed=self._witnesses.said(),
        )

    def _shard_key(self, shard: int) -> Verifier:
        return self._key.renamed(origin(self._file.name, shard))

    def _is_seen(self) -> bool:
        return self._place is not None and self._place.vkey == self._key.vkey

    def _file_problems(self) -> Iterator[Problem]:
        """What is wrong with `ledger.json`: it is not signed, so it is held against the key and against what was seen."""
        file, place = self._file, self._place
        if (
            self._raw != msgspec.json.encode(file) + b"\n"
            or file.shards < 1
            or Verifier.from_vkey(file.vkey).name != file.name
        ):
            yield _of_file("ledger_file_changed", "it is not as it was written")
        if Verifier.from_vkey(file.vkey).public_key != self._key.public_key:
            yield _of_file("wrong_key", "the key beside the log is not the one given", self._key.vkey, file.vkey)
        if place is None or self._pinned:
            return
        if place.vkey != file.vkey:
            message = "the key beside the log is not the one that was seen here before"
            yield _of_file("wrong_key", message, place.vkey, file.vkey)
        elif place.ledger_file != sha256(self._raw).hexdigest():
            yield _of_file("ledger_file_changed", "it is not what was seen here before")

    def _starts(self, since: Sequence[str]) -> dict[int, Seen]:
        """Where to begin, by shard; shards that no checkpoint is given for are read whole."""
        if LAST in since:
            found = {shard: seen for shard, seen in self._seen.items() if seen is not None}
            if not found:
                raise _full_run("no earlier run of this ledger is remembered")
            return found
        given = [one for where in since for one in read_earlier(where, self._file, self._key)]
        return {one.shard: self._start(one) for one in given if one.checkpoint.size}

    def _start(self, given: Given) -> Seen:
        seen, checkpoint = self._seen[given.shard], given.checkpoint
        if seen is None:
            raise _full_run(f"no earlier run that verified {checkpoint.origin} is remembered")
        if (checkpoint.size, checkpoint.root) not in [*seen.trail, (seen.size, seen.root)]:
            raise _full_run(
                f"the run that is remembered, up to {seen.size} entries, did not see this checkpoint of {checkpoint.size}"
            )
        return seen

    def _walk(self, shard: int, given: Sequence[Given], start: Seen | None) -> Walk:
        earlier = [
            Earlier(size=one.checkpoint.size, root=one.checkpoint.root, where=one.where, copy=one.copy)
            for one in given
            if one.shard == shard and one.checkpoint.size
        ]
        seen = self._seen[shard]
        if seen is not None:
            earlier += [Earlier(size=size, root=root, where="an earlier run", named=False) for size, root in seen.trail]
            earlier.append(Earlier(size=seen.size, root=seen.root, where="an earlier run"))
        chain = Chain(
            shard, self._file.topic, self._topics, lambda account: self._beside.home(account, shard), self._gaps[shard]
        )
        extension = Extension(self._store, shard, earlier)
        walk = Walk(self._store, self._file, self._shard_key(shard), chain, self._beside.blob, extension)
        if start is not None:
            walk.resume(start)
        return walk

    def _judged(self, walks: Sequence[Walk], *, whole: bool) -> tuple[list[Problem], list[Notice]]:
        """The problems of shards, and what is unusual; looks at what lies beside the logs where they were read whole."""
        found, notices = [walk.problem for walk in walks if walk.problem], list(self._beside.notices())
        for walk in walks:
            for judged in self._strays(walk):
                if isinstance(judged, Problem) and walk.problem is None:
                    found.append(judged)
                    break
                if isinstance(judged, Notice):
                    notices.append(judged)
        if whole:
            self._problems += self._beside.problems()
        if not found:
            notices += unused(self._gaps, [one for walk in walks for one in walk.lost])
        return found, notices

    def _strays(self, walk: Walk) -> Iterator[Problem | Notice]:
        """What does not count of a shard: segments that begin inside what is there already, packs that others hold too."""
        key = self._shard_key(walk.shard)
        try:
            for first in walk.strays:
                yield from judge_stray(self._store, walk.shard, first, walk.size, key)
            yield from judge_covered(self._store, walk.shard, walk.since, walk.size, key)
            yield from judge_unused(self._store, walk.shard, walk.since, walk.size)
            if walk.problem is None:
                yield from judge_indexes(self._store, walk.shard, walk.since, walk.size, cores())
        except IntegrityError:  # a pack that cannot be read, which is the walk's problem already
            return

    def _remembered(self, walks: Sequence[Walk], problems: Sequence[Problem]) -> list[str]:
        """Keep what was seen, of the shards that are good; what could not be kept is said."""
        if self._memory is None or any(problem.shard is None for problem in problems):
            return []
        bad = {problem.shard for problem in problems}
        kept: list[Seen | SeenPlace] = [walk.seen() for walk in walks if walk.shard not in bad and walk.segments]
        if not bad:
            digest = sha256(self._raw).hexdigest()
            kept.append(SeenPlace(location=self._memory.location, vkey=self._file.vkey, ledger_file=digest))
        try:
            self._memory.keep(*kept)
        except OSError as error:
            return [f"what was seen cannot be kept in {self._memory.directory}: {error.strerror or error}"]
        return []


def _given_key(vkey: str) -> Verifier:
    """The key that somebody typed. None at all is not the same as an empty one, out of a variable that nobody set."""
    try:
        return Verifier.from_vkey(vkey)
    except IntegrityError as error:
        raise UsageError("bad_vkey", error.message, error.hint) from error


def _of_file(kind: str, message: str, expected: str | None = None, found: str | None = None) -> Problem:
    return BadError(kind, message, expected=expected, found=found).problem(None, layout.LEDGER_FILE)


def _full_run(why: str) -> UsageError:
    return UsageError("full_run_needed", why, "verify once without --since: it is remembered then")
