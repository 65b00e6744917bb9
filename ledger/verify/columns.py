"""The columns of a pack against the entries that they stand beside."""

from typing import Final

from ledger.log.packfile import PackFile

_DIFFERS: Final = """lines."index" IS DISTINCT FROM (e ->> '$.index')::BIGINT
    OR lines.recorded_at IS DISTINCT FROM (e ->> '$.recorded_at')::TIMESTAMPTZ"""

__all__ = ["first_differing"]


def first_differing(pack: PackFile, start: int, end: int) -> int | None:
    """The first index from `start` to below `end` at which a column is not what the entry says, or None.

    Raises:
        IntegrityError: `bad_pack`: it cannot be read, or a column has another type.
        StoreError: likewise, for what the store says.
    """
    return pack.first_differing("decode(entry)::JSON", _DIFFERS, start, end)
