"""Uploads made up, not real: as many scripts as are wanted, each with a small manifest of its own."""

from typing import Any, Final, NamedTuple

import msgspec

from bench.load import HEADERS
from ledger.log.records import Record
from ledger.model.state import manifest_json

__all__ = ["SCRIPTS_PER_ACCOUNT", "Upload", "upload"]

SCRIPTS_PER_ACCOUNT: Final = 20
"""The real data has 21."""
_SENT_AT_MS: Final = 1_800_000_000_000

_encode = msgspec.json.Encoder(order="sorted").encode


class Upload(NamedTuple):
    """A record that uploads a script."""

    record: Record
    manifest: bytes
    """Of the version that it makes, as the ledger stores it."""


def upload(number: int, which: int) -> Upload:
    """The upload at offset `number`, of the script `which`; its code is its own."""
    account, script = divmod(which, SCRIPTS_PER_ACCOUNT)
    name = f"account-{account}"
    aspects = _aspects(number)
    event = {
        "specversion": "1.0",
        "type": "ledger.change.v1",
        "source": "bench/uploads",
        "id": f"upload-{number}",
        "subject": f"script-{script}",
        "time": "2026-01-01T00:00:00Z",
        "accountid": name,
        "datacontenttype": "application/json",
        "data": {
            "actor": {"type": "user", "id": f"u_{account}", "email": f"u_{account}@people.example"},
            "interface": "wrangler",
            **{aspect: {"replace": value} for aspect, value in aspects.items()},
        },
    }
    record = Record(number, _SENT_AT_MS + number, name.encode(), msgspec.json.encode(event), HEADERS)
    return Upload(record, manifest_json(**{aspect: _encode(value) for aspect, value in aspects.items()}))


def _aspects(number: int) -> dict[str, dict[str, Any]]:
    """Code, bindings and config of a small script."""
    module = {"type": "esm", "size": 1437 + number, "sha256": f"{number:064x}"}
    return {
        "code": {"main": "index.js", "modules": {"index.js": module}},
        "bindings": {"CACHE": {"type": "kv_namespace", "namespace_id": f"{number:032x}"}},
        "config": {"compatibility_date": "2026-01-01", "vars": {"STAGE": {"text": "live"}}},
    }
