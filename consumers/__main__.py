"""`python -m consumers`: the worker process that `ledger worker` starts."""

import argparse
import os
import sys
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from consumers.settings import Settings
from ledger.broker.cluster import Cluster
from ledger.config.catalog import CATALOG
from ledger.config.resolving import Configuration, load
from ledger.config.setting import Kind
from ledger.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, LedgerError, UsageError
from ledger.logs import Log

_TYPES: Final = {Kind.integer: int, Kind.number: float}
"""Of options whose values are not text."""


def main(arguments: list[str] | None = None) -> int:
    """Run a worker; returns the exit code."""
    log = Log()
    try:
        settings = _settings(arguments)
        log = Log(settings.log_format, settings.log_level)
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
    """The settings that arguments, environment and file come to.

    Raises:
        UsageError: `bad_config`, `bad_setting`, `unknown_setting`, `bad_bootstrap`.
    """
    given = _parser().parse_args(arguments)
    flags = {name: value for name, value in vars(given).items() if name not in {"config", "pairs", "embedded"}}
    found = load(os.environ, file=given.config, flags=flags, pairs=given.pairs)
    # An embedded broker has neither TLS nor SASL, whatever is configured for others.
    cluster = Cluster(bootstrap=given.bootstrap) if given.embedded else found.cluster()
    names = set(Settings.__struct_fields__) - {"cluster", "cache"}
    settings = Settings(
        cluster=cluster, cache=_cache(found), **{name: found[name] for name in names if name in found.values}
    )
    if settings.heartbeat_s >= settings.session_timeout_s:
        raise UsageError(
            "bad_setting",
            f"heartbeat_s ({settings.heartbeat_s:g}) must be less than session_timeout_s ({settings.session_timeout_s:g})",
            "a third of it, or less",
        )
    return settings


def _cache(found: Configuration) -> Path | None:
    if found["cache"] is not None:
        return Path(found["cache"])
    return None if "://" in found["ledger"] else Path(found["ledger"]) / "cache"


def _parser() -> argparse.ArgumentParser:
    """Each option of a worker is one of a setting; what is not given is for environment and file to say."""
    parser = argparse.ArgumentParser(prog="ledger worker", description="Fold change events from Kafka into the ledger.")
    for name in ("ledger", "keys", "bootstrap", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--cache")
    for setting in CATALOG:
        if setting.section == "worker" and setting.option and setting.name != "group":
            kind = _TYPES.get(setting.kind, str)
            parser.add_argument(setting.option, dest=setting.name, type=kind, choices=setting.choices or None)
    parser.add_argument("--config")
    parser.add_argument("--set", dest="pairs", action="append", default=[])
    parser.add_argument("--embedded", action="store_true")
    return parser


def end(code: int) -> NoReturn:
    """End the process here, whatever threads of clients or hanging stores are still about: everything that counts is on storage."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    end(main())
