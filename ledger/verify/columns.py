"""The columns of a pack against the entries that they stand beside."""

from ledger.compact.columns import DIFFERS, parsed
from ledger.log.packfile import PackFile

__all__ = ["first_differing"]


def first_differing(pack: PackFile, start: int, end: int) -> int | None:
    """The first index from `start` to below `end` at which a column is not what the entry says, or None.

    Raises:
        IntegrityError: `bad_pack`: it cannot be read, or a column has another type.
        StoreError: likewise, for what the store says.
    """
    return pack.first_differing(parsed("decode(entry)"), DIFFERS, start, end)
