"""Ledger directories made by hand from the formats, with as little as readers look at: no keys, signatures or real hashes."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import zstandard

from ledger.proof.notes import Signer
from ledger.storage import layout

VKEY = Signer("test", bytes(32)).vkey
START = datetime(2022, 11, 28, 9, 0, tzinfo=UTC)
ANA = {"type": "user", "pseudonym": "a" * 32, "sealed": "QU5B"}
BEN = {"type": "user", "pseudonym": "b" * 32, "sealed": "QkVO"}
NO_TRIGGERS: dict[str, dict[str, Any]] = {
    aspect: {} for aspect in ("crons", "domains", "queues", "routes", "settings", "subdomain")
}

Json = dict[str, Any]


def at(minutes: float) -> str:
    """A time that many minutes after 2022-11-28 09:00 UTC, as the log writes it."""
    return (START + timedelta(minutes=minutes)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def identifier(kind: str, number: int) -> str:
    """A UUID that tells a reader of the tests what it names: `version` 12 -> 0000000c-...-76..."""
    return f"{number:08x}-0000-8000-8000-{kind.encode().hex()[:12]:0<12}"


def entry(
    minutes: float,
    outcome: str,
    *,
    account: str | None = "acme",
    script: str = "shop",
    actor: Json | None = ANA,
    data: Json | None = None,
    **members: Any,
) -> Json:
    """An entry without its index: recorded one second after it happened."""
    event: Json = {"specversion": "1.0", "type": "ledger.change.v1", "source": "gateway/eu-1", "subject": script}
    event |= {"id": f"event-{minutes}-{script}", "time": at(minutes), "accountid": account}
    event["data"] = {"actor": actor, "interface": "wrangler"} | (data or {})
    return {
        "v": 1,
        "account": account,
        "account_index": 0,
        "account_prev": None,
        "recorded_at": at(minutes + 1 / 60),
        "effective_at": at(minutes),
        "origin": {"topic": "ledger.changes", "partition": 0, "offset": 0, "mac": "00"},
        "event": event,
        "outcome": outcome,
        "changes": [],
    } | members


def version(number: int, *, script: str = "shop", **manifest: Json) -> Json:
    """The member `version` of an entry, with the manifest's aspects as given."""
    content: Json = {"bindings": {}, "code": {}, "config": {}} | manifest
    return {"id": identifier(f"v-{script}", number), "number": number, "sha256": f"{number:064x}", "manifest": content}


def deployment(number: int, versions: Mapping[int, float], *, script: str = "shop", **members: Any) -> Json:
    """The member `deployment` of an entry; `versions` are numbers of the script's versions and their percentages."""
    shares = {identifier(f"v-{script}", version_number): share for version_number, share in versions.items()}
    return {"id": identifier(f"d-{script}", number), "number": number, "versions": shares, "rollback": False} | members


def triggers(**aspects: Json) -> Json:
    """The member `triggers` of an entry."""
    return NO_TRIGGERS | aspects


def write_ledger(root: Path, shards: Sequence[Sequence[Json]], *, segment_entries: int = 3, format: int = 1) -> Path:
    """Write a ledger directory with these entries, cut into segments."""
    root.mkdir(parents=True, exist_ok=True)
    about = {
        "format": format,
        "name": "test",
        "topic": "ledger.changes",
        "shards": len(shards),
        "vkey": VKEY,
    }
    (root / layout.LEDGER_FILE).write_text(json.dumps(about))
    for shard, entries in enumerate(shards):
        for first in range(0, len(entries), segment_entries):
            write_segment(root, shard, first, entries[first : first + segment_entries])
    return root


def write_segment(
    root: Path, shard: int, first: int, entries: Sequence[Json], *, checkpoint: str | None = None
) -> Path:
    """Write one segment: a zstd frame of entries, then the checkpoint in a skippable frame."""
    lines = [
        json.dumps({"v": 1, "index": first + place} | line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        for place, line in enumerate(entries)
    ]
    note = checkpoint or f"test/{shard:04d}\n{first + len(entries)}\nAAAA\n\n— test/{shard:04d} AAAA\n"
    path = root / layout.segment(shard, first)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = zstandard.ZstdCompressor(level=1).compress(b"".join(lines))
    skippable = bytes.fromhex("502a4d18") + len(note.encode()).to_bytes(4, "little") + note.encode()
    path.write_bytes(frame + skippable)
    return path
