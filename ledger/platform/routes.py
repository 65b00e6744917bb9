"""Route patterns: which requests one matches, and which of several wins.

Every rule is a sentence of the platform's documentation (docs/ROUTING.md has them beside ours). A pattern is an optional
scheme, a host that may begin with `*`, and a path that may end with `*`.
"""

import re
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from ledger.platform.urls import RequestUrl, ascii_host, encoded_path

__all__ = ["HOST_CASE_MATTERED_UNTIL", "Pattern", "custom_domain_problem", "parse_pattern"]

HOST_CASE_MATTERED_UNTIL: Final = datetime(2023, 10, 15, tzinfo=UTC)
"""Hosts of routes that were made before compare by case, and clients ask in lower case."""

_SCHEME: Final = re.compile(r"([A-Za-z0-9+.-]+)://")
_PORT: Final = re.compile(r":[0-9]+")


class Pattern(Struct, frozen=True, kw_only=True):
    """A route pattern that is valid."""

    text: str
    scheme: str | None
    """http or https; None matches both."""
    any_before: bool
    """Whether the host begins with `*`."""
    host: str
    """The host without that `*`, in ASCII. In lower case, unless the case counts."""
    path: str
    """The path without the `*` at its end."""
    any_after: bool
    """Whether the path ends with `*`."""

    def matches_host(self, host: str) -> bool:
        """Whether a host in lower case is one of the pattern's. `*` stands for any characters, none and dots included."""
        return host.endswith(self.host) if self.any_before else host == self.host

    def matches(self, url: RequestUrl) -> bool:
        """Whether the pattern matches a request: the path is compared by case and together with the query."""
        asked = url.path + url.query
        return (
            self.scheme in {None, url.scheme}
            and self.matches_host(url.host)
            and (asked.startswith(self.path) if self.any_after else asked == self.path)
        )

    @property
    def precedence(self) -> tuple[int, ...]:
        """What the patterns that match one request are sorted by: the greatest wins.

        The narrower host first: an exact one, then the longer. Then the path that has more segments, where a last segment
        of `*` alone takes away two: so `/images*` comes before `/images/*`, a known issue of the platform.
        Then what is narrower in the rest: an exact path, the longer one, the one with a scheme.
        """
        return (
            int(not self.any_before),
            len(self.host),
            self._path_segments,
            int(not self.any_after),
            len(self.path),
            int(self.scheme is not None),
        )

    @property
    def simulated(self) -> tuple[int, ...]:
        """The same as the platform's local simulator sorts: labels of the host and segments of the path, then length."""
        labels = f"*{self.host}" if self.any_before else self.host
        score = labels.count(".") + 1 - 2 * (labels == "*" or labels.startswith("*."))
        return (score * 26 + self._path_segments, len(self.text))

    @property
    def _path_segments(self) -> int:
        alone = self.any_after and self.path.endswith("/")
        return self.path.count("/") + 1 - 2 * alone


def parse_pattern(text: str, *, host_case_matters: bool = False) -> Pattern:
    """The pattern that a text is.

    Args:
        text: as the log has it.
        host_case_matters: whether the route is one of those whose hosts compare by case.

    Raises:
        ValueError: why it can match nothing: another scheme, a query, a wildcard in the middle, no host.
    """
    scheme, rest = None, text
    if given := _SCHEME.match(text):
        scheme, rest = given[1].lower(), text[given.end() :]
        if scheme not in {"http", "https"}:
            raise ValueError(f"its scheme is {scheme}, not http or https")
    if "?" in rest:
        raise ValueError("it has a query, which patterns may not")
    host, slash, path = rest.partition("/")
    any_before, any_after = host.startswith("*"), path.endswith("*")
    host = _PORT.sub("", host[any_before:])
    path = slash + path[: len(path) - any_after] or "/"
    if "*" in host or "*" in path:
        raise ValueError("it has a wildcard that is neither at the host's beginning nor at the path's end")
    if not host and not any_before:
        raise ValueError("it has no host")
    if not host.isascii() or not host_case_matters:
        host = ascii_host(host) if host.isascii() else _international(host)
    return Pattern(
        text=text, scheme=scheme, any_before=any_before, host=host, path=encoded_path(path), any_after=any_after
    )


def custom_domain_problem(host: str) -> str | None:
    """Why a custom domain can answer for no host, or None: it is one host name, without wildcard, path or scheme."""
    if "*" in host:
        return "custom domains have no wildcards"
    return "a custom domain is a host name alone" if "/" in host or ":" in host or not host else None


def _international(host: str) -> str:
    """A dot that the wildcard left at the beginning is none of the name's."""
    dot = "." if host.startswith(".") else ""
    return dot + ascii_host(host.removeprefix("."))
