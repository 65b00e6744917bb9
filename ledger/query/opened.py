"""A ledger opened for reading: what it says of itself, the prefix of its log that a reader sees, and who its people are."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import duckdb
import msgspec
from msgspec import Struct, structs

from ledger.errors import IntegrityError, NotFoundError, StoreError, UsageError
from ledger.log.ledgerfile import LedgerFile, read_ledger_file
from ledger.query import sources, views
from ledger.query.copying import copy_log
from ledger.query.definitions import Made
from ledger.query.known import known_prefix, sized_prefix
from ledger.query.segments import ShardPrefix, read_prefix
from ledger.storage import layout
from ledger.storage.blobs import BlobStore
from ledger.storage.keys import PeopleReader
from ledger.storage.local import LocalStore
from ledger.storage.opening import open_store
from ledger.storage.store import Store

__all__ = ["OpenLedger", "Seen", "key_store_of", "open_ledger", "read_about", "reopen"]

_Answer = TypeVar("_Answer")
_SEPARATOR: Final = "\x1f"


class Seen(Struct, frozen=True, kw_only=True):
    """An opened ledger as it is told to another process."""

    location: str
    about: LedgerFile
    root: str
    keys: str | None
    known_at: datetime | None
    accounts: tuple[str, ...] | None
    shards: tuple[ShardPrefix, ...]


class OpenLedger:
    """A ledger as one question sees it: segments are listed once, so everything asked through it sees the same prefix.

    Open with `open_ledger`. Not for use from several threads at once.
    """

    def __init__(  # noqa: PLR0913 - what is asked, by whom, as of when
        self,
        location: str,
        about: LedgerFile,
        store: Store,
        root: Path,
        key_store: Store | None,
        *,
        keys: str | None = None,
        known_at: datetime | None = None,
        accounts: Sequence[str] | None = None,
        sizes: Sequence[int] | None = None,
    ) -> None:
        self.location = location
        self.about = about
        self.store = store
        self.root = root
        """Where the segments lie as files: the ledger's own directory, or a copy of the log where it is an object store."""
        self.key_store = key_store
        """Where the keys are; None where there are none: then people are pseudonyms, and secrets cannot be tested."""
        self.keys = keys
        """Where they were said to be."""
        self.people = None if key_store is None else PeopleReader(key_store)
        self.known_at = known_at
        """Nothing that was recorded later is seen; None where all is."""
        self.accounts = None if accounts is None else tuple(accounts)
        """Whoever asks sees the entries of these accounts and no others; None where all are seen, those without an account too."""
        self.sizes = sizes
        """Of each shard no more than so many entries are seen; None where all are."""
        self.named: dict[tuple[str, str], str] = {}
        """The people that were named: the name of each account and pseudonym."""
        self._is_interrupted = False
        self._resources = ExitStack()
        self._looked_at: tuple[duckdb.DuckDBPyConnection, datetime] | None = None

    @cached_property
    def shards(self) -> tuple[ShardPrefix, ...]:
        """What a reader sees of each shard."""
        prefixes = [read_prefix(self.root, shard) for shard in range(self.about.shards)]
        if self.known_at is not None:
            prefixes = [known_prefix(prefix, self.known_at) for prefix in prefixes]
        if self.sizes is not None:
            prefixes = [sized_prefix(prefix, size) for prefix, size in zip(prefixes, self.sizes, strict=True)]
        return tuple(prefixes)

    @cached_property
    def _database(self) -> tuple[duckdb.DuckDBPyConnection, Made]:
        # A Python function in the database would name people too, but costs 0.1 s and every row.
        person = f"account || '{_SEPARATOR}' || pseudonym || '{_SEPARATOR}' || sealed" if self.people else "pseudonym"
        connection = self._connect(person)
        views.keep_tail(connection, self.shards)
        return connection, Made(connection)

    def database_for(self, sql: str) -> duckdb.DuckDBPyConnection:
        """The database, with the views that a statement names. Its columns `author` hold what `author` below turns into a name."""
        connection, made = self._database
        made.make_for(sql)
        return connection

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The same with all views."""
        connection, made = self._database
        made.make_all()
        return connection

    def look_at(self, moment: datetime) -> None:
        """From now on the views of state (`_near`) hold what decides it as of this effective time."""
        connection, _ = self._database
        if self._looked_at != (connection, moment):
            connection.execute(sources.near(self.shards, moment))
            self._looked_at = connection, moment

    def connect_named(self) -> duckdb.DuckDBPyConnection:
        """Another database of the same views, whose columns `author` hold names: for questions in SQL."""
        return self._connect_whole(self.person if self.people else "pseudonym")

    def connect_unnamed(self, *, backwards: bool = False) -> duckdb.DuckDBPyConnection:
        """Another one, whose columns `author` hold pseudonyms, whoever asks; `backwards` reads the log from its end, in one thread."""
        shards = self.shards
        if backwards:
            shards = tuple(
                structs.replace(shard, packs=shard.packs[::-1], segments=shard.segments[::-1]) for shard in shards[::-1]
            )
        connection = self._connect_whole("pseudonym", shards)
        if backwards:
            connection.execute("SET threads = 1")
        return connection

    def as_known(self, known_at: datetime | None, sizes: Sequence[int] | None = None) -> "OpenLedger":
        """The same ledger as it was known at a time (None: now) or had these sizes, for as long as this one is open."""
        twin = OpenLedger(
            self.location,
            self.about,
            self.store,
            self.root,
            self.key_store,
            keys=self.keys,
            known_at=known_at,
            accounts=self.accounts,
            sizes=sizes,
        )
        self._resources.callback(twin.close)
        return twin

    def sees(self, account: str | None) -> bool:
        """Whether an entry of this account (None: of none) is one that whoever asks may see."""
        return self.accounts is None or account in self.accounts

    def seen(self) -> "Seen":
        """What another process needs to see just this."""
        return Seen(
            location=self.location,
            about=self.about,
            root=str(self.root),
            keys=self.keys,
            known_at=self.known_at,
            accounts=self.accounts,
            shards=self.shards,
        )

    def author(self, value: str | None) -> str | None:
        """The name of a person (e-mail address, else id) from a column `author` of `connection`, else their pseudonym."""
        if value is None or _SEPARATOR not in value:
            return value
        account, pseudonym, sealed = value.split(_SEPARATOR)
        return self.person(account, pseudonym, sealed)

    def forget_people(self) -> None:
        """From now on people are named as the key store has them then: who is new is known, and who was erased is not."""
        self.people = None if self.key_store is None else PeopleReader(self.key_store)

    def again_if_compacted(self, ask: Callable[[], _Answer]) -> _Answer:
        """The answer; where a segment could not be read because it was compacted meanwhile, the question is asked once more.

        From then on the ledger is seen as it is now, which has what was there before and perhaps more.
        """
        paths = [segment.path for shard in self.shards for segment in shard.segments]
        try:
            return ask()
        except StoreError as error:
            if error.code != "store_unreadable" or all(Path(path).exists() for path in paths):
                raise
        self._resources.close()
        for cached in ("shards", "_database"):
            self.__dict__.pop(cached, None)
        return ask()

    def interrupt(self) -> None:
        """Cut off the question that is under way, from another thread: its query raises `duckdb.InterruptException`."""
        self._is_interrupted = True
        if (database := self.__dict__.get("_database")) is not None:
            database[0].interrupt()

    def go_on(self, _: int = 0) -> None:
        """For a question that is long in other ways than a query: raises TimeoutError where it was cut off."""
        if self._is_interrupted:
            raise TimeoutError

    def close(self) -> None:
        """Close the databases; one that is needed again is made anew."""
        self._resources.close()
        self.__dict__.pop("_database", None)

    def person(self, account: str, pseudonym: str, sealed: str) -> str:
        """The name of a person from what an entry says of its actor, else the pseudonym."""
        try:
            identity = self.people.identity(account, pseudonym, sealed) if self.people else None
        except IntegrityError:
            return pseudonym  # `ledger verify` is who complains about it; a question still has the pseudonym to show
        if identity is None:
            return pseudonym
        actor = msgspec.json.decode(identity)
        email, actor_id = actor.get("email"), actor.get("id")
        name = email if isinstance(email, str) and email else str(actor_id)
        self.named[account, pseudonym] = name
        return name

    def _blob_reader(self) -> views.BlobText | None:
        """None where the ledger has no blobs, which spares the database a Python function."""
        if next(iter(self.store.list(layout.BLOBS)), None) is None:
            return None
        blobs = BlobStore(self.store)
        return lambda digest: blobs.get(digest).decode()

    def _connect_whole(
        self, person: views.PersonName | str, shards: Sequence[ShardPrefix] | None = None
    ) -> duckdb.DuckDBPyConnection:
        connection = self._connect(person, shards)
        Made(connection).make_all()
        return connection

    def _connect(
        self, person: views.PersonName | str, shards: Sequence[ShardPrefix] | None = None
    ) -> duckdb.DuckDBPyConnection:
        connection = views.connect(
            self.shards if shards is None else shards,
            blob=self._blob_reader(),
            person=person,
            known_at=self.known_at,
            accounts=self.accounts,
        )
        self._resources.callback(views.close_quietly, connection)
        return connection


@contextmanager
def open_ledger(
    location: str,
    *,
    keys: str | None = None,
    known_at: datetime | None = None,
    sizes: Sequence[int] | None = None,
) -> Iterator[OpenLedger]:
    """Open a ledger for reading.

    Args:
        location: its directory or object store URL.
        keys: location of its key store; default `keys/` in the ledger's directory. Without one, people stay pseudonyms.
        known_at: see only what had been recorded by then: of each shard the prefix that a reader could have seen. None: all.
        sizes: of each shard see no more than so many entries. None: all.

    Raises:
        NotFoundError: `no_ledger`, `keys_missing`.
        UsageError: `not_a_directory`, `newer_format`.
        IntegrityError: `bad_ledger_file`.
        StoreError: `store_unreadable` and what the store raises.
    """
    store, about = read_about(location)
    with ExitStack() as stack:
        if isinstance(store, LocalStore):
            root = store.root.resolve()
        else:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ledger-log-")))
            copy_log(store, root)
        opened = OpenLedger(
            location, about, store, root, key_store_of(store, keys), keys=keys, known_at=known_at, sizes=sizes
        )
        stack.callback(opened.close)
        yield opened


@contextmanager
def reopen(seen: Seen) -> Iterator[OpenLedger]:
    """Open, in another process, what was opened in one: the same entries, without looking for them again; raises as `open_ledger`."""
    store = open_store(seen.location)
    opened = OpenLedger(
        seen.location,
        seen.about,
        store,
        Path(seen.root),
        key_store_of(store, seen.keys),
        keys=seen.keys,
        known_at=seen.known_at,
        accounts=seen.accounts,
    )
    opened.__dict__["shards"] = seen.shards  # where the property keeps them once they were found
    try:
        yield opened
    finally:
        opened.close()


def read_about(location: str) -> tuple[Store, LedgerFile]:
    """The store of a ledger and what `ledger.json` says; raises as `open_ledger` does."""
    store = open_store(location)
    if isinstance(store, LocalStore):
        if store.root.exists() and not store.root.is_dir():
            hint = "give the directory that holds ledger.json"
            raise UsageError("not_a_directory", f"{location} is a file, not a ledger's directory", hint)
        _check_readable(store.root)
    try:
        return store, read_ledger_file(store)
    except NotFoundError as error:
        hint = f"make one with `ledger init --ledger {location}`, or give another directory"
        raise NotFoundError(error.code, f"there is no ledger at {location}", hint) from error


def _check_readable(root: Path) -> None:
    try:
        (root / layout.LEDGER_FILE).stat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise StoreError(
            "store_unreadable", f"cannot read {root}: {error.strerror}", "check its permissions"
        ) from error


def key_store_of(store: Store, keys: str | None) -> Store | None:
    """Where the keys of a ledger are: at a location, else `keys/` in its directory; None where it has none.

    Raises:
        NotFoundError: `keys_missing`, of a location.
    """
    if keys is not None:
        key_store = open_store(keys)
        if isinstance(key_store, LocalStore) and not key_store.root.is_dir():
            raise NotFoundError(
                "keys_missing",
                f"there are no keys at {keys}",
                "give the ledger's key directory, or see pseudonyms without --keys",
            )
        return key_store
    if isinstance(store, LocalStore) and (store.root / layout.KEYS).is_dir():
        return LocalStore(store.root / layout.KEYS)
    return None
