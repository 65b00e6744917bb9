"""Deployment ledger: a tamper-evident record of what every serverless script ran, when, and who changed it.

    with ledger.open("./audit") as log:
        for row in log.deployments("checkout"): ...

docs/PYTHON.md shows what can be asked. Nothing is imported before it is.
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.pyapi.given import When
    from ledger.pyapi.log import Log

__all__ = ["__version__", "open"]

__version__ = "0.1.0"


def open(  # noqa: A001 - the verb of this module, as in gzip.open
    location: "str | os.PathLike[str]", *, keys: str | None = None, as_known_at: "When | None" = None
) -> "Log":
    """Open a ledger for questions; a context manager, or to be closed with `close`.

    Args:
        location: its directory, or an object store's URL.
        keys: location of its keys, where they are not in `keys/` below it; without any, people are pseudonyms.
        as_known_at: see only what the ledger had received by then.

    Raises:
        NotFoundError: `no_ledger`, `keys_missing`.
        UsageError: `not_a_directory`, `newer_format`, `bad_time`.
        IntegrityError: `bad_ledger_file`.
        StoreError: `store_unreadable`.
    """
    from ledger.pyapi.log import Log

    return Log(os.fspath(location), keys=keys, as_known_at=as_known_at)
