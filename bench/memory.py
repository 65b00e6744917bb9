"""Memory: what a writer holds for each script beyond the script's manifest, measured in a process of its own."""

import argparse
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from bench.load import HEADERS
from bench.places import new_place
from bench.workers import ROOT, environment
from ledger.log.ledgerfile import create_ledger
from ledger.log.records import Record
from ledger.log.segments import parse_segment
from ledger.log.writer import open_writer
from ledger.model.state import manifest_json
from ledger.storage import layout
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore

__all__ = ["Memory", "measure_memory"]

_SCRIPTS_PER_ACCOUNT: Final = 20
"""The real data has 21."""
_BATCH: Final = 1000
_WARM_UP: Final = 5 * _BATCH
"""Scripts made before the first look, so that buffers and caches have their size."""
_SENT_AT_MS: Final = 1_800_000_000_000
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_TIMEOUT_S: Final = 900.0

_encode = msgspec.json.Encoder(order="sorted").encode


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What scripts take in memory, in bytes."""

    scripts: int
    scripts_per_account: int
    manifest_bytes: float
    """Of a script, mean."""
    resident_bytes: int
    """By how much the process grew."""
    overhead_bytes: float
    """For each script, beyond its manifest; its part of account, person and lookup index included."""


def measure_memory(scripts: int, work: Path) -> Memory:
    """Make so many scripts in a new process and ask how much it grew."""
    place = new_place(work)
    ended = subprocess.run(
        [sys.executable, "-m", "bench.memory", "--scripts", str(scripts), "--directory", place],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=_TIMEOUT_S,
        check=True,
    )
    return msgspec.json.decode(ended.stdout, type=Memory)


def _main() -> None:
    """The child: real writer, local store, one event for each script."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scripts", type=int, required=True)
    parser.add_argument("--directory", type=Path, required=True)
    options = parser.parse_args()
    store = LocalStore(options.directory / "log")
    keys = LocalStore(options.directory / "keys", file_mode=0o600, dir_mode=0o700)
    file = create_ledger(store, keys, name="bench", topic="ledger.changes", shards=1)
    writer = open_writer(store, file, KeyStore.open(keys, file.name), 0, "bench")
    batches = _batches(_WARM_UP + options.scripts)
    before = manifests = made = 0
    for batch in batches:
        if made == _WARM_UP:
            _check_manifest(store.get(layout.segment(0, 0)))
            before = _resident_bytes()
        draft = writer.fold([record for record, _ in batch])
        if draft is None:
            raise RuntimeError("the writer found nothing new")
        writer.commit(draft)
        if made >= _WARM_UP:
            manifests += sum(manifest for _, manifest in batch)
        made += len(batch)
    grown = _resident_bytes() - before
    scripts = made - _WARM_UP
    memory = Memory(
        scripts=scripts,
        scripts_per_account=_SCRIPTS_PER_ACCOUNT,
        manifest_bytes=manifests / scripts,
        resident_bytes=grown,
        overhead_bytes=(grown - manifests) / scripts,
    )
    os.write(1, msgspec.json.encode(memory))


def _batches(scripts: int) -> Iterator[list[tuple[Record, int]]]:
    """Batches of records, each making a script, with the size of its manifest."""
    for start in range(0, scripts, _BATCH):
        yield [_first_upload(number) for number in range(start, min(start + _BATCH, scripts))]


def _first_upload(number: int) -> tuple[Record, int]:
    account, script = divmod(number, _SCRIPTS_PER_ACCOUNT)
    name = f"account-{account}"
    aspects = _aspects(number)
    event = {
        "specversion": "1.0",
        "type": "ledger.change.v1",
        "source": "bench/memory",
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
    manifest = manifest_json(**{aspect: _encode(value) for aspect, value in aspects.items()})
    value = msgspec.json.encode(event)
    return Record(number, _SENT_AT_MS + number, name.encode(), value, HEADERS), len(manifest)


def _aspects(number: int) -> dict[str, dict[str, Any]]:
    """Code, bindings and config of a small script."""
    module = {"type": "esm", "size": 1437 + number, "sha256": f"{number:064x}"}
    return {
        "code": {"main": "index.js", "modules": {"index.js": module}},
        "bindings": {"CACHE": {"type": "kv_namespace", "namespace_id": f"{number:032x}"}},
        "config": {"compatibility_date": "2026-01-01", "vars": {"STAGE": {"text": "live"}}},
    }


def _check_manifest(segment: bytes) -> None:
    """Make sure that what is subtracted is what the ledger calls the manifest."""
    entry = msgspec.json.decode(parse_segment(segment, "the first segment").lines[0])
    if _encode(entry["version"]["manifest"]) != manifest_json(**{k: _encode(v) for k, v in _aspects(0).items()}):
        raise RuntimeError(f"an unexpected manifest: {entry['version']['manifest']}")


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


if __name__ == "__main__":
    _main()
