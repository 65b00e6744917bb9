"""A public key that somebody keeps: of one log, or of a ledger and so of all its shards' logs.

Pure: no IO. One Ed25519 key signs for all shards, under each log's own name. Who keeps the ledger's key, under the ledger's
name, can check any of its logs: the log's name takes the place of the ledger's.
"""

import re
from typing import Final

from ledger.errors import IntegrityError
from ledger.proof.checkpoints import Checkpoint, open_checkpoint, read_unverified
from ledger.proof.notes import Verifier

__all__ = ["open_pinned", "verifier_of"]

_SHARD: Final = re.compile(r"/[0-9]{4}")


def verifier_of(origin: str, key: Verifier) -> Verifier:
    """The key for checkpoints of `origin`: the given one where it has that name, or is that of the ledger which the log is of.

    Raises:
        IntegrityError: `wrong_origin`, where the key is another log's or another ledger's.
    """
    if origin == key.name:
        return key
    if "/" not in key.name and origin.startswith(key.name) and _SHARD.fullmatch(origin[len(key.name) :]):
        return key.renamed(origin)
    raise IntegrityError(
        "wrong_origin",
        f"it is of the log {origin!r}, the key is that of {key.name!r}",
        "is this the right verifier key?",
    )


def open_pinned(note: bytes, key: Verifier) -> Checkpoint:
    """Read a signed checkpoint of the log or ledger whose key is given, and verify it.

    Raises:
        IntegrityError: `wrong_origin`, and as `ledger.proof.checkpoints.open_checkpoint`.
    """
    return open_checkpoint(note, verifier_of(read_unverified(note).origin, key))
