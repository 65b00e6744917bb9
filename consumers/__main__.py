"""`python -m consumers`: the worker process that `ledger worker` starts."""

import argparse
import os
import sys
import traceback
from pathlib import Path

from consumers.settings import Settings
from ledger.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, LedgerError


def main(arguments: list[str] | None = None) -> int:
    """Run a worker; returns the exit code."""
    settings = _settings(arguments)
    try:
        from consumers.worker import run

        records = run(settings)
    except LedgerError as error:
        _say(f"error: {error.message}")
        if error.hint:
            _say(f"hint: {error.hint}")
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort of the process
        if os.environ.get("LEDGER_DEBUG"):
            traceback.print_exc()
        _say(f"internal error: {type(error).__name__}: {error}")
        return EXIT_INTERNAL
    _say(f"stopped after {records} records")
    return 0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _settings(arguments: list[str] | None) -> Settings:
    names = Settings.__struct_fields__[-len(Settings.__struct_defaults__) :]
    defaults = dict(zip(names, Settings.__struct_defaults__, strict=True))
    parser = argparse.ArgumentParser(prog="ledger worker", description="Fold change events from Kafka into the ledger.")
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--keys", required=True)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--until-idle", dest="until_idle_s", type=float)
    for name in ("batch_records", "batch_bytes", "batch_age_ms", "compact_entries"):
        parser.add_argument("--" + name.replace("_", "-"), dest=name, type=int, default=defaults[name])
    for name in ("compact_age_s", "compact_check_s"):
        parser.add_argument("--" + name[:-2].replace("_", "-"), dest=name, type=float, default=defaults[name])
    parser.add_argument(
        "--session-timeout", dest="session_timeout_s", type=float, default=defaults["session_timeout_s"]
    )
    return Settings(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    # The process ends here whatever threads of clients are still about: everything that counts is on storage.
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
