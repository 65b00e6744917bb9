"""What the worker's tests share: ledgers, worker processes, records, and the oracle that judges a log."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

import msgspec
import zstandard
from kafka import KafkaProducer

from ledger.log.ledgerfile import create_ledger
from ledger.log.segments import parse_segment
from ledger.storage.local import LocalStore
from ledger.verify.api import verify
from tests.faults.points import Fault
from tests.kafka.brokers import Broker

EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "real-changes.ndjson.zst"
READY_TIMEOUT_S: Final = 60
END_TIMEOUT_S: Final = 90
POLL_S: Final = 0.05

Json = dict[str, Any]


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A record to be sent."""

    value: bytes | None
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None
    partition: int | None = None


def real_events(count: int | None = None) -> list[bytes]:
    """The first events of the real data."""
    with EXAMPLE.open("rb") as file:
        lines = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file).read().splitlines()
    return lines[:count]


def keyed(values: Iterable[bytes], start_ms: int | None = None) -> list[Message]:
    """Events as records, keyed by their account; a millisecond apart from `start_ms` on, where it is given."""
    return [
        Message(
            value=value,
            key=msgspec.json.decode(value)["accountid"].encode(),
            timestamp_ms=None if start_ms is None else start_ms + place,
        )
        for place, value in enumerate(values)
    ]


def send(broker: Broker, topic: str, messages: Iterable[Message], *, rate: float | None = None) -> int:
    """Send records in order and return their number once all are acknowledged; at most `rate` a second."""
    producer = KafkaProducer(
        bootstrap_servers=broker.bootstrap, acks="all", linger_ms=5, max_request_size=16 << 20, metrics_enabled=False
    )
    futures = []
    started = time.monotonic()
    try:
        for message in messages:
            futures.append(
                producer.send(
                    topic,
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers),
                    timestamp_ms=message.timestamp_ms,
                    partition=message.partition,
                )
            )
            if rate is not None and (ahead := started + len(futures) / rate - time.monotonic()) > 0:
                time.sleep(ahead)
        for future in futures:
            future.get(timeout=60)
    finally:
        producer.close()
    return len(futures)


class Ledger:
    """A ledger's directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.store = LocalStore(root)

    @classmethod
    def create(cls, root: Path, topic: str, shards: int = 4) -> Self:
        """A new one, its keys inside."""
        keys = LocalStore(root / "keys", file_mode=0o600, dir_mode=0o700)
        create_ledger(LocalStore(root), keys, name="test", topic=topic, shards=shards)
        return cls(root)

    def twin(self, root: Path, *, topic: str | None = None) -> "Ledger":
        """A ledger with the same name and keys and an empty log; of another topic where one is named."""
        root.mkdir()
        shutil.copytree(self.root / "keys", root / "keys")
        about = msgspec.json.decode((self.root / "ledger.json").read_bytes())
        if topic is None:
            shutil.copytree(self.root / "topics", root / "topics")
        (root / "ledger.json").write_bytes(msgspec.json.encode(about | {"topic": topic or about["topic"]}) + b"\n")
        return Ledger(root)

    def lines(self) -> dict[int, list[bytes]]:
        """The entries of every shard, read from its segments in the order of their names."""
        found: dict[int, list[bytes]] = {}
        for path in sorted((self.root / "log").glob("*/*.zst")):
            segment = parse_segment(path.read_bytes(), path.name)
            found.setdefault(int(path.parent.name), []).extend(segment.lines)
        return found

    def entries(self) -> dict[int, list[Json]]:
        """The same, decoded."""
        return {shard: [msgspec.json.decode(line) for line in lines] for shard, lines in self.lines().items()}

    def all_entries(self) -> list[Json]:
        """The entries of all shards, one shard after the other."""
        return [entry for entries in self.entries().values() for entry in entries]

    def size(self) -> int:
        """How many entries there are."""
        return sum(map(len, self.lines().values()))

    def segments(self) -> int:
        """How many segments there are."""
        return len(list((self.root / "log").glob("*/*.zst")))

    def worker(
        self,
        broker: Broker | str,
        *options: str,
        group: str | None = None,
        idle_s: float | None = 2,
        faults: Sequence[Fault] = (),
        logs: Path | None = None,
    ) -> "Worker":
        """Start a worker on it, in a group of its own where none is named; with faults, one in which they happen.

        What it says is kept beside the ledger, or in `logs`.
        """
        bootstrap = broker if isinstance(broker, str) else broker.bootstrap
        until = [] if idle_s is None else ["--until-idle", str(idle_s)]
        return Worker(self.root, bootstrap, group or f"g-{uuid4()}", [*until, *options], faults=faults, logs=logs)

    def run(self, broker: Broker | str, *options: str, group: str | None = None) -> "Worker":
        """Run a worker until it is idle, and require that it ends well."""
        with self.worker(broker, *options, group=group) as worker:
            assert worker.wait() == 0, worker.stderr()
        return worker


class Worker:
    """A worker process; killed on leaving the context where it still runs."""

    def __init__(
        self,
        root: Path,
        bootstrap: str,
        group: str,
        options: Sequence[str],
        keys: Path | None = None,
        program: Sequence[str] = ("consumers",),
        *,
        faults: Sequence[Fault] = (),
        logs: Path | None = None,
    ) -> None:
        self._log = (logs or root.parent) / f"{root.name}-worker-{uuid4()}.log"
        self._journal = self._log.with_suffix(".faults")
        faulty = ["tests.faults.process", msgspec.json.encode(faults).decode(), str(self._journal)]
        command = [sys.executable, "-m", *(faulty if faults else program)]
        command += ["--ledger", str(root), "--keys", str(keys or root / "keys")]
        command += ["--bootstrap", bootstrap, "--group", group]
        if "--log-format" not in options:  # nothing but `ready`, errors and the count at the end, a line each
            command += ["--log-format", "text", "--log-level", "error"]
        if "--cache" not in options:
            command += ["--cache", str(root / "cache")]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([*command, *options], stdout=log, stderr=log, cwd=EXAMPLE.parents[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def stderr(self) -> str:
        """What it said so far."""
        return self._log.read_text(errors="replace")

    def happened(self) -> list[Fault]:
        """The faults that it has met so far."""
        lines = self._journal.read_bytes().splitlines() if self._journal.exists() else []
        return [msgspec.json.decode(line, type=Fault) for line in lines]

    def wait_ready(self) -> None:
        """Return once it consumes."""
        wait_until(lambda: self._is_ready() or self.process.poll() is not None, READY_TIMEOUT_S)
        assert self.process.poll() is None or self._is_ready(), self.stderr()

    def _is_ready(self) -> bool:
        said = self.stderr()
        return "ready\n" in said or '"event": "ready"' in said

    def wait(self, timeout_s: float = END_TIMEOUT_S) -> int:
        """Its exit code, once it has ended by itself."""
        return self.process.wait(timeout_s)

    def kill(self) -> None:
        """Kill -9."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(30)

    def terminate(self) -> None:
        """Tell it to stop, and require that it ends well."""
        self.signal(signal.SIGTERM)
        assert self.wait() == 0, self.stderr()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.process.pid, number)


