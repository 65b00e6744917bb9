"""The tokens that a running server takes: read again and again, so that one that is revoked is so within a moment."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from ledger.api.tokenfiles import Presented, StoredTokens, TokenFile, read_tokens
from ledger.errors import LedgerError
from ledger.logs import Log
from ledger.storage.store import Store

__all__ = ["Registry", "Verdict"]

_SOON_S: Final = 0.05
"""A token that is not known is looked for, but not more often than this: whoever guesses costs nobody more."""
_PATIENCE_S: Final = 10.0
"""So long, or for four looks, tokens are taken although the store does not say whether they were revoked."""

Verdict = TokenFile | str
"""The token, or why it is none: `unknown`, `revoked`, `expired`, `stale`."""


class Registry:
    """The tokens of a ledger, read again by a thread of its own from `start` to `stop`.

    `look_after` belongs to one event loop; anything else may be called from any thread.

    Args:
        store: the ledger's.
        check_s: how often to look.
        log: is told of what is damaged, and when the store does not answer.
        clock: what time it is, for tokens that expire.
    """

    def __init__(
        self, store: Store, check_s: float, log: Log, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._check_s = check_s
        self._patience_s = max(_PATIENCE_S, 4 * check_s)
        self._log = log
        self._clock = clock
        self._lock = threading.Lock()
        self._turn = asyncio.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tokens", daemon=True)
        self._stored = StoredTokens({}, {}, [])
        self._read_at = -1e9
        self._tried_at = -1e9
        self._failing = False

    def start(self) -> None:
        """Read the tokens, and go on doing so.

        Raises:
            StoreError: they cannot be read.
        """
        self._stored = read_tokens(self._store)
        self._read_at = time.monotonic()
        self._tell_damaged(())
        self._thread.start()

    def stop(self) -> None:
        """Read them no more."""
        self._stop.set()
        self._thread.join(self._check_s + 5)

    @property
    def count(self) -> int:
        """How many tokens there are, whatever their state."""
        return len(self._stored.tokens)

    @property
    def is_stale(self) -> bool:
        """Whether it is unknown for too long which tokens were revoked."""
        return time.monotonic() - self._read_at > self._patience_s

    def judge(self, presented: Presented) -> Verdict:
        """Whether what was presented is a token that may be used now."""
        token = self._stored.tokens.get(presented.id)
        return "unknown" if token is None or not token.fits(presented) else self.judge_again(token)

    def judge_again(self, token: TokenFile) -> Verdict:
        """Whether a token that was let in may be used still, for who answers for long."""
        if token.id in self._stored.revoked:
            return "revoked"
        if token.expires_at is not None and token.expires_at <= self._clock():
            return "expired"
        return "stale" if self.is_stale else token

    def known(self, token_id: str) -> bool:
        """Whether there is a token with this id."""
        return token_id in self._stored.tokens

    async def look_after(self, moment_s: float) -> None:
        """Return when the tokens were read by a look that began after this moment (monotonic). Whoever waits at once shares it."""
        while self._tried_at < moment_s:
            async with self._turn:
                if self._tried_at < moment_s:
                    await asyncio.sleep(max(0.0, self._tried_at + _SOON_S - time.monotonic()))
                    await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Read the tokens now."""
        with self._lock:
            self._tried_at = time.monotonic()
            before = self._stored
            try:
                self._stored = read_tokens(self._store, before)
            except LedgerError as error:
                if not self._failing:
                    self._log.caution("tokens_unread", error.message, code=error.code)
                self._failing = True
                return
            self._read_at = self._tried_at
            if self._failing:
                self._log.tell("tokens_read", "tokens can be read again")
            self._failing = False
            self._tell_damaged(before.damaged)

    def _watch(self) -> None:
        while not self._stop.wait(self._check_s):
            self.look()

    def _tell_damaged(self, before: "list[str] | tuple[()]") -> None:
        for name in self._stored.damaged:
            if name not in before:
                self._log.caution(
                    "token_damaged", f"{name} is damaged: what it says of a token does not count", name=name
                )
