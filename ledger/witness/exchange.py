"""One HTTP exchange with a witness, limited in time and size. Nothing is followed, nothing is repeated, nothing is trusted."""

import re
import socket
import ssl
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

import ledger
from ledger.errors import UsageError, WitnessError
from ledger.witness.watchdog import cut_after

__all__ = ["EXCHANGE_S", "MAX_ANSWER_BYTES", "Prefix", "Reply", "exchange", "parse_prefix"]

EXCHANGE_S: Final = 10.0
"""How long connecting may take, and then the whole exchange."""
MAX_ANSWER_BYTES: Final = 64 * 1024
_PATH = re.compile(r"[A-Za-z0-9/._~%!$&'()*+,;=:@-]*")
_PORTS: Final = {"http": 80, "https": 443}


class Prefix(Struct, frozen=True, kw_only=True):
    """The URL prefix of a witness, taken apart."""

    scheme: str
    host: str
    port: int
    path: str
    """Without a slash at its end."""
    url: str
    """The whole, as it is shown and stored."""


class Reply(Struct, frozen=True, kw_only=True):
    """What came back: not yet judged."""

    status: int
    content_type: str
    body: bytes
    """At most one byte more than `MAX_ANSWER_BYTES`."""


def parse_prefix(url: str) -> Prefix:
    """Take the URL prefix of a witness apart.

    Raises:
        UsageError: `bad_witness_url`, for anything but `http(s)://HOST[:PORT][/PATH]`.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    whole = url.isascii() and url.isprintable() and " " not in url and not {"@", "?", "#"} & set(url)
    if not whole or parts.scheme not in _PORTS or not host or port == 0 or not _PATH.fullmatch(parts.path):
        raise UsageError(
            "bad_witness_url", f"{url!r} is no URL of a witness", "it looks like https://witness.example/prefix"
        )
    path = parts.path.rstrip("/")
    return Prefix(
        scheme=parts.scheme,
        host=host,
        port=port or _PORTS[parts.scheme],
        path=path,
        url=f"{parts.scheme}://{parts.netloc}{path}",
    )


def exchange(prefix: Prefix, name: str, body: bytes | None = None, *, seconds: float = EXCHANGE_S) -> Reply:
    """POST a body to `<prefix>/<name>`, or GET it where there is none.

    Raises:
        WitnessError: `witness_unreachable`, `witness_timeout`, `witness_answer` (what came back is no HTTP).
    """
    try:
        with closing(_connect(prefix, seconds)) as connection, cut_after(connection, seconds) as expired:
            try:
                if isinstance(connection, ssl.SSLSocket):
                    connection.do_handshake()
                reply = _talk(prefix, connection, name, body)
            except (OSError, HTTPException) as error:
                if expired.is_set():
                    raise TimeoutError from error
                raise
            if expired.is_set():  # what was read may be cut short
                raise TimeoutError
            return reply
    except TimeoutError as error:
        raise WitnessError(
            "witness_timeout", f"{prefix.url} did not answer within {seconds:g} s", "try again later"
        ) from error
    except OSError as error:
        raise WitnessError(
            "witness_unreachable",
            f"{prefix.url} cannot be reached: {error.strerror or error}",
            "is it running, and is the URL right?",
        ) from error
    except (HTTPException, UnicodeError) as error:
        raise WitnessError(
            "witness_answer", f"{prefix.url} gave no HTTP answer ({type(error).__name__})", "is the URL a witness's?"
        ) from error


def _connect(prefix: Prefix, seconds: float) -> socket.socket:
    plain = socket.create_connection((prefix.host, prefix.port), timeout=seconds)
    if prefix.scheme == "http":
        return plain
    context = ssl.create_default_context()
    return context.wrap_socket(plain, server_hostname=prefix.host, do_handshake_on_connect=False)


def _talk(prefix: Prefix, connection: socket.socket, name: str, body: bytes | None) -> Reply:
    http = HTTPConnection(prefix.host, prefix.port)
    http.sock = connection
    headers = {"User-Agent": f"deployment-ledger/{ledger.__version__}", "Connection": "close"}
    if body is not None:
        headers["Content-Type"] = "application/octet-stream"
    http.request("GET" if body is None else "POST", f"{prefix.path}/{name}", body, headers)
    with http.getresponse() as response:
        return Reply(
            status=response.status,
            content_type=response.headers.get("Content-Type", ""),
            body=response.read(MAX_ANSWER_BYTES + 1),
        )
