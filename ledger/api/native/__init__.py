"""The ledger's own API, under `/v1`."""

from litestar import Router
from litestar.di import Provide

from ledger.api.context import Context
from ledger.api.native import evidence, incidents, producing, reaching, scripts, watching
from ledger.api.native.asked import Asked, Listed, asked_of, asker_of, listed_of, watcher_of
from ledger.api.native.ledgerpool import LedgerPool
from ledger.api.native.questionpool import QuestionPool

__all__ = ["native_routes"]


def native_routes() -> list[Router]:
    """The handlers of the ledger's own paths."""
    return [
        Router(
            "/v1",
            route_handlers=[
                *scripts.HANDLERS,
                *incidents.HANDLERS,
                *reaching.HANDLERS,
                *evidence.HANDLERS,
                *watching.HANDLERS,
                *producing.HANDLERS,
            ],
            dependencies={
                "pool": Provide(_pool, sync_to_thread=False),
                "asked": Provide(asked_of),
                "asker": Provide(asker_of),
                "listed": Provide(listed_of),
                "watcher": Provide(watcher_of),
            },
            signature_types=[Asked, QuestionPool, Listed],
        )
    ]


def _pool(context: Context) -> QuestionPool:
    """The server's pool, opened with the first question."""
    if context.pool is None:
        ledgers = LedgerPool(context.settings.ledger, context.settings.keys)
        context.pool = QuestionPool(ledgers, context.live.sizes)
    return context.pool
