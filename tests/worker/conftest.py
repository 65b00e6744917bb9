"""Brokers for the worker's tests."""

import pytest

from tests.kafka.brokers import Broker, missing_for_kafka


@pytest.fixture
def quick(request: pytest.FixtureRequest) -> Broker:
    """Apache Kafka where it can be had, for its groups form in half the time; else the embedded broker."""
    found: Broker = request.getfixturevalue("tansu" if missing_for_kafka() else "kafka")
    return found
