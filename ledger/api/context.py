"""What handlers work with: one of each for a server."""

import asyncio
from typing import TYPE_CHECKING

from ledger.api.metrics import Metrics
from ledger.api.rates import Rates
from ledger.api.registry import Registry
from ledger.api.settings import Settings
from ledger.api.trail import Trail
from ledger.live.sending import Sender
from ledger.live.view import LiveLedger
from ledger.log.ledgerfile import LedgerFile
from ledger.logs import Log
from ledger.storage.store import Store

if TYPE_CHECKING:
    from ledger.api.native.questionpool import QuestionPool

__all__ = ["Context"]


class Context:
    """What handlers work with; they get it as the dependency `context`."""

    def __init__(
        self,
        *,
        store: Store,
        settings: Settings,
        registry: Registry,
        trail: Trail,
        log: Log,
        live: LiveLedger,
        sender: Sender | None,
    ) -> None:
        self.about: LedgerFile = live.about
        self.store = store
        self.settings = settings
        self.registry = registry
        self.trail = trail
        self.log = log
        self.live = live
        self.sender = sender
        self.pool: QuestionPool | None = None
        """Where questions are answered; opened with the first."""
        self.rates = Rates(settings.token_rate, settings.token_burst)
        self.metrics = Metrics()
        self.metrics.watch(live.sizes)
        self.stopping = asyncio.Event()
        """Set when the server was told to stop: streams end."""

    def close(self) -> None:
        """Close what handlers have opened."""
        if self.pool is not None:
            self.pool.close()
