"""Secrets' values to MACs, byte for byte what a producer with the key would make."""

from base64 import b64encode
from typing import Any

import pytest

from ledger.gateway.refusals import GatewayError
from ledger.gateway.secretvalues import refuse_hidden, sealed_secret
from tests.gateway.bodies import seal

CANONICAL: list[tuple[Any, bytes]] = [
    ({"kty": "oct", "k": "AA"}, b'{"k":"AA","kty":"oct"}'),
    (
        {"b": [1, True, None], "a": {"z": "", "y": "\u20ac\n\x0f"}},
        '{"a":{"y":"€\\n\\u000f","z":""},"b":[1,true,null]}'.encode(),
    ),
    # RFC 8785, section 3.2.3: names are sorted by their UTF-16 code units
    ({"\ufb33": 2, "\U0001f600": 1}, '{"\U0001f600":1,"\ufb33":2}'.encode()),
]


@pytest.mark.parametrize("text", ["", "s3cr3t-value", "grüße €", "a\0b", " x "])
def test_a_text_is_its_utf8_bytes_exactly(text: str) -> None:
    """No trimming, no normal form."""
    assert sealed_secret({"type": "secret_text", "text": text}, seal) == {"mac": seal(text.encode())}


def test_a_key_is_its_decoded_bytes_and_what_is_known_of_its_kind() -> None:
    """`algorithm`, `format` and `usages` are no secret."""
    item = {
        "type": "secret_key",
        "key_base64": b64encode(b"\x00\x01").decode(),
        "format": "raw",
        "usages": ["sign"],
        "algorithm": {"name": "HMAC"},
    }
    assert sealed_secret(item, seal) == {
        "mac": seal(b"\x00\x01"),
        "type": "secret_key",
        "algorithm": {"name": "HMAC"},
        "format": "raw",
        "usages": ["sign"],
    }


@pytest.mark.parametrize(("jwk", "canonical"), CANONICAL)
def test_a_json_web_key_is_its_canonical_form(jwk: Any, canonical: bytes) -> None:
    """RFC 8785: however it is written, it is one value."""
    sealed = sealed_secret({"type": "secret_key", "key_jwk": jwk, "format": "jwk", "usages": []}, seal)
    assert sealed["mac"] == seal(canonical)


@pytest.mark.parametrize(
    "item",
    [
        {"type": "secret_text", "text": 1},
        {"type": "secret_text", "text": "\ud800"},
        {"type": "secret_key"},
        {"type": "secret_key", "key_base64": "-"},
        {"type": "secret_key", "key_base64": 7},
        {"type": "secret_key", "key_jwk": "x"},
        {"type": "secret_key", "key_jwk": {"n": 0.5}},
        {"type": "secret_key", "key_base64": "AA==", "usages": "sign"},
        {"type": "secret_key", "key_base64": "AA==", "format": 1},
        {"type": "secret_key", "key_base64": "AA==", "algorithm": {"type": "secret_text", "text": "x"}},
    ],
)
def test_a_secret_that_is_none_is_refused(item: dict[str, Any]) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(GatewayError):
        sealed_secret(item, seal)


@pytest.mark.parametrize("value", [{"type": "secret_text"}, [{"a": {"type": "Secret_Key"}}]])
def test_a_secret_is_found_wherever_it_is_hidden(value: Any) -> None:
    """In any case of letters."""
    with pytest.raises(GatewayError):
        refuse_hidden(value)
    refuse_hidden({"type": "secrets_store_secret", "secret_name": "x"})
