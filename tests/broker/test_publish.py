"""Publishing to both brokers, and what never leaves the machine."""

import io
import json
import re
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from ledger.broker.connection import ping
from ledger.broker.embedded import EmbeddedBroker
from ledger.broker.lines import MAX_LINE_BYTES, Source, open_source
from ledger.broker.publish import Outgoing, Place, Progress, default_partition, publish, send_records
from ledger.broker.topics import ensure_topic
from ledger.errors import BrokerError, InputError
from tests.kafka.brokers import Broker

EXAMPLE = Path(__file__).parents[2] / "examples" / "real-changes.ndjson.zst"
MAC = "4be1" * 16


def event(number: int = 0, account: str = "acme", **data: Any) -> bytes:
    """A change event as one line."""
    content = data or {"crons": {"merge": {"*/5 * * * *": {}}}}
    return json.dumps(
        {
            "specversion": "1.0",
            "type": "ledger.change.v1",
            "source": "test",
            "id": f"e{number}",
            "subject": "checkout",
            "time": "2022-11-28T09:15:02Z",
            "accountid": account,
            "data": {"interface": "api", **content},
        },
        separators=(",", ":"),
    ).encode()


def source(*lines: bytes) -> Source:
    """Lines in memory."""
    return Source(io.BufferedReader(io.BytesIO(b"\n".join(lines))), "memory")


SECRETS = {
    "value": event(config={"merge": {"secrets": {"KEY": {"text": "hunter2"}}}}),
    "mac and value": event(config={"merge": {"secrets": {"KEY": {"mac": MAC, "value": "hunter2"}}}}),
    "bare string": event(config={"replace": {"secrets": {"KEY": "hunter2"}}}),
    "binding": event(bindings={"merge": {"KEY": {"type": "secret_text", "text": "hunter2"}}}),
    "key": event(bindings={"replace": {"KEY": {"type": "secret_key", "key_base64": "hunter2"}}}),
    "repeated member": event(config={"merge": {"secrets": {"KEY": {"mac": MAC}}}}).replace(
        b'"config":', b'"config":{"merge":{"secrets":{"KEY":{"text":"hunter2"}}}},"config":'
    ),
    "escaped name": event(config={"merge": {"secrets": {"KEY": {"text": "hunter2"}}}}).replace(
        b"secrets", b"s\\u0065crets"
    ),
    "cut off": event(config={"merge": {"secrets": {"KEY": {"text": "hunter2"}}}})[:-4],
    "another type": event(config={"merge": {"secrets": {"KEY": {"text": "hunter2"}}}}).replace(b"change.v1", b"c.v9"),
}


def test_every_line_becomes_one_record(broker: Broker) -> None:
    """A record is the line's bytes, keyed by its account, its content type in a header."""
    topic = broker.topic(3)
    lines = [event(number, f"account-{number % 7}") for number in range(50)]
    result = publish(source(*lines), broker.bootstrap, topic)
    assert (result.read, result.sent, result.refused, result.first_refusals) == (50, 50, 0, ())
    records = broker.read(topic, 50)
    assert sorted(record.value or b"" for record in records) == sorted(lines)
    for record in records:
        assert (record.key or b"").decode() == json.loads(record.value or b"")["accountid"]
        assert record.headers == (("content-type", b"application/cloudevents+json"),)


def test_an_account_is_one_partition_in_the_files_order(broker: Broker) -> None:
    """All events of an account lie in one partition, as they stood in the file; accounts spread over all partitions."""
    topic = broker.topic(4)
    lines = [event(number, f"account-{number % 40}") for number in range(400)]
    publish(source(*lines), broker.bootstrap, topic)
    partitions: dict[str, set[int]] = defaultdict(set)
    order: dict[str, list[int]] = defaultdict(list)
    for record in broker.read(topic, 400):
        found = json.loads(record.value or b"")
        partitions[found["accountid"]].add(record.partition)
        order[found["accountid"]].append(int(found["id"][1:]))
    assert all(len(where) == 1 for where in partitions.values())
    assert len(set.union(*partitions.values())) == 4
    assert all(numbers == sorted(numbers) for numbers in order.values())


