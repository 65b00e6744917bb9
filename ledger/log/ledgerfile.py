"""`ledger.json`: what a ledger is, written once by `ledger init`; and the topics whose records it accepts."""

import re
from typing import Final

import msgspec

from ledger.errors import BrokerError, IntegrityError, NotFoundError, StoreConflictError, UsageError
from ledger.proof.notes import Verifier, is_key_name
from ledger.storage import layout
from ledger.storage.keys import KeyStore
from ledger.storage.store import Store

__all__ = [
    "FORMAT",
    "LedgerFile",
    "accept_topic",
    "accepted_topics",
    "check_names",
    "check_topic",
    "check_topic_id",
    "create_ledger",
    "is_topic_id",
    "origin",
    "read_ledger_file",
    "topic_file",
]

FORMAT: Final = 1
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_TOPIC_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class LedgerFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a ledger is; nothing of it ever changes."""

    format: int
    name: str
    topic: str
    shards: int
    """The topic's number of partitions."""
    vkey: str
    """The public key, under the ledger's name; each shard's log signs with it under its own origin."""

    def verifier(self, shard: int) -> Verifier:
        """What checks the checkpoints of a shard."""
        return Verifier.from_vkey(self.vkey).renamed(origin(self.name, shard))


class _TopicFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    topic: str
    topic_id: str


def origin(name: str, shard: int) -> str:
    """The origin line and key name of a shard's log."""
    return f"{name}/{shard:04d}"


def create_ledger(store: Store, keys: Store, *, name: str, topic: str, shards: int) -> LedgerFile:
    """Make a ledger: its keys, then `ledger.json`, which decides.

    Raises:
        UsageError: a name, topic or number of shards that cannot be, or there is a ledger already.
    """
    check_names(name, topic, shards)
    try:
        key_store = KeyStore.create(keys, name)
        # A crash here leaves keys without a ledger: init refuses the directory, and nothing was signed with them.
        file = LedgerFile(format=FORMAT, name=name, topic=topic, shards=shards, vkey=key_store.vkey(name))
        store.put(layout.LEDGER_FILE, msgspec.json.encode(file) + b"\n")
    except StoreConflictError as error:
        raise UsageError(
            "ledger_exists", "there is a ledger already", "open it, or choose another directory"
        ) from error
    return file


def check_names(name: str, topic: str, shards: int) -> None:
    """Refuse what no ledger can be.

    Raises:
        UsageError: `bad_name`, `bad_topic`, `bad_shards`.
    """
    if not is_key_name(name) or "/" in name:
        raise UsageError(
            "bad_name",
            f"{name!r} is no name for a ledger",
            "use letters, digits, dots and dashes, such as audit.example",
        )
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        raise UsageError(
            "bad_topic", f"{topic!r} is no name for a Kafka topic", "use letters, digits, dots, dashes and underscores"
        )
    if not 1 <= shards <= layout.MAX_SHARDS:
        raise UsageError("bad_shards", f"a ledger cannot have {shards} shards", f"choose from 1 to {layout.MAX_SHARDS}")


def read_ledger_file(store: Store) -> LedgerFile:
    """Read `ledger.json`.

    Raises:
        NotFoundError: `no_ledger`.
        UsageError: `newer_format`.
        IntegrityError: `bad_ledger_file`.
    """
    try:
        raw = store.get(layout.LEDGER_FILE)
    except NotFoundError as error:
        raise NotFoundError(
            "no_ledger", f"there is no ledger in {store!r}", "make one with: ledger init --ledger DIR"
        ) from error
    try:
        version = msgspec.json.decode(raw)["format"]
        if isinstance(version, int) and version > FORMAT:
            raise UsageError(
                "newer_format",
                f"the ledger has format {version}; this program knows formats up to {FORMAT}",
                "use a newer release of the ledger",
            )
        file = msgspec.json.decode(raw, type=LedgerFile)
        file.verifier(0)
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError, IntegrityError) as error:
        raise _damaged() from error
    try:
        # Init never wrote others, and everything that reads a ledger walks over as many shards as it says here.
        check_names(file.name, file.topic, file.shards)
    except UsageError as error:
        raise _damaged() from error
    if file.format != FORMAT:
        raise _damaged()
    return file


def _damaged() -> IntegrityError:
    return IntegrityError("bad_ledger_file", f"{layout.LEDGER_FILE} is damaged", "restore it from a copy")


def is_topic_id(text: str) -> bool:
    """Whether a broker may call a topic so."""
    return _TOPIC_ID.fullmatch(text) is not None


def accept_topic(store: Store, topic: str, topic_id: str) -> bool:
    """Accept the records of the topic with this id; durable on return. False where it was accepted before.

    Raises:
        UsageError: `bad_topic_id`.
        IntegrityError: `bad_topic`: what says that it was accepted is not as it was written.
    """
    if not is_topic_id(topic_id):
        raise UsageError("bad_topic_id", f"{topic_id!r} is no topic id", "copy it from the worker's message")
    name, content = layout.topic(topic_id), topic_file(topic, topic_id)
    if store.put_many([(name, content)])[0]:
        return True
    if store.get(name) != content:
        raise IntegrityError("bad_topic", f"{name} does not say that a topic is accepted", "run: ledger verify")
    return False


def check_topic_id(meant: str, found: str) -> None:
    """Refuse an id that is not the one which the broker's topic has.

    Raises:
        UsageError: `unknown_topic`.
    """
    if meant != found:
        raise UsageError(
            "unknown_topic", f"the broker's topic has the id {found}, not {meant}", "copy it from the worker's message"
        )


def topic_file(topic: str, topic_id: str) -> bytes:
    """What says that the records of the topic with this id are accepted."""
    return msgspec.json.encode(_TopicFile(topic, topic_id)) + b"\n"


def accepted_topics(store: Store) -> frozenset[str]:
    """The ids of the topics whose records the ledger accepts."""
    names = store.list(layout.TOPICS)
    return frozenset(name.removeprefix(layout.TOPICS).removesuffix(".json") for name in names)


def check_topic(file: LedgerFile, topic_id: str, partitions: int, accepted: frozenset[str]) -> None:
    """Refuse a topic that is not the ledger's.

    Raises:
        BrokerError: `topic_replaced`, or `partition_mismatch`.
    """
    if topic_id not in accepted:
        raise BrokerError(
            "topic_replaced",
            f"the topic {file.topic} has the id {topic_id}, which this ledger does not know: it was deleted and made anew",
            f"if that was meant, accept it: ledger accept-topic {topic_id}",
        )
    if partitions != file.shards:
        raise BrokerError(
            "partition_mismatch",
            f"the topic {file.topic} has {partitions} partitions, the ledger has {file.shards} shards",
            "a ledger's number of shards never changes: restore the topic, or begin a new ledger",
        )
