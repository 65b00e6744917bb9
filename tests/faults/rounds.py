"""One round of the soak: live publishing, faults at random by a seed, then the oracle."""

import random
import time
import traceback
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from tests.faults.crew import Crew
from tests.faults.oracle import check_against_topic
from tests.faults.stages import Stage
from tests.worker.rig import Ledger, Publishing, wait_until

__all__ = ["Outcome", "play"]

PROGRESS_S: Final = 100
"""For how long nothing may come into the log once no fault comes any more and something is missing. Longer is a worker that stands still."""
_LONG_FAULT: Final = 0.03
"""How often a fault of the broker outlasts the workers' patience."""
_LONG_S: Final = 75.0


class Outcome(msgspec.Struct, kw_only=True):
    """What became of a round."""

    seed: int
    broker: str
    partitions: int
    records: int = 0
    faults: list[str] = []
    """In the order in which they were played; then those that workers met inside."""
    recovery_s: float | None = None
    """From the last fault until all that was sent was in the log."""
    failure: str | None = None
    kept: str | None = None
    """The directory with the ledger, its topic and all logs, where it failed."""


def play(stage: Stage, seed: int, directory: Path) -> Outcome:
    """Play the round of a seed in a directory (which is made).

    Returns:
        What became of it; an AssertionError or time-out inside is a failure, told in `failure`.
    """
    directory.mkdir(parents=True)
    chance = random.Random(seed)
    partitions = chance.randint(1, 5)
    outcome = Outcome(seed=seed, broker=stage.name, partitions=partitions)
    topic = stage.broker.topic(partitions)
    ledger = Ledger.create(directory / "ledger", topic, shards=partitions)
    crew = Crew(chance, ledger, stage.broker, directory)
    try:
        _disturb(stage, chance, crew, ledger, outcome)
    except Exception as error:  # noqa: BLE001 - told, with all that is needed to look into it
        place = traceback.extract_tb(error.__traceback__)[-1]
        outcome.failure = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}, {place.line}: {error}"
        (directory / "failure.txt").write_text("".join(traceback.format_exception(error)))
        outcome.kept = str(directory)
    finally:
        crew.abandon()
        outcome.faults += crew.met
        outcome.records = ledger.size()
    if outcome.failure is not None:
        _dump(stage, topic, outcome.records, directory / "topic.ndjson")
    return outcome


def _disturb(stage: Stage, chance: random.Random, crew: Crew, ledger: Ledger, outcome: Outcome) -> None:
    with Publishing(stage.broker, _topic(ledger), rate=chance.choice((100, 300, 600))) as publishing:
        for _ in range(chance.randint(1, 3)):
            crew.hire(faulty=chance.random() < 0.5)
        for _ in range(chance.randint(3, 7)):
            time.sleep(chance.uniform(0.2, 3))
            crew.look()
            name, fault = chance.choice(_faults(stage, chance, crew))
            outcome.faults.append(name)
            fault()
    crew.heal(new_group=not stage.groups_last)
    since = time.monotonic()
    _catch_up(crew, ledger, publishing.sent)
    outcome.recovery_s = round(time.monotonic() - since, 1)
    crew.dismiss()
    check_against_topic(ledger, stage.broker, max(publishing.sent, ledger.size()))


def _catch_up(crew: Crew, ledger: Ledger, sent: int) -> None:
    """Return once all that was sent is in the log."""
    while (size := ledger.size()) < sent:
        crew.look()
        try:
            wait_until(lambda size=size: ledger.size() > size, PROGRESS_S)  # type: ignore[misc]
        except TimeoutError:
            message = f"{size} of {sent} records are in the log, and nothing has come for {PROGRESS_S} s"
            raise TimeoutError(message) from None


def _topic(ledger: Ledger) -> str:
    """The topic of a ledger."""
    name: str = msgspec.json.decode((ledger.root / "ledger.json").read_bytes())["topic"]
    return name


def _faults(stage: Stage, chance: random.Random, crew: Crew) -> list[tuple[str, Callable[[], None]]]:
    """What may be done now. A producer that repeats itself after an error may send a record twice: then it is in the topic twice."""
    seconds = _LONG_S if chance.random() < _LONG_FAULT else chance.uniform(0.5, 9)
    of_workers = [
        ("worker killed", crew.kill),
        ("worker replaced", crew.replace),
        ("worker paused", crew.pause),
        ("intruder", crew.intrude),
        ("disk full", crew.limit),
        ("worker joins", lambda: crew.hire(faulty=chance.random() < 0.5)),
    ]
    of_broker = [(name, lambda fault=fault: fault(seconds)) for name, fault in stage.faults.items()]
    return [*of_workers, *of_broker]


def _dump(stage: Stage, topic: str, records: int, path: Path) -> None:
    """Keep the topic, a record a line; what cannot be read of it is not worth another failure."""
    try:
        found = stage.broker.read(topic, records)
    except Exception as error:  # noqa: BLE001 - as above
        path.write_text(f"the topic cannot be read: {error}\n")
        return
    with path.open("wb") as file:
        for record in found:
            line = msgspec.structs.asdict(record) | {
                name: None if value is None else b64encode(value).decode()
                for name, value in (("key", record.key), ("value", record.value))
            }
            file.write(msgspec.json.encode(line) + b"\n")
