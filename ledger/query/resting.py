"""What an answer rests on: of each shard the first signed checkpoint that has all the entries that were seen."""

from msgspec import Struct, structs

from ledger.query.opened import OpenLedger
from ledger.query.packs import boundaries
from ledger.query.segments import ShardPrefix, checkpoint_of
from ledger.storage import layout

__all__ = ["Rest", "rests_on"]


class Rest(Struct, frozen=True, kw_only=True):
    """A shard's checkpoint under an answer. Its signature is not checked here: `ledger verify` does that."""

    shard: int
    entries: int
    """How many were seen, from the first on: all that the checkpoint has, but where the ledger was asked as it was known earlier."""
    size: int
    """Of the checkpoint."""
    root: str
    """Its root hash, base64."""


def rests_on(ledger: OpenLedger) -> list[Rest]:
    """The checkpoints of the shards that have entries, as the ledger was seen last.

    Raises:
        IntegrityError: `segment_without_checkpoint`, `bad_pack`.
        StoreError: `store_unreadable`.
    """
    return [_rest(shard) for shard in ledger.shards if shard.size]


def _rest(prefix: ShardPrefix) -> Rest:
    note = prefix.checkpoint
    if _size(note) < prefix.size:
        note = checkpoint_of(prefix.segments[-1].path) if prefix.segments else _in_pack(prefix)
    return Rest(shard=prefix.shard, entries=prefix.size, size=_size(note), root=note.split("\n", 3)[2])


def _in_pack(prefix: ShardPrefix) -> str:
    """The checkpoint of the segment, now in a pack, in which the prefix ends."""
    last = structs.replace(prefix.packs[-1], size=layout.MAX_INDEX)
    return next(note for end, note in boundaries([last]) if end >= prefix.size).decode()


def _size(note: str) -> int:
    return int(note.split("\n", 2)[1]) if note else 0
