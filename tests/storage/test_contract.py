"""What every store promises: one suite, run against each of them."""

import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import InputError, NotFoundError, StoreConflictError
from ledger.storage.local import LocalStore
from ledger.storage.objects import ObjectStore
from ledger.storage.store import Store, check_name

NAMES = [
    "a",
    "a-b/x",
    "a.b",
    "a/b",
    "a/b.c",
    "a/b/c",
    "a0",
    "log/0000/0000000000000000.ndjson.zst",
    "log/0000/0000000000000003.ndjson.zst",
    "log/0001/0000000000000000.ndjson.zst",
    "z z/é/%41~*",
]
FILES = [name for name in NAMES if name not in {"a", "a/b"}]  # on a file system a name can't be a folder besides

BAD_NAMES = {
    "empty": "",
    "absolute": "/a",
    "ends with a slash": "a/",
    "empty part": "a//b",
    "dot": "a/./b",
    "dot dot": "../a",
    "dot dot inside": "a/../b",
    "dot dot at the end": "a/..",
    "backslash": "a\\b",
    "zero byte": "a\0b",
    "newline": "a\nb",
    "delete": "a\x7f",
    "temporary": "a/.tmp-1-2",
    "temporary folder": ".tmp-1/b",
    "lone surrogate": "a\ud800",
    "part too long": "x" * 256,
    "part too long in bytes": "é" * 128,
}


def test_a_store_is_a_store(store: Store) -> None:
    """Each kind has all methods of the protocol."""
    assert isinstance(store, Store)


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 1000], ids=["empty", "one byte", "256 kB"])
def test_what_is_put_is_got(store: Store, data: bytes) -> None:
    """An object has exactly the bytes that were put."""
    store.put("a/b", data)
    assert store.get("a/b") == data


def test_a_name_is_created_once(store: Store) -> None:
    """The second put of a name is a conflict and changes nothing."""
    store.put("a/b", b"first")
    with pytest.raises(StoreConflictError) as caught:
        store.put("a/b", b"second")
    assert caught.value.code == "object_exists"
    assert store.get("a/b") == b"first"


def test_what_was_never_put_is_not_found(store: Store) -> None:
    """Getting a name without an object says so, whether or not names lie around it."""
    store.put("a/b", b"")
    for name in ("b", "a", "a/b/c", "a/c"):
        with pytest.raises(NotFoundError) as caught:
            store.get(name)
        assert caught.value.code == "object_not_found"


def test_many_are_put_at_once(store: Store) -> None:
    """Putting many says for each whether it was created, and leaves what exists alone."""
    store.put("a/1", b"old")
    assert store.put_many([("a/0", b"0"), ("a/1", b"new"), ("b/2", b"2")]) == [True, False, True]
    assert [store.get(name) for name in ("a/0", "a/1", "b/2")] == [b"0", b"old", b"2"]


def test_a_hundred_are_put_at_once(store: Store) -> None:
    """More objects than are synced one by one, in more folders too."""
    objects = [(f"f{number % 20}/{number}", b"%d" % number) for number in range(100)]
    assert store.put_many(objects) == [True] * 100
    assert store.put_many(objects) == [False] * 100
    assert all(store.get(name) == data for name, data in objects)


def test_putting_none_at_once_creates_none(store: Store) -> None:
    """An empty list of objects is fine."""
    assert store.put_many([]) == []
    assert list(store.list("")) == []


def test_a_name_twice_in_one_call_is_created_by_the_first(store: Store) -> None:
    """Of two objects of one name in one call the first is created."""
    assert store.put_many([("a", b"1"), ("a", b"2")]) == [True, False]
    assert store.get("a") == b"1"


def test_one_bad_name_among_many_creates_none(store: Store) -> None:
    """All names are checked before anything is written."""
    with pytest.raises(InputError):
        store.put_many([("a", b""), ("../b", b"")])
    assert list(store.list("")) == []


def test_names_are_listed_in_order(store: Store) -> None:
    """A listing is sorted by whole names, not folder by folder."""
    store.put_many([(name, b"") for name in reversed(FILES)])
    assert list(store.list("")) == sorted(FILES)


@pytest.mark.parametrize(
    "prefix", ["", "a", "a/", "a/b", "a-", "log/0000/", "log/000", "log/0001/0000", "z", "nothing", "a/b.c"]
)
def test_a_prefix_may_end_anywhere(store: Store, prefix: str) -> None:
    """A listing holds the names that start with the prefix as a string."""
    store.put_many([(name, b"") for name in FILES])
    assert list(store.list(prefix)) == sorted(name for name in FILES if name.startswith(prefix))


