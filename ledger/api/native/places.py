"""The place of a reader of the stream, as the id of its last event: how many entries of each shard came before. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from ledger.errors import InputError

__all__ = ["format_places", "parse_places"]

_PLACES: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})(?:\.(?:0|[1-9][0-9]{0,15}))*")
_MAX_CHARACTERS: Final = 64 << 10


def format_places(places: Sequence[int]) -> str:
    """The id: `41.7` after 41 entries of shard 0 and 7 of shard 1."""
    return ".".join(map(str, places))


def parse_places(text: str, shards: int) -> list[int]:
    """The places that an id says.

    Raises:
        InputError: `bad_place`.
    """
    if len(text) <= _MAX_CHARACTERS and _PLACES.fullmatch(text):
        places = [int(part) for part in text.split(".")]
        if len(places) == shards:
            return places
    raise InputError(
        "bad_place", "Last-Event-ID is no place in this log", "give the id of the last event as it was, or none"
    )
