"""Sending single events: all arrive, each once, and what did not is said clearly."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kafka.errors import (
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotEnoughReplicasAfterAppendError,
    TopicAuthorizationFailedError,
)
from kafka.future import Future

import ledger.live.sending as module
from ledger.broker.connection import describe_topic
from ledger.broker.embedded import EmbeddedBroker
from ledger.broker.publish import Place, default_partition
from ledger.broker.topics import ensure_topic
from ledger.errors import BrokerError, InputError, LedgerError
from ledger.live.sending import Sender, open_sender
from ledger.live.view import LiveLedger, open_live
from ledger.log.batch import registration
from ledger.log.ledgerfile import accept_topic, read_ledger_file
from tests.kafka.brokers import Broker, free_ports
from tests.log.rig import code, event
from tests.worker.rig import Ledger, check_log

WRITERS = 50
EACH = 4


@pytest.fixture(scope="module")
def scene(tansu: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, LiveLedger, Sender]]:
    """A ledger of four shards that a worker writes, followed, and a sender to its topic."""
    ledger = Ledger.create(tmp_path_factory.mktemp("sending") / "ledger", tansu.topic(4), shards=4)
    with (
        ledger.worker(tansu, "--batch-age-ms", "10", idle_s=None) as worker,
        open_live(str(ledger.root)) as live,
        open_sender(ledger.store, live.about, tansu.bootstrap) as sender,
    ):
        worker.wait_ready()
        yield ledger, live, sender


def test_fifty_writers_each_find_their_own_entries(scene: tuple[Ledger, LiveLedger, Sender]) -> None:
    """None lost, none doubled, each exactly the bytes in the log; by the event and by the record's place."""
    ledger, live, sender = scene

    async def write(writer: int) -> list[tuple[str, Place, bytes]]:
        found = []
        for number in range(EACH):
            account, name = f"account-{writer % 7}", f"{writer}-{number}"
            place = await sender.send(event(name, f"s{writer}", account=account, code=code(number)), account)
            line = await live.entry_of(account, "test", name, 30)
            assert await live.entry_of(account, "test", name, 30, place=place) == line
            script = live.script(account, f"s{writer}")  # what is answered is seen by whoever asks next
            assert script is not None
            assert script.version_count == number + 1
            found.append((name, place, line))
        return found

    async def all_write() -> list[tuple[str, Place, bytes]]:
        return [one for of in await asyncio.gather(*map(write, range(WRITERS))) for one in of]

    answered = asyncio.run(all_write())
    lines = ledger.lines()
    check_log(ledger, sum(map(len, lines.values())))
    in_log: dict[str, list[tuple[int, bytes]]] = {}
    for shard, of in lines.items():
        for line in of:
            in_log.setdefault(json.loads(line)["event"]["id"], []).append((shard, line))
    assert len(answered) == WRITERS * EACH
    for name, place, line in answered:
        assert in_log[name] == [(place.partition, line)]
        entry = json.loads(line)
        assert (entry["outcome"], entry["origin"]["offset"]) == ("deployed", place.offset)


def test_a_copy_is_a_duplicate_and_the_first_entry_is_found(scene: tuple[Ledger, LiveLedger, Sender]) -> None:
    """By the event the first one; by its record's place the copy, which names the first."""
    _, live, sender = scene
    value = event("once", code=code(1))

    async def twice() -> tuple[bytes, bytes, bytes]:
        await sender.send(value, "acme")
        first = await live.entry_of("acme", "test", "once", 30)
        place = await sender.send(value, "acme")
        copy = await live.entry_of("acme", "test", "once", 30, place=place)
        return first, copy, await live.entry_of("acme", "test", "once", 0)

    first, copy, again = asyncio.run(twice())
    assert first == again
    assert json.loads(copy)["outcome"] == "duplicate"
    assert json.loads(copy)["first_index"] == json.loads(first)["index"]


def test_what_is_refused_has_an_entry_too(scene: tuple[Ledger, LiveLedger, Sender]) -> None:
    """In the account's chain, or without an account; the newest counts, and an accepted one before any."""
    _, live, sender = scene

    async def send(id: str, **data: Any) -> Any:
        place = await sender.send(event(id, "new", account="gamma", **data), "gamma")
        return json.loads(await live.entry_of("gamma", "test", id, 30, place=place))

    async def story() -> list[Any]:
        unknown = await send("a", delete=True)
        made = await send("b", code=code(1))
        known = await send("c", base="nothing", code=code(2))
        again = await send("c", base="still nothing", code=code(2))
        newest = json.loads(await live.entry_of("gamma", "test", "c", 0))
        await send("c", code=code(3))
        accepted = json.loads(await live.entry_of("gamma", "test", "c", 0))
        return [unknown, made, known, again, newest, accepted]

    unknown, made, known, again, newest, accepted = asyncio.run(story())
    assert (unknown["account"], unknown["reason"]["code"]) == (None, "script_absent")
    assert made["outcome"] == "deployed"
    assert (known["account"], known["reason"]["code"]) == ("gamma", "conflict")
    assert newest == again
    assert again != known
    assert accepted["outcome"] == "deployed"


