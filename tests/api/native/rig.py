"""What the tests of the native API share."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ledger.log.ledgerfile import read_ledger_file
from ledger.log.writer import open_writer
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore
from tests.api.rig import TIMEOUT_S, Answer, Server
from tests.log.rig import TOPIC_ID, append, story

__all__ = ["Event", "Stream", "next_of", "walk", "watching", "write_more"]


def write_more(ledger: Path, start: int, end: int, batch: int = 7) -> None:
    """A worker that starts anew and writes these records of the story."""
    store, keys = LocalStore(ledger), LocalStore(ledger / "keys", file_mode=0o600, dir_mode=0o700)
    file = read_ledger_file(store)
    append(open_writer(store, file, KeyStore.open(keys, file.name), 0, TOPIC_ID, None), story(end)[start:], batch)


def next_of(answer: Answer) -> str | None:
    """The address of the next page."""
    match = re.fullmatch(r'<(.+)>; rel="next"', answer.headers.get("link", ""))
    return match[1] if match else None


def walk(server: Server, path: str, token: str) -> list[Any]:
    """All pages of a list, one after the other."""
    found: list[Any] = []
    following: str | None = path
    while following is not None:
        answer = server.ask(following, token=token)
        assert answer.status == 200, answer.body
        found += answer.json
        following = next_of(answer)
    return found


class Event(NamedTuple):
    """A server-sent event."""

    id: str | None
    type: str
    data: Any


class Stream:
    """What `/v1/watch` sends, as a client reads it."""

    def __init__(self, response: HTTPResponse) -> None:
        self.response = response
        self.place = ""
        """The last id that was seen."""

    def events(self) -> Iterator[Event]:
        """Until the stream ends."""
        fields: dict[str, str] = {}
        while line := self.response.readline():
            name, _, value = line.decode().rstrip("\n").partition(": ")
            if name:
                fields[name] = value
                continue
            self.place = fields.get("id", self.place)
            if "data" in fields:
                yield Event(fields.get("id"), fields.get("event", "message"), msgspec.json.decode(fields["data"]))
            fields = {}

    def take(self, count: int) -> list[Event]:
        """So many events."""
        events = self.events()
        return [next(events) for _ in range(count)]


@contextmanager
def watching(server: Server, token: str, path: str = "/v1/watch", place: str | None = None) -> Iterator[Stream]:
    """A watcher."""
    connection = HTTPConnection(server.host, server.port, timeout=TIMEOUT_S)
    try:
        headers = {"Authorization": f"Bearer {token}"} | ({} if place is None else {"Last-Event-ID": place})
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        assert response.status == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Stream(response)
    finally:
        connection.close()
