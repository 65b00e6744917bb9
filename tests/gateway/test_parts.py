"""Multipart bodies: what is read of them, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.gateway.parts import MAX_PARTS, Part, check_name, read_parts
from ledger.gateway.refusals import GatewayError
from tests.gateway.bodies import BOUNDARY, CONTENT_TYPE, Sent, multipart_body, part

_NAMES = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    lambda name: "%" not in name and "\\" not in name
)


@given(st.lists(st.tuples(_NAMES, st.binary(max_size=200)), max_size=6, unique_by=lambda sent: sent[0]))
def test_every_part_comes_back_byte_for_byte(sent: list[tuple[str, bytes]]) -> None:
    """Names and contents survive, whatever bytes they are; order too."""
    parts: list[Sent] = [part(name, data) for name, data in sent]
    read = read_parts(CONTENT_TYPE, multipart_body(parts))
    assert [(found.name, found.data) for found in read] == sent


def test_the_content_type_has_no_parameters() -> None:
    """`text/plain; charset=utf-8` is `text/plain`."""
    (found,) = read_parts(CONTENT_TYPE, multipart_body([part("a.txt", "x", "Text/Plain; charset=utf-8")]))
    assert found.content_type == "text/plain"


def test_a_part_without_content_type_says_so() -> None:
    """As the part `metadata` is sent."""
    (found,) = read_parts(CONTENT_TYPE, multipart_body([part("metadata", "{}", None)]))
    assert found == Part("metadata", None, b"{}")


def test_a_part_never_shows_its_content() -> None:
    """It may hold secrets."""
    assert "s3cr3t-value" not in repr(Part("metadata", None, b"s3cr3t-value"))


_WHOLE = multipart_body([part("metadata", "{}", None), part("index.js", "s3cr3t-value")])


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", _WHOLE),
        ("multipart/form-data", _WHOLE),
        ("", _WHOLE),
        ("multipart/form-data; boundary=other", _WHOLE),
        ("multipart/form-data; boundary=\x00", _WHOLE),
        (CONTENT_TYPE, b""),
        (CONTENT_TYPE, _WHOLE[:-10]),
        (CONTENT_TYPE, _WHOLE[:60]),
        (CONTENT_TYPE, b"s3cr3t-value" + _WHOLE),
        (CONTENT_TYPE, _WHOLE.replace(b"form-data;", b"attachment;")),
        (CONTENT_TYPE, _WHOLE.replace(b'name="index.js"', b'name=""')),
        (CONTENT_TYPE, _WHOLE.replace(b'name="index.js"', b'name="metadata"')),
        (CONTENT_TYPE, _WHOLE.replace(b"Content-Disposition", b"Content-Dispo")),
        (CONTENT_TYPE, _WHOLE.replace(b'"index.js"', b'"' + b"n" * 20_000 + b'"')),
        (CONTENT_TYPE, _WHOLE.replace(b'name="index.js"', b'name="\xff\xfe"')),
        (CONTENT_TYPE, multipart_body([part(f"m{place}", "") for place in range(MAX_PARTS + 1)])),
    ],
)
def test_a_body_that_is_none_is_refused_without_quoting_it(content_type: str, body: bytes) -> None:
    """Cut off, of another boundary, with parts that have no name or one name: all are one kind of error."""
    with pytest.raises(GatewayError) as caught:
        read_parts(content_type, body)
    assert caught.value.status in (400, 415)
    assert "s3cr3t-value" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_else_happens(body: bytes) -> None:
    """No other exception than the gateway's own."""
    with pytest.raises(GatewayError):
        read_parts(CONTENT_TYPE, f"--{BOUNDARY}\r\n".encode() + body)


@pytest.mark.parametrize(
    "name", ["index.js", "./0a1b-page.html", "lib/deep/x.wasm", "fresh", "grüße.txt", "a..b", "weird name"]
)
def test_names_of_modules_are_what_people_call_them(name: str) -> None:
    """Slashes and `./` are among them."""
    check_name(name)


@pytest.mark.parametrize(
    "name", ["", "../x", "a/../../x", "/etc/passwd", "..\\x", "\\x", "a\r\nset-cookie: x", "a\0b", "n" * 2000, ".."]
)
def test_a_module_cannot_be_named_like_a_way_out(name: str) -> None:
    """Whoever writes modules to files is safe."""
    with pytest.raises(GatewayError):
        check_name(name)
