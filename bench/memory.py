"""Memory: what a writer holds for each script beyond the script's manifest, measured in a process of its own."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from bench.children import measured_by, resident_bytes
from bench.places import new_place
from bench.uploads import SCRIPTS_PER_ACCOUNT, Upload, upload
from ledger.log.ledgerfile import create_ledger
from ledger.log.segments import parse_segment
from ledger.log.writer import open_writer
from ledger.storage import layout
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore

__all__ = ["Memory", "measure_memory"]

_BATCH: Final = 1000
_WARM_UP: Final = 5 * _BATCH
"""Scripts made before the first look, so that buffers and caches have their size."""
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
    return measured_by("bench.memory", Memory, "--scripts", str(scripts), "--directory", place, timeout_s=_TIMEOUT_S)


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
            before = resident_bytes()
        draft = writer.fold([sent.record for sent in batch])
        if draft is None:
            raise RuntimeError("the writer found nothing new")
        writer.commit(draft)
        if made >= _WARM_UP:
            manifests += sum(len(sent.manifest) for sent in batch)
        made += len(batch)
    grown = resident_bytes() - before
    scripts = made - _WARM_UP
    memory = Memory(
        scripts=scripts,
        scripts_per_account=SCRIPTS_PER_ACCOUNT,
        manifest_bytes=manifests / scripts,
        resident_bytes=grown,
        overhead_bytes=(grown - manifests) / scripts,
    )
    os.write(1, msgspec.json.encode(memory))


def _batches(scripts: int) -> Iterator[list[Upload]]:
    """Batches of uploads, each of another script."""
    for start in range(0, scripts, _BATCH):
        yield [upload(number, number) for number in range(start, min(start + _BATCH, scripts))]


def _check_manifest(segment: bytes) -> None:
    """Make sure that what is subtracted is what the ledger calls the manifest."""
    entry = msgspec.json.decode(parse_segment(segment, "the first segment").lines[0])
    if _encode(entry["version"]["manifest"]) != upload(0, 0).manifest:
        raise RuntimeError(f"an unexpected manifest: {entry['version']['manifest']}")


if __name__ == "__main__":
    _main()
