"""Blobs: found by digest, kept once, checked on reading."""

from hashlib import sha256

import pytest

from ledger.errors import InputError, IntegrityError, NotFoundError
from ledger.storage import layout
from ledger.storage.blobs import BlobStore
from ledger.storage.store import Store


def test_a_blob_is_found_by_its_digest(store: Store) -> None:
    """Putting gives the SHA-256, getting takes it; the name is `blobs/<first two hex>/<digest>`."""
    digest = BlobStore(store).put(b"module")
    assert digest == sha256(b"module").hexdigest()
    assert BlobStore(store).get(digest) == b"module"
    assert list(store.list("")) == [f"blobs/{digest[:2]}/{digest}"]


def test_a_blob_that_exists_is_fine(store: Store) -> None:
    """The same bytes twice are one blob and no conflict."""
    blobs = BlobStore(store)
    assert blobs.put(b"module") == blobs.put(b"module")
    assert blobs.put_many([b"module", b"other", b"other"]) == [
        sha256(data).hexdigest() for data in (b"module", b"other", b"other")
    ]
    assert len(list(store.list("blobs/"))) == 2


def test_changed_bytes_are_found_on_reading(store: Store) -> None:
    """What is stored under a digest and has another one is an integrity error."""
    digest = sha256(b"module").hexdigest()
    store.put(layout.blob(digest), b"something else")
    with pytest.raises(IntegrityError) as caught:
        BlobStore(store).get(digest)
    assert caught.value.code == "blob_changed"


def test_a_missing_blob_is_not_found(store: Store) -> None:
    """A digest without bytes says so."""
    with pytest.raises(NotFoundError):
        BlobStore(store).get("0" * 64)


@pytest.mark.parametrize("digest", ["", "0" * 63, "0" * 65, "A" * 64, "../" + "0" * 61, "0" * 64 + "\n"])
def test_what_is_no_digest_is_refused(store: Store, digest: str) -> None:
    """Only 64 lower-case hex digits are a digest."""
    with pytest.raises(InputError) as caught:
        BlobStore(store).get(digest)
    assert caught.value.code == "bad_digest"
