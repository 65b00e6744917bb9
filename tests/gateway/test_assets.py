"""Static assets: manifests, what is missing, and the token that stands for them."""

from base64 import b64encode
from typing import Any

import msgspec
import pytest

from ledger.gateway.assets import (
    AssetToken,
    buckets,
    check_files,
    files_of,
    manifest_bytes,
    read_manifest,
    read_token,
    write_token,
)
from ledger.gateway.parts import Part
from ledger.gateway.refusals import GatewayError

A, B = "a" * 32, "b" * 32
MANIFEST = {
    "/index.html": {"hash": A, "size": 10},
    "/copy.html": {"hash": A, "size": 10},
    "/app.css": {"hash": B, "size": 4},
}
TOKEN = AssetToken(account="acme", script="site", sha256="0" * 64, count=3, complete=False, exp=1000)
KEY = b"k" * 32


def test_a_manifest_is_the_same_bytes_however_it_is_written() -> None:
    """Order and members that say nothing do not count."""
    other = {path: {"size": file["size"], "hash": file["hash"], "x": 1} for path, file in reversed(MANIFEST.items())}
    assert manifest_bytes(read_manifest({"manifest": other})) == manifest_bytes(read_manifest({"manifest": MANIFEST}))


def test_each_file_is_asked_for_once_and_known_ones_not_at_all() -> None:
    """Two paths may have one file."""
    files = files_of(MANIFEST)
    assert buckets(files, ()) == [[A, B]]
    assert buckets(files, {A}) == [[B]]
    assert buckets(files, files) == []
    large = {f"{number:032x}": 4 << 20 for number in range(3)}
    assert [len(bucket) for bucket in buckets(large, ())] == [1, 1, 1]


@pytest.mark.parametrize(
    "manifest",
    [
        [],
        {"x": {"hash": A, "size": 1}},
        {"/x": 1},
        {"/x": {"hash": "no", "size": 1}},
        {"/x": {"hash": A}},
        {"/x": {"hash": A, "size": -1}},
        {"/x": {"hash": A, "size": True}},
    ],
)
def test_a_manifest_that_is_none_is_refused(manifest: Any) -> None:
    """Paths, hashes and sizes are what the tools make them."""
    with pytest.raises(GatewayError):
        read_manifest({"manifest": manifest})


def test_uploaded_files_are_those_of_the_manifest() -> None:
    """By hash and size."""
    files = files_of(MANIFEST)
    check_files([Part(A, "text/html", b64encode(b"0123456789"))], files)
    for part in (Part(A, None, b64encode(b"short")), Part("c" * 32, None, b""), Part(A, None, b"!")):
        with pytest.raises(GatewayError):
            check_files([part], files)


def test_a_token_says_what_it_was_made_of() -> None:
    """To whoever has the key."""
    assert read_token(write_token(TOKEN, KEY), "acme", KEY, 999) == TOKEN


def test_a_token_that_was_changed_ended_or_is_anothers_is_none() -> None:
    """One answer for all, so that nothing is learned of why."""
    text = write_token(TOKEN, KEY)
    head, body, signature = text.split(".")
    forged = write_token(msgspec.structs.replace(TOKEN, complete=True), b"x" * 32).split(".")[1]
    cases = [
        (text, "other", KEY, 0.0),
        (text, "acme", b"x" * 32, 0.0),
        (text, "acme", KEY, 1000.0),
        (f"{head}.{forged}.{signature}", "acme", KEY, 0.0),
        (f"{head}.{body}.", "acme", KEY, 0.0),
        (f"{head}.{body}.{signature}x", "acme", KEY, 0.0),
        ("", "acme", KEY, 0.0),
        ("ä..", "acme", KEY, 0.0),
    ]
    messages = set()
    for shown, account, key, now in cases:
        with pytest.raises(GatewayError) as caught:
            read_token(shown, account, key, now)
        assert caught.value.status == 401
        messages.add(caught.value.message)
    assert len(messages) == 1
