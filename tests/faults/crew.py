"""The workers of a round: some come, some go, some die; whoever ends must have had a reason."""

import random
import resource
import signal
import time
from pathlib import Path
from typing import Final

from tests.faults.points import CRASHED, HALVES, HOWS, OFFSETS, STEPS, Fault
from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, Worker, check_refusal

__all__ = ["SESSION_S", "Crew"]

SESSION_S: Final = 6
FILE_LIMIT_BYTES: Final = 4096
_MAX_NTH: Final = 40
_MAX_HANG_S: Final = 9.0


class Crew:
    """Workers on one ledger, and what is done to them.

    Args:
        chance: decides everything.
        ledger: theirs.
        broker: theirs.
        logs: where what they say is kept.
    """

    def __init__(self, chance: random.Random, ledger: Ledger, broker: Broker, logs: Path) -> None:
        self._chance = chance
        self._ledger = ledger
        self._broker = broker
        self._logs = logs
        self._group = f"crew-{ledger.root.parent.name}-{chance.randrange(1 << 32)}"
        self._workers: list[Worker] = []
        self._limited: set[int] = set()
        self.met: list[str] = []
        """The faults that workers met inside."""

    def hire(self, *, faulty: bool) -> None:
        """One more worker, in the group of the others; a faulty one has faults inside."""
        options = [
            *("--session-timeout", str(SESSION_S)),
            *("--batch-records", str(self._chance.choice((10, 50, 1000)))),
            *("--batch-age-ms", str(self._chance.choice((0, 20, 100)))),
        ]
        faults = self._faults() if faulty else []
        worker = self._ledger.worker(
            self._broker, *options, group=self._group, idle_s=None, faults=faults, logs=self._logs
        )
        self._workers.append(worker)

    def kill(self) -> None:
        """Kill -9 of one, and another in its place."""
        worker = self._one()
        worker.kill()
        self._leaves(worker)
        self.hire(faulty=self._chance.random() < 0.3)

    def replace(self) -> None:
        """One is told to stop, another comes before it has."""
        worker = self._one()
        self.hire(faulty=self._chance.random() < 0.3)
        worker.signal(signal.SIGTERM)
        self._judge(worker, worker.wait())

    def pause(self) -> None:
        """One stands still for a while, perhaps longer than a session, and goes on as if nothing had been."""
        worker = self._one()
        worker.signal(signal.SIGSTOP)
        try:
            time.sleep(self._chance.uniform(0.5, SESSION_S * 1.6))
        finally:
            worker.signal(signal.SIGCONT)

    def intrude(self) -> None:
        """A worker of another group, so on all partitions that others are on too, for a while."""
        with self._ledger.worker(self._broker, "--batch-records", "30", idle_s=None, logs=self._logs) as intruder:
            time.sleep(self._chance.uniform(2, 6))
            if self._chance.random() < 0.5:
                intruder.kill()
            else:
                intruder.signal(signal.SIGTERM)
                self._judge(intruder, intruder.wait())

    def limit(self) -> None:
        """One may write no large files any more, as if the disk were full."""
        worker = self._one()
        self._limited.add(worker.process.pid)
        resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (FILE_LIMIT_BYTES, FILE_LIMIT_BYTES))

    def look(self) -> None:
        """Judge who has ended, and hire another in their place."""
        for worker in list(self._workers):
            code = worker.process.poll()
            if code is not None:
                self._judge(worker, code)
                self.hire(faulty=False)

    def heal(self, *, new_group: bool) -> None:
        """Let no fault come any more: whoever may still meet one is told to stop and replaced by a sound worker, perhaps in a new group."""
        self.look()
        before = list(self._workers)
        if new_group:
            self._group += "-healed"
        self.hire(faulty=False)
        for worker in before:
            worker.signal(signal.SIGTERM)
        for worker in before:
            self._judge(worker, worker.wait())

    def dismiss(self) -> None:
        """Tell all to stop, and require that they end well."""
        for worker in list(self._workers):
            worker.terminate()
            self._leaves(worker)

    def abandon(self) -> None:
        """Kill whoever is left."""
        for worker in list(self._workers):
            worker.kill()
            self._leaves(worker)

    def _one(self) -> Worker:
        self.look()
        return self._chance.choice(self._workers)

    def _leaves(self, worker: Worker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        self.met += [f"{fault.point} {fault.how}" for fault in worker.happened()]

    def _judge(self, worker: Worker, code: int) -> None:
        """Whoever ended was told to, died of a fault inside, or says in one line what it could not get over."""
        happened = worker.happened()
        died = any(fault.how.startswith("dies") for fault in happened)
        if code == CRASHED:
            assert died, worker.stderr()
        elif code == 0:
            assert "stopped after" in worker.stderr()
        elif code == -signal.SIGTERM:  # told to stop while it was still starting: Python's own way
            assert worker.stderr() == ""
        else:
            # Its broker was away for too long, or its store refused: nothing else may end a worker.
            check_refusal(worker, 5)
            limited = worker.process.pid in self._limited
            assert limited or happened or "no broker answers" in worker.stderr(), worker.stderr()
        self._leaves(worker)

    def _faults(self) -> list[Fault]:
        """Some faults inside: failures and hangs, perhaps a death."""
        faults = []
        for _ in range(self._chance.randint(1, 4)):
            point = self._chance.choice((*STEPS, OFFSETS))
            how = self._chance.choice((*HOWS, "hangs"))
            if "half" in how and point not in HALVES:
                how = "hangs"
            seconds = self._chance.uniform(0.1, _MAX_HANG_S)
            faults.append(Fault(point=point, how=how, nth=self._chance.randrange(_MAX_NTH), seconds=seconds))
        if self._chance.random() < 0.3:
            faults.append(Fault(point="clock"))
        return faults
