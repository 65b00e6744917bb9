"""A copy of the log as files, of a ledger in an object store: DuckDB reads files without any extension."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from ledger.errors import NotFoundError, StoreError
from ledger.storage import layout
from ledger.storage.store import Store

__all__ = ["copy_log"]

_COPIED: Final = (layout.parse_segment, layout.parse_pack, layout.parse_index, layout.parse_index_ids)


def copy_log(store: Store, root: Path) -> None:
    """Copy the segments, packs and indexes that a directory lacks; objects never change, so what it has is good.

    One copy may be read while it is extended. What was compacted since it was copied stays, and is not read any more.

    Raises:
        StoreError: `no_space_for_copy`, and what the store raises.
    """
    # Packs are listed when the segments were copied: what was compacted meanwhile is in one of them.
    for name in chain(store.list(layout.LOG), *(_names_of(store, prefix) for prefix in (layout.PACKS, layout.INDEX))):
        if not any(parse(name) for parse in _COPIED):
            continue
        path = root / name
        if path.exists():
            continue
        aside = path.with_name(f".{path.name}.tmp")
        try:
            data = store.get(name)
        except NotFoundError:
            continue  # compacted since it was listed; what replaced it is listed by the next question
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(data)
            aside.replace(path)
        except OSError as error:
            raise StoreError("no_space_for_copy", f"cannot copy the log to {root}: {error.strerror}") from error


def _names_of(store: Store, prefix: str) -> Iterator[str]:
    yield from store.list(prefix)  # when it is asked for, not before
