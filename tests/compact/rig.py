"""What the tests of compaction share."""

import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from ledger.compact.compacting import Compacted, Policy, compact_shard
from ledger.log.packfile import database, quoted
from ledger.log.reader import ShardReader
from ledger.log.records import Record
from ledger.storage import layout
from ledger.storage.local import LocalStore
from ledger.storage.memory import MemoryStore
from ledger.storage.store import Store
from ledger.verify.api import verify
from ledger.verify.findings import Report
from tests.log.rig import SHARD, Log, append, story

NOW: Final = datetime(2023, 1, 1, tzinfo=UTC)
ENTRIES: Final = 150


def new_log(store: Store | None = None, entries: int = ENTRIES) -> Log:
    """A ledger with records of every kind, in segments of 7."""
    log = Log(store or MemoryStore(), MemoryStore())
    append(log.open(), story(entries))
    return log


def compact(log: Log, *, pack: int = 40, least: int = 1, hours: float = 0, keep: bool = False) -> Compacted:
    """Compact the log's only shard."""
    policy = Policy(
        pack_entries=pack, least_entries=least, older_than=timedelta(hours=hours), keep_segments=keep, threads=1
    )
    return compact_shard(log.store, log.file, SHARD, policy, NOW)


def segments_of(log: Log) -> list[tuple[int, list[bytes], bytes]]:
    """All that a reader sees: where each segment begins, its entries, its checkpoint."""
    return [(first, part.lines, part.note) for first, _, part in ShardReader(log.store, SHARD).segments()]


def names(log: Log, prefix: str) -> list[str]:
    """The objects below a prefix."""
    return list(log.store.list(prefix))


def verdict(log: Log, **options: Any) -> Report:
    """Verify in this process."""
    return verify(log.store, processes=1, **options)


def copied(log: Log) -> Log:
    """The same ledger in memory, to be changed."""
    twin = object.__new__(Log)
    twin.store, twin.keys, twin.file = MemoryStore(), log.keys, log.file
    for name in log.store.list(""):
        twin.store.put(name, log.store.get(name))
    return twin


def rewrite(
    log: Log, name: str, select: str, directory: Path, *, metadata: bool = True, format: str | None = None
) -> str:
    """Replace a pack by what a SELECT over its rows (`pack`) says, its name made to fit; the new name."""
    old, new = directory / "old.parquet", directory / "new.parquet"
    old.write_bytes(log.store.get(name))
    with database() as connection:
        kept = connection.execute(f"SELECT key, value FROM parquet_kv_metadata({quoted(str(old))})").fetchall()
        said = {key.decode(): value.decode() for key, value in kept}
        said["ledger.format"] = format or said["ledger.format"]
        pairs = ", ".join(f"{quoted(key)}: {quoted(value)}" for key, value in said.items())
        option = f", KV_METADATA {{{pairs}}}" if metadata else ""
        connection.execute(
            f"COPY (WITH pack AS (FROM read_parquet({quoted(str(old))})) {select}) TO {quoted(str(new))} (FORMAT parquet{option})"
        )
    parsed = layout.parse_pack(name)
    assert parsed is not None
    data = new.read_bytes()
    changed = layout.pack(parsed.shard, parsed.first, parsed.entries, sha256(data).hexdigest())
    log.store.delete(name)
    log.store.put(changed, data)
    return changed


def rewrite_index(log: Log, name: str, select: str, directory: Path) -> str:
    """Replace a file of an index by what a SELECT over its rows (`rows`) says, under the same name; the name."""
    old, new = directory / "old.parquet", directory / "new.parquet"
    old.write_bytes(log.store.get(name))
    with database() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        source = f"WITH rows AS (FROM read_parquet({quoted(str(old))})) {select}"
        connection.execute(
            f"COPY ({source}) TO {quoted(str(new))} (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION v2)"
        )
    log.store.delete(name)
    log.store.put(name, new.read_bytes())
    return name


def on_disk(log: Log, root: Path) -> Path:
    """The ledger's objects as files."""
    shutil.rmtree(root, ignore_errors=True)
    LocalStore(root).put_many([(name, log.store.get(name)) for name in log.store.list("")])
    return root


def lines_of(seen: Sequence[tuple[int, list[bytes], bytes]]) -> list[bytes]:
    """The entries."""
    return [line for _, lines, _ in seen for line in lines]


@contextmanager
def written_and_compacted(log: Log, records: Sequence[Record]) -> Iterator[list[BaseException]]:
    """While the block runs a writer appends these records, and compaction follows it; what fails is raised at its end, and listed before."""
    failures: list[BaseException] = []

    def work() -> None:
        try:
            writer = log.open()
            for start in range(0, len(records), 5):
                append(writer, records[start : start + 5])
                if start % 40 == 30:
                    compact(log, pack=20)
        except BaseException as error:  # noqa: BLE001 - for the test to raise
            failures.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        yield failures
    finally:
        worker.join(60)
    assert not failures
