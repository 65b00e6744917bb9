"""A log whose entries are the leaves of the published vectors: `0`, `1`, ... They are no entries of a deployment ledger."""

from base64 import b64decode

import msgspec

from ledger.log.segments import encode_segment
from ledger.proof.checkpoints import Checkpoint, sign
from ledger.proof.merkle import Frontier, Size
from ledger.proof.notes import Signer
from ledger.storage import layout
from tests.log.rig import SHARD, Log
from tests.proof.trees import leaves

__all__ = ["grow", "signer_of"]


def signer_of(log: Log) -> Signer:
    """What signs the checkpoints of the ledger's first shard."""
    return Signer("test/0000", b64decode(msgspec.json.decode(log.keys.get("signing.json"))["seed"]))


def grow(log: Log, *sizes: int) -> None:
    """Write segments that end at these sizes."""
    reached = len(log.lines())
    for size in sizes:
        frontier = Frontier()
        frontier.extend(leaves(size))
        checkpoint = Checkpoint(origin="test/0000", size=Size(size), root=frontier.root())
        lines = [str(index).encode() for index in range(reached, size)]
        log.store.put(layout.segment(SHARD, reached), encode_segment(lines, sign(checkpoint, signer_of(log))))
        reached = size
