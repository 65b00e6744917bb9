"""A store that hangs: said, seen in health, and never longer than the settings allow; nothing is lost or written twice."""

import asyncio
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import pytest

from consumers.health import alive
from consumers.operation import Operation
from consumers.steps import Steps
from consumers.watchdog import Watchdog
from ledger.errors import LedgerError
from tests.kafka.brokers import Broker
from tests.worker.probing import Probe, events_of
from tests.worker.rig import Ledger, Worker, check_log, keyed, real_events, send, wait_until
from tests.worker.test_partition import settings

EVENTS: Final = 60
SLOW: Final = ("--slow-step", "0.5")
BOUND_S: Final = 40
"""Far below what a worker that waits for its store would take, which is for ever."""


class Hung:
    """A ledger with records to be folded, and a gate that its store hangs at."""

    def __init__(self, root: Path, broker: Broker) -> None:
        self.topic = broker.topic(1)
        self.broker = broker
        self.ledger = Ledger.create(root / "ledger", self.topic, shards=1)
        self.gate = root / "gate"
        self.gate.touch()
        send(broker, self.topic, keyed(real_events(EVENTS)))

    def worker(self, method: str, prefix: str, *options: str) -> Worker:
        """A worker whose store hangs there."""
        program = ("tests.worker.hanging", str(self.gate), method, prefix)
        text = () if "--log-format" in options else ("--log-format", "text")
        return Worker(self.ledger.root, self.broker.bootstrap, self.topic, [*options, *text], program=program)

    def check_recovery(self) -> None:
        """Nothing was written, and the next worker writes everything once."""
        assert self.ledger.size() == 0
        self.ledger.run(self.broker)
        check_log(self.ledger, EVENTS)


@pytest.fixture
def hung(tmp_path: Path, quick: Broker) -> Hung:
    """Records that wait for a store which hangs."""
    return Hung(tmp_path, quick)


@pytest.mark.timeout(150)
def test_a_worker_whose_commit_hangs_ends_when_told(hung: Hung) -> None:
    """SIGTERM with a segment's put that never returns: exit 5 in bounded time, an error and a hint, nothing lost."""
    with hung.worker("put", "log/", *SLOW, "--stop-timeout", "1") as worker:
        wait_until(lambda: "step_slow" in worker.stderr(), 60)
        worker.signal(signal.SIGTERM)
        assert worker.wait(BOUND_S) == 5, worker.stderr()
        said = worker.stderr()
        assert "error: the store does not answer: the commit of partition 0 has taken" in said
        assert "hint: look at the disk or object store" in said
        assert "Traceback" not in said
    hung.check_recovery()


@pytest.mark.timeout(150)
def test_a_worker_whose_shard_does_not_load_ends_when_told(hung: Hung) -> None:
    """SIGTERM while the log is read from a store that hangs: exit 5 in bounded time, for loading itself has no limit."""
    with hung.worker("get", "log/", *SLOW, "--stop-timeout", "1", "--hung-step", "0.6") as worker:
        wait_until(lambda: "step_slow: the load of partition 0" in worker.stderr(), 60)
        worker.signal(signal.SIGTERM)
        assert worker.wait(BOUND_S) == 5, worker.stderr()
        assert "error: the store does not answer: the load of partition 0" in worker.stderr()
    hung.check_recovery()


@pytest.mark.timeout(150)
def test_a_commit_that_hangs_stops_the_worker_by_itself(hung: Hung) -> None:
    """A commit that hangs is told in the log and makes /healthz answer 503 with the reason; then the worker stops with exit 5."""
    options = (*SLOW, "--hung-step", "3", "--metrics-port", "0", "--log-format", "json")
    with hung.worker("put", "log/", *options) as worker:
        probe = Probe(worker)
        wait_until(lambda: probe.get("/healthz")[0] == 503, 60)
        status, body = probe.json("/healthz")
        assert (status, body["status"]) == (503, "failing")
        assert "the commit of partition 0 has taken" in body["reasons"][0]
        assert probe.json("/readyz")[0] == 503
        assert worker.wait(BOUND_S) == 5, worker.stderr()
        last = events_of(worker)[-1]
        assert (last["level"], last["event"], last["code"], last["exit_code"]) == ("error", "stopped", "store_hangs", 5)
        assert any(line["event"] == "step_slow" and line["step"] == "commit" for line in events_of(worker))
    hung.check_recovery()


@pytest.mark.timeout(150)
def test_a_store_that_comes_back_in_time_is_no_failure(hung: Hung) -> None:
    """A commit that was slow and ends before the limit is committed; health is well again."""
    with hung.worker("put", "log/", *SLOW, "--metrics-port", "0", "--log-format", "json") as worker:
        probe = Probe(worker)
        wait_until(lambda: probe.get("/healthz")[0] == 503, 60)
        hung.gate.unlink()
        wait_until(lambda: probe.get("/healthz")[0] == 200, 30)
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0, worker.stderr()
    check_log(hung.ledger, EVENTS)


@pytest.fixture
def busy() -> Iterator[tuple[Operation, threading.Event]]:
    """An operation with a commit under way until the event is set."""
    seen, ended = Operation(), threading.Event()
    with ThreadPoolExecutor(1) as executor:
        executor.submit(seen.steps.run, "commit", 3, lambda: ended.wait(30))
        wait_until(lambda: bool(seen.steps.running()), 10)
        yield seen, ended
        ended.set()


def test_a_slow_step_is_told_once_and_again_when_twice_as_old(
    tmp_path: Path, busy: tuple[Operation, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told twice a second of the same step."""
    seen, _ = busy
    told: list[float] = []
    monkeypatch.setattr(seen, "slow", lambda _message, _partition, _step, seconds: told.append(seconds))
    given_up: list[LedgerError] = []
    dog = Watchdog(settings(tmp_path, slow_step_s=10, hung_step_s=60), seen, given_up.append)
    now, started = [0.0], seen.steps.running()[0].since
    monkeypatch.setattr(time, "monotonic", lambda: started + now[0])
    for age in range(58):
        now[0] = float(age)
        dog.look()
    assert told == [11.0, 23.0, 47.0]
    assert given_up == []
    now[0] = 70.0  # the process stood still: that time is not the store's
    dog.look()
    assert given_up == []
    for age in range(71, 132):
        now[0] = float(age)
        dog.look()
    assert [error.code for error in given_up] == ["store_hangs"]
    assert "commit of partition 3 has taken 131 s" in given_up[0].message


def test_an_event_loop_that_does_not_turn_is_not_alive(tmp_path: Path) -> None:
    """Health is judged outside the event loop, which may itself hang."""
    seen = Operation()
    assert alive(seen, settings(tmp_path)).is_ok
    seen.pulse -= 11
    assert "event loop" in alive(seen, settings(tmp_path)).reasons[0]


def test_a_step_that_fails_is_not_under_way_any_more() -> None:
    """Its time is told, its error raised."""
    told: list[str] = []
    steps = Steps(lambda kind, _seconds: told.append(kind))
    with pytest.raises(ZeroDivisionError):
        steps.run("fold", 0, lambda: 1 // 0)
    assert steps.running() == []
    assert told == ["fold"]


def test_the_watchdog_ends_with_the_worker(tmp_path: Path) -> None:
    """It does not keep the event loop."""

    async def story() -> None:
        stopped = asyncio.Event()
        task = asyncio.create_task(Watchdog(settings(tmp_path), Operation(), lambda _: None).run(stopped))
        stopped.set()
        async with asyncio.timeout(10):
            await task

    asyncio.run(story())
