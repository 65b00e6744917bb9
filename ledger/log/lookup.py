"""Where is the entry of this event, version or deployment? Keys to entry indexes, for a log of any length.

What came last is in a dict; what came before is in sorted runs of (8 bytes of the key's SHA-256, index), which lie in the cache
directory as memory-mapped files. A cache: it can be rebuilt from the log. Two keys may share a digest, so a hit in a run is a
candidate that the caller confirms against the entry.
"""

import secrets
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

__all__ = ["Lookup", "RunFile"]

_MERGE_RATIO: Final = 4
"""A run is merged with the one before it unless that is this many times longer: so there are few runs."""

Pairs = NDArray[np.uint64]
"""Shape (2, n): digests in ascending order, and the index of each."""


class RunFile(msgspec.Struct, frozen=True, array_like=True):
    """A sorted run in the cache directory."""

    name: str
    sha256: str
    """Of the pairs' bytes, hex."""


class Lookup:
    """Keys to entry indexes; `add` as entries are made, `save` with every snapshot."""

    def __init__(self) -> None:
        self._recent: dict[str, int] = {}
        self._more: dict[str, list[int]] = {}
        """Of keys in `_recent`, what `add_another` added."""
        self._runs: list[Pairs] = []
        self._files: list[RunFile] = []

    def __len__(self) -> int:
        more = sum(map(len, self._more.values()))
        return len(self._recent) + more + sum(int(run.shape[1]) for run in self._runs)

    @property
    def has_runs(self) -> bool:
        """Whether there is anything to find in runs."""
        return bool(self._runs)

    def add(self, key: str, index: int) -> None:
        """Remember that the entry at `index` has this key; of several the first counts."""
        self._recent.setdefault(key, index)

    def add_another(self, key: str, index: int) -> None:
        """Remember that the entry at `index` has this key as well as those that have it already."""
        if self._recent.setdefault(key, index) != index:
            self._more.setdefault(key, []).append(index)

    def recent(self, key: str) -> int | None:
        """The entry with this key, where it is not in a run yet."""
        return self._recent.get(key)

    def find(self, key: str) -> list[int]:
        """The candidates for a key, ascending. Another thread may ask: what `save` moves from here to there is found in either."""
        more = self._more.get(key, ())
        recent = self._recent.get(key)
        found = self.find_in_runs([key]).get(0, [])
        return sorted({*found, *more} if recent is None else {*found, recent, *more})

    def find_in_runs(self, keys: Sequence[str]) -> dict[int, list[int]]:
        """The candidates in runs of many keys at once: place in `keys` to indexes, ascending; places without are absent."""
        found: dict[int, list[int]] = {}
        if not self._runs:
            return found
        wanted = np.array([_digest_of(key) for key in keys], dtype=np.uint64)
        for run in self._runs:
            places = np.searchsorted(run[0], wanted)
            inside = places < run.shape[1]
            hits = np.flatnonzero(inside & (run[0][np.where(inside, places, 0)] == wanted))
            for hit in hits.tolist():
                end = int(np.searchsorted(run[0], wanted[hit], side="right"))
                found.setdefault(hit, []).extend(int(index) for index in sorted(run[1][int(places[hit]) : end]))
        return found

    def save(self, directory: Path, prefix: str, size: int) -> list[RunFile]:
        """Write what is recent as a run of its own (merged with shorter ones before it) and name all runs.

        A crash leaves files that no snapshot names: they are ignored and removed by the next snapshot.

        Raises:
            OSError, ValueError: the run could not be written; nothing is forgotten.
        """
        pairs = [(_digest_of(key), index) for key, index in self._recent.items()]
        pairs += [(_digest_of(key), index) for key, more in self._more.items() for index in more]
        if pairs:
            run = _sorted(np.array(pairs, dtype=np.uint64).T)
            runs, files = list(self._runs), list(self._files)
            while runs and runs[-1].shape[1] < _MERGE_RATIO * run.shape[1]:
                run = _sorted(np.concatenate([runs.pop(), run], axis=1))
                files.pop()
            # A name of its own: another worker with the same directory must not write over what is going to be mapped here.
            name = f"{prefix}-{size:016d}-{secrets.token_hex(4)}.npy"
            temporary = directory / f".{name}.tmp"
            with temporary.open("wb") as file:
                np.save(file, run)
            temporary.replace(directory / name)
            runs.append(_load(directory / name))
            files.append(RunFile(name, _digest(run)))
            self._runs, self._files = runs, files
            self._recent.clear()
            self._more.clear()
        return list(self._files)

    @classmethod
    def load(cls, directory: Path, files: Sequence[RunFile]) -> "Lookup":
        """Open the runs that a snapshot names.

        Raises:
            OSError, ValueError: one is missing or damaged; the cache has to be rebuilt.
        """
        lookup = cls()
        for file in files:
            run = _load(directory / file.name)
            if run.ndim != 2 or run.shape[0] != 2 or run.dtype != np.uint64 or _digest(run) != file.sha256:
                message = f"{file.name} is damaged"
                raise ValueError(message)
            lookup._runs.append(run)
            lookup._files.append(file)
        return lookup


def _load(path: Path) -> Pairs:
    try:
        return cast(Pairs, np.load(path, mmap_mode="r", allow_pickle=False))
    except OSError:
        raise
    except Exception as error:  # numpy raises whatever a damaged header leads it to
        message = f"{path.name} is damaged"
        raise ValueError(message) from error


def _digest_of(key: str) -> int:
    return int.from_bytes(sha256(key.encode()).digest()[:8], "big")


def _sorted(pairs: Pairs) -> Pairs:
    order = np.lexsort((pairs[1], pairs[0]))
    return np.ascontiguousarray(pairs[:, order])


def _digest(run: Pairs) -> str:
    return sha256(np.ascontiguousarray(run).data).hexdigest()
