"""Questions beside the event loop: slow ones are cut off, too many refused, and nobody else notices."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ledger.api.native.kept import Kept
from ledger.api.native.ledgerpool import LedgerPool
from ledger.api.native.questionpool import QuestionPool
from ledger.api.native.sight import Sight
from ledger.api.problems import RefusalError
from ledger.errors import NotFoundError
from ledger.query import questions
from ledger.query.opened import OpenLedger
from ledger.query.rows import rows
from tests.api.rig import answering, make_token, write_ledger
from tests.worker.rig import wait_until

ALL = Sight(sizes=(60,), accounts=None, named=False)
ENDLESS = "SELECT count(*) AS count FROM range(1000000000000)"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ledger."""
    return write_ledger(tmp_path_factory.mktemp("pool") / "ledger", 60)


@pytest.fixture
def ledgers(root: Path) -> Iterator[LedgerPool]:
    """Opened ledgers."""
    ledgers = LedgerPool(str(root), None, kept=2)
    yield ledgers
    ledgers.close()


def endless_sql(ledger: OpenLedger) -> Any:
    """A query that does not end."""
    return rows(ledger, ENDLESS)


def endless_python(ledger: OpenLedger) -> Any:
    """Work of another kind that does not, but asks whether it is to go on."""
    while True:
        ledger.go_on()
        time.sleep(0.001)


@pytest.mark.parametrize("endless", [endless_sql, endless_python])
def test_a_slow_question_is_cut_off_and_its_thread_is_free_again(
    ledgers: LedgerPool, endless: Callable[[OpenLedger], Any]
) -> None:
    """503, and the next one is answered by the same thread."""

    async def run() -> None:
        pool = QuestionPool(ledgers, lambda: {0: 60}, threads=1, timeout_s=0.2)
        with pytest.raises(RefusalError) as caught:
            await pool.ask(ALL, endless)
        assert (caught.value.status, caught.value.code) == (503, "question_too_slow")
        patient = QuestionPool(ledgers, lambda: {0: 60}, threads=1, timeout_s=30)
        patient._threads = pool._threads
        assert await patient.ask(ALL, lambda ledger: ledger.shards[0].size) == 60
        await asyncio.to_thread(wait_until, lambda: not pool._open, 20)
        pool.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_what_was_cut_off_is_used_by_nobody_else(ledgers: LedgerPool) -> None:
    """Not even where the question had its answer just then: the next one would be cut off in its place."""

    async def run() -> None:
        pool = QuestionPool(ledgers, lambda: {0: 60}, threads=1, timeout_s=0.2)
        let = threading.Event()

        def late(ledger: OpenLedger) -> int:
            let.wait(20)
            return id(ledger)

        with pytest.raises(RefusalError):
            await pool.ask(ALL, late)
        await asyncio.to_thread(wait_until, lambda: bool(pool._cutting), 20)
        await asyncio.sleep(0.1)
        let.set()
        await asyncio.to_thread(wait_until, lambda: not pool._open, 20)
        assert not ledgers._kept
        await pool.ask(ALL, lambda ledger: ledger.go_on())
        pool.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_too_many_questions_are_refused_at_once(ledgers: LedgerPool) -> None:
    """And taken again when there is room."""

    async def run() -> None:
        pool = QuestionPool(ledgers, lambda: {0: 60}, threads=1, waiting=1)
        let = threading.Event()
        asked = [asyncio.create_task(pool.ask(ALL, lambda _: let.wait(20))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(RefusalError) as caught:
            await pool.ask(ALL, lambda _: None)
        assert (caught.value.status, caught.value.code) == (503, "too_many_questions")
        let.set()
        assert await asyncio.gather(*asked) == [True, True]
        assert await pool.ask(ALL, lambda _: 7) == 7
        pool.close()

    asyncio.run(asyncio.wait_for(run(), 60))


def test_an_opened_ledger_is_used_again_for_the_same_sight_only(ledgers: LedgerPool) -> None:
    """Also after an error that is the question's fault; not after any other. The oldest are closed."""

    async def run() -> None:
        pool = QuestionPool(ledgers, lambda: {0: 60})
        seen = [await pool.ask(ALL, id) for _ in range(2)]
        with pytest.raises(NotFoundError):
            await pool.ask(ALL, lambda ledger: questions.deployments(ledger, "nothing"))
        assert [*seen, await pool.ask(ALL, id)] == [seen[0]] * 3
        with pytest.raises(ZeroDivisionError):
            await pool.ask(ALL, lambda _: 1 // 0)
        others = [Sight(sizes=(size,), accounts=("acme",), named=False) for size in (10, 20, 30)]
        sizes = [await pool.ask(sight, lambda ledger: sum(shard.size for shard in ledger.shards)) for sight in others]
        assert sizes == [10, 20, 30]
        assert len(ledgers._kept) == 2
        pool.close()
        assert not ledgers._kept

    asyncio.run(asyncio.wait_for(run(), 60))


def test_things_are_kept_up_to_a_weight() -> None:
    """Those that were not asked for go first; one that is too heavy is not kept."""
    kept: Kept[str] = Kept(10)
    kept.put("a", "A", 4)
    kept.put("b", "B", 4)
    assert kept.get("a") == "A"
    kept.put("c", "C", 4)
    assert [kept.get(name) for name in "abc"] == ["A", None, "C"]
    kept.put("d", "D", 11)
    kept.put("e", "E", 10)
    assert [kept.get(name) for name in "acde"] == [None, None, None, "E"]


def test_a_slow_question_delays_nobody(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All threads of the pool are busy; probes, the stream's start and refusals are answered meanwhile."""
    token = make_token(root)
    began, let = threading.Semaphore(0), threading.Event()

    def slow(_: OpenLedger) -> Any:
        began.release()
        let.wait(60)
        raise NotFoundError("no_answer", "let go")

    monkeypatch.setattr(questions, "status", slow)
    with answering(root) as (server, context), ThreadPoolExecutor(2) as threads:
        asked = [threads.submit(server.ask, "/v1/status", token=token) for _ in range(2)]
        for _ in range(2):
            assert began.acquire(timeout=30)
        assert server.ask("/readyz").status == 200
        assert server.ask("/v1/scripts?cursor=x", token=token).status == 400
        assert server.ask("/v1/events", method="POST", token=token, body=b"{}").status == 415
        assert not any(future.done() for future in asked)
        let.set()
        assert [future.result(30).status for future in asked] == [404, 404]
        pool = context.pool
        assert pool is not None
        wait_until(lambda: not pool._open, 20)
