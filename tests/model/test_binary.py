"""Binary mode: what the headers of a record that cannot be read still say."""

import pytest

from ledger.model.binary import Headers
from ledger.model.decoding import decode
from ledger.model.events import Known, Rejected

HEADERS = (
    ("ce_source", b"gateway"),
    ("ce_id", b"e1"),
    ("ce_subject", b"shop"),
    ("ce_time", b"2022-11-28T09:00:00Z"),
    ("ce_accountid", b"acme"),
)
KNOWN = Known(source="gateway", id="e1", subject="shop", time="2022-11-28T09:00:00Z", account="acme")


def known(value: bytes | None, headers: Headers) -> Known:
    """What is known of a record that is refused."""
    found = decode(value, headers)
    assert isinstance(found, Rejected)
    return found.known


@pytest.mark.parametrize("value", [None, b"", b"{", b"\xff", b"[" * 100, b" " * (1 << 20) + b"{}"])
def test_headers_are_known_where_the_value_cannot_be_read(value: bytes | None) -> None:
    """No value, no JSON, no UTF-8, too deep, too large: the attributes are not in the value."""
    assert known(value, HEADERS) == KNOWN


def test_what_stands_in_two_headers_is_not_known() -> None:
    """Which of the two holds nobody can say; the others are known all the same."""
    assert known(b"{}", (*HEADERS, ("CE_ID", b"e2"))) == Known(
        source="gateway", subject="shop", time="2022-11-28T09:00:00Z", account="acme"
    )


def test_headers_beside_a_structured_event_say_nothing() -> None:
    """Its attributes are in the value."""
    assert known(b"{", (*HEADERS, ("content-type", b"application/cloudevents+json"))) == Known()
