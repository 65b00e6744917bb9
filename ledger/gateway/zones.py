"""Zones, which the ledger does not own: their names and ids are in the server's settings."""

import re
from typing import Final

from ledger.errors import UsageError
from ledger.platform.urls import ascii_host

__all__ = ["zone_object", "zones_of"]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def zones_of(text: str) -> dict[str, str]:
    """Zones as settings have them, `NAME=ID` with commas between: name to id.

    Raises:
        UsageError: `bad_zones`.
    """
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, identifier = (part.strip() for part in pair.partition("="))
        try:
            host = ascii_host(name)
        except ValueError:
            host = ""
        if not equals or not host or "." not in host or not _ID.fullmatch(identifier) or host in found:
            raise UsageError(
                "bad_zones",
                f"{pair!r} is no zone",
                "write NAME=ID, such as acme.example=023e105f4ecef8ad9ca31a8372d0c353",
            )
        found[host] = identifier
    return found


def zone_object(name: str, identifier: str, account: str) -> dict[str, object]:
    """A zone as the platform describes it."""
    return {"id": identifier, "name": name, "status": "active", "account": {"id": account, "name": account}}