def test_records_go_to_the_partition_that_is_named_and_say_where_they_lie(broker: Broker) -> None:
    """Key, headers and value as they are given, whatever the key's own partition is."""
    topic = broker.topic(3)
    headers = (("ce_id", b"1"), ("odd", b"\xff\x00"))
    records = [Outgoing(partition=number % 3, key=b"k", value=b"%d" % number, headers=headers) for number in range(7)]
    places = send_records(records, broker.bootstrap, topic)
    assert places == [Place(number % 3, number // 3) for number in range(7)]
    for record in broker.read(topic, 7):
        assert (record.key, record.headers) == (b"k", headers)
        assert places[int(record.value or b"")] == Place(record.partition, record.offset)


def test_the_default_partition_is_the_one_that_publish_chooses(tansu: Broker) -> None:
    """Java's default: murmur2 of the key."""
    topic = tansu.topic(5)
    publish(source(*(event(number, f"account-{number}") for number in range(40))), tansu.bootstrap, topic)
    for record in tansu.read(topic, 40):
        assert record.partition == default_partition(record.key or b"", 5)


def test_the_real_data_is_published_whole(tansu: Broker) -> None:
    """Each of the 15,513 real events is valid and is acknowledged."""
    topic = tansu.topic(4)
    seen: list[Progress] = []
    with open_source(str(EXAMPLE)) as real:
        result = publish(real, tansu.bootstrap, topic, progress=seen.append)
    assert (result.read, result.sent, result.refused) == (15_513, 15_513, 0)
    assert len(tansu.read(topic, 15_513)) == 15_513
    last = seen[-1]
    assert (last.read, last.sent, last.refused) == (15_513, 15_513, 0)
    assert last.read_bytes == last.total_bytes == EXAMPLE.stat().st_size
    assert [progress.read for progress in seen] == sorted(progress.read for progress in seen)


def test_what_a_worker_would_reject_is_refused_with_its_line(tansu: Broker) -> None:
    """Bad lines stay behind, each with number, reason code, path and detail; the good ones go."""
    topic = tansu.topic(1)
    bad = event(3).replace(b'"subject":"checkout",', b"")
    result = publish(source(event(1), b"{nonsense", b"", bad, event(4)), tansu.bootstrap, topic)
    assert (result.read, result.sent, result.refused) == (4, 2, 2)
    assert [(refusal.line, refusal.code) for refusal in result.first_refusals] == [
        (2, "malformed_json"),
        (4, "missing_member"),
    ]
    assert all(refusal.path.startswith("$") and refusal.detail for refusal in result.first_refusals)
    assert [record.value for record in tansu.read(topic, 2)] == [event(1), event(4)]


def test_only_the_first_ten_refusals_are_told(tansu: Broker) -> None:
    """All are counted, ten are kept."""
    result = publish(source(*[b"x"] * 25), tansu.bootstrap, tansu.topic(1))
    assert (result.read, result.sent, result.refused) == (25, 0, 25)
    assert [refusal.line for refusal in result.first_refusals] == list(range(1, 11))


def test_without_validation_what_is_wrong_goes_all_the_same(tansu: Broker) -> None:
    """`--no-validate` sends what a worker will reject, with the account as key where it can be read."""
    topic = tansu.topic(1)
    bad = [b"{nonsense", event(1).replace(b"1.0", b"9.9"), b"\xff\xfe"]
    result = publish(source(*bad), tansu.bootstrap, topic, validate=False)
    assert (result.sent, result.refused) == (3, 0)
    assert [(record.key, record.value) for record in tansu.read(topic, 3)] == [
        (None, bad[0]),
        (b"acme", bad[1]),
        (None, bad[2]),
    ]


@pytest.mark.parametrize("validate", [True, False])
@pytest.mark.parametrize("line", SECRETS.values(), ids=SECRETS)
def test_a_plaintext_secret_never_leaves_the_machine(tansu: Broker, line: bytes, *, validate: bool) -> None:
    """A secret's value, wherever it may hide, is refused with and without validation, and not told in the refusal."""
    topic = tansu.topic(1)
    result = publish(source(line, event(1)), tansu.bootstrap, topic, validate=validate)
    assert (result.sent, result.refused) == (1, 1)
    assert "hunter2" not in repr(result)
    assert [record.value for record in tansu.read(topic, 1)] == [event(1)]


@pytest.mark.parametrize("validate", [True, False])
def test_a_secret_as_a_mac_is_no_plaintext(tansu: Broker, *, validate: bool) -> None:
    """A MAC in place of the value is published."""
    line = event(config={"merge": {"secrets": {"KEY": {"mac": MAC, "type": "secret_text"}}}})
    assert publish(source(line), tansu.bootstrap, tansu.topic(1), validate=validate).sent == 1


@pytest.mark.parametrize("size", [3 << 20, MAX_LINE_BYTES + 1])
@pytest.mark.parametrize("validate", [True, False])
def test_what_is_too_large_for_the_topic_is_refused(tansu: Broker, size: int, *, validate: bool) -> None:
    """A line of several megabytes is a refusal, not the end."""
    result = publish(source(b"x" * size, event(1)), tansu.bootstrap, tansu.topic(1), validate=validate)
    assert (result.sent, result.refused) == (1, 1)
    assert result.first_refusals[0].code == "too_large"


def test_the_rate_is_kept(tansu: Broker) -> None:
    """100 records at 200 a second take half a second."""
    result = publish(source(*map(event, range(100))), tansu.bootstrap, tansu.topic(1), rate=200)
    assert 0.45 < result.duration_s < 3


def test_an_empty_source_is_no_error(tansu: Broker) -> None:
    """Nothing to send is sent."""
    result = publish(source(), tansu.bootstrap, tansu.topic(1))
    assert (result.read, result.sent, result.refused) == (0, 0, 0)


def test_a_missing_topic_is_said_before_anything_is_read(tansu: Broker) -> None:
    """Publishing makes no topic."""
    lines = source(event(1))
    with pytest.raises(BrokerError) as caught:
        publish(lines, tansu.bootstrap, "no-such-topic")
    assert caught.value.code == "topic_missing"
    assert lines.read_bytes == 0


def test_the_lines_before_a_damaged_one_arrive(tansu: Broker, tmp_path: Path) -> None:
    """A file cut short is an error, and what it held before is on the topic."""
    topic = tansu.topic(1)
    path = tmp_path / "cut.zst"
    path.write_bytes(EXAMPLE.read_bytes()[:200_000])
    with open_source(str(path)) as cut, pytest.raises(InputError) as caught:
        publish(cut, tansu.bootstrap, topic)
    assert caught.value.code == "bad_file"
    said = re.fullmatch(r".*cut\.zst is cut short; ([0-9]+) events before that were sent", caught.value.message)
    assert said is not None
    assert int(said[1]) >= 100
    assert len(tansu.read(topic, int(said[1]))) == int(said[1])


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # kafka-python leaves failed sockets open
def test_a_broker_that_goes_away_midway_is_one_clear_error() -> None:
    """The error says how many records were acknowledged, and comes within the time-out."""
    with EmbeddedBroker() as broker:
        ensure_topic(broker.bootstrap, "t", 2)
        stop = threading.Timer(1, broker.stop)
        stop.start()
        started = time.monotonic()
        with pytest.raises(BrokerError) as caught:
            publish(source(*map(event, range(20_000))), broker.bootstrap, "t", rate=1000, timeout_s=3)
        stop.join()
    assert caught.value.code == "publish_failed"
    assert time.monotonic() - started < 15
    acknowledged = int(caught.value.message.split(": ")[1].split()[0])
    assert 0 < acknowledged < 2000


def test_ctrl_c_ends_it_at_once(tansu: Broker) -> None:
    """An interrupt leaves no thread behind and waits for nothing."""
    topic = tansu.topic(1)

    def interrupt(progress: Progress) -> None:
        if progress.read > 100:
            raise KeyboardInterrupt

    before = threading.active_count()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        publish(source(*map(event, range(5000))), tansu.bootstrap, topic, rate=500, progress=interrupt)
    assert time.monotonic() - started < 10
    assert threading.active_count() <= before
    ping(tansu.bootstrap)