def test_entries_of_other_accounts_are_never_given_out(scene: tuple[Ledger, LiveLedger, Sender]) -> None:
    """Not even to who names their source and id; who reuses them gets the duplicate that this made."""
    _, live, sender = scene
    other = next(
        name
        for name in map("b{}".format, range(99))
        if default_partition(name.encode(), 4) == default_partition(b"acme", 4)
    )

    async def story() -> bytes:
        await sender.send(event("same", code=code(1)), "acme")
        await live.entry_of("acme", "test", "same", 30)
        with pytest.raises(BrokerError, match="has no entry"):
            await live.entry_of(other, "test", "same", 0.1)
        await sender.send(event("same", account=other, code=code(2)), other)
        return await live.entry_of(other, "test", "same", 30)

    entry = json.loads(asyncio.run(story()))
    assert (entry["account"], entry["outcome"]) == (other, "duplicate")


# --- what goes wrong ---------------------------------------------------------------------------------------------------------------------


def failure_of(sender: Sender, value: bytes = b"{}", account: str = "acme") -> LedgerError:
    """Why an event could not be sent."""
    with pytest.raises(LedgerError) as caught:
        asyncio.run(sender.send(value, account))
    return caught.value


def test_a_broker_that_is_away_is_said_at_once_and_found_later(tmp_path: Path) -> None:
    """Nothing was sent; a second event does not wait for the same again; once there is a broker, it goes on."""
    ledger = Ledger.create(tmp_path / "ledger", "ledger.changes", shards=1)
    with open_sender(ledger.store, read_ledger_file(ledger.store), f"127.0.0.1:{free_ports(1)[0]}") as sender:
        assert failure_of(sender).code == "broker_unreachable"
        asked = sender._delivery.check_topic
        sender._delivery.check_topic = lambda: pytest.fail("asked again")  # type: ignore[method-assign]
        assert failure_of(sender).code == "broker_unreachable"
        sender._delivery.check_topic = asked  # type: ignore[method-assign]
        sender._checked -= 1
        assert failure_of(sender).code == "broker_unreachable"


def test_another_topic_under_the_same_name_is_refused(tansu: Broker, tmp_path: Path) -> None:
    """Before anything is sent, also where it takes the topic's place while events are sent."""
    ledger = Ledger.create(tmp_path / "ledger", tansu.topic(1), shards=1)
    about = read_ledger_file(ledger.store)
    with open_sender(ledger.store, about, tansu.bootstrap) as sender:
        sender.check()
        assert asyncio.run(sender.send(event("a", code=code(1)), "acme")) == Place(0, 0)
        accept_topic(ledger.store, about.topic, "another-id")
        assert asyncio.run(sender.send(event("b", code=code(1)), "acme")) == Place(0, 1)  # looked a moment ago
        sender._checked -= 10
        assert failure_of(sender).code == "topic_replaced"


def test_an_event_goes_where_its_account_is_at_home(broker: Broker, tmp_path: Path) -> None:
    """Wherever the partitioner would put it."""
    ledger = Ledger.create(tmp_path / "ledger", broker.topic(4), shards=4)
    home = (default_partition(b"acme", 4) + 1) % 4
    ledger.store.put(*registration("acme", home))
    with open_sender(ledger.store, read_ledger_file(ledger.store), broker.bootstrap) as sender:
        assert asyncio.run(sender.send(event("a", code=code(1)), "acme")).partition == home
        assert asyncio.run(sender.send(event("a", code=code(1)), "beta")).partition == default_partition(b"beta", 4)


def test_what_is_too_large_for_the_topic_is_refused(tansu: Broker, tmp_path: Path) -> None:
    """And the sender goes on."""
    ledger = Ledger.create(tmp_path / "ledger", tansu.topic(1), shards=1)
    with open_sender(ledger.store, read_ledger_file(ledger.store), tansu.bootstrap) as sender:
        error = failure_of(sender, bytes(3 << 20))
        assert isinstance(error, InputError)
        assert error.code == "too_large"
        assert asyncio.run(sender.send(event("a", code=code(1)), "acme")) == Place(0, 0)


class Producer:
    """Stands for kafka-python's: hands back futures that a test settles."""

    def __init__(self, settle: Callable[[Future], Any]) -> None:
        self._settle = settle
        self.closed = 0

    def send(self, *_: Any, **__: Any) -> Future:
        """Take a record."""
        future = Future()
        self._settle(future)
        return future

    def close(self, timeout: float) -> None:
        """End."""
        self.closed += 1


