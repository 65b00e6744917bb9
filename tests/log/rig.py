"""What the log's tests share: ledgers in any store, stores that fail, records with every kind of outcome, and the oracle."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from ledger.errors import StoreError
from ledger.log.ledgerfile import accept_topic, create_ledger
from ledger.log.records import Record
from ledger.log.segments import parse_segment
from ledger.log.state import ShardState, load_state
from ledger.log.writer import ShardWriter, open_writer
from ledger.model import ids
from ledger.storage import layout
from ledger.storage.keys import KeyStore
from ledger.storage.memory import MemoryStore
from ledger.storage.store import Store
from ledger.verify.api import verify

START_MS: Final = 1_669_626_000_000  # 2022-11-28T09:00:00Z
TOPIC_ID: Final = "topic-1"
SHARD: Final = 0

Json = dict[str, Any]


class Log:
    """A ledger with one shard (or more), its keys beside it."""

    def __init__(self, store: Store, keys: Store, *, shards: int = 1) -> None:
        self.store = store
        self.keys = keys
        self.file = create_ledger(store, keys, name="test", topic="topic", shards=shards)
        accept_topic(store, "topic", TOPIC_ID)

    def open(self, cache: Path | None = None, *, topic_id: str = TOPIC_ID, shard: int = SHARD) -> ShardWriter:
        """A writer with keys of its own in memory, like another process's."""
        return open_writer(self.store, self.file, KeyStore.open(self.keys, "test"), shard, topic_id, cache)

    def lines(self, shard: int = SHARD) -> list[bytes]:
        """The entries."""
        names = self.store.list(layout.shard_prefix(shard))
        return [line for name in names for line in parse_segment(self.store.get(name), name).lines]

    def state(self) -> ShardState:
        """The state that the log alone gives."""
        return load_state(self.store, self.file, SHARD, None)

    def twin(self, records: Sequence[Record], batch: int = 7, *, topic_id: str = TOPIC_ID) -> "Log":
        """A ledger with the same name and keys that nobody disturbs, after the same records."""
        twin = object.__new__(Log)
        twin.store, twin.keys, twin.file = MemoryStore(), self.keys, self.file
        twin.store.put(layout.LEDGER_FILE, self.store.get(layout.LEDGER_FILE))
        accept_topic(twin.store, "topic", topic_id)
        append(twin.open(topic_id=topic_id), records, batch)
        return twin


def append(writer: ShardWriter, records: Sequence[Record], batch: int = 7) -> None:
    """Fold and commit, batch after batch."""
    for start in range(0, len(records), batch):
        draft = writer.fold(records[start : start + batch])
        if draft is not None:
            writer.commit(draft)


def check(log: Log, records: Sequence[Record]) -> list[Json]:
    """The oracle: one entry for each record and no more, everything verifies, bytes as of a log that nobody disturbed."""
    lines = log.lines()
    entries = [msgspec.json.decode(line) for line in lines]
    assert [entry["origin"]["offset"] for entry in entries] == list(range(len(records)))
    assert [entry["index"] for entry in entries] == list(range(len(records)))
    report = verify(log.store)
    assert report.problems == []
    assert report.entries == len(records)
    if records:
        assert lines == log.twin(records).lines()
    return entries


def check_objects(log: Log, entries: Sequence[Json]) -> None:
    """Everything that entries refer to lies beside the log: registrations, quarantined bytes."""
    for entry in entries:
        if entry["account"] is not None:
            assert msgspec.json.decode(log.store.get(layout.account(entry["account"])))["shard"] == SHARD
    rejected = [entry["index"] for entry in entries if entry["outcome"] == "rejected"]
    assert list(log.store.list(layout.QUARANTINE)) == [layout.quarantine(SHARD, index) for index in rejected]