@pytest.mark.parametrize(
    "after", ["", "a", "a/", "a/b/c", "a0", "log/0000/0000000000000000.ndjson.zst", "log/0000/1", "zz"]
)
@pytest.mark.parametrize("prefix", ["", "a/", "log/"])
def test_a_listing_starts_after_a_name(store: Store, prefix: str, after: str) -> None:
    """Only names greater than `after` are listed, `after` itself not."""
    store.put_many([(name, b"") for name in FILES])
    assert list(store.list(prefix, after)) == sorted(name for name in FILES if name.startswith(prefix) and name > after)


NAME_PARTS = st.text("ab-.0/", min_size=1, max_size=6).filter(
    lambda name: all(part not in {"", ".", ".."} for part in name.split("/"))
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(NAME_PARTS, max_size=8), st.text("ab-.0/", max_size=3), st.text("ab-.0/", max_size=4))
def test_any_listing_is_what_a_sorted_set_would_give(
    tmp_path_factory: pytest.TempPathFactory, names: set[str], prefix: str, after: str
) -> None:
    """For random names, prefixes and starts, both kinds of store list what filtering and sorting the names gives."""
    kept = {name for name in names if not any(other.startswith(f"{name}/") for other in names)}
    if "//" in prefix or prefix.startswith("/") or any(part in {".", ".."} for part in prefix.split("/")[:-1]):
        return
    for store in (LocalStore(tmp_path_factory.mktemp("listing")), ObjectStore("memory:///")):
        store.put_many([(name, b"") for name in kept])
        expected = sorted(name for name in kept if name.startswith(prefix) and name > after)
        assert list(store.list(prefix, after)) == expected


def test_a_deleted_object_is_gone_and_can_be_put_again(store: Store) -> None:
    """Deleting frees the name."""
    store.put("a/b", b"1")
    store.delete("a/b")
    assert list(store.list("")) == []
    with pytest.raises(NotFoundError):
        store.get("a/b")
    store.put("a/b", b"2")
    assert store.get("a/b") == b"2"


def test_deleting_what_is_not_there_is_no_error(store: Store) -> None:
    """Deleting a missing name, beside, above or below others, does nothing."""
    store.put("a/b", b"1")
    for name in ("b", "a", "a/c", "a/b/c"):
        store.delete(name)
    assert store.get("a/b") == b"1"


@pytest.mark.parametrize("name", BAD_NAMES.values(), ids=BAD_NAMES)
def test_a_name_that_could_leave_the_root_is_refused(store: Store, name: str) -> None:
    """Names that are absolute, climb, or can't be read back as themselves are refused by every method."""
    calls: list[Callable[[], object]] = [
        lambda: store.put(name, b""),
        lambda: store.put_many([(name, b"")]),
        lambda: store.get(name),
        lambda: store.delete(name),
    ]
    for call in calls:
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.code == "bad_name"


@pytest.mark.parametrize("prefix", ["/", "../", "a/../", "a//b", "./a", "a\\", "\0"])
def test_a_prefix_that_could_leave_the_root_is_refused(store: Store, prefix: str) -> None:
    """A listing can't climb either."""
    with pytest.raises(InputError) as caught:
        list(store.list(prefix))
    assert caught.value.code == "bad_name"


@pytest.mark.parametrize("name", [*NAMES, ".hidden", "..a", "a/...", "tmp-1", "x" * 255])
def test_an_ordinary_name_is_accepted(name: str) -> None:
    """Names that stay where they are put are names."""
    assert check_name(name) == name


def test_of_many_threads_exactly_one_creates(store: Store) -> None:
    """Eight threads put one name at once, again and again: each time one wins, and its bytes are the object's."""
    for round_ in range(20):
        wins = _race(store, f"race/{round_}", 8)
        assert len(wins) == 1
        assert store.get(f"race/{round_}") == wins[0]


def _race(store: Store, name: str, count: int) -> list[bytes]:
    barrier, wins = threading.Barrier(count), list[bytes]()

    def attempt(number: int) -> None:
        barrier.wait()
        try:
            store.put(name, b"%d" % number)
        except StoreConflictError:
            return
        wins.append(b"%d" % number)

    threads = [threading.Thread(target=attempt, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wins


def test_a_listing_can_be_stopped(store: Store) -> None:
    """A listing is an iterator: the first name can be had alone."""
    store.put_many([("a/1", b""), ("a/2", b"")])
    names = store.list("a/")
    assert isinstance(names, Iterator)
    assert next(names) == "a/1"
