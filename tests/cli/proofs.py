"""A ledger by the real writer, for the tests of proofs; and damage to files."""

from pathlib import Path

from ledger.storage.local import LocalStore
from tests.log.rig import Log, append, code, event, record, story

__all__ = ["LAST", "change_file", "write_ledger"]

LAST = 59


def write_ledger(root: Path, *, shards: int = 1) -> Path:
    """Sixty entries of every outcome in shard 0, in segments of seven, the last of them a deployment of acme/shop."""
    log = Log(LocalStore(root), LocalStore(root / "keys"), shards=shards)
    records = [*story(LAST), record(LAST, event("last", "shop", code=code(7), message="the \x1b[31mlast\u009b one"))]
    append(log.open(), records)
    return root


def change_file(path: Path, old: bytes, new: bytes) -> None:
    """Replace bytes in a file that has them."""
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
