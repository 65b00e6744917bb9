"""Events sent over HTTP: recorded once, in order, or refused with the reason; and no secret goes anywhere."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ledger.api.native import events as module
from ledger.api.native.events import BATCH, LINES, SINGLE, read_items
from ledger.api.tokens import Scope
from ledger.errors import InputError
from tests.api.rig import Answer, Server, answering, make_token, serving, write_ledger
from tests.operators.conftest import Scene, event, staged, text

__all__ = ["staged"]

Json = dict[str, Any]
ONE, MANY, EACH = SINGLE[0], BATCH[0], LINES[0]


class Producer:
    """Sends events with a token."""

    def __init__(self, server: Server, root: Path, token: str) -> None:
        self.server, self.root, self.token = server, root, token
        self.reader = ""
        """A token for reading."""

    def send(self, body: bytes, content_type: str = ONE, query: str = "") -> Answer:
        """One request."""
        headers = {"content-type": content_type}
        return self.server.ask(f"/v1/events{query}", method="POST", token=self.token, headers=headers, body=body)


@pytest.fixture(scope="module")
def producer(staged: Scene) -> Iterator[Producer]:
    """A server in front of the scene's broker and worker, and a token for the accounts that begin with acme."""
    token = make_token(staged.root, "producer", Scope.write, account="acme*")
    reader = make_token(staged.root, "reader", Scope.read, Scope.audit)
    with serving(staged.root, "--bootstrap", staged.broker.bootstrap) as server:
        producer = Producer(server, staged.root, token)
        producer.reader = reader
        yield producer


def entries_of(staged: Scene, id: str) -> list[Json]:
    """The entries of an event."""
    return staged.all(id)


def test_an_event_is_answered_when_it_is_in_the_log(producer: Producer, staged: Scene) -> None:
    """With what it made; who asks then sees it."""
    answer = producer.send(text(event("acme", "one", script="one")))
    assert answer.status == 200
    (result,) = answer.json["results"]
    (entry,) = entries_of(staged, "one")
    assert result == {
        "item": 0,
        "source": "test",
        "id": "one",
        "state": "accepted",
        "outcome": "deployed",
        "entry": f"{entry['shard']}/{entry['index']}",
        "first": None,
        "version": entry["version"]["id"],
        "deployment": entry["deployment"]["id"],
        "reason": None,
    }
    (row,) = producer.server.ask("/v1/scripts/one/deployments?account=acme", token=producer.reader).json
    assert row["deployment"] == entry["deployment"]["id"]


def test_an_event_that_is_sent_again_is_a_duplicate(producer: Producer, staged: Scene) -> None:
    """It has the same ids and says where it was first; nothing is done twice."""
    first = producer.send(text(event("acme", "again", script="again"))).json["results"][0]
    answer = producer.send(text(event("acme", "again", script="again")))
    second = answer.json["results"][0]
    assert (answer.status, second["state"], second["first"]) == (200, "duplicate", first["entry"])
    assert [second[name] for name in ("version", "deployment")] == [first[name] for name in ("version", "deployment")]
    assert [entry["outcome"] for entry in entries_of(staged, "again")] == ["deployed", "duplicate"]


@pytest.mark.parametrize("content_type", [MANY, EACH])
def test_a_batch_has_a_result_for_each(producer: Producer, staged: Scene, content_type: str) -> None:
    """In their order: accepted, refused with reason and path, of another account, a duplicate of the batch itself."""
    name = "lines" if content_type == EACH else "batch"
    good = [event("acme-two", f"{name}-{number}", script=f"{name}-{number}") for number in range(3)]
    wrong = event("acme", f"{name}-wrong", routes={"replace": {"a.example/*": None}})
    foreign = event("beta", f"{name}-foreign")
    absent = event("acme", f"{name}-absent", script="never", delete=True)
    items = [good[0], wrong, good[1], foreign, absent, good[2], good[0]]
    parts = [text(item) for item in items]
    body = b"[" + b", ".join(parts) + b"]" if content_type == MANY else b"\n".join([*parts, b"", b" "])
    answer = producer.send(body, content_type)
    assert answer.status == 200, answer.body
    told = answer.json
    assert [result["state"] for result in told["results"]] == [
        "accepted",
        "rejected",
        "accepted",
        "rejected",
        "rejected",
        "accepted",
        "duplicate",
    ]
    assert [told[state] for state in ("accepted", "duplicate", "rejected", "sent", "failed")] == [3, 1, 3, 0, 0]
    assert [result["item"] for result in told["results"]] == list(range(7))
    reasons = [result["reason"] for result in told["results"] if result["state"] == "rejected"]
    assert [reason["code"] for reason in reasons] == ["bad_value", "no_such_account", "script_absent"]
    assert reasons[0]["path"] == '$.data.routes.replace["a.example/*"]'
    assert told["results"][4]["entry"] is not None
    assert [entries_of(staged, item["id"]) for item in (wrong, foreign)] == [[], []]
    indexes = [int(told["results"][place]["entry"].split("/")[1]) for place in (0, 2, 5, 6)]
    assert indexes == sorted(indexes)


def test_an_event_that_is_not_waited_for(producer: Producer, staged: Scene) -> None:
    """202: it was sent; sent again and waited for it is found."""
    answer = producer.send(text(event("acme", "later", script="later")), query="?wait=false")
    assert (answer.status, answer.json["results"][0]["state"]) == (202, "sent")
    assert producer.send(text(event("acme", "later", script="later"))).json["results"][0]["state"] == "duplicate"
    assert entries_of(staged, "later")[0]["outcome"] == "deployed"


