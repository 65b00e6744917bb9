"""Object stores: how they are opened, and how the library's errors come out."""

from pathlib import Path
from typing import Any

import obstore
import pytest

from ledger.errors import StoreError, UsageError
from ledger.storage import objects
from ledger.storage.local import LocalStore
from ledger.storage.objects import ObjectStore
from ledger.storage.opening import open_store


def test_a_location_says_which_store_it_is(tmp_path: Path) -> None:
    """A path or a file URL is a local store, any other URL an object store."""
    assert isinstance(open_store(str(tmp_path)), LocalStore)
    assert isinstance(open_store(f"file://{tmp_path}"), LocalStore)
    assert isinstance(open_store("memory:///"), ObjectStore)


def test_an_s3_location_is_opened_without_contacting_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening needs no network: errors come from the first call."""
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert repr(open_store("s3://bucket/prefix")) == "ObjectStore('s3://bucket/prefix')"


@pytest.mark.parametrize("location", ["gopher://x/y", "s3://", "memory"])
def test_a_location_that_nobody_knows_is_wrong_usage(location: str) -> None:
    """An unknown scheme or a broken URL is said at once."""
    with pytest.raises(UsageError) as caught:
        ObjectStore(location)
    assert caught.value.code == "bad_location"


def test_without_the_library_the_extra_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The object store library is an optional extra, and the error says which."""
    monkeypatch.setattr(objects, "obstore", None)
    with pytest.raises(UsageError) as caught:
        open_store("s3://bucket")
    assert caught.value.code == "extra_missing"
    assert "[s3]" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (obstore.exceptions.PermissionDeniedError("no"), "permission_denied"),
        (obstore.exceptions.UnauthenticatedError("no"), "permission_denied"),
        (obstore.exceptions.NotSupportedError("no"), "store_io"),
        (obstore.exceptions.GenericError("connection refused\n\nDebug source: ..."), "store_unavailable"),
        (OSError("broken pipe"), "store_unavailable"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_the_librarys_errors_become_store_errors(monkeypatch: pytest.MonkeyPatch, error: Exception, code: str) -> None:
    """Each failure has a code, a hint, and one line that names the object."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    for call in ("put", "get", "list", "delete"):
        monkeypatch.setattr(obstore, call, fail)
    store = ObjectStore("memory:///")
    for action in (
        lambda: store.put("a/b", b""),
        lambda: store.put_many([("a/b", b"")]),
        lambda: store.get("a/b"),
        lambda: store.list("a/b"),
        lambda: store.delete("a/b"),
    ):
        with pytest.raises(StoreError) as caught:
            action()
        assert caught.value.code == code
        assert caught.value.hint
        assert "a/b" in caught.value.message
        assert "\n" not in caught.value.message
