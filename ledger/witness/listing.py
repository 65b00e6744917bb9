"""The witnesses of a ledger as they are listed."""

from msgspec import Struct

from ledger.log.ledgerfile import LedgerFile
from ledger.storage.store import Store
from ledger.witness.registry import list_witnesses
from ledger.witness.stored import newest_sizes

__all__ = ["WitnessRow", "witness_rows"]


class WitnessRow(Struct, frozen=True, kw_only=True):
    """A witness, and how far it has cosigned."""

    id: str
    """Key id, 8 hex digits."""
    witness: str
    """Its name."""
    url: str
    vkey: str
    cosigned: dict[str, int]
    """The largest size cosigned, by shard; only of those of which there is one."""


def witness_rows(store: Store, about: LedgerFile) -> list[WitnessRow]:
    """All witnesses of a ledger, by key id. What they cosigned is taken from the names of what is stored."""
    newest = {shard: newest_sizes(store, shard) for shard in range(about.shards)}
    return [
        WitnessRow(
            id=witness.id,
            witness=witness.verifier.name,
            url=witness.url,
            vkey=witness.vkey,
            cosigned={str(shard): sizes[witness.id] for shard, sizes in newest.items() if witness.id in sizes},
        )
        for witness in list_witnesses(store)
    ]
