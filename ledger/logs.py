"""The own lines of a worker or server on stderr: plain text for people, one JSON object a line for programs.

`ready`, the count at the end and errors are always said, whatever the level: commands and tests wait for them. In text they stand alone on
their lines, without a time.
"""

import json
import logging
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from ledger.errors import LedgerError

__all__ = ["LEVELS", "Log", "Stray"]

LEVELS: Final = ("info", "warning", "error")


class Log:
    """Where a process says what it does. For any thread.

    Args:
        output: `text`, `json`, or `auto`: text on a terminal and JSON elsewhere.
        level: what is said at least.
        stream: stderr, where none is given.
    """

    def __init__(self, output: str = "auto", level: str = "info", stream: IO[str] | None = None) -> None:
        # Python has no stderr where that was closed.
        self._stream: IO[str] = stream or sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        self._is_json = output == "json" or (output == "auto" and not self._stream.isatty())
        self._least = LEVELS.index(level)
        self._lock = threading.Lock()

    def tell(self, event: str, message: str, **fields: Any) -> None:
        """What goes as it should. `event` is stable, `message` one sentence, `fields` JSON values."""
        self._say("info", event, message, fields)

    def caution(self, event: str, message: str, **fields: Any) -> None:
        """What somebody may have to look at."""
        self._say("warning", event, message, fields)

    def ready(self) -> None:
        """A worker consumes, or stands by."""
        self._end("info", "ready", "ready", {}, "ready")

    def stopped(self, records: int) -> None:
        """It ended as it was asked."""
        message = f"stopped after {records} records"
        self._end("info", "stopped", message, {"records": records, "exit_code": 0}, message)

    def failed(self, error: LedgerError) -> None:
        """It ended of an error."""
        fields = {"code": error.code, "hint": error.hint, "exit_code": error.exit_code}
        hint = f"\nhint: {error.hint}" if error.hint else ""
        self._end("error", "stopped", error.message, fields, f"error: {error.message}{hint}")

    def crashed(self, error: BaseException, exit_code: int) -> None:
        """It ended of an error that nobody foresaw."""
        message = f"{type(error).__name__}: {error}"
        fields = {"code": "internal", "hint": "set LEDGER_DEBUG=1 to see where", "exit_code": exit_code}
        self._end("error", "stopped", message, fields, f"internal error: {message}")

    def _say(self, level: str, event: str, message: str, fields: dict[str, Any]) -> None:
        if LEVELS.index(level) >= self._least:
            text = f"{_now()[11:19]}Z {level:<7} {event}: {message}"
            self._end(level, event, message, fields, text)

    def _end(self, level: str, event: str, message: str, fields: dict[str, Any], text: str) -> None:
        if self._is_json:
            text = json.dumps({"time": _now(), "level": level, "event": event, "message": message} | fields)
        try:
            with self._lock:
                self._stream.write(text + "\n")
                self._stream.flush()
        except (OSError, ValueError):
            return  # nobody reads it any more: that is no reason to stop


class Stray(logging.Handler):
    """Hands what libraries log to a `Log`."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Say it."""
        self._log.caution("library", f"{record.name}: {record.getMessage()}", logger=record.name)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