class FaultyStore:
    """A store of which one write fails, counted over all stores that share the counter.

    Args:
        inner: what really stores.
        fails: given the number of the write, how it fails: None (it does not), `lost` (nothing is stored), `kept` (stored, and
            reported failed), `half` (of many the first half is stored, and reported failed).
    """

    def __init__(self, inner: Store, fails: Callable[[], str | None]) -> None:
        self.inner = inner
        self._fails = fails

    def put(self, name: str, data: bytes) -> None:
        """See `Store.put`."""
        how = self._fails()
        if how in (None, "kept"):
            self.inner.put(name, data)
        self._raise(how)

    def put_many(self, objects: Sequence[tuple[str, bytes]]) -> list[bool]:
        """See `Store.put_many`."""
        how = self._fails()
        created = []
        if how != "lost":
            created = self.inner.put_many(objects[: len(objects) // 2] if how == "half" else objects)
        self._raise(how)
        return created

    def get(self, name: str) -> bytes:
        """See `Store.get`."""
        return self.inner.get(name)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """See `Store.list`."""
        return self.inner.list(prefix, after)

    def delete(self, name: str) -> None:
        """See `Store.delete`."""
        self.inner.delete(name)

    @staticmethod
    def _raise(how: str | None) -> None:
        if how is not None:
            raise StoreError("store_io", f"the write was {how}")


class Faults:
    """Counts writes and lets one of them fail."""

    def __init__(self, at: int | None = None, how: str = "lost") -> None:
        self.writes = 0
        self._at = at
        self._how = how

    def fail_after(self, writes: int, how: str) -> None:
        """Let a write fail after so many more that succeed."""
        self._at, self._how = self.writes + writes, how

    def __call__(self) -> str | None:
        """How the next write fails."""
        self.writes += 1
        return self._how if self.writes - 1 == self._at else None


def memory_log() -> Log:
    """A ledger in memory."""
    return Log(MemoryStore(), MemoryStore())


def record(offset: int, value: bytes | None, key: str | None = "acme") -> Record:
    """A record, a second after the one before."""
    return Record(offset, START_MS + offset * 1000, None if key is None else key.encode(), value)


def event(id: str, subject: str = "shop", *, account: str = "acme", **data: Any) -> bytes:
    """A change event by some person."""
    actor = {"type": "user", "id": f"u_{sum(id.encode()) % 3}", "email": "ana@acme.example"}
    whole = {
        "specversion": "1.0",
        "type": "ledger.change.v1",
        "source": "test",
        "id": id,
        "subject": subject,
        "time": "2022-11-28T09:00:00Z",
        "accountid": account,
        "data": {"actor": actor, "interface": "api", **data},
    }
    return json.dumps(whole, separators=(",", ":")).encode()


def code(content: int) -> Json:
    """Code that differs by that number."""
    module = {"type": "esm", "size": content, "sha256": f"{content:064x}"}
    return {"replace": {"main": "a.js", "modules": {"a.js": module}}}


def large_config(number: int, size: int = 70_000) -> Json:
    """A configuration that is too large for an entry."""
    return {"merge": {"vars": {f"V{number % 3}": {"text": f"{number}" * (size // len(str(number)))}}}}


def story(count: int, seed: int = 1) -> list[Record]:
    """Records of every outcome, at random: two accounts, some scripts, old versions, moved routes, garbage, large ones."""
    chance = random.Random(seed)
    records: list[Record] = []
    made: list[tuple[str, str, str]] = []
    for offset in range(count):
        account, subject = chance.choice(("acme", "beta")), chance.choice(("a", "b", "c"))
        name = f"e{offset}"
        value: bytes | None = _step(chance, name, account, subject, made)
        key: str | None = account
        match chance.randrange(14):
            case 0:
                value = chance.choice((b"garbage", b"\xff", None, b"{}"))
            case 1:
                key = chance.choice(("other", None))
            case 2 if records:
                value = chance.choice(records).value
            case _:
                made.append((account, subject, name))
        records.append(record(offset, value, key))
    return records


def _step(  # noqa: PLR0911 - one for each kind
    chance: random.Random, id: str, account: str, subject: str, made: Sequence[tuple[str, str, str]]
) -> bytes:
    def of(**data: Any) -> bytes:
        return event(id, subject, account=account, **data)

    old = [ids.version_id(*known[:2], "test", known[2]) for known in made if known[:2] == (account, subject)][-6:]
    deployments = [ids.deployment_id(*known[:2], "test", known[2]) for known in made if known[:2] == (account, subject)]
    match chance.randrange(12):
        case 0 | 1 | 2:
            return of(code=code(chance.randrange(100)), activate=chance.random() < 0.8)
        case 3:
            return of(bindings={"merge": {"KV": chance.choice((None, {"type": "kv", "id": id}))}})
        case 4:
            return of(config=large_config(len(made)))
        case 5:
            return of(routes={"merge": {"a.example/*": {"zone": "a.example"}}}, crons={"replace": {"* * * * *": {}}})
        case 6 if old:
            return of(deploy={chance.choice(old): 100})
        case 7 if len(set(old)) > 1:
            first, second = chance.sample(sorted(set(old)), 2)
            return of(deploy={first: 12.5, second: 87.5})
        case 8 if deployments:
            return of(rollback_to=chance.choice(deployments))
        case 9 if chance.random() < 0.4:
            return of(delete=True)
        case 10:
            whole = {"replace": {"compatibility_date": f"2022-01-{len(made) % 28 + 1:02}"}}
            return of(code=code(chance.randrange(100)), bindings={"replace": {}}, config=whole)
        case _:
            return of(settings={"merge": {"logpush": chance.random() < 0.5}})


def essence(state: ShardState) -> Json:
    """All that a state knows, in a form that can be compared."""
    return {
        "size": state.size,
        "tree": (state.frontier.size, list(state.frontier.hashes)),
        "next": (state.next_offset, state.topic_id, state.recorded),
        "accounts": {name: msgspec.structs.asdict(account) for name, account in sorted(state.accounts.items())},
    }
