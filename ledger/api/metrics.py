"""The server's numbers for Prometheus."""

import platform
from collections.abc import Callable, Iterator
from typing import Final

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

__all__ = ["CONTENT_TYPE", "Metrics"]

CONTENT_TYPE: Final = "text/plain; version=0.0.4"
"""Litestar adds the charset."""
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_REASONS: Final = ("no token", "unknown", "revoked", "expired", "stale")


class Metrics:
    """All metrics of one server, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a series more for each counter, which nobody asks for
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "ledger_api_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "ledger_api_request_seconds",
            "From the end of a request's headers to the end of the answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._refused = Counter(
            "ledger_api_refused", "Requests without a token that counts.", ["reason"], registry=registry
        )
        self._running = Gauge("ledger_api_running", "Requests being answered.", registry=registry)
        self._connections = Gauge("ledger_api_connections", "Connections open.", registry=registry)
        self._turned_away = Counter("ledger_api_turned_away", "Connections beyond the limit.", registry=registry)
        build = Gauge("ledger_build_info", "What runs.", ["version", "python"], registry=registry)
        build.labels(ledger.__version__, platform.python_version()).set(1)
        for reason in _REASONS:
            self._refused.labels(reason)
        ProcessCollector(registry=registry)

    def text(self) -> bytes:
        """A scrape, in Prometheus's text format."""
        return generate_latest(self._registry)

    def watch(self, sizes: Callable[[], dict[int, int]]) -> None:
        """Show the entries that the server has seen, by shard."""
        self._registry.register(_Sizes(sizes))

    def began(self) -> None:
        """A request is being answered."""
        self._running.inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """It was. `route` is the template of its path, never the path."""
        self._running.dec()
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def refused(self, reason: str) -> None:
        """Somebody had no token that counts."""
        self._refused.labels(reason).inc()

    def connections(self, count: int) -> None:
        """So many connections are open."""
        self._connections.set(count)

    def turned_away(self) -> None:
        """A connection was one too many."""
        self._turned_away.inc()


class _Sizes(Collector):
    """Entries seen, when somebody scrapes."""

    def __init__(self, sizes: Callable[[], dict[int, int]]) -> None:
        self._sizes = sizes

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauge."""
        family = GaugeMetricFamily(
            "ledger_api_entries", "Entries of the log that the server has seen.", labels=["partition"]
        )
        for shard, size in sorted(self._sizes().items()):
            family.add_metric([str(shard)], size)
        yield family
