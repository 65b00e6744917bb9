"""Modules of two versions as text, line by line, where the blob store has both."""

import difflib
from typing import Any, Final

from ledger.errors import NotFoundError
from ledger.storage.blobs import BlobStore
from ledger.storage.store import Store

__all__ = ["ModuleTexts", "count_lines"]

MAX_BYTES: Final = 1 << 20
MAX_LINES: Final = 20_000
"""Of each side. Larger ones are told by their digests alone: comparing takes time with the square of the lines."""


class ModuleTexts:
    """Unified diffs of modules, read from a ledger's blobs."""

    def __init__(self, store: Store) -> None:
        self._blobs = BlobStore(store)

    def diff(self, name: str, before: Any, after: Any) -> str | None:
        """A unified diff of two modules (their values in a manifest; None where there is none), or None.

        None where bytes are not in the store, are no text, or are too many.

        Raises:
            IntegrityError: `blob_changed`.
        """
        old, new = self._lines(before), self._lines(after)
        if old is None or new is None:
            return None
        lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

    def _lines(self, module: Any) -> list[str] | None:
        if module is None:
            return []
        if not isinstance(module, dict) or not isinstance(module.get("sha256"), str):
            return None
        if not isinstance(module.get("size"), int) or module["size"] > MAX_BYTES:
            return None
        try:
            text = self._blobs.get(module["sha256"]).decode()
        except (NotFoundError, UnicodeDecodeError):
            return None
        lines = text.split("\n")
        if len(lines) > MAX_LINES or "\0" in text:
            return None
        return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def count_lines(diff: str | None) -> tuple[int, int]:
    """How many lines a unified diff adds and removes."""
    body = (diff or "").split("\n")[2:]
    return sum(line.startswith("+") for line in body), sum(line.startswith("-") for line in body)
