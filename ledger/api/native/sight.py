"""What whoever asks sees of the ledger: accounts, sizes, names. Pure."""

from datetime import datetime
from hashlib import sha256

import msgspec

__all__ = ["Sight"]


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """A question is asked of this; the same question of the same sight has the same answer."""

    sizes: tuple[int, ...]
    """Entries of each shard, in order."""
    accounts: tuple[str, ...] | None
    """Only these, sorted; None: all, and what belongs to no account."""
    named: bool
    """Whether people are named; else they are pseudonyms."""
    known_at: datetime | None = None
    """Only what had been recorded by then."""

    def tag(self, question: str) -> str:
        """A name for the answer to a question (32 hex digits): another prefix, another caller's view, another name."""
        return sha256(msgspec.json.encode((self, question))).hexdigest()[:32]
