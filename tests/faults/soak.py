"""`python -m tests.faults.soak`: rounds of mixed faults under load, by seed, the oracle after each."""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Final

import msgspec

from tests.faults.rounds import Outcome, play
from tests.faults.stages import BROKERS, open_stage
from tests.kafka.brokers import missing_for_kafka

_FAILED: Final = 3
_UNAVAILABLE: Final = 5


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to do."""

    minutes: float
    rounds: int | None
    seed: int
    broker: str
    output: Path


def main(arguments: list[str] | None = None) -> int:
    """Soak; returns the exit code: 0, or 3 where a round failed."""
    options = _options(arguments)
    if options.broker == "kafka" and (missing := missing_for_kafka()):
        _say(f"error: {missing} is missing, which Apache Kafka needs")
        _say("hint: give --broker embedded")
        return _UNAVAILABLE
    options.output.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f"{options.broker}-{options.seed}-", dir=options.output))
    _say(f"seed {options.seed}, broker {options.broker}")
    started = time.monotonic()
    outcomes: list[Outcome] = []
    with open_stage(options.broker, place / "broker") as stage:
        while _goes_on(options, len(outcomes), time.monotonic() - started):
            outcome = play(stage, options.seed + len(outcomes), place / f"round-{options.seed + len(outcomes)}")
            outcomes.append(outcome)
            _tell(outcome)
            if outcome.failure is not None:
                break
            shutil.rmtree(place / f"round-{outcome.seed}")
    _summarise(options, outcomes, time.monotonic() - started)
    if outcomes[-1].failure is not None:
        return _FAILED
    shutil.rmtree(place)
    return 0


def _goes_on(options: Options, rounds: int, elapsed_s: float) -> bool:
    if options.rounds is not None:
        return rounds < options.rounds
    return rounds == 0 or elapsed_s < options.minutes * 60


def _tell(outcome: Outcome) -> None:
    if outcome.failure is None:
        faults = ", ".join(outcome.faults)
        _say(f"round {outcome.seed}: {outcome.records} records, caught up after {outcome.recovery_s} s; {faults}")
        return
    _say(f"round {outcome.seed} FAILED: {outcome.failure}")
    _say(f"played: {', '.join(outcome.faults)}")
    _say(f"kept: {outcome.kept} (ledger, topic.ndjson, what each worker said and met)")
    _say(f"again: {sys.executable} -m tests.faults.soak --broker {outcome.broker} --seed {outcome.seed} --rounds 1")


def _summarise(options: Options, outcomes: list[Outcome], elapsed_s: float) -> None:
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    summary = {
        "ok": not failed,
        "broker": options.broker,
        "seed": options.seed,
        "rounds": len(outcomes),
        "records": sum(outcome.records for outcome in outcomes),
        "seconds": round(elapsed_s),
        "slowest_recovery_s": max((outcome.recovery_s or 0.0 for outcome in outcomes), default=0.0),
        "faults": dict(sorted(Counter(name for outcome in outcomes for name in outcome.faults).items())),
        "failures": failed,
    }
    sys.stdout.write(msgspec.json.encode(summary).decode() + "\n")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _options(arguments: list[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    add = parser.add_argument
    add("--minutes", type=float, default=5.0, help="begin rounds for so long")
    add("--rounds", type=int, help="play so many rounds instead")
    add("--seed", type=int, default=int(time.time()), help="of the first round; the next has the next one")
    add("--broker", choices=BROKERS, default="embedded")
    add("--output", type=Path, default=Path(".cache") / "soak", help="where failures are kept")
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
