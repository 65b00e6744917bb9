"""Lives of a writer in processes of their own, so that it can die at any step: no broker, real files."""

import os
from collections import Counter
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import msgspec

from ledger.errors import StoreError
from ledger.log.ledgerfile import read_ledger_file
from ledger.log.writer import open_writer
from ledger.storage.keys import KeyStore
from ledger.storage.local import LocalStore
from tests.faults.points import CRASHED, Fault, install
from tests.log.rig import SHARD, TOPIC_ID, Log, append, code, event, large_config, record

__all__ = ["RECORDS", "REFUSED", "live", "on_disk"]

RECORDS: Final = [
    record(0, event("first", code=code(1))),
    record(1, b"garbage"),
    record(2, event("other", account="beta", code=code(2)), "beta"),
    record(3, event("large", config=large_config(1))),
    record(4, event("first", code=code(1))),
    record(5, event("third", account="gamma", code=code(3)), "gamma"),
    record(6, b"\xff"),
    record(7, event("more", bindings={"merge": {"KV": {"type": "kv"}}})),
]
"""Of every kind that needs something beside the log: keys, registrations, blobs, quarantined bytes."""
BATCH: Final = 3
REFUSED: Final = 5
"""The exit code of a life that ended with a store's error."""

_context = get_context("forkserver")
_context.set_forkserver_preload(["tests.faults.lives"])


def on_disk(root: Path) -> Log:
    """A ledger of one shard on the local file system."""
    return Log(LocalStore(root / "ledger"), LocalStore(root / "ledger" / "keys"))


def live(root: Path, faults: Sequence[Fault] = ()) -> tuple[int, Counter[str]]:
    """A writer's life in a process of its own: it opens the log, appends what is missing, keeps a snapshot.

    Returns:
        Its exit code (0, `REFUSED` or `CRASHED`), and how often each fault point was passed where it ended by itself.
    """
    process = _context.Process(target=_life, args=(str(root), msgspec.json.encode(faults)))
    process.start()
    process.join(60)
    assert process.exitcode is not None, "the writer hangs"
    hits = root / "hits.json"
    passed = {} if process.exitcode == CRASHED else msgspec.json.decode(hits.read_bytes(), type=dict[str, int])
    return process.exitcode, Counter(passed)


def _life(root: str, faults: bytes) -> None:
    directory = Path(root, "ledger")
    store, key_store = LocalStore(directory), LocalStore(directory / "keys")
    file = read_ledger_file(store)
    plan = install(msgspec.json.decode(faults, type=list[Fault]))
    ended = 0
    try:
        keys = KeyStore.open(key_store, file.name)
        opened = open_writer(store, file, keys, SHARD, TOPIC_ID, directory / "cache")
        append(opened, RECORDS, BATCH)
        opened.save_snapshot()
    except StoreError:
        ended = REFUSED
    Path(root, "hits.json").write_bytes(msgspec.json.encode(plan.hits))
    os._exit(ended)
