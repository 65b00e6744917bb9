"""Addresses as people type them, and what of them routing looks at."""

import pytest

from ledger.errors import UsageError
from ledger.platform.urls import parse_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://shop.example/cart?x=1#top", "https://shop.example/cart?x=1"),
        ("HTTP://Shop.Example", "http://shop.example/"),
        ("shop.example", "https://shop.example/"),
        ("shop.example:8443/cart", "https://shop.example/cart"),
        ("shop.example.", "https://shop.example/"),
        ("wss://shop.example/live", "https://shop.example/live"),
        ("https://ana:word@shop.example/", "https://shop.example/"),
        ("https://bücher.example/español", "https://xn--bcher-kva.example/espa%C3%B1ol"),
        ("https://straße.example/", "https://xn--strae-oqa.example/"),
        ("https://shop.example/a/../b/./c/", "https://shop.example/b/c/"),
        ("https://shop.example/a/%2E%2e/b", "https://shop.example/b"),
        ("https://shop.example/a/..", "https://shop.example/"),
        ("https://shop.example/../../x", "https://shop.example/x"),
        (r"https:\\shop.example\cart", "https://shop.example/cart"),
        ("https://shop.example?x=1", "https://shop.example/?x=1"),
        ("https://shop.example/?", "https://shop.example/"),
        ("https://shop.example/a b", "https://shop.example/a%20b"),
        ("https://shop.example/Images/CAT.png", "https://shop.example/Images/CAT.png"),
        ("https://[2001:db8::1]:443/x", "https://[2001:db8::1]/x"),
        ("  https://shop.example/ca\nrt ", "https://shop.example/cart"),
        ("https://shop.example/a//b", "https://shop.example/a//b"),
    ],
)
def test_an_address_reads_as_a_client_asks_for_it(text: str, url: str) -> None:
    """Host in lower case and in ASCII, dots resolved, no port, no fragment, the query kept."""
    assert parse_url(text).text == url


@pytest.mark.parametrize(
    "text",
    ["", "   ", "https://", "/cart", "?x", "ftp://shop.example/", "https://*.example.com/", "https://shop example/", "https://shop.example:99999/",
     "https://shop.example:http/", "https://a\u2024\u2024b.example", "https://\ud800.example", "javascript://shop.example/"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    """With the reason, and what to write instead."""
    with pytest.raises(UsageError) as caught:
        parse_url(text)
    assert caught.value.code == "bad_url"
    assert caught.value.hint


def test_what_was_left_out_is_known() -> None:
    """A host alone is asked about in another way than its first page."""
    assert [(parse_url(text).has_scheme, parse_url(text).has_path) for text in ("a.example", "a.example/", "https://a.example")] == [
        (False, False), (False, True), (True, False),
    ]  # fmt: skip
    assert (parse_url("a.example:8080").port, parse_url("a.example").port) == (8080, None)
