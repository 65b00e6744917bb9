"""Whether a worker is alive, and whether it is ready: judged from what is known, in bounded time, whatever hangs."""

import time
from typing import Final

import msgspec

from consumers.operation import Operation
from consumers.settings import Settings
from consumers.steps import BOUNDED

__all__ = ["Verdict", "alive", "ready"]

_SILENT_S: Final = 10.0
"""An event loop that has not turned for so long hangs, or is starved."""
_BROKER_S: Final = 30.0
"""An idle worker asks the broker every few seconds; a busy one with each batch."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a probe answers."""

    status: str
    """`ok` or `failing`."""
    reasons: list[str]
    """One sentence each; empty where it is ok."""
    partitions: list[int]
    """Those that are this worker's."""
    records: int
    """How many it has committed."""

    @property
    def is_ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.reasons


def alive(seen: Operation, settings: Settings) -> Verdict:
    """Whether the process can do its work: if not, it should be looked at, or started again."""
    return _verdict(seen, _stuck(seen, settings))


def ready(seen: Operation, settings: Settings) -> Verdict:
    """Whether it does: started, told its partitions (or standing by), in touch with the broker, and not about to stop."""
    reasons = _stuck(seen, settings)
    if seen.is_stopping:
        reasons.append("the worker is stopping")
    loading = [step for step in seen.steps.running() if step.kind == "load"]
    if not seen.is_ready or not seen.is_assigned:
        reasons.append("the worker is starting")
    reasons += [f"loading partition {step.partition} for {step.age_s:.0f} s" for step in loading]
    silence = time.monotonic() - seen.broker_answered
    if silence > _BROKER_S:
        reasons.append(f"no broker has answered for {silence:.0f} s")
    return _verdict(seen, reasons)


def _stuck(seen: Operation, settings: Settings) -> list[str]:
    reasons = [seen.failure] if seen.failure else []
    silence = time.monotonic() - seen.pulse
    if silence > _SILENT_S:
        reasons.append(f"the event loop has not answered for {silence:.0f} s")
    slow = [step for step in seen.steps.running() if step.kind in BOUNDED and step.age_s > settings.slow_step_s]
    return reasons + [f"the {step} has taken {step.age_s:.0f} s" for step in slow]


def _verdict(seen: Operation, reasons: list[str]) -> Verdict:
    return Verdict(
        status="failing" if reasons else "ok",
        reasons=reasons,
        partitions=sorted(seen.shards),
        records=seen.records,
    )
