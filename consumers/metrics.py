"""The worker's numbers for Prometheus. Counted once a batch; what is true at the moment is asked for when somebody scrapes."""

import platform
import time
from collections.abc import Callable, Iterator
from typing import Final, get_args

from faust import __version__ as faust_version
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

import ledger
from consumers.operation import Operation, ShardFacts
from ledger.log.report import STEPS, Committed
from ledger.model.fold import Kind
from ledger.model.reasons import CODES

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_STEP_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_RECORDS: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000)
_ALL_STEPS: Final = ("load", "gather", "fold", "commit", *STEPS, "acknowledge")

_Number = Callable[[ShardFacts], float | None]
_OF_SHARDS: Final[tuple[tuple[str, str, _Number], ...]] = (
    ("next_offset", "Next offset that the ledger has no entry of.", lambda shard: shard.next_offset),
    ("end_offset", "End offset as the broker says it.", lambda shard: shard.end_offset),
    ("lag_records", "Records that are on the topic and not in the ledger.", lambda shard: shard.lag_records),
    ("lag_seconds", "For how long records have waited, at most; 0 where none wait.", lambda shard: shard.lag_s),
    ("checkpoint_size", "Entries in the log at its last checkpoint.", lambda shard: shard.size),
    (
        "checkpoint_age_seconds",
        "Seconds since the last checkpoint was written.",
        lambda shard: max(0.0, time.time() - shard.checkpoint_s),
    ),
)
_OF_STATE: Final = (
    ("state_accounts", "Accounts in memory."),
    ("state_scripts", "Scripts in memory."),
    ("state_bytes", "What the scripts would take in a snapshot, estimated."),
)


class Metrics:
    """All metrics of one worker, in a registry of their own; a `Listener` of its operation."""

    def __init__(self, seen: Operation) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each counter, which nobody asks for
        self._registry = registry = CollectorRegistry()
        self._entries = Counter("ledger_entries", "Entries committed.", ["partition", "outcome"], registry=registry)
        self._rejected = Counter("ledger_rejected", "Records rejected.", ["reason"], registry=registry)
        self._received = Counter("ledger_received_bytes", "Values of records.", ["partition"], registry=registry)
        self._entry_bytes = Counter("ledger_entry_bytes", "Entries written.", ["partition"], registry=registry)
        self._segment_bytes = Counter("ledger_segment_bytes", "Segments written.", ["partition"], registry=registry)
        self._conflicts = Counter("ledger_conflicts", "Races lost to another worker.", ["partition"], registry=registry)
        self._retries = Counter("ledger_store_retries", "Failures of the store.", ["partition"], registry=registry)
        self._batches = Histogram("ledger_batch_records", "Records of a batch.", buckets=_RECORDS, registry=registry)
        self._steps = Histogram(
            "ledger_step_seconds", "Wall time of a step.", ["step"], buckets=_STEP_S, registry=registry
        )
        self._startup = Gauge("ledger_startup_seconds", "From the process's start to ready.", registry=registry)
        build = Gauge("ledger_build_info", "What runs.", ["version", "python", "faust"], registry=registry)
        build.labels(ledger.__version__, platform.python_version(), faust_version).set(1)
        # What has not happened yet is 0, not absent: an increase from nothing is none for Prometheus.
        for code in CODES:
            self._rejected.labels(code)
        for step in _ALL_STEPS:
            self._steps.labels(step)
        ProcessCollector(registry=registry)
        registry.register(_Moment(seen))

    def text(self) -> bytes:
        """A scrape, in Prometheus's text format."""
        return generate_latest(self._registry)

    def started(self, seconds: float) -> None:
        """The worker is ready, after so many seconds."""
        self._startup.set(seconds)

    def assigned(self, partition: int) -> None:
        """Let all counters of a partition begin at 0."""
        for kind in get_args(Kind):
            self._entries.labels(partition, kind)
        for counter in (self._received, self._entry_bytes, self._segment_bytes, self._conflicts, self._retries):
            counter.labels(partition)

    def took(self, step: str, seconds: float) -> None:
        """Count a step's time."""
        self._steps.labels(step).observe(seconds)

    def committed(self, partition: int, records: int, size: int, report: Committed | None) -> None:
        """Count a batch."""
        self._batches.observe(records)
        self._received.labels(partition).inc(size)
        if report is None:
            return
        self._entry_bytes.labels(partition).inc(report.entry_bytes)
        self._segment_bytes.labels(partition).inc(report.segment_bytes)
        for outcome, count in report.outcomes.items():
            self._entries.labels(partition, outcome).inc(count)
        for reason, count in report.reasons.items():
            self._rejected.labels(reason).inc(count)
        for step, seconds in report.seconds.items():
            self.took(step, seconds)

    def conflict(self, partition: int) -> None:
        """Count a lost race."""
        self._conflicts.labels(partition).inc()

    def retry(self, partition: int) -> None:
        """Count a failure of the store."""
        self._retries.labels(partition).inc()


class _Moment(Collector):
    """What is true when it is asked for: nothing of a partition that is another worker's by now."""

    def __init__(self, seen: Operation) -> None:
        self._seen = seen

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All gauges."""
        seen = self._seen
        shards = sorted(dict(seen.shards).items())
        for name, about, number in _OF_SHARDS:
            family = GaugeMetricFamily(f"ledger_{name}", about, labels=["partition"])
            for partition, facts in shards:
                value = number(facts)
                if value is not None:
                    family.add_metric([str(partition)], value)
            yield family
        extents = [(partition, facts.extent()) for partition, facts in shards]
        for place, (name, about) in enumerate(_OF_STATE):
            family = GaugeMetricFamily(f"ledger_{name}", about, labels=["partition"])
            for partition, extent in extents:
                family.add_metric([str(partition)], (extent.accounts, extent.scripts, extent.approximate_bytes)[place])
            yield family
        running = seen.steps.running()
        for name, about, value in (
            ("assigned_partitions", "Partitions that are this worker's.", len(shards)),
            ("ready", "1 once the worker has started.", int(seen.is_ready)),
            (
                "oldest_step_seconds",
                "Age of the oldest step under way; 0 where none is.",
                running[0].age_s if running else 0,
            ),
            (
                "broker_silence_seconds",
                "Seconds since a broker last answered.",
                time.monotonic() - seen.broker_answered,
            ),
        ):
            yield GaugeMetricFamily(f"ledger_{name}", about, value=value)
