"""Fixtures: one broker of each kind a test process, started by the first test that asks for it."""

import os
from collections.abc import Iterator

import pytest

from tests.kafka.brokers import Broker, missing_for_kafka, run_kafka, run_tansu
from tests.kafka.secured import Secured, run_secured


def require(program: str) -> None:
    """Skip the test for want of a program, or fail it where LEDGER_REQUIRE (`java,go,node`) names the program."""
    kind = "java" if program in {"java", "mvn"} else program
    if kind in os.environ.get("LEDGER_REQUIRE", "").split(","):
        pytest.fail(f"{program} is missing, and LEDGER_REQUIRE names {kind}", pytrace=False)
    pytest.skip(f"{program} is missing")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Apache Kafka."""
    missing = missing_for_kafka()
    if missing:
        require(missing)
    with run_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Apache Kafka with TLS and SASL."""
    missing = missing_for_kafka()
    if missing:
        require(missing)
    with run_secured(tmp_path_factory.mktemp("secured")) as found:
        yield found


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The embedded broker."""
    with run_tansu(tmp_path_factory.mktemp("tansu")) as broker:
        yield broker


@pytest.fixture(params=["tansu", "kafka"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """Each of the two brokers in turn."""
    found: Broker = request.getfixturevalue(request.param)
    return found
