"""Fault points: every step of the commit path, and how it can go wrong there.

Nothing in the product knows of them. `install` replaces functions of this process: of a child that a test started for the purpose.
"""

import asyncio
import errno
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import RequestTimedOutError

from ledger.errors import StoreError
from ledger.log.snapshot import SnapshotFiles
from ledger.log.writer import ShardWriter
from ledger.storage.local import LocalStore

__all__ = ["CRASHED", "HOWS", "OFFSETS", "STEPS", "Fault", "Plan", "install"]

CRASHED: Final = 99
"""The exit code of a process that died at a fault point."""

STEPS: Final = (
    "fold",
    "keys",
    "accounts",
    "objects",
    "segment",
    "write",
    "fsync",
    "link",
    "directory",
    "snapshot",
)
"""Of one batch, in order. A segment is put in four steps of its own: written aside, synced, linked, its directory synced."""
OFFSETS: Final = "offsets"
"""The last step, which only a worker with a broker has: the group's offset is committed."""
HALVES: Final = frozenset({"keys", "accounts", "objects", "write"})
"""Steps that can be done by half: the first of many objects, the first bytes of a file."""
HOWS: Final = ("dies before", "dies half", "dies after", "lost", "half", "kept")
"""The process ends there by `os._exit`, or an error is reported of what was not done, half done, or done."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What goes wrong, where and when."""

    point: str
    """One of `STEPS`, `OFFSETS`, or `clock`, which needs no more."""
    how: str = "jumps"
    """One of `HOWS`, or `hangs`: for some seconds, then it goes on."""
    nth: int = 0
    """At which passage of the point, counted from 0,"""
    times: int = 1
    """and at how many in a row."""
    seconds: float = 0.0


class Plan:
    """The faults of this process, how often each point was passed, and a journal of what happened (a line of JSON each)."""

    def __init__(self, faults: Sequence[Fault], journal: Path | None = None) -> None:
        self.hits: Counter[str] = Counter()
        self._faults = faults
        self._journal = journal
        self._lock = threading.Lock()

    def meet(self, point: str) -> Fault | None:
        """Pass a point: what goes wrong at this passage."""
        with self._lock:
            hit = self.hits[point]
            self.hits[point] += 1
            found = next((f for f in self._faults if f.point == point and f.nth <= hit < f.nth + f.times), None)
            if found is not None and self._journal is not None:
                with self._journal.open("ab") as journal:
                    journal.write(msgspec.json.encode(found) + b"\n")
            return found


Select = Callable[..., str | None]
"""Given a call's arguments, which point it is at, if any."""


def install(faults: Sequence[Fault], journal: Path | None = None) -> Plan:
    """Let these faults happen in this process; returns what was planned, and counts."""
    plan = Plan(faults, journal)
    _replace(plan, ShardWriter, "fold", lambda *_: "fold", StoreError("store_io", "could not read: a fault"))
    _replace(plan, LocalStore, "put_many", _object, StoreError("store_io", "could not write: a fault"), _first_objects)
    _replace(plan, os, "write", lambda fd, _: _of_segment(fd, "write"), _io_error(), _first_bytes)
    _replace(plan, os, "fsync", lambda fd: _of_segment(fd, "fsync", "directory"), _io_error())
    _replace(plan, os, "link", lambda _, to: "link" if _is_log(to) else None, _io_error())
    _replace(plan, SnapshotFiles, "write", lambda *_: "snapshot", OSError(errno.ENOSPC, "a fault"))
    _replace_commit(plan)
    if any(fault.point == "clock" for fault in faults):
        _let_clock_jump()
    return plan


def _replace(
    plan: Plan,
    owner: Any,
    name: str,
    select: Select,
    error: Exception,
    half: Callable[..., tuple[Any, ...]] = lambda *arguments: arguments,
) -> None:
    """Put a fault point around a function.

    Args:
        plan: what is to happen there.
        owner: the class or module that has the function.
        name: of the function.
        select: which point a call is at.
        error: how the function reports failure.
        half: a call's arguments to those of half the work.
    """
    original = getattr(owner, name)

    def wrapped(*arguments: Any) -> Any:
        point = select(*arguments)
        fault = plan.meet(point) if point is not None else None
        if fault is None:
            return original(*arguments)
        match fault.how:
            case "dies before":
                os._exit(CRASHED)
            case "dies half":
                original(*half(*arguments))
                os._exit(CRASHED)
            case "dies after":
                original(*arguments)
                os._exit(CRASHED)
            case "hangs":
                time.sleep(fault.seconds)
                return original(*arguments)
            case "half":
                original(*half(*arguments))
            case "kept":
                original(*arguments)
            case _:  # lost
                pass
        raise error

    setattr(owner, name, wrapped)


def _replace_commit(plan: Plan) -> None:
    """The same around the commit of offsets, which is a coroutine of the Kafka client."""
    original: Callable[..., Coroutine[Any, Any, None]] = AIOKafkaConsumer.commit

    async def commit(self: Any, offsets: Any = None) -> None:
        fault = plan.meet(OFFSETS)
        how = fault.how if fault is not None else None
        if how == "dies before":
            os._exit(CRASHED)
        if fault is not None and how == "hangs":
            await asyncio.sleep(fault.seconds)
        if how != "lost":
            await original(self, offsets)
        if how == "dies after":
            os._exit(CRASHED)
        if how in {"lost", "kept"}:
            raise RequestTimedOutError("a fault")

    AIOKafkaConsumer.commit = commit


def _object(store: LocalStore, objects: Sequence[tuple[str, bytes]]) -> str | None:
    """Which step stores these objects."""
    if not objects:
        return None
    if store.root.name == "keys":
        return "keys"
    kinds = {"accounts": "accounts", "blobs": "objects", "quarantine": "objects", "log": "segment"}
    return kinds.get(objects[0][0].partition("/")[0])


def _first_objects(store: LocalStore, objects: Sequence[tuple[str, bytes]]) -> tuple[Any, ...]:
    return store, objects[: len(objects) // 2]


def _first_bytes(descriptor: int, data: memoryview) -> tuple[Any, ...]:
    return descriptor, data[: len(data) // 2]


def _of_segment(descriptor: int, of_file: str, of_directory: str | None = None) -> str | None:
    """The point's name, where the descriptor is that of a file below `log/`, or of a shard's directory there."""
    path = Path(f"/proc/self/fd/{descriptor}").readlink()
    if not _is_log(path):
        return None
    return of_directory if path.is_dir() else of_file


def _is_log(path: str | Path) -> bool:
    return "log" in Path(path).parts and not str(path).endswith(".log")


def _io_error() -> OSError:
    return OSError(errno.EIO, "a fault")


def _let_clock_jump() -> None:
    """Let the wall clock jump by up to a year, both ways, at every look."""
    chance = random.Random(1)
    now, now_ns = time.time, time.time_ns

    def jump_s() -> float:
        return chance.uniform(-3e7, 3e7)

    time.time = lambda: now() + jump_s()
    time.time_ns = lambda: now_ns() + int(jump_s() * 1e9)
