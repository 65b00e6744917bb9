"""A ledger that is served: broker, worker and `ledger serve`, as processes, and what all of them left behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from tests.api.rig import Server, make_token, serving
from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, Worker

__all__ = ["EMAIL", "Whole", "whole"]

EMAIL: Final = "dev@acme.example"
"""Of whoever the tokens are for."""
ZONES: Final = "platform_zones=shop.example=" + "5" * 32


class Whole(NamedTuple):
    """Everything that takes part."""

    ledger: Ledger
    broker: Broker
    topic: str
    worker: Worker
    server: Server
    token: str
    """For everything."""
    said: Path
    """What the server said, once it has stopped."""

    def files(self) -> Iterator[Path]:
        """Every file that was written, keys left out: ledger, audit trail, caches, logs."""
        for path in sorted(self.ledger.root.parent.rglob("*")):
            if path.is_file() and "keys" not in path.relative_to(self.ledger.root.parent).parts:
                yield path

    def records(self) -> list[bytes]:
        """The values of all records of the topic."""
        return [record.value or b"" for record in self.broker.read(self.topic, self.ledger.size())]


@contextmanager
def whole(directory: Path, broker: Broker, *options: str, shards: int = 2, at_most_s: float = 300) -> Iterator[Whole]:
    """A new ledger in a directory, served until the block ends, or for so many seconds; what the server said stands beside it then."""
    topic = broker.topic(shards)
    ledger = Ledger.create(directory / "ledger", topic, shards=shards)
    token = make_token(ledger.root, email=EMAIL)
    said = directory / "serve.log"
    with (
        ledger.worker(broker, "--batch-age-ms", "5", idle_s=None) as worker,
        serving(ledger.root, "--bootstrap", broker.bootstrap, "--set", ZONES, *options, at_most_s=at_most_s) as server,
    ):
        worker.wait_ready()
        yield Whole(ledger, broker, topic, worker, server, token, said)
        code, err = server.stop()
        said.write_text(err)
        assert code == 0, err
        assert "Traceback" not in err, err
        worker.terminate()
