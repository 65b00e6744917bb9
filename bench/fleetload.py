"""The load of a whole fleet: a year of changes of thousands of scripts in hundreds of accounts, of the real data's shape.

Each script lives one of the real histories, again and again, every time with other code. Some scripts change a thousand times as often
as others (Zipf and Mandelbrot), most in working hours. Clocks are off and events late now and then; some come twice; some go back.
Nothing here is left to chance: the same numbers give the same events, whichever shards they are asked for.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha512
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.histories import SALTS, Step, real_histories
from bench.load import HEADERS
from ledger.log.records import Record
from ledger.model.ids import deployment_id

__all__ = ["Fleet", "FleetLoad"]

BEGIN_MS: Final = int(datetime(2025, 11, 1, tzinfo=UTC).timestamp()) * 1000
YEAR_MS: Final = 365 * 86_400_000
_HOUR_MS: Final = 3_600_000
_SEED: Final = 20_000
_CHUNK: Final = 50_000
_TWICE: Final = 0.001
"""Of the events come again."""
_BACK: Final = 0.01
"""Of those that deploy go back instead."""
_BY_HAND: Final = 0.01
"""Come from the dashboard."""
_LATE: Final = 0.004
"""Happened up to half a day before they came,"""
_AHEAD: Final = 0.001
"""or, as their clocks say, up to ten minutes after."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True):
    """How large a fleet is, and how much it changes in its year."""

    entries: int
    scripts: int = 20_000
    accounts: int = 500
    shards: int = 4


class _Life:
    """Where a script is in its history, and what it deployed last."""

    __slots__ = ("deployed", "last", "places", "repetition", "step")

    def __init__(self, places: dict[bytes, bytes]) -> None:
        self.places = places
        self.step = self.repetition = 0
        self.deployed: list[tuple[str, str]] = []
        self.last: bytes | None = None


class _Chunk(NamedTuple):
    """Some events that follow each other."""

    start: int
    """The number of the first."""
    random: np.random.Generator
    """What else is left to chance about them."""
    scripts: NDArray[np.int64]
    """Of each its script,"""
    here: NDArray[np.bool_]
    """and whether it comes to the shard that is looked at."""


