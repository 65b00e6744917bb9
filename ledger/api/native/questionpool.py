"""Where questions are answered: a few threads beside the event loop, each question with an opened ledger of its own.

A question that takes too long is cut off; until it has really ended it keeps its thread, so that there are never more questions at
work than threads, and whatever they cost, the event loop goes on.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, Generic, TypeVar

from ledger.api.native.kept import Kept
from ledger.api.native.ledgerpool import LedgerPool
from ledger.api.native.sight import Sight
from ledger.api.native.trees import Trees
from ledger.api.problems import RefusalError
from ledger.errors import InputError, NotFoundError, UsageError
from ledger.query.opened import OpenLedger

__all__ = ["QuestionPool"]

Answer = TypeVar("Answer")
_AGAIN_S: Final = 0.05
_ROWS: Final = 50_000
_BYTES: Final = 32 << 20
_SOON: Final = {"retry-after": "1"}


class QuestionPool:
    """Answers questions; its methods are the event loop's.

    Args:
        ledgers: opened ledgers.
        sizes: how many entries each shard has now.
        threads: questions at work at once.
        waiting: questions that wait for a thread, at most; more are refused.
        timeout_s: of a question, from when it came.
    """

    def __init__(
        self,
        ledgers: LedgerPool,
        sizes: Callable[[], Mapping[int, int]],
        *,
        threads: int = 2,
        waiting: int = 64,
        timeout_s: float = 30.0,
    ) -> None:
        self.ledgers = ledgers
        self.lists: Kept[Sequence[Any]] = Kept(_ROWS)
        """Lists that name nobody, by rows."""
        self.answers: Kept[tuple[bytes, bool]] = Kept(_BYTES)
        """Answers that name nobody, and whether another page follows, by bytes."""
        self.trees = Trees(ledgers.about.shards)
        self._sizes = sizes
        self.watchers = 0
        """How many follow the log now."""
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="question")
        self._beside = ThreadPoolExecutor(threads, thread_name_prefix="reading")
        self._timeout_s = timeout_s
        self._limit = threads + waiting
        self._open: set[Future[Any]] = set()
        self._cutting: set[asyncio.Task[None]] = set()

    def sizes(self) -> tuple[int, ...]:
        """How many entries each shard has now, in order."""
        found = self._sizes()
        return tuple(found.get(shard, 0) for shard in range(self.ledgers.about.shards))

    async def ask(self, sight: Sight, question: Callable[[OpenLedger], Answer]) -> Answer:
        """The answer to a question, asked in a thread of an opened ledger that sees just that.

        Raises:
            RefusalError: 503 `too_many_questions`, `question_too_slow`.
            LedgerError: what the question raises.
        """
        if len(self._open) >= self._limit:
            raise RefusalError(
                503, "too_many_questions", "too many questions wait", "try again in a while", headers=_SOON
            )
        work = _Work(self.ledgers, sight, question)
        future = self._threads.submit(work.run)
        loop = asyncio.get_running_loop()
        self._open.add(future)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError:
            hint = "narrow it down by account, script or time"
            raise RefusalError(503, "question_too_slow", "the question takes too long", hint, headers=_SOON) from None
        finally:
            if future.done() or future.cancel():
                self._open.discard(future)
            else:  # it took too long, or whoever asked has gone
                task = loop.create_task(self._cut_off(work, future))
                self._cutting.add(task)
                task.add_done_callback(self._cutting.discard)

    async def beside(self, work: Callable[[], Answer]) -> Answer:
        """What a short piece of work that reads the log comes to, in a thread that questions do not use."""
        return await asyncio.get_running_loop().run_in_executor(self._beside, work)

    def close(self) -> None:
        """Close what is open; a question at work ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._beside.shutdown(wait=False, cancel_futures=True)
        self.ledgers.close()

    async def _cut_off(self, work: "_Work[Any]", future: Future[Any]) -> None:
        """Interrupt what nobody waits for any more, as often as it takes: a question is several queries."""
        while not future.done():
            work.interrupt()
            await asyncio.sleep(_AGAIN_S)
        self._open.discard(future)


class _Work(Generic[Answer]):
    """One question and the opened ledger that it is asked of."""

    def __init__(self, ledgers: LedgerPool, sight: Sight, question: Callable[[OpenLedger], Answer]) -> None:
        self._ledgers = ledgers
        self._sight = sight
        self._question = question
        self._lock = threading.Lock()
        self._ledger: OpenLedger | None = None
        self._is_cut_off = False

    def run(self) -> Answer:
        """Ask. An opened ledger is kept where what went wrong, if anything did, is the question's fault."""
        ledger = self._ledgers.take(self._sight)
        with self._lock:
            self._ledger = ledger
        is_good = False
        try:
            answer = self._question(ledger)
            is_good = True
            return answer
        except (InputError, NotFoundError, UsageError):
            is_good = True
            raise
        finally:
            with self._lock:  # from now on nobody interrupts what the next question asks of it
                self._ledger = None
                is_good = is_good and not self._is_cut_off
            if is_good:
                self._ledgers.give_back(self._sight, ledger)
            else:
                ledger.close()

    def interrupt(self) -> None:
        """Cut off the query that is under way, if one is."""
        with self._lock:
            if self._ledger is not None:
                self._is_cut_off = True
                self._ledger.interrupt()