class Publishing:
    """Sends real events, over and over, until it is told to stop; `rate` a second."""

    def __init__(self, broker: Broker, topic: str, rate: float = 400) -> None:
        self._broker = broker
        self._topic = topic
        self._rate = rate
        self._stop = Event()
        self._messages = cycle(keyed(real_events(4000)))
        self._thread = Thread(target=self._run, daemon=True)
        self._failure: BaseException | None = None
        self.sent = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more, and return once all that was sent is acknowledged."""
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                some = islice(self._messages, int(2 * self._rate))
                self.sent += send(self._broker, self._topic, some, rate=self._rate)
        except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
            self._failure = error


def wait_until(holds: Callable[[], bool], timeout_s: float) -> None:
    """Return once a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(POLL_S)


def check_refusal(worker: Worker, code: int, *words: str) -> None:
    """It ended with that code, an error and a hint, each on one line, and no traceback."""
    assert worker.wait() == code, worker.stderr()
    said = [line for line in worker.stderr().splitlines() if line != "ready"]
    assert [line.partition(":")[0] for line in said] == ["error", "hint"], worker.stderr()
    assert all(len(line) < 400 for line in said)
    assert all(word in worker.stderr() for word in words), worker.stderr()


def check_log(ledger: Ledger, records: int, topics: int = 1) -> dict[int, list[Json]]:
    """The oracle: exactly one entry for each record, in order, and everything verifies.

    Args:
        ledger: where nobody writes at the moment.
        records: how many were sent, to all partitions together.
        topics: of how many topic ids.

    Returns:
        The entries by shard.
    """
    entries = ledger.entries()
    assert sum(map(len, entries.values())) == records
    for of_shard in entries.values():
        assert [entry["index"] for entry in of_shard] == list(range(len(of_shard)))
        if topics == 1:
            assert [entry["origin"]["offset"] for entry in of_shard] == list(range(len(of_shard)))
        assert not any("skipped" in entry["origin"] for entry in of_shard)
    report = verify(ledger.store)
    assert report.problems == [], report.problems
    assert report.ok
    assert report.entries == records
    return entries


def outcomes(entries: Mapping[int, Sequence[Json]]) -> dict[str, int]:
    """How many entries have each outcome."""
    found: dict[str, int] = {}
    for of_shard in entries.values():
        for entry in of_shard:
            found[entry["outcome"]] = found.get(entry["outcome"], 0) + 1
    return found
