"""Paths of reasons: they say where, whatever names and values the event has, and never what."""

from typing import Any

import msgspec
import pytest

from ledger.model.decoding import decode
from ledger.model.events import Rejected
from ledger.model.reasons import Reason

TRICKY = "x` - at `$.y"
MODULE = {"type": "esm", "size": 1, "sha256": "a" * 64}
IN_MODULE = '$.data.code.merge.modules["a.js"]["x` - at `$.y"]'


def reason(**data: Any) -> Reason:
    """Why an event with this data is refused."""
    event = {
        "specversion": "1.0",
        "type": "ledger.change.v1",
        "source": "test",
        "id": "e1",
        "subject": "shop",
        "time": "2022-11-28T09:00:00Z",
        "accountid": "acme",
        "data": {"interface": "api", **data},
    }
    found = decode(msgspec.json.encode(event))
    assert isinstance(found, Rejected)
    return found.reason


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"a`b": 1}, '$.data["a`b"]'),
        ({"": 1}, '$.data[""]'),
        ({"routes": {"merge": {"a.b/*": {"a`b": 1}}}}, '$.data.routes.merge["a.b/*"]["a`b"]'),
        ({"routes": {"merge": {"a.b/*": {TRICKY: 1}}}}, '$.data.routes.merge["a.b/*"]["x` - at `$.y"]'),
        ({"code": {"merge": {"modules": {"a.js": MODULE | {TRICKY: 1}}}}}, IN_MODULE),
        ({"actor": {"type": TRICKY, "id": "u"}}, "$.data.actor.type"),
        (
            {"config": {"merge": {"secrets": {"KEY": {"type": f"{TRICKY}.a.b.c"}}}}},
            "$.data.config.merge.secrets.KEY.type",
        ),
        ({"bindings": {"merge": {"A": {"type": 1}}, "replace": {}}}, "$.data.bindings.merge.A.type"),
    ],
)
def test_paths_lead_to_the_place(data: dict[str, Any], path: str) -> None:
    """Names with the decoder's own quotes in them, values that look like its messages, both verbs at once."""
    assert reason(**data).path == path
