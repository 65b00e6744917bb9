"""What the tests of operators' acts share: one ledger of two shards with a worker on it, and the command line in this process."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.main import main
from ledger.broker.publish import default_partition
from tests.kafka.brokers import Broker
from tests.worker.rig import Ledger, Message, Worker, send, wait_until

Run = Callable[..., tuple[int, str, str]]
Json = dict[str, Any]
MODULE = {"type": "esm", "size": 1, "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"}
ANA = {"type": "user", "id": "u_ana", "email": "ana@acme.example", "ip": "203.0.113.9"}


def text(value: Any) -> bytes:
    """Compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def event(account: str, id: str, *, script: str = "shop", actor: Json | None = None, **data: Any) -> Json:
    """A change event; without data, code for the script."""
    content = data or {"code": {"replace": {"main": "a.js", "modules": {"a.js": MODULE}}}}
    return {
        "specversion": "1.0",
        "type": "ledger.change.v1",
        "source": "test",
        "id": id,
        "subject": script,
        "time": "2022-11-28T09:15:02Z",
        "accountid": account,
        "data": {"actor": actor or ANA, "interface": "api", **content},
    }


class Scene:
    """A ledger, its broker, and a worker that runs."""

    def __init__(self, ledger: Ledger, broker: Broker, topic: str) -> None:
        self.ledger = ledger
        self.broker = broker
        self.topic = topic
        self.run: Run = lambda *_: (0, "", "")

    @property
    def root(self) -> Path:
        """The ledger's directory."""
        return self.ledger.root

    def send(
        self, *events: Json | bytes, partition: int | None = None, key: str | None = "", **more: Any
    ) -> list[Json]:
        """Send records and wait for their entries: keyed by account where no key is given, to the default partition where none is."""
        before = self.ledger.size()
        messages = []
        for item in events:
            value = item if isinstance(item, bytes) else text(item)
            name = key if key != "" or isinstance(item, bytes) else item["accountid"]
            messages.append(Message(value=value, key=None if not name else name.encode(), partition=partition, **more))
        send(self.broker, self.topic, messages)
        wait_until(lambda: self.ledger.size() >= before + len(messages), 30)
        return [self.find(item["id"]) for item in events if not isinstance(item, bytes)]

    def find(self, id: str, outcome: str | None = None) -> Json:
        """The newest entry with this event id (and outcome), its shard with it."""
        found = self.all(id, outcome)
        assert found, id
        return found[-1]

    def all(self, id: str, outcome: str | None = None) -> list[Json]:
        """All of them."""
        return [
            entry | {"shard": shard}
            for shard, entries in self.ledger.entries().items()
            for entry in entries
            if entry["event"].get("id") == id and outcome in {None, entry["outcome"]}
        ]

    def ask(self, *arguments: str) -> Any:
        """What a command answers in JSON; it must end well."""
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command on the ledger: exit code, stdout, stderr."""
        return self.run(*arguments, "--ledger", str(self.root))

    def act(self, *arguments: str) -> tuple[int, str, str]:
        """The same for one that talks to the broker."""
        return self(*arguments, "--bootstrap", self.broker.bootstrap)

    def ask_act(self, *arguments: str) -> Any:
        """What one answers in JSON; it must end well."""
        code, out, err = self.act(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    def stray(self, account: str, id: str, **data: Any) -> Json:
        """An event in the wrong partition: the entry that rejected it. The account must be known."""
        wrong = 1 - default_partition(account.encode(), 2)
        (entry,) = self.send(event(account, id, **data), partition=wrong)
        assert (entry["shard"], entry["reason"]["code"]) == (wrong, "misrouted")
        return entry


def place(entry: Json) -> str:
    """An entry as the command line names it."""
    return f"{entry['shard']}/{entry['index']}"


@pytest.fixture(scope="module")
def staged(tansu: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The scene of a module, its worker running."""
    topic = tansu.topic(2)
    ledger = Ledger.create(tmp_path_factory.mktemp("operators") / "ledger", topic, shards=2)
    with ledger.worker(tansu, "--batch-age-ms", "10", "--people-check", "0.2", idle_s=None) as worker:
        worker.wait_ready()
        yield Scene(ledger, tansu, topic)
        _check_alive(worker)


def _check_alive(worker: Worker) -> None:
    assert worker.process.poll() is None, worker.stderr()


@pytest.fixture
def scene(staged: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The same, its commands run in this process."""
    for name in ("LEDGER_DIR", "LEDGER_KEYS", "LEDGER_BOOTSTRAP", "LEDGER_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, err = capsys.readouterr()
        return code, out, err

    staged.run = run
    return staged
