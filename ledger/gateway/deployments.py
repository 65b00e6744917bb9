"""Requests that give traffic to versions that exist, as an event's `data`."""

import re
from collections.abc import Mapping
from typing import Any, Final

from ledger.gateway.annotations import read_annotations
from ledger.gateway.jsonbody import member
from ledger.gateway.refusals import refuse

__all__ = ["deploy", "uuid_of"]

_BARE: Final = re.compile("[0-9a-f]{32}")


def deploy(body: Mapping[str, Any]) -> dict[str, Any]:
    """`POST .../deployments`. A rollback is the same request: the fold sees that a version was active before.

    Raises:
        GatewayError: it names no versions, or one twice, or another strategy than percentages.
    """
    if member(body, "strategy", str, "percentage") != "percentage":
        raise refuse("the only strategy is `percentage`")
    shares: dict[str, Any] = {}
    for item in member(body, "versions", list, []):
        identifier = item.get("version_id") if isinstance(item, dict) else None
        share = item.get("percentage") if isinstance(item, dict) else None
        if not isinstance(identifier, str) or isinstance(share, bool) or not isinstance(share, int | float):
            raise refuse("each of `versions` must have a `version_id` and a number as `percentage`")
        if uuid_of(identifier) in shares:
            raise refuse("a version is named twice")
        shares[uuid_of(identifier)] = share
    if not shares:
        raise refuse("`versions` names none")
    return {**read_annotations(body.get("annotations")), "deploy": shares}


def uuid_of(identifier: str) -> str:
    """An id with its hyphens, which the tools leave out in places."""
    bare = identifier.lower()
    if not _BARE.fullmatch(bare):
        return identifier
    return f"{bare[:8]}-{bare[8:12]}-{bare[12:16]}-{bare[16:20]}-{bare[20:]}"