class FleetLoad:
    """The records of a fleet's topic."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._histories = real_histories()
        random = np.random.default_rng(_SEED)
        sizes = _account_sizes(fleet)
        self._account_of = np.repeat(np.arange(fleet.accounts), sizes)
        self._weights = self._falling_by_length(random)
        weights = np.bincount(self._account_of, self._weights, fleet.accounts)
        self._shard_of = _spread(weights.astype(np.float64), fleet.shards)
        self._hours = _working_hours()

    def _falling_by_length(self, random: np.random.Generator) -> NDArray[np.float64]:
        """How often each script changes: those with long histories are the ones that change often, more or less."""
        lengths = np.array([len(history.steps) for history in self._histories], dtype=np.float64)
        busy = np.log(np.resize(lengths, self.fleet.scripts)) + random.normal(0.0, 0.7, self.fleet.scripts)
        weights = np.empty(self.fleet.scripts)
        weights[np.argsort(-busy, kind="stable")] = _falling(self.fleet.scripts, 50.0)
        return weights

    def size(self, shard: int) -> int:
        """How many records come to one shard."""
        return sum(int(chunk.here.sum()) for chunk in self._chunks(shard))

    def ranked(self) -> list[tuple[str, str]]:
        """Account and name of every script, the busiest first."""
        places = [(script, self._places(script)) for script in np.argsort(-self._weights, kind="stable").tolist()]
        return [(there[b"account"].decode(), self._name(script, there)) for script, there in places]

    def records(self, shard: int) -> Iterator[Record]:
        """What comes to one shard, in the order of Kafka's times, from offset 0 on."""
        lives: dict[int, _Life] = {}
        offset = 0
        for chunk in self._chunks(shard):
            came = self._came_ms(chunk)
            times = _text(came - _delays_ms(chunk.random, len(came)))
            chances = chunk.random.random(len(came))
            for at in np.flatnonzero(chunk.here).tolist():
                script, chance = int(chunk.scripts[at]), float(chances[at])
                life = lives.get(script)
                if life is None:
                    life = lives[script] = _Life(self._places(script))
                if life.last is None or chance >= _TWICE:
                    life.last = self._next(life, script, chunk.start + at, times[at], chance)
                yield Record(offset, int(came[at]), life.places[b"account"], life.last, HEADERS)
                offset += 1

    def _chunks(self, shard: int) -> Iterator[_Chunk]:
        cumulated = np.cumsum(self._weights)
        here = (self._shard_of == shard)[self._account_of]
        for start in range(0, self.fleet.entries, _CHUNK):
            random = np.random.default_rng((_SEED, start))
            count = min(_CHUNK, self.fleet.entries - start)
            scripts = np.searchsorted(cumulated, random.random(count) * cumulated[-1], side="right")
            yield _Chunk(start, random, scripts, here[scripts])

    def _came_ms(self, chunk: _Chunk) -> NDArray[np.int64]:
        count = len(chunk.scripts)
        parts = (chunk.start + np.arange(count) + chunk.random.random(count)) / self.fleet.entries
        hours = np.interp(parts, self._hours, np.arange(len(self._hours)))
        return np.asarray(BEGIN_MS + (hours * _HOUR_MS).astype(np.int64))

    def _places(self, script: int) -> dict[bytes, bytes]:
        account = int(self._account_of[script])
        return {
            b"account": b"account-%03d" % account,
            b"suffix": b"-%d" % (script // len(self._histories)),
            b"host": b"a%d" % account,
            b"person": b"%04x" % account,
        } | _salts(account, 0)

    def _name(self, script: int, places: dict[bytes, bytes]) -> str:
        return self._histories[script % len(self._histories)].name + places[b"suffix"].decode()

    def _next(self, life: _Life, script: int, number: int, time: bytes, chance: float) -> bytes:
        """The next event of a script."""
        history = self._histories[script % len(self._histories)]
        if life.step == len(history.steps):
            life.step, life.repetition = 0, life.repetition + 1
            life.places |= _salts(int(self._account_of[script]), life.repetition)
        step = history.steps[life.step]
        goes_back = step.deploys and len(life.deployed) == 2 and chance > 1 - _BACK
        by_hand = int(chance * 1e9) % 1000 < 1000 * _BY_HAND
        places = life.places
        places[b"id"] = b"%08x" % number
        places[b"time"] = time
        places[b"interface"] = b"dash" if by_hand else step.interface
        if goes_back:
            name = self._name(script, places)
            places[b"target"] = deployment_id(places[b"account"].decode(), name, *life.deployed[0]).encode()
            event = step.going_back % places
        else:
            life.step += 1
            event = step.pattern % places
        self._remember(life, step, event)
        return event

    @staticmethod
    def _remember(life: _Life, step: Step, event: bytes) -> None:
        if step.deletes:
            life.deployed = []
        elif step.deploys:
            start = event.index(b'"id":"') + 6
            life.deployed = [*life.deployed[-1:], (step.source, event[start : start + 36].decode())]


def _falling(count: int, offset: float) -> NDArray[np.float64]:
    """Weights of ranks: Zipf's law with Mandelbrot's offset, so that the first are many but not all."""
    return np.asarray(1.0 / (np.arange(count) + offset) ** 0.9)


def _account_sizes(fleet: Fleet) -> NDArray[np.int64]:
    """How many scripts each account has: at least one, some a hundred times as many as others."""
    weights = _falling(fleet.accounts, 5.0)
    sizes = 1 + np.floor(weights / weights.sum() * (fleet.scripts - fleet.accounts)).astype(np.int64)
    sizes[0] += fleet.scripts - int(sizes.sum())
    return np.asarray(sizes)


def _spread(weights: NDArray[np.float64], shards: int) -> NDArray[np.int64]:
    """A shard for each account, so that all shards get about as much."""
    filled = np.zeros(shards)
    chosen = np.zeros(len(weights), dtype=np.int64)
    for account in np.argsort(-weights, kind="stable"):
        chosen[account] = np.argmin(filled)
        filled[chosen[account]] += weights[account]
    return chosen


def _working_hours() -> NDArray[np.float64]:
    """Which part of the year's events came before each hour of it."""
    hours = np.arange(YEAR_MS // _HOUR_MS)
    weekday = (hours // 24 + 5) % 7 < 5  # the first day is a Saturday
    day = (hours % 24 >= 7) & (hours % 24 < 19)
    weights = np.where(day, 8.0, 1.0) * np.where(weekday, 1.0, 0.25)
    return np.concatenate(([0.0], np.cumsum(weights) / weights.sum()))


def _delays_ms(random: np.random.Generator, count: int) -> NDArray[np.int64]:
    """How long after it happened, as its clock says, each event came."""
    delays = random.gamma(2.0, 400.0, count)
    luck = random.random(count)
    late, ahead = luck < _LATE, luck > 1 - _AHEAD
    delays[late] = random.random(int(late.sum())) * 12 * _HOUR_MS
    delays[ahead] = random.random(int(ahead.sum())) * -_HOUR_MS / 6
    return np.asarray(delays.astype(np.int64))


def _text(times_ms: NDArray[np.int64]) -> list[bytes]:
    stamps = np.datetime_as_string(times_ms.astype("datetime64[ms]"), unit="ms")
    return [f"{stamp}Z".encode() for stamp in stamps.tolist()]


def _salts(account: int, repetition: int) -> dict[bytes, bytes]:
    digits = sha512(b"%d/%d" % (account, repetition)).hexdigest().encode()
    return {b"salt%d" % number: digits[16 * number : 16 * number + 16] for number in range(SALTS)}