@pytest.mark.parametrize(
    ("settle", "code"),
    [
        (lambda _: None, "publish_unclear"),
        (lambda future: future.failure(KafkaTimeoutError("delivery")), "publish_unclear"),
        (lambda future: future.failure(NotEnoughReplicasAfterAppendError()), "publish_unclear"),
        (lambda future: future.failure(TopicAuthorizationFailedError()), "publish_refused"),
        (lambda future: future.failure(MessageSizeTooLargeError()), "too_large"),
    ],
    ids=["no answer", "delivery time-out", "not enough replicas after append", "not allowed", "too large"],
)
def test_what_became_of_an_event_is_said_as_far_as_it_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settle: Callable[[Future], Any], code: str
) -> None:
    """Whether it was sent and may have arrived, or was refused; a producer that failed is not used again."""
    ledger = Ledger.create(tmp_path / "ledger", "ledger.changes", shards=1)
    made: list[Producer] = []

    def new(*_: Any, **__: Any) -> Producer:
        made.append(Producer(settle))
        return made[-1]

    monkeypatch.setattr(module, "new_producer", new)
    with open_sender(ledger.store, read_ledger_file(ledger.store), "127.0.0.1:1", timeout_s=0.2) as sender:
        monkeypatch.setattr(sender._delivery, "check_topic", lambda: "id")
        for _ in range(2):
            assert failure_of(sender).code == code
        is_kept = code == "too_large" or "no answer" in failure_of(sender).message or len(made) == 1
        assert len(made) == (1 if is_kept else 3)
        assert "same id" in failure_of(sender).hint or code != "publish_unclear"


def test_an_event_that_nobody_took_in_time_is_not_sent_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the broker hangs before it was handed over: then it says so, and drops the event."""
    ledger = Ledger.create(tmp_path / "ledger", "ledger.changes", shards=1)
    sent: list[Future] = []
    monkeypatch.setattr(module, "new_producer", lambda *_, **__: Producer(sent.append))
    with open_sender(ledger.store, read_ledger_file(ledger.store), "127.0.0.1:1", timeout_s=0.1) as sender:
        monkeypatch.setattr(sender._delivery, "check_topic", lambda: time.sleep(0.3))
        assert failure_of(sender).code == "publish_failed"
    assert sent == []


def test_too_many_at_once_are_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than held in memory."""
    ledger = Ledger.create(tmp_path / "ledger", "ledger.changes", shards=1)
    monkeypatch.setattr(module, "new_producer", lambda *_, **__: Producer(lambda _: None))
    monkeypatch.setattr(module, "_MAX_UNDER_WAY", 3)
    with open_sender(ledger.store, read_ledger_file(ledger.store), "127.0.0.1:1", timeout_s=0.3) as sender:
        monkeypatch.setattr(sender._delivery, "check_topic", lambda: "id")

        async def many() -> list[str]:
            results = await asyncio.gather(*(sender.send(b"{}", "acme") for _ in range(5)), return_exceptions=True)
            return sorted(result.code for result in results if isinstance(result, BrokerError))

        assert asyncio.run(many()) == ["publish_unclear"] * 3 + ["too_many_sends"] * 2
        assert failure_of(sender).code == "publish_unclear"


def test_a_broker_that_comes_back_is_used_again(tmp_path: Path) -> None:
    """The embedded one comes back with another topic: that is said, and once it is accepted, events are sent again."""
    ledger = Ledger.create(tmp_path / "ledger", "ledger.changes", shards=1)
    about = read_ledger_file(ledger.store)
    with EmbeddedBroker() as broker:
        port = int(broker.bootstrap.rpartition(":")[2])
        ensure_topic(broker.bootstrap, about.topic, 1)
        accept_topic(ledger.store, about.topic, describe_topic(broker.bootstrap, about.topic).topic_id)
        sender = Sender(ledger.store, about, broker.bootstrap, timeout_s=10)
        assert asyncio.run(sender.send(event("a", code=code(1)), "acme")) == Place(0, 0)
    sender._checked -= 10
    assert failure_of(sender, event("b", code=code(1))).code == "broker_unreachable"
    with EmbeddedBroker(port=port) as broker:
        ensure_topic(broker.bootstrap, about.topic, 1)
        sender._checked -= 10
        assert failure_of(sender, event("b", code=code(1))).code == "topic_replaced"
        accept_topic(ledger.store, about.topic, describe_topic(broker.bootstrap, about.topic).topic_id)
        sender._checked -= 10
        sender.check()
        places = []
        for number in range(3):  # the old producer may find out with the first one
            with suppress(BrokerError):
                places.append(asyncio.run(sender.send(event(f"c{number}", code=code(1)), "acme")))
        assert places
        sender.close()
