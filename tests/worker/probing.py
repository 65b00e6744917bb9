"""Asking a running worker what it serves."""

import http.client
import json
import re
from typing import Any, Final

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.worker.rig import READY_TIMEOUT_S, Worker, wait_until

OPERATED: Final = 903
"""How many records the worker of the fixture `seen` has had: real ones, a duplicate and two that are refused."""
_URL: Final = re.compile(r"http://127\.0\.0\.1:(\d+)")


class Probe:
    """Reads what a worker serves, once it says where (requires that it logs at level info)."""

    def __init__(self, worker: Worker) -> None:
        wait_until(lambda: bool(_URL.search(worker.stderr())) or worker.process.poll() is not None, READY_TIMEOUT_S)
        found = _URL.search(worker.stderr())
        assert found is not None, worker.stderr()
        self.port = int(found[1])

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; status 0 where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def json(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and decoded body."""
        status, body = self.get(path)
        return status, json.loads(body)

    def scrape(self) -> list[Metric]:
        """All metrics."""
        status, body = self.get("/metrics")
        assert status == 200
        return list(text_string_to_metric_families(body))

    def numbers(self) -> dict[tuple[str, tuple[str, ...]], float]:
        """Every sample by its name and the values of its labels, sorted by the labels' names."""
        return {
            (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
            for metric in self.scrape()
            for sample in metric.samples
        }


def events_of(worker: Worker) -> list[dict[str, Any]]:
    """The lines of a worker that logs JSON."""
    return [json.loads(line) for line in worker.stderr().splitlines()]
