"""The address of a request, as far as routing looks at it: scheme, host, path and query (URL Standard, in its simple parts)."""

import re
from typing import Final

import idna
from msgspec import Struct

from ledger.errors import UsageError

__all__ = ["RequestUrl", "ascii_host", "encoded_path", "parse_url"]

_PARTS: Final = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.-]*):[/\\]{2,})?([^/\\?#]*)([^?#]*)(?:\?([^#]*))?(?:#.*)?", re.DOTALL
)
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*)(?::([0-9]*))?")
_FORBIDDEN_IN_HOST: Final = re.compile(r"[\x00-\x20\x7f#%/:<>?@\\^|*\[\]]")
_IGNORED: Final = str.maketrans("", "", "\t\n\r")
_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_PATH_AS_IT_IS: Final = frozenset("!$%&'()*+,-./:;=@[\\]_|~") | frozenset(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)
_QUERY_AS_IT_IS: Final = _PATH_AS_IT_IS - frozenset("'") | frozenset("?`{}^")


class RequestUrl(Struct, frozen=True, kw_only=True):
    """What a client asks for."""

    scheme: str
    """http or https."""
    host: str
    """In lower case, international names in their ASCII form (xn--...), without a port."""
    path: str
    """With the slash at its beginning, characters escaped as clients send them."""
    query: str
    """With its question mark; empty where there is none."""
    port: int | None
    has_scheme: bool
    """Whether the scheme was given (https is assumed where it was not)."""
    has_path: bool

    @property
    def text(self) -> str:
        """The whole address, without a port."""
        return f"{self.scheme}://{self.host}{self.path}{self.query}"


def parse_url(text: str) -> RequestUrl:
    """The address that somebody typed: a URL, with or without a scheme, or a host name alone.

    Raises:
        UsageError: `bad_url`.
    """
    cleaned = text.strip().translate(_IGNORED)
    matched = _PARTS.fullmatch(cleaned)
    if matched is None or "\ufffd" in cleaned or any(0xD800 <= ord(char) < 0xE000 for char in cleaned):
        raise _bad_url(text, "it is not text")
    scheme, authority, path, query = matched.groups()
    known = _SCHEMES.get((scheme or "https").lower())
    if known is None:
        raise _bad_url(text, f"the scheme {scheme} is none of http, https, ws, wss")
    place = _AUTHORITY.fullmatch(authority.rpartition("@")[2])
    if place is None:
        raise _bad_url(text, "its host is none")
    try:
        host = ascii_host(place[1].removesuffix("."))
    except ValueError as error:
        raise _bad_url(text, str(error)) from error
    if not host:
        raise _bad_url(text, "it has no host")
    if not host.startswith("[") and _FORBIDDEN_IN_HOST.search(host):
        raise _bad_url(text, "its host has a character that no host has")
    port = int(place[2]) if place[2] else None
    if port is not None and port > 65_535:
        raise _bad_url(text, "there is no such port")
    return RequestUrl(
        scheme=known,
        host=host,
        path=_without_dots(encoded_path(path.replace("\\", "/") or "/")),
        query=f"?{_encoded(query, _QUERY_AS_IT_IS)}" if query else "",
        port=port,
        has_scheme=scheme is not None,
        has_path=bool(path),
    )


def ascii_host(host: str) -> str:
    """A host name in lower case, an international one in its ASCII form (IDNA 2008 after UTS 46).

    Raises:
        ValueError: there is no such international name.
    """
    if host.isascii():
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError as error:
        raise ValueError(f"{host} is not an international host name: {error}") from error


def encoded_path(path: str) -> str:
    """A path with the characters escaped that clients escape."""
    return _encoded(path, _PATH_AS_IT_IS)


def _encoded(text: str, as_it_is: frozenset[str]) -> str:
    if as_it_is.issuperset(text):
        return text
    return "".join(
        char if char in as_it_is else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "replace"))
        for char in text
    )


def _without_dots(path: str) -> str:
    """The path that `.` and `..` lead to, as clients work it out before they ask (URL Standard, path state)."""
    if "." not in path and "%2" not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for place, segment in enumerate(segments):
        dots = segment.lower().replace("%2e", ".")
        if dots not in {".", ".."}:
            kept.append(segment)
            continue
        if dots == ".." and kept:
            kept.pop()
        if place == len(segments) - 1:
            kept.append("")
    return "/" + "/".join(kept)


def _bad_url(text: str, why: str) -> UsageError:
    return UsageError(
        "bad_url", f"not an address: {text!r}: {why}", "give https://shop.example/cart?x=1, shop.example/cart or a host"
    )
