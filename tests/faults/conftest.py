"""Fixtures of the worker's tests, for the worker's faults."""

from tests.worker.conftest import quick

__all__ = ["quick"]
