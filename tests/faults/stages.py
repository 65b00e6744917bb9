"""Where faults are played: a broker of either kind, and what can be done to it."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.broker.embedded import EmbeddedBroker
from tests.faults.proxy import Proxy
from tests.kafka.brokers import Broker, KafkaNode

__all__ = ["BROKERS", "Stage", "open_stage"]

BROKERS: Final = ("embedded", "kafka")


class Stage:
    """A running broker, and the faults that it knows, by name; each takes some seconds as an argument, and is over on return."""

    def __init__(self, name: str, broker: Broker, faults: Mapping[str, Callable[[float], None]]) -> None:
        self.name = name
        self.broker = broker
        self.faults = faults
        self.groups_last = name == "kafka"
        """Whether a group gets over members that leave while another joins: the embedded broker may never answer the one that joins."""


@contextmanager
def open_stage(name: str, directory: Path) -> Iterator[Stage]:
    """A stage with the broker of that name, its data and logs in the directory (which is made)."""
    directory.mkdir(parents=True)
    with _with_kafka(directory) if name == "kafka" else _with_embedded(directory) as stage:
        yield stage


@contextmanager
def _with_kafka(directory: Path) -> Iterator[Stage]:
    with Proxy() as proxy, KafkaNode(directory, proxy.port) as node:
        proxy.forward(node.address)

        def silent(seconds: float) -> None:
            node.signal(signal.SIGSTOP)
            try:
                time.sleep(seconds)
            finally:
                node.signal(signal.SIGCONT)

        def restarted(seconds: float) -> None:
            node.kill()
            time.sleep(seconds)
            node.start()

        def reset(seconds: float) -> None:
            proxy.reset()
            time.sleep(seconds)
            proxy.reset()

        def cut(seconds: float) -> None:
            proxy.silence()
            time.sleep(seconds)

        faults = {
            "broker silent": silent,
            "broker restarted": restarted,
            "connections reset": reset,
            "connections silent": cut,
        }
        yield Stage("kafka", Broker("kafka", f"127.0.0.1:{proxy.port}"), faults)


@contextmanager
def _with_embedded(directory: Path) -> Iterator[Stage]:
    with EmbeddedBroker(log=directory / "broker.log") as embedded:
        process = embedded._process
        assert process is not None

        def silent(seconds: float) -> None:
            os.killpg(process.pid, signal.SIGSTOP)
            try:
                time.sleep(seconds)
            finally:
                os.killpg(process.pid, signal.SIGCONT)

        # It keeps nothing: killed, it has a new topic when it is back, and that is another matter.
        yield Stage("embedded", Broker("tansu", embedded.bootstrap), {"broker silent": silent})
