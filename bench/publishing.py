"""What the ledger adds to the time that a real wrangler takes for a publish."""

import importlib
import statistics
import time
from pathlib import Path
from typing import Any, Final

import msgspec

__all__ = ["Publishing", "measure_publishing"]

_RUNS: Final = 7
_ACCOUNT: Final = "bench-wrangler"


class Publishing(msgspec.Struct, frozen=True, kw_only=True):
    """One wrangler: medians of some publishes, each of changed code."""

    version: str
    runs: int
    stand_in_ms: float
    """Against a stand-in that keeps everything in memory."""
    ledger_ms: float

    @property
    def added_ms(self) -> float:
        """By the ledger."""
        return self.ledger_ms - self.stand_in_ms


def measure_publishing(url: str, token: str, place: Path) -> list[Publishing]:
    """Publish with each wrangler that is installed, against a stand-in and against the API, in turns.

    Args:
        url: of the API.
        token: for it.
        place: an empty directory.
    """
    # Only here: an installation for production has no tests.
    tools: Any = importlib.import_module("tests.wrangler.tools")
    return [_publishing(version, url, token, place) for version in tools.VERSIONS if tools.installed(version)]


def _publishing(version: str, url: str, token: str, place: Path) -> Publishing:
    tools: Any = importlib.import_module("tests.wrangler.tools")
    serving: Any = importlib.import_module("tests.wrangler.serving")
    driver: Any = importlib.import_module("tests.wrangler.driver")
    with serving.recorder(serving.standing_in()) as stand_in:
        sides: list[tuple[Any, Any]] = []
        for name, at in (("stand-in", stand_in.url), ("ledger", url)):
            one = driver.Driver(
                version=version,
                program=tools.program(version),
                directory=place / version / name,
                url=at,
                token=token,
                account=_ACCOUNT,
            )
            project = one.project(f"bench-{one.major}-{len(sides)}", "plain")
            sides.append((one, project))
        took: list[list[float]] = [[], []]
        for number in range(_RUNS + 1):
            for (one, project), times in zip(sides, took, strict=True):
                project.write("greet.js", f"export const greet = (who) => 'number {number}, ' + who;\n")
                began = time.perf_counter()
                one.run(f"run-{number}", project, "deploy" if one.major >= 3 else "publish")
                times.append(time.perf_counter() - began)
    # the first is another one: nothing is there yet, and nothing of wrangler in the cache
    medians = [statistics.median(times[1:]) * 1e3 for times in took]
    return Publishing(version=version, runs=_RUNS, stand_in_ms=medians[0], ledger_ms=medians[1])
