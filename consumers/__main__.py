"""`python -m consumers`: the worker process that `ledger worker` starts."""

import argparse
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from consumers.logs import FORMATS, LEVELS, Log
from consumers.settings import Settings
from ledger.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, LedgerError

_SECONDS: Final = {
    "--session-timeout": "session_timeout_s",
    "--slow-step": "slow_step_s",
    "--hung-step": "hung_step_s",
    "--stop-timeout": "stop_timeout_s",
    "--summary": "summary_s",
}
"""Options in seconds, and their settings."""


def main(arguments: list[str] | None = None) -> int:
    """Run a worker; returns the exit code."""
    settings = _settings(arguments)
    log = Log(settings.log_format, settings.log_level)
    try:
        from consumers.worker import run

        records = run(settings, log)
    except LedgerError as error:
        log.failed(error)
        return error.exit_code
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last resort of the process
        if os.environ.get("LEDGER_DEBUG"):
            traceback.print_exc()
        log.crashed(error, EXIT_INTERNAL)
        return EXIT_INTERNAL
    log.stopped(records)
    return 0


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
    for name in ("batch_records", "batch_bytes", "batch_age_ms"):
        parser.add_argument("--" + name.replace("_", "-"), dest=name, type=int, default=defaults[name])
    for option, name in _SECONDS.items():
        parser.add_argument(option, dest=name, type=float, default=defaults[name])
    parser.add_argument("--metrics-port", type=int)
    parser.add_argument("--metrics-host", default=defaults["metrics_host"])
    parser.add_argument("--log-format", choices=FORMATS, default=defaults["log_format"])
    parser.add_argument("--log-level", choices=LEVELS, default=defaults["log_level"])
    return Settings(**vars(parser.parse_args(arguments)))


def end(code: int) -> NoReturn:
    """End the process here, whatever threads of clients or hanging stores are still about: everything that counts is on storage."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    end(main())