SECRET = "s3cr3t-plain-value-of-a-test"
SECRETS = [
    event("acme", "secret-1", config={"merge": {"secrets": {"KEY": {"text": SECRET}}}}),
    event("acme", "secret-2", bindings={"merge": {"KEY": {"type": "secret_text", "text": SECRET}}}),
    event("acme", "secret-3", config={"merge": {"secrets": {"KEY": SECRET}}}) | {"time": SECRET},
]


@pytest.mark.parametrize("content_type", [ONE, MANY, EACH])
@pytest.mark.parametrize("number", range(len(SECRETS)))
def test_a_plaintext_secret_goes_nowhere(producer: Producer, staged: Scene, content_type: str, number: int) -> None:
    """It is refused, and stands in no answer, no file of the ledger, and no record of the topic."""
    body = text(SECRETS[number])
    answer = producer.send(b"[" + body + b"]" if content_type == MANY else body, content_type)
    assert SECRET.encode() not in answer.body
    if content_type == ONE:
        assert answer.status == 422
    else:
        assert answer.json["rejected"] == 1
    assert not any(SECRET.encode() in path.read_bytes() for path in producer.root.rglob("*") if path.is_file())
    assert not any(entries_of(staged, f"secret-{name}") for name in (1, 2, 3))


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", ONE, 422, "malformed_json"),
        (b"{", ONE, 422, "malformed_json"),
        (b"\xff\xfe", ONE, 422, "not_utf8"),
        (b"null", ONE, 422, "wrong_type"),
        (b'{"a":1,"a":2}', ONE, 422, "duplicate_member"),
        (b"[" * 5000, ONE, 422, "malformed_json"),
        (text(event("acme", "x") | {"x": "y" * (1 << 20)}), ONE, 422, "too_large"),
        (text(event("beta", "x")), ONE, 404, "no_such_account"),
        (
            text(event("acme", "x") | {"type": "ledger.note.v1", "data": {"interface": "api", "action": "drop"}}),
            ONE,
            403,
            "scope_missing",
        ),
        (text(event("acme", "deleted", script="gone", delete=True)), ONE, 422, "script_absent"),
        (b"", EACH, 400, "no_events"),
        (b"\n \n", EACH, 400, "no_events"),
        (b"[]", MANY, 400, "no_events"),
        (b"{}", MANY, 400, "bad_batch"),
        (b"[1,", MANY, 400, "bad_batch"),
        (b"[" * 100_000, MANY, 400, "bad_batch"),
        (b"[" + b",".join([b"1"] * 1001) + b"]", MANY, 400, "too_many_events"),
        (b"{}\n" * 1001, EACH, 400, "too_many_events"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"{}", "multipart/form-data; boundary=x", 415, "unsupported_media_type"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_what_is_no_event_is_refused(
    producer: Producer, body: bytes, content_type: str, status: int, code: str
) -> None:
    """With a code, in the form of problems."""
    answer = producer.send(body, content_type)
    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_sending_needs_the_scope_write(producer: Producer) -> None:
    """A token for reading may not."""
    answer = Producer(producer.server, producer.root, producer.reader).send(text(event("acme", "no")))
    assert (answer.status, answer.json["code"]) == (403, "scope_missing")


def test_without_a_broker_nothing_is_taken(tmp_path: Path) -> None:
    """And it is said why."""
    root = write_ledger(tmp_path / "ledger", 10)
    token = make_token(root)
    with answering(root) as (server, _):
        answer = Producer(server, root, token).send(text(event("acme", "x")))
    assert (answer.status, answer.json["code"]) == (503, "no_broker")


def test_a_broker_that_does_not_answer_is_said_of_each(tmp_path: Path) -> None:
    """Nothing was sent; events after the first of an account are held back."""
    root = write_ledger(tmp_path / "ledger", 10)
    token = make_token(root)
    with serving(root, "--bootstrap", "127.0.0.1:1") as server:
        producer = Producer(server, root, token)
        one = producer.send(text(event("acme", "x")))
        told = producer.send(b"\n".join(text(event("acme", f"x{number}")) for number in range(2)), EACH)
    assert (one.status, one.json["code"]) == (503, "broker_unreachable")
    assert [result["reason"]["code"] for result in told.json["results"]] == ["broker_unreachable", "not_sent"]
    assert told.json["failed"] == 2


def test_items_are_the_exact_bytes_that_were_sent() -> None:
    """White space around them apart: what a worker reads is what was checked."""
    one, two = text(event("acme", "é")), b'{ "specversion" : "1.0" }'
    assert [item.value for item in read_items(b" [ " + one + b" ,\n" + two + b"]", MANY)] == [one, two]
    assert [item.value for item in read_items(one + b"\r\n\n" + two, EACH)] == [one + b"\r", two]
    assert read_items(one + b"\r\n", EACH)[0].event is not None


def test_a_failure_quotes_nothing_of_the_body() -> None:
    """Whatever is in it."""
    with pytest.raises(InputError) as caught:
        read_items(b'["' + SECRET.encode(), MANY)
    assert SECRET not in f"{caught.value!r} {caught.value.message} {caught.value.__cause__}"
    assert module.MAX_EVENTS == 1000
    assert msgspec.json.encode(module.told([])) == (
        b'{"accepted":0,"duplicate":0,"rejected":0,"sent":0,"failed":0,"results":[]}'
    )
