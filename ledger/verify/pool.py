"""Work spread over all cores, its results in order and no more under way than a few pieces for each core."""

import gc
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from typing import Final, Generic, TypeVar

__all__ = ["Pool", "cores", "without_collector"]

_AHEAD: Final = 3
"""Pieces of work under way for each process: one at work, one waiting, one on its way."""

Piece = TypeVar("Piece")
Result = TypeVar("Result")


@contextmanager
def without_collector() -> Iterator[None]:
    """Run the block without Python's search for garbage in cycles: what is made here by the million has none."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool(Generic[Piece, Result]):
    """Maps a function over pieces of work, in this process until `after` of them are done, then in others.

    Starting processes takes a third of a second, in which small work is done already.

    Args:
        function: a module's; pieces and results are pickled.
        processes: how many; with 1 nothing leaves this process.
        after: how much work is done here first, in what `weight` counts.
        weight: of a piece.
    """

    def __init__(
        self, function: Callable[[Piece], Result], processes: int, after: int, weight: Callable[[Piece], int]
    ) -> None:
        self._function = function
        self._processes = processes
        self._rest = after
        self._weight = weight
        self._executor: ProcessPoolExecutor | None = None

    def map(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Result]]:
        """The pieces with their results, in order."""
        waiting: deque[tuple[Piece, Future[Result]]] = deque()
        for piece in pieces:
            self._rest -= self._weight(piece)
            if self._processes == 1 or self._rest > 0:
                yield piece, self._function(piece)
                continue
            waiting.append((piece, self._submitted(piece)))
            if len(waiting) >= _AHEAD * self._processes:
                yield self._taken(*waiting.popleft())
        while waiting:
            yield self._taken(*waiting.popleft())

    def close(self) -> None:
        """End the processes; what they have under way is dropped."""
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)
            self._executor = None

    def _submitted(self, piece: Piece) -> "Future[Result]":
        if self._executor is None:
            # Not forked: a progress bar may have a thread, and a forked child would inherit its locks.
            self._executor = ProcessPoolExecutor(self._processes, get_context("spawn"), initializer=_begin)
        try:
            with _without_main():
                return self._executor.submit(self._function, piece)
        except BrokenProcessPool as error:
            failed: Future[Result] = Future()
            failed.set_exception(error)
            return failed

    def _taken(self, piece: Piece, future: "Future[Result]") -> tuple[Piece, Result]:
        with suppress(BrokenProcessPool):
            return piece, future.result()
        return piece, self._function(piece)  # a process was killed, for its memory perhaps: what it had is done here


@contextmanager
def _without_main() -> Iterator[None]:
    """Let a process that starts meanwhile not import the program that runs here: it does not need it, and it takes longer than the rest."""
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    try:
        for name in hidden:
            setattr(main, name, None)
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)


def _begin() -> None:
    """In a new process: Ctrl-C is for the one that started it; and there is no garbage in cycles to look for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()
