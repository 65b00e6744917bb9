"""A worker whose store hangs as long as a file exists: `python -m tests.worker.hanging FILE get|put PREFIX OPTIONS...`."""

import sys
import time
from pathlib import Path
from typing import Any

from consumers import __main__ as worker
from ledger.storage.local import LocalStore


def hang(gate: Path, method: str, prefix: str) -> None:
    """Let a method of the local store wait for a gate where the object's name begins so."""
    real = getattr(LocalStore, method)

    def waiting(self: LocalStore, name: str, *rest: Any) -> Any:
        while name.startswith(prefix) and gate.exists():
            time.sleep(0.02)
        return real(self, name, *rest)

    setattr(LocalStore, method, waiting)


if __name__ == "__main__":
    hang(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
    worker.end(worker.main(sys.argv[4:]))
