"""Tokens for OAUTHBEARER: read from a file, or printed by a command, and got anew before they end."""

import base64
import shlex
import subprocess
import threading
import time
from functools import cache
from pathlib import Path
from typing import Final

import msgspec

from ledger.broker.cluster import Cluster
from ledger.errors import BrokerError

__all__ = ["TokenSource", "token_source"]

_COMMAND_TIMEOUT_S: Final = 30.0
_UNKNOWN_LIFE_S: Final = 60.0
"""How long a token is used that does not say when it ends."""
_MARGIN: Final = 0.2
"""The last part of a token's life, in which another is got already."""


class TokenSource:
    """Where the token of a cluster comes from. For use by any thread.

    A file is read for each connection: whoever writes it keeps it fresh. A command's token is kept until its `exp` (it is a JWT) comes near,
    so that several connections do not run it several times.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._file = cluster.sasl_token_file
        self._command = cluster.sasl_token_command
        self._kept = ""
        self._kept_until = 0.0
        self._lock = threading.Lock()

    def token(self) -> str:
        """A token that holds at this moment.

        Raises:
            BrokerError: `token_failed`; it never quotes what the file or the command said.
        """
        if self._file is not None:
            return _sane(_read(self._file), f"the file {self._file}")
        with self._lock:
            now = time.time()
            if now >= self._kept_until:
                self._kept = _sane(_run(self._command or ""), "sasl_token_command")
                self._kept_until = now + (1 - _MARGIN) * _life_s(self._kept, now)
            return self._kept


@cache
def token_source(cluster: Cluster) -> TokenSource:
    """The one source of a cluster in this process: all its clients share what a command printed."""
    return TokenSource(cluster)


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise _failed(f"the token in {path} cannot be read: {why}", "look at sasl_token_file") from None


def _run(command: str) -> str:
    try:
        done = subprocess.run(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=_COMMAND_TIMEOUT_S,
            check=False,
        )
        output = done.stdout.decode().strip()
    except subprocess.TimeoutExpired:
        raise _failed(f"sasl_token_command has not ended within {_COMMAND_TIMEOUT_S:g} s") from None
    except (
        OSError,
        ValueError,
        IndexError,
    ) as error:  # not there; quotes that do not end, bytes that are no text; nothing
        raise _failed(
            f"sasl_token_command cannot be used: {getattr(error, 'strerror', None) or 'it is no command'}"
        ) from None
    if done.returncode:
        raise _failed(f"sasl_token_command ended with {done.returncode}")
    return output


def _failed(message: str, hint: str = "run it by hand: it is to print a token and nothing else") -> BrokerError:
    return BrokerError("token_failed", message, hint)


def _sane(token: str, origin: str) -> str:
    """What goes into SASL's message as it stands: a separator within it would be another field there."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise _failed(f"{origin} holds no token", "it is to be one line, the token and nothing else")
    return token


def _life_s(token: str, now: float) -> float:
    """For how long a JWT says that it holds; the signature is the broker's business."""
    try:
        claims = token.split(".")[1]
        ends = msgspec.json.decode(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
        return max(0.0, float(ends) - now)
    except (IndexError, KeyError, TypeError, ValueError):  # msgspec's errors are ValueErrors
        return _UNKNOWN_LIFE_S
