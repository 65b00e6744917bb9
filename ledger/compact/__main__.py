"""`python -m ledger.compact`: one compaction of some shards, as the worker starts it beside itself."""

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

from ledger.compact.compacting import Policy, compact_shard
from ledger.errors import EXIT_INTERNAL, LedgerError
from ledger.log.ledgerfile import read_ledger_file
from ledger.storage.opening import open_store

_NICE: Final = 10


def main(arguments: list[str] | None = None) -> int:
    """Compact; returns the exit code. Why it failed is the one line on stderr."""
    parser = argparse.ArgumentParser(prog="python -m ledger.compact")
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--shard", type=int, action="append", required=True)
    parser.add_argument("--pack-entries", type=int, required=True)
    parser.add_argument("--older-than-s", type=float, required=True)
    given = parser.parse_args(arguments)
    # Only full packs: what makes none yet is compacted when it does.
    policy = Policy(
        pack_entries=given.pack_entries,
        least_entries=given.pack_entries,
        older_than=timedelta(seconds=given.older_than_s),
    )
    try:
        os.nice(_NICE)
        store = open_store(given.ledger)
        file = read_ledger_file(store)
        for shard in given.shard:
            compact_shard(store, file, shard, policy, datetime.now(UTC))
    except LedgerError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort of the process
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return EXIT_INTERNAL
    return 0


if __name__ == "__main__":
    sys.exit(main())
